// Request, Response, Blob, File and FormData.

import { equal, ok, rejects, same, test, throws } from "./harness.js";
import { fieldsOf, requestOf, responseOf, sourceOf, streamOf, takeSource } from "../../src/platform/http.js";

const encode = (text) => new TextEncoder().encode(text);
const streamed = (...chunks) =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encode(chunk));
      controller.close();
    },
  });

test("bodies: each kind can be read in each way", async () => {
  const form = new FormData();
  form.append("a", "1");
  for (const [body, type, text] of [
    ["héllo", "text/plain;charset=UTF-8", "héllo"],
    [encode("bytes"), null, "bytes"],
    [encode("buffer").buffer, null, "buffer"],
    [new DataView(encode("xviewx").buffer, 1, 4), null, "view"],
    [new Blob(["blob"], { type: "a/b" }), "a/b", "blob"],
    [new Blob(["blob"]), null, "blob"],
    [new URLSearchParams("a=b c"), "application/x-www-form-urlencoded;charset=UTF-8", "a=b+c"],
    [streamed("stre", "am"), null, "stream"],
    [42, "text/plain;charset=UTF-8", "42"],
    ["", "text/plain;charset=UTF-8", ""],
    [null, null, ""],
  ]) {
    const make = () => new Response(body instanceof ReadableStream ? streamed("stre", "am") : body);
    equal(make().headers.get("content-type"), type, text);
    equal(await make().text(), text);
    equal(new TextDecoder().decode(await make().arrayBuffer()), text);
    equal(new TextDecoder().decode(await make().bytes()), text);
    const blob = await make().blob();
    equal(await blob.text(), text);
    equal(blob.type, (type ?? "").toLowerCase());
    let whole = "";
    for await (const chunk of make().body ?? []) whole += new TextDecoder().decode(chunk);
    equal(whole, text);
  }
  ok(new Response(form).headers.get("content-type").startsWith("multipart/form-data; boundary="));
});

test("bodies: one is read once, and says so", async () => {
  for (const body of ["x", streamed("x"), encode("x")]) {
    const response = new Response(body);
    equal(response.bodyUsed, false);
    await response.text();
    equal(response.bodyUsed, true);
    await rejects(TypeError, response.text());
    await rejects(TypeError, response.json());
    throws(TypeError, () => response.clone());
    ok(response.body.locked);
  }
  const none = new Response(null);
  equal(await none.text(), "");
  equal(await none.text(), "");
  equal(none.bodyUsed, false);
  equal(none.body, null);
});

test("bodies: reading the stream uses the body, locking it keeps others out", async () => {
  const response = new Response("abc");
  const reader = response.body.getReader();
  equal(response.bodyUsed, false);
  await rejects(TypeError, response.text());
  equal(new TextDecoder().decode((await reader.read()).value), "abc");
  equal(response.bodyUsed, true);
  ok((await reader.read()).done);
});

test("bodies: JSON is read and written, with and without a BOM", async () => {
  same(Object.entries(await new Response('\ufeff{"a":1}').json()).flat(), ["a", 1]);
  await rejects(SyntaxError, new Response("{").json());
  const made = Response.json({ b: [1] }, { status: 201, headers: { "x-y": "z" } });
  same([made.status, made.headers.get("content-type"), made.headers.get("x-y"), await made.text()], [201, "application/json", "z", '{"b":[1]}']);
  equal(Response.json(1, { headers: { "content-type": "a/b" } }).headers.get("content-type"), "a/b");
  throws(TypeError, () => Response.json(undefined));
  throws(TypeError, () => Response.json(Symbol()));
});

test("bodies: copies are read apart", async () => {
  for (const body of ["x", streamed("x", "yz"), encode("q")]) {
    const response = new Response(body, { headers: { a: "1" } });
    const copy = response.clone();
    copy.headers.set("a", "2");
    equal(response.headers.get("a"), "1");
    equal(await copy.text(), await response.text());
  }
});

test("bodies: who reads bytes may change them", async () => {
  const given = encode("abc");
  const blob = new Blob(["abc"]);
  const response = new Response(given);
  const copies = [await response.clone().bytes(), await response.bytes(), await new Response(blob).bytes(), await blob.bytes(), await new Response("").bytes(), await new Response().bytes()];
  for (const copy of copies) copy.fill(0);
  equal(new Set(copies.map(({ buffer }) => buffer)).size, copies.length);
  equal(await blob.text(), "abc");
  equal(await new Response(given).text(), "abc");
});

test("bodies: a response's status and headers are checked", () => {
  for (const status of [199, 600, 0, 1000, NaN]) throws(RangeError, () => new Response(null, { status }), status);
  throws(RangeError, () => new Response(null, { status: 101 }));
  for (const status of [204, 205, 304]) throws(TypeError, () => new Response("x", { status }), status);
  throws(TypeError, () => new Response(null, { statusText: "a\nb" }));
  const response = new Response("x", { status: 404, statusText: "Nope", headers: [["a", "b"]] });
  same([response.status, response.statusText, response.ok, response.type, response.url, response.redirected], [404, "Nope", false, "default", "", false]);
  equal(new Response().ok, true);
  const redirect = Response.redirect("http://a/b", 307);
  same([redirect.status, redirect.headers.get("location")], [307, "http://a/b"]);
  throws(RangeError, () => Response.redirect("http://a/b", 200));
  throws(TypeError, () => Response.redirect("/relative"));
  same([Response.error().type, Response.error().status], ["error", 0]);
  const socket = {};
  ok(new Response(null, { status: 101, webSocket: socket }).webSocket === socket);
});

test("bodies: a request is made of an address and options", async () => {
  const request = new Request("http://EXAMPLE.com/a b?c#d", { method: "post", headers: { a: "b" }, body: "x" });
  same([request.method, request.url, request.headers.get("a"), request.redirect], ["POST", "http://example.com/a%20b?c#d", "b", "follow"]);
  equal(request.headers.get("content-type"), "text/plain;charset=UTF-8");
  equal(await request.text(), "x");
  equal(new Request(new URL("http://a/")).method, "GET");
  equal(new Request("http://a/", { method: "patch" }).method, "PATCH");
  equal(new Request("http://a/", { method: "custom" }).method, "custom");
  throws(TypeError, () => new Request("relative"));
  throws(TypeError, () => new Request());
  throws(TypeError, () => new Request("http://a/", { body: "x" }));
  throws(TypeError, () => new Request("http://a/", { method: "GET", body: "x" }));
  throws(TypeError, () => new Request("http://a/", { method: "a b" }));
  throws(TypeError, () => new Request("http://a/", { method: "TRACE" }));
  throws(TypeError, () => new Request("http://a/", { redirect: "maybe" }));
  throws(TypeError, () => new Request("http://a/", { signal: {} }));
});

test("bodies: a request made of a request takes its body, unless it has another", async () => {
  const first = new Request("http://a/", { method: "PUT", body: "x", headers: { a: "1" } });
  const second = new Request(first, { headers: { b: "2" } });
  ok(first.bodyUsed);
  same([second.method, second.url, second.headers.get("a"), second.headers.get("b"), await second.text()], ["PUT", "http://a/", null, "2", "x"]);
  throws(TypeError, () => new Request(first));
  const third = new Request("http://b/", new Request("http://a/", { method: "POST", body: "y" }));
  same([third.method, third.url, await third.text()], ["POST", "http://b/", "y"]);
  const other = new Request("http://a/", { method: "POST", body: "y" });
  equal(await new Request(other, { body: "z" }).text(), "z");
  equal(other.bodyUsed, false);
});

test("bodies: a request follows its signal", () => {
  const controller = new AbortController();
  const request = new Request("http://a/", { signal: controller.signal });
  const copy = request.clone();
  controller.abort("x");
  same([request.signal.aborted, copy.signal.reason], [true, "x"]);
  equal(new Request("http://a/").signal.aborted, false);
});

test("bodies: what comes from the host is only looked at when it is asked for", async () => {
  let asked = 0;
  const fields = [["content-type", encode("application/json")], ["set-cookie", encode("a=ü")], ["set-cookie", encode("b")]];
  const request = requestOf({
    method: "POST", url: "http://a/b", fields, source: encode('{"a":1}'), signal: () => (asked++, new AbortController().signal),
  });
  equal(asked, 0);
  ok(fieldsOf(request.headers) === fields);
  equal(request.headers.get("content-type"), "application/json");
  same(request.headers.getSetCookie(), ["a=ü", "b"]);
  throws(TypeError, () => request.headers.set("a", "b"));
  ok(fieldsOf(request.headers) === fields);
  ok(request.signal === request.signal);
  equal(asked, 1);
  equal((await request.json()).a, 1);
  const changed = new Headers(request.headers);
  changed.set("x", "é");
  same(fieldsOf(changed).at(-1)[1], encode("é"));
});

test("bodies: a source passes from one message to another untouched", async () => {
  const source = { reads: 0, async read() { return this.reads++ === 0 ? encode("once") : null; }, cancel() {} };
  const request = requestOf({ method: "POST", url: "http://a/", fields: [], source });
  const response = new Response(request.body);
  ok(takeSource(response) === source);
  equal(source.reads, 0);
  throws(TypeError, () => takeSource(response));
  throws(TypeError, () => takeSource(request));
  equal(takeSource(new Response(null)), null);
  const bytes = encode("x");
  same(takeSource(responseOf({ status: 200, fields: [], source: bytes })), bytes);
  const again = sourceOf(streamOf({ read: async () => null, cancel() {} }));
  equal(await again.read(), null);
});

test("bodies: a stream's source gives its chunks, breaks with it, and can be cancelled", async () => {
  const source = takeSource(new Response(streamed("a", "b")));
  equal(new TextDecoder().decode(await source.read()), "a");
  equal(new TextDecoder().decode(await source.read()), "b");
  equal(await source.read(), null);
  const broken = takeSource(new Response(new ReadableStream({ pull: (controller) => controller.error(new RangeError("broken")) })));
  await rejects(RangeError, broken.read());
  await rejects(TypeError, takeSource(new Response(new ReadableStream({ pull: (controller) => controller.enqueue("text") }))).read());
  let reason;
  takeSource(new Response(new ReadableStream({ cancel: (given) => (reason = given) }))).cancel("enough");
  equal(reason, "enough");
});

test("bodies: a source that breaks off makes reading fail, and cancelling reaches it", async () => {
  const broken = () => ({ async read() { throw new RangeError("gone"); }, cancel() {} });
  await rejects(RangeError, responseOf({ status: 200, fields: [], source: broken() }).text());
  await rejects(RangeError, responseOf({ status: 200, fields: [], source: broken() }).body.getReader().read());
  let reason;
  const source = { read: async () => encode("x"), cancel: (given) => (reason = given) };
  await responseOf({ status: 200, fields: [], source }).body.cancel("enough");
  equal(reason, "enough");
});

test("bodies: blobs are cut, joined and typed", async () => {
  const blob = new Blob(["ab", Uint8Array.of(99, 100), new Blob(["ef"])], { type: "Text/PLAIN" });
  same([blob.size, blob.type, await blob.text()], [6, "text/plain", "abcdef"]);
  equal(await blob.slice(1, 3).text(), "bc");
  equal(await blob.slice(-2).text(), "ef");
  equal(await blob.slice(4, 2).text(), "");
  equal(blob.slice(0, 1, "a/b").type, "a/b");
  let streamedText = "";
  for await (const chunk of blob.stream()) streamedText += new TextDecoder().decode(chunk);
  equal(streamedText, "abcdef");
  const file = new File(["x"], "näme", { type: "a/b", lastModified: 7 });
  same([file.name, file.lastModified, file.size, file instanceof Blob], ["näme", 7, 1, true]);
  throws(TypeError, () => new Blob("x"));
  throws(TypeError, () => new File(["x"]));
  const given = Uint8Array.of(1);
  const kept = new Blob([given]);
  given[0] = 2;
  same(await kept.bytes(), [1]);
});

test("bodies: a form comes back as it was sent", async () => {
  const form = new FormData();
  form.append("text", "a\r\nb");
  form.append('na"me', "ü €");
  form.append("file", new File([Uint8Array.of(0, 255, 13, 10, 45, 45)], 'fi"le\n.bin', { type: "x/y" }));
  form.append("blob", new Blob(["x"]), "given.txt");
  form.append("text", "second");
  const received = await new Request("http://a/", { method: "POST", body: form }).formData();
  same(received.getAll("text"), ["a\r\nb", "second"]);
  equal(received.get('na"me'), "ü €");
  const file = received.get("file");
  same([file.name, file.type, file.size], ['fi"le\n.bin', "x/y", 6]);
  same(await file.bytes(), [0, 255, 13, 10, 45, 45]);
  same([received.get("blob").name, received.get("blob").type, received.get("none")], ["given.txt", "application/octet-stream", null]);
});

test("bodies: forms of other senders are read too", async () => {
  const parse = (body, type) => new Response(body, { headers: { "content-type": type } }).formData();
  const multipart = 'preamble\r\n--B\r\nContent-Disposition: form-data; name=plain\r\n\r\nx\r\n--B\r\nCONTENT-DISPOSITION: form-data; filename="a.txt"; name="f"\r\nContent-Type: text/css\r\n\r\n--not\r\n--B--\r\nepilogue';
  const form = await parse(multipart, 'multipart/form-data; boundary="B"');
  equal(form.get("plain"), "x");
  same([form.get("f").name, form.get("f").type, await form.get("f").text()], ["a.txt", "text/css", "--not"]);
  same((await parse("a=1&b=%C3%A4&a=2", "application/x-www-form-urlencoded")).getAll("a"), ["1", "2"]);
  for (const [body, type] of [
    ["x", "text/plain"], ["x", "multipart/form-data"], ["x", "multipart/form-data; boundary=B"],
    ["--B\r\nContent-Disposition: form-data; name=a\r\n\r\nunfinished", "multipart/form-data; boundary=B"],
    ["--B\r\n\r\nno name\r\n--B--", "multipart/form-data; boundary=B"],
  ]) {
    await rejects(TypeError, parse(body, type), body);
  }
});

test("bodies: a form's fields are set, found and removed", () => {
  const form = new FormData();
  form.append("a", "1");
  form.append("b", "2");
  form.append("a", "3");
  form.set("a", "4");
  same([...form].flat(), ["a", "4", "b", "2"]);
  form.delete("a");
  ok(!form.has("a") && form.has("b"));
  same(form.keys(), ["b"]);
  throws(TypeError, () => form.append("a", "x", "name"));
  equal(form.get("x"), null);
});
