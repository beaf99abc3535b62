// Headers.

import { equal, ok, same, test, throws } from "./harness.js";

test("headers: names have no case, values no white space around them", () => {
  const headers = new Headers({ "Content-Type": " text/plain\t", "X-A": 1 });
  equal(headers.get("content-type"), "text/plain");
  equal(headers.get("x-a"), "1");
  equal(headers.get("x-b"), null);
  ok(headers.has("CONTENT-TYPE"));
});

test("headers: several of a name are one, but for Set-Cookie", () => {
  const headers = new Headers([["a", "1"], ["A", "2"], ["set-cookie", "x=1"], ["Set-Cookie", "y=2"]]);
  equal(headers.get("a"), "1, 2");
  same(headers.getSetCookie(), ["x=1", "y=2"]);
  equal(headers.get("set-cookie"), "x=1, y=2");
  same([...headers], [["a", "1, 2"], ["set-cookie", "x=1"], ["set-cookie", "y=2"]].map((pair) => pair));
  headers.set("set-cookie", "z=3");
  same(headers.getSetCookie(), ["z=3"]);
});

test("headers: they are gone through by name, also while they change", () => {
  const headers = new Headers({ c: "3", a: "1", b: "2" });
  same(headers.keys(), ["a", "b", "c"]);
  same(headers.values(), ["1", "2", "3"]);
  const seen = [];
  for (const [name] of headers) {
    seen.push(name);
    if (name === "a") headers.append("d", "4");
    if (name === "b") headers.delete("d");
  }
  same(seen, ["a", "b", "c"]);
});

test("headers: what cannot be sent is refused", () => {
  const headers = new Headers();
  for (const name of ["", "a b", "a:", "é", "\n"]) throws(TypeError, () => headers.append(name, "x"), JSON.stringify(name));
  for (const value of ["a\nb", "a\0", "\r\nx: y\r\nz"]) throws(TypeError, () => headers.append("a", value), JSON.stringify(value));
  throws(TypeError, () => headers.get());
  throws(TypeError, () => new Headers([["a"]]));
  throws(TypeError, () => new Headers(null));
  throws(TypeError, () => new Headers("a: b"));
  throws(TypeError, () => headers.get("a b"));
});

test("headers: a copy is its own, and what came with a request cannot be changed", () => {
  const headers = new Headers({ a: "1" });
  const copy = new Headers(headers);
  copy.set("a", "2");
  equal(headers.get("a"), "1");
  throws(TypeError, () => Response.redirect("http://a/").headers.set("a", "1"));
  const response = new Response(null, { headers });
  response.headers.append("a", "3");
  equal(headers.get("a"), "1");
});
