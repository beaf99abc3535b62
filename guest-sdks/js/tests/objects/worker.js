// Promises of objects to each other, which hold at Cloudflare too: `GET /Subject/NAME/PATTERN` runs
// those whose names have the pattern in them, inside the object NAME; `GET /Subject/NAME` lists them.

import { inspect } from "node:util";
import { DurableObject, RpcTarget, WorkerEntrypoint, exports } from "cloudflare:workers";
import { equal, names, ok, rejects, run, same, test, throws } from "../platform/harness.js";

const MIB = 1 << 20;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const messageOf = async (work) => {
  try {
    await work();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
  return "it did not fail";
};

let here; // the object that runs the tests
const other = (name = "other") => here.env.Other.getByName(`${name} of ${here.ctx.id}`);

export class Subject extends DurableObject {
  async fetch(request) {
    here = this;
    this.host = new URL(request.url).host;
    const [, , , pattern] = new URL(request.url).pathname.split("/");
    return Response.json(pattern === undefined ? names() : await run(decodeURIComponent(pattern)));
  }
}

const endless = (cancel) =>
  new ReadableStream({
    type: "bytes",
    async pull(controller) {
      await pause(5);
      controller.enqueue(new Uint8Array(10));
    },
    cancel,
  });

class Counter extends RpcTarget {
  value = 0;

  add(number) {
    return (this.value += number);
  }

  get self() {
    return this;
  }
}

export class Other extends DurableObject {
  #bytes = 0;
  #error = null;

  plain() {
    return { a: 1, deep: { b: "two" }, none: undefined, list: [1, 2], f: (x) => 2 * x };
  }

  get version() {
    return "1";
  }

  text() {
    return "a text";
  }

  list() {
    return [1, 2, 3];
  }

  counter() {
    return new Counter();
  }

  // Reads the stream when the call has long been answered.
  takeLater(stream, isAwaited) {
    const reading = (async () => {
      await pause(100);
      for await (const chunk of stream) this.#bytes += chunk.length;
    })();
    if (isAwaited) this.ctx.waitUntil(reading);
    reading.catch((error) => (this.#error = String(error)));
  }

  failAlone() {
    return this.ctx.blockConcurrencyWhile(() => {
      throw new RangeError("alone");
    });
  }

  ignore() {}

  taken() {
    return [this.#bytes, this.#error];
  }

  bytes(count) {
    return new Uint8Array(count).fill(7);
  }

  manyBytes(count) {
    return { first: new Uint8Array(count), second: [new Uint8Array(count), "end"] };
  }

  letters(count, letter) {
    return letter.repeat(count);
  }

  lengthOf(value) {
    return value.length;
  }

  #release = null;

  // Its event has something else to wait for too, or not.
  async released(what) {
    const released = new Promise((resolve, reject) => (this.#release = { resolve, reject }));
    const others = { nothing: () => [], timer: () => [pause(600_000)], call: () => [this.env.Other.getByName("never").never()] };
    return Promise.race([released, ...others[what]()]);
  }

  // When the event above has begun.
  async release(how, value) {
    while (this.#release === null) await pause(1);
    this.#release[how](how === "reject" ? new Error(value) : value);
    this.#release = null;
  }

  never() {
    return pause(600_000);
  }

  #read = "nothing";

  read() {
    return this.#read;
  }

  async #readAll(request) {
    let count = 0;
    try {
      for await (const chunk of request.body) count += chunk.length;
      this.#read = "all";
    } catch (error) {
      this.#read = error.name;
    }
    return new Response(`${count}`);
  }

  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/url") return new Response(request.url);
    if (pathname === "/read") return this.#readAll(request);
    if (pathname === "/length") return new Response(request.headers.get("content-length"));
    if (pathname === "/section") return new Response(await this.ctx.blockConcurrencyWhile(() => request.text()));
    if (pathname === "/transaction") return new Response(await this.ctx.storage.transaction(() => request.text()));
    if (pathname === "/endless") return new Response(endless());
    if (pathname === "/twice") return this.#acceptTwice();
    return new Response(new Uint8Array(Number(pathname.slice(1)) || 0));
  }

  // What becomes of either end of a pair that is accepted again.
  async #acceptTwice() {
    const [theirs, ours] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(ours);
    const said = [];
    for (const work of [() => this.ctx.acceptWebSocket(ours), () => this.ctx.acceptWebSocket(theirs), () => ours.accept()]) said.push(await messageOf(work));
    ours.serializeAttachment(said);
    const [late, client] = Object.values(new WebSocketPair());
    client.accept();
    said.push(await messageOf(() => this.ctx.acceptWebSocket(late)));
    ours.send(JSON.stringify(said));
    return new Response(null, { status: 101, webSocket: theirs });
  }
}

export class Entry extends WorkerEntrypoint {
  hi(name) {
    return `hi ${name}`;
  }

  counter() {
    return new Counter();
  }

  changed(object) {
    object.changed = true;
    return object;
  }

  props() {
    return this.ctx.props;
  }

  async name(stub) {
    return (await stub.text()).length;
  }

  fail() {
    throw new RangeError("on purpose");
  }

  async fetch(request) {
    return new Response(`entry ${new URL(request.url).pathname}`);
  }
}

// What becomes of each way to a socket.
function socketsInFront(env) {
  const headers = { Upgrade: "websocket" };
  const ways = [
    async () => env.Other.getByName("front").fetch("http://other/twice", { headers }),
    async () => fetch("http://127.0.0.1/", { headers }),
    async () => new WebSocket("ws://127.0.0.1/"),
  ];
  return Promise.all(ways.map(messageOf));
}

export default {
  async fetch(request, env) {
    const [, className, name] = new URL(request.url).pathname.split("/");
    if (className === "echo") return new Response(`${request.url} ${request.headers.get("authorization")}`);
    if (className === "sockets") return Response.json(await socketsInFront(env));
    if (className === "fetched") return new Response("default");
    return env[className].getByName(name).fetch(request);
  },
};

// Tags

test("objects: a tag is counted in bytes, before the socket is taken", () => {
  const { 1: socket } = new WebSocketPair();
  const tag = "é".repeat(129);
  equal(throws(Error, () => here.ctx.acceptWebSocket(socket, [tag])).message, `"${tag}" is longer than the max tag length (256 characters).`);
  here.ctx.acceptWebSocket(socket, ["é".repeat(128)]);
});

// Streams

const streamOf = (count, size) => {
  let left = count;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array(size));
      else controller.close();
    },
  });
};

for (const isAwaited of [true, false]) {
  test(`objects: a stream is read after the call that brought it, ${isAwaited ? "in waitUntil()" : "by work that goes on"}`, async () => {
    const callee = other(`${isAwaited}`);
    await callee.takeLater(streamOf(5, 1000), isAwaited);
    for (let tries = 0; tries < 50 && String(await callee.taken()) === "0,"; tries++) await pause(50);
    await pause(100);
    same(await callee.taken(), [5000, null]);
  });
}

// Cloudflare's tells it at some time.
if (globalThis.__cqjs !== undefined) {
  test("objects: who writes a stream that nobody takes learns of it", async () => {
    const { promise, resolve } = Promise.withResolvers();
    const stream = new ReadableStream({ type: "bytes", pull: (controller) => controller.enqueue(new Uint8Array(100_000)), cancel: resolve });
    await other().ignore(stream);
    equal((await promise).message, "the reader has gone");
  });
}

const abortedBody = async (body) => {
  const stub = other();
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 50);
  const answer = stub.fetch("http://other/read", { method: "POST", body, signal: controller.signal });
  equal((await rejects(DOMException, answer)).name, "AbortError");
  for (let tries = 0; tries < 50 && (await stub.read()) === "nothing"; tries++) await pause(20);
  ok((await stub.read()) !== "all" && (await stub.read()) !== "nothing", await stub.read());
};

test("objects: a request that is aborted ends its body, for who gives it and who reads it", async () => {
  const told = Promise.withResolvers();
  await abortedBody(endless(told.resolve));
  await told.promise;
});

test("objects: a request that is aborted ends a body that it passes on", async () => {
  await abortedBody((await other("first").fetch("http://other/endless")).body);
});

test("objects: a body is read within a section and a transaction", async () => {
  for (const path of ["section", "transaction"]) {
    const [first, last] = ["here ", "and there"].map((text) => new TextEncoder().encode(text));
    const body = new ReadableStream({
      type: "bytes",
      async start(controller) {
        controller.enqueue(first);
        await pause(50);
        controller.enqueue(last);
        controller.close();
      },
    });
    equal(await (await other(path).fetch(`http://other/${path}`, { method: "POST", body })).text(), "here and there");
  }
});

test("objects: a request says how long its body is", async () => {
  const length = async (init) => (await other().fetch("http://other/length", init)).text();
  equal(await length({ method: "POST", body: "abc" }), "3");
  equal(await length({ method: "POST", body: "abc", headers: { "content-length": "3" } }), "3");
  equal(await length({}), "");
});

test("objects: an answer to HEAD has no body", async () => {
  const response = await other().fetch("http://other/100", { method: "HEAD" });
  equal((await response.arrayBuffer()).byteLength, 0);
});

// Transactions

test("objects: a transaction is rolled back at once", async () => {
  const { storage } = here.ctx;
  await storage.transaction(async (transaction) => {
    await transaction.put("undone", 1);
    transaction.rollback();
    transaction.rollback();
    equal(await storage.get("undone"), undefined);
    await storage.put("kept", 1);
    await storage.transaction(async (later) => later.put("later", 1));
  });
  same([await storage.get("undone"), await storage.get("kept"), await storage.get("later")], [undefined, 1, 1]);
  let kept;
  await storage.transaction(async (transaction) => {
    kept = transaction;
    await transaction.put("outer", 1);
    await storage.transaction(async (inner) => {
      await inner.put("inner", 1);
      equal(throws(Error, () => transaction.rollback()).message, "Cannot roll back an outer transaction while a nested transaction is still running.");
    });
  });
  same([await storage.get("outer"), await storage.get("inner")], [1, 1]);
  ok(/already committed/.test(throws(Error, () => kept.rollback()).message));
});

test("objects: what runs alone is a function", async () => {
  const { ctx } = here;
  const wrong = (name, type) => `TypeError: Failed to execute '${name}' on '${type}': parameter 1 is not of type 'function'.`;
  equal(await messageOf(() => ctx.blockConcurrencyWhile(5)), wrong("blockConcurrencyWhile", "DurableObjectState"));
  equal(await messageOf(() => ctx.storage.transaction()), wrong("transaction", "DurableObjectStorage"));
  equal(await messageOf(() => ctx.storage.transactionSync({})), wrong("transactionSync", "DurableObjectStorage"));
});

test("objects: an error that ends a section keeps its name", async () => {
  const error = await rejects(RangeError, other("failing").failAlone());
  equal(error.message, "alone");
  equal(error.durableObjectReset, true);
});

// Sockets

test("objects: a socket is accepted once", async () => {
  const response = await other().fetch("http://other/twice", { headers: { Upgrade: "websocket" } });
  const socket = response.webSocket;
  const said = new Promise((done) => socket.addEventListener("message", ({ data }) => done(JSON.parse(data))));
  socket.accept();
  const used = "Error: Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.";
  same(await said, [
    "Error: Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`",
    used,
    "TypeError: Can't accept() WebSocket after enabling hibernation.",
    used,
  ]);
  equal(throws(TypeError, () => socket.send()).message, "Failed to execute 'send' on 'WebSocket': parameter 1 is not of type 'ArrayBuffer or ArrayBufferView or string'.");
  throws(TypeError, () => socket.send(Symbol()));
  equal(String(socket), "[object WebSocket]");
  socket.close();
});

test("objects: tags are a list", () => {
  const { 1: socket } = new WebSocketPair();
  throws(TypeError, () => here.ctx.acceptWebSocket(socket, "tag"));
  throws(TypeError, () => here.ctx.getTags({}));
  throws(Error, () => here.ctx.getTags(socket));
  throws(TypeError, () => new WebSocketRequestResponsePair("ping"));
  equal(WebSocketRequestResponsePair.name, "WebSocketRequestResponsePair");
});

// Stubs

test("objects: a stub is a text", async () => {
  const stub = other();
  equal(`${stub}`, "[object DurableObject]");
  equal(String(stub), "[object DurableObject]");
  equal(stub.toString(), "[object DurableObject]");
  equal(stub.then, undefined);
  const { name } = stub;
  equal(JSON.stringify({ stub }), JSON.stringify({ stub: { name, id: { name } } }));
  const counter = await stub.counter();
  same([stub.constructor.name, counter.constructor.name], ["DurableObject", "RpcStub"]);
  equal(JSON.stringify([counter, stub.counter]), "[null,null]");
  equal(`${counter} ${stub.text} ${stub.counter().add}`, "[object JsRpcStub] [object JsRpcProperty] [object JsRpcProperty]");
  ok((await stub) === stub);
  ok(stub.hasOwnProperty("x") === false);
});

test("objects: stubs are shown as what they are", async () => {
  const stub = other();
  const counter = stub.counter();
  same([stub.text, counter, await counter, here.ctx.exports.Entry].map((value) => inspect(value)), [
    "RpcProperty {}", "RpcPromise {}", "RpcStub {}", "LoopbackServiceStub {}",
  ]);
  ok(/^DurableObject \{\s+name: '.*',\s+id: DurableObjectId \{/.test(inspect(stub)), inspect(stub));
});

// Exports

test("objects: entrypoints are called by their export", async () => {
  ok(exports === here.ctx.exports || exports.Entry !== undefined);
  const { Entry: entry } = here.ctx.exports;
  equal(await entry.hi("you"), "hi you");
  equal(await entry.counter().add(3), 3);
  const mine = { changed: false };
  same(Object.entries(await entry.changed(mine)), [["changed", true]]);
  equal(mine.changed, false);
  same(Object.entries(await entry.props()), []);
  same(Object.entries(await entry({ props: { a: 1 } }).props()), [["a", 1]]);
  equal(await entry.name(other()), 6);
  equal((await rejects(RangeError, entry.fail())).message, "on purpose");
  await rejects(TypeError, entry.nothing());
  equal(await (await entry.fetch("http://entry/path")).text(), "entry /path");
  equal(await (await here.ctx.exports.default.fetch("http://default/fetched")).text(), "default");
});

// Pipelining

test("objects: what is missing in a result is said", async () => {
  const stub = other();
  const missing = (name) => `TypeError: The RPC receiver does not implement the method "${name}".`;
  equal(await messageOf(() => stub.plain().zz()), missing("zz"));
  equal(await messageOf(() => stub.plain().zz), missing("zz"));
  equal(await messageOf(() => stub.plain().deep.zz), missing("zz"));
  equal(await messageOf(() => stub.text().length), missing("length"));
  equal(await messageOf(() => stub.text().slice(1)), missing("slice"));
  equal(await messageOf(() => stub.list().length), missing("length"));
  equal(await messageOf(() => stub.plain().list.x), missing("list"));
  equal(await messageOf(() => stub.plain().a()), 'TypeError: "a" is not a function.');
  equal(await messageOf(() => stub.plain()()), 'TypeError: "(this)" is not a function.');
  equal(await messageOf(() => stub.version.x), missing("version"));
  equal(await stub.list()[0], undefined);
  equal(await stub.plain().deep.b, "two");
  equal(await messageOf(async () => (await stub.counter())()), 'TypeError: "(this)" is not a function.');
  equal(await stub.plain().f(4), 8);
  equal(await stub.counter().self.self.add(2), 2);
});

// Long values

for (const [what, size] of [["16 MiB", 16 * MIB], ["24 MiB", 24 * MIB], ["nearly 32 MiB", 32 * MIB - 100]]) {
  test(`objects: a result may have ${what}`, async () => equal((await other().bytes(size)).length, size));
  test(`objects: an argument may have ${what}`, async () => equal(await other().lengthOf(new Uint8Array(size)), size));
  test(`objects: a text that is a result may have ${what}`, async () => equal((await other().letters(size, "x")).length, size));
  test(`objects: a text that is an argument may have ${what}`, async () => equal(await other().lengthOf("x".repeat(size)), size));
}

test("objects: long values lie beside others", async () => {
  const stub = other();
  const { first, second } = await stub.manyBytes(8 * MIB);
  same([first.length, second[0].length, second[1]], [8 * MIB, 8 * MIB, "end"]);
  equal(await stub.letters(MIB - 1, "aé€😀"), "aé€😀".repeat(MIB - 1));
});

test("objects: longer ones are refused", async () => {
  const stub = other();
  const limit = /^Error: Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: \d{8} bytes\.$/;
  for (const work of [() => stub.bytes(33 * MIB), () => stub.lengthOf(new Uint8Array(33 * MIB)), () => stub.letters(33 * MIB, "x")]) {
    const said = await messageOf(work);
    ok(limit.test(said), said);
  }
});

test("objects: long responses leave nothing behind", async () => {
  const stub = other();
  for (let count = 0; count < 20; count++) {
    const response = await stub.fetch(`http://other/${8 * MIB}`);
    equal((await response.arrayBuffer()).byteLength, 8 * MIB);
  }
});

// Events that others complete

for (const what of ["nothing", "timer", "call"]) {
  test(`objects: an event is over when another completes it, while it waits for a ${what}`, async () => {
    for (const value of ["first", "second"]) {
      const released = other(what).released(what);
      await other(what).release("resolve", value);
      equal(await released, value);
    }
    const failed = other(what).released(what);
    await other(what).release("reject", "no");
    equal((await rejects(Error, failed)).message, "no");
  });
}

// Namespaces

test("objects: a namespace says what its functions take", () => {
  const { Other: namespace } = here.env;
  const types = { idFromName: "string", idFromString: "string", getByName: "string", get: "DurableObjectId" };
  for (const [name, type] of Object.entries(types)) {
    equal(throws(TypeError, () => namespace[name]()).message, `Failed to execute '${name}' on 'DurableObjectNamespace': parameter 1 is not of type '${type}'.`);
    if (type === "string") equal(throws(TypeError, () => namespace[name](Symbol())).message, "Cannot convert a Symbol value to a string");
  }
  equal(String(namespace.idFromName(undefined)), String(namespace.idFromName("undefined")));
  throws(TypeError, () => namespace.get("a"));
  throws(TypeError, () => namespace.newUniqueId(5));
  equal(throws(TypeError, () => namespace.idFromString(5)).message, "Invalid Durable Object ID: must be 64 hex digits");
});

// Addresses

test("objects: name and password of an address are not sent", async () => {
  const response = await fetch(`http://u:p@${here.host}/echo/url`);
  equal(response.url, `http://u:p@${here.host}/echo/url`);
  equal(await response.text(), `http://${here.host}/echo/url null`);
  equal(await (await other().fetch("http://u:p@other/url")).text(), "http://other/url");
});

// The Worker in front

// Cloudflare's has sockets.
if (globalThis.__cqjs !== undefined) {
  test("objects: the Worker in front has no sockets", async () => {
    const said = await (await fetch(`http://${here.host}/sockets`)).json();
    for (const each of said) ok(each.startsWith("Error: A Worker in front of objects has no WebSockets of its own"), each);
  });
}

// Timers of Node.js

test("objects: a timer is an object", async () => {
  let runs = 0;
  equal(setTimeout(() => {}).constructor.name, "Timeout");
  equal(setImmediate(() => {}).constructor.name, "Immediate");
  const timer = setTimeout(() => runs++, 10);
  equal(typeof timer, "object");
  ok(timer.hasRef() && timer.unref() === timer && !timer.hasRef() && timer.ref().hasRef());
  equal(typeof +timer, "number");
  await pause(30);
  equal(runs, 1);
  ok(timer.refresh() === timer);
  await pause(30);
  equal(runs, 2);
  const never = [setTimeout(() => runs++, 1), setTimeout(() => runs++, 1), setInterval(() => runs++, 1)];
  clearTimeout(never[0]);
  clearTimeout(+never[1]);
  never[2].close();
  clearImmediate(setImmediate(() => runs++));
  await pause(20);
  equal(runs, 2);
});
