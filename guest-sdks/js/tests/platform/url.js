// URL, URLSearchParams and URLPattern.

import { equal, ok, same, test, throws } from "./harness.js";

const parts = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];

// Each line: the URL, its base or "-", and what it becomes.
const resolved = `
http://example.com - http://example.com/
HTTP://EXAMPLE.com:80/a/../b?c#d - http://example.com/b?c#d
https://example.com:443 - https://example.com/
https://example.com:8443/ - https://example.com:8443/
http://example.com:080/ - http://example.com/
http://user:p%40ss@host/x - http://user:p%40ss@host/x
http://192.168.0.1/ - http://192.168.0.1/
http://192.168.257/ - http://192.168.1.1/
http://0x7f.1/ - http://127.0.0.1/
http://[::1]:3000/x - http://[::1]:3000/x
http://[1:0::0:1]/ - http://[1::1]/
http://faß.ExAmPlE/ - http://xn--fa-hia.example/
http://☕.example/ - http://xn--53h.example/
http://日本語.jp/ - http://xn--wgv71a119e.jp/
http://ＧＯ.com/ - http://go.com/
http://ex%41mple.com/ - http://example.com/
http://a/b/./c/../d - http://a/b/d
http://a/%2e%2e/b - http://a/b
http://a/b%2Fc - http://a/b%2Fc
http://a/ä?ö#ü - http://a/%C3%A4?%C3%B6#%C3%BC
http://a/b"<>\`{}^c - http://a/b%22%3C%3E%60%7B%7D%5Ec
http://a/?'"<> - http://a/?%27%22%3C%3E
http://a/?{}|\\^ - http://a/?{}|\\^
http://a\\b\\c - http://a/b/c
http:a http://x/y/z http://x/y/a
//b/c https://a/d https://b/c
/b/c?d https://a:9/x/y?z#q https://a:9/b/c?d
b https://a/x/y https://a/x/b
../b https://a/x/y/z https://a/x/b
?q https://a/x/y?z#q https://a/x/y?q
#f https://a/x?z https://a/x?z#f
http://a/? - http://a/?
http://a/# - http://a/#
mailto:x@y - mailto:x@y
data:text/plain,a - data:text/plain,a
file:///C|/x - file:///C:/x
foo://Bar/../x - foo://Bar/x
javascript:alert(1) - javascript:alert(1)
ws://a:80/b - ws://a/b
wss://a:443/b - wss://a/b
http://a.b-c.d1/~x;y=1,2/@ - http://a.b-c.d1/~x;y=1,2/@
http://a/x[1]|y - http://a/x[1]|y
http://1e2.com/ - http://1e2.com/
http://a.0x1f/ - -
http://a.1/ - -
http://256.0.0.1/ - -
http://a:65536/ - -
http://a:x/ - -
http://a b/ - -
http://a%zz/ - -
http://[::1/ - -
http:// - -
//a - -
x - -
http://xn--/ - -
http://a<b/ - -
`.trim().split("\n").map((line) => line.split(" "));

test("url: an address is resolved and written as the standard has it", () => {
  for (const line of resolved) {
    const expected = line.at(-1);
    const base = line.at(-2) === "-" ? undefined : line.at(-2);
    const text = line.slice(0, -2).join(" ");
    if (expected === "-") {
      throws(TypeError, () => new URL(text, base), text);
      equal(URL.canParse(text, base), false, text);
      equal(URL.parse(text, base), null, text);
    } else {
      equal(new URL(text, base).href, expected, text);
      equal(URL.canParse(text, base), true, text);
    }
  }
});

test("url: white space and line breaks around and within an address are dropped", () => {
  equal(new URL("  http://a/b\tc\n ").href, "http://a/bc");
});

// Of what the quick way and the long way take, the parts are the same.
test("url: the parts of a plain address are those of the long way", () => {
  for (const text of [
    "http://localhost:8787/counter/alice/x?y=1&z=a%20b#top", "https://a.b.c", "https://a.b.c:443/", "http://127.0.0.1:80/?#", "https://x/a//b/?q=?&r=/#/#",
  ]) {
    const quick = new URL(text);
    const long = new URL(`\t${text}`);
    for (const part of parts) equal(quick[part], long[part], `${part} of ${text}`);
  }
});

test("url: each part can be set, and what it cannot be is ignored", () => {
  for (const [from, part, value, expected] of [
    ["http://a/b", "protocol", "https", "https://a/b"],
    ["http://a/b", "protocol", "mailto", "http://a/b"],
    ["http://a:8080/b", "port", "80", "http://a/b"],
    ["http://a/b", "port", "90x", "http://a:90/b"],
    ["http://a/b", "port", "99999", "http://a/b"],
    ["http://a:1/b", "port", "", "http://a/b"],
    ["http://a/b", "host", "c:7", "http://c:7/b"],
    ["http://a:1/b", "hostname", "c", "http://c:1/b"],
    ["http://a/b", "hostname", "", "http://a/b"],
    ["http://a/b", "pathname", "c d/../e?", "http://a/e%3F"],
    ["http://a/b", "search", "?c=d e", "http://a/b?c=d%20e"],
    ["http://a/b?c", "search", "", "http://a/b"],
    ["http://a/b", "hash", "x y", "http://a/b#x%20y"],
    ["http://a/b#c", "hash", "", "http://a/b"],
    ["http://a/b", "username", "me@", "http://me%40@a/b"],
    ["http://a/b", "password", "p:", "http://:p%3A@a/b"],
    ["mailto:x", "host", "a", "mailto:x"],
    ["mailto:x", "pathname", "y", "mailto:x"],
  ]) {
    const url = new URL(from);
    url[part] = value;
    equal(url.href, expected, `${from} ${part} = ${value}`);
  }
  const url = new URL("http://a/b?c=1");
  url.href = "https://d/?e=2";
  equal(url.searchParams.get("e"), "2");
  throws(TypeError, () => (url.href = "x"));
  equal(JSON.stringify({ url }), '{"url":"https://d/?e=2"}');
});

test("url: the parameters of a URL are the URL's", () => {
  const url = new URL("http://a/?x=1&y=2");
  url.searchParams.append("z", "ä b");
  equal(url.href, "http://a/?x=1&y=2&z=%C3%A4+b");
  url.searchParams.delete("x");
  url.searchParams.delete("y");
  url.searchParams.delete("z");
  equal(url.href, "http://a/");
  url.search = "q=7";
  equal(url.searchParams.get("q"), "7");
  const params = url.searchParams;
  url.search = "";
  equal(params.size, 0);
  ok(url.searchParams === params);
});

test("url: parameters are read as a form's", () => {
  for (const [query, ...pairs] of [
    ["a=b&c=d", "a=b", "c=d"],
    ["?a=b", "a=b"],
    ["a", "a="],
    ["=b", "=b"],
    ["&&a=1&", "a=1"],
    ["a=b=c", "a=b=c"],
    ["a+b=c%20d", "a b=c d"],
    ["a=%zz%41", "a=%zzA"],
    ["a=%e2%82", "a=\ufffd"],
    ["a=%C3%A4", "a=ä"],
    ["ä=€", "ä=€"],
  ]) {
    same(Array.from(new URLSearchParams(query), ([name, value]) => `${name}=${value}`), pairs, query);
  }
});

test("url: parameters are written as a form's", () => {
  const params = new URLSearchParams([["a b", "~!'()*-._"], ["ä", "&=+%"], ["\ud800", ""]]);
  equal(params.toString(), "a+b=%7E%21%27%28%29*-._&%C3%A4=%26%3D%2B%25&%EF%BF%BD=");
});

test("url: parameters are made of objects, pairs and other parameters", () => {
  equal(new URLSearchParams({ a: 1, b: true }).toString(), "a=1&b=true");
  equal(new URLSearchParams(new URLSearchParams("a=1&a=2")).toString(), "a=1&a=2");
  equal(new URLSearchParams(new Map([["x", "y"]])).toString(), "x=y");
  equal(new URLSearchParams(undefined).toString(), "");
  equal(new URLSearchParams(null).toString(), "null=");
  throws(TypeError, () => new URLSearchParams([["a"]]));
});

test("url: parameters are found, set, counted, sorted and gone through", () => {
  const params = new URLSearchParams("b=1&a=2&b=3&c=4");
  same(params.getAll("b"), ["1", "3"]);
  equal(params.get("x"), null);
  ok(params.has("b", "3") && !params.has("b", "2"));
  params.set("b", "9");
  equal(params.toString(), "b=9&a=2&c=4");
  params.append("a", "0");
  params.sort();
  equal(params.toString(), "a=2&a=0&b=9&c=4");
  params.delete("a", "2");
  equal(params.size, 3);
  same(params.keys(), ["a", "b", "c"]);
  const seen = [];
  params.forEach((value, name, whole) => seen.push(name, value, whole === params));
  same(seen, ["a", "0", true, "b", "9", true, "c", "4", true]);
  throws(TypeError, () => params.get());
});

test("url: a pattern names parts of an address", () => {
  const pattern = new URLPattern({ pathname: "/books/:id/:page(\\d+)?" });
  ok(pattern.test("https://a/books/7"));
  ok(!pattern.test("https://a/books/7/x"));
  const found = pattern.exec("https://a/books/7/12").pathname.groups;
  equal(found.id, "7");
  equal(found.page, "12");
  ok(new URLPattern("https://*.example.com/*").test("https://a.example.com/b"));
});
