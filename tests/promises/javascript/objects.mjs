// The classes that tests/javascript.rs and tests/javascript_sockets.rs serve.
//
// A path is a check of `checks.mjs`, which answers `ok` or fails, or one of the routes below.
import { DurableObject, RpcTarget } from "cloudflare:workers";
import * as checks from "./checks.mjs";

const HELLO_GZIP = "H4sIAAAAAAACA8tIzcnJBwCGphA2BQAAAA==";

let left = 0; // requests whose client has gone
let cancelled = 0; // streams that were cancelled
let waiting = [];

export class Objects extends DurableObject {
  label = "not to be called";
  kept = null;

  constructor(ctx, env) {
    super(ctx, env);
    if (ctx.id.name === "called-back-at-start") {
      ctx.blockConcurrencyWhile(async () => {
        this.atStart = await this.other().apply((value) => `${value} at start`, "called");
      });
    } else if (ctx.id.name === "listens-at-start") {
      ctx.blockConcurrencyWhile(async () => {
        const upgrade = { headers: { Upgrade: "websocket" } };
        const { webSocket } = await env.sockets.getByName("at-start").fetch("http://room/", upgrade);
        webSocket.accept();
        const { data } = await new Promise((heard) => webSocket.addEventListener("message", heard, { once: true }));
        const closed = new Promise((ended) => webSocket.addEventListener("close", ended));
        webSocket.close(1000, "heard");
        await closed;
        this.atStart = data;
      });
    }
  }

  async fetch(request) {
    const url = new URL(request.url);
    const route = url.pathname.split("/").slice(3).join("/");
    if (route in checks) {
      await checks[route](this, request);
      return new Response("ok");
    }
    switch (route) {
      case "echo":
        return new Response(request.body);
      case "who":
        return new Response(`${this.ctx.id} ${this.ctx.forkedFrom} ${this.ctx.id.name}`);
      case "chance": {
        const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]);
        const bytes = [crypto.getRandomValues(new Uint8Array(16)), new Uint8Array(await crypto.subtle.exportKey("raw", key))];
        return new Response([crypto.randomUUID(), ...bytes.map((drawn) => drawn.toHex())].join("\n"));
      }
      case "count": {
        const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
        await this.ctx.storage.put("count", count);
        return new Response(String(count));
      }
      case "throw":
        throw new RangeError("thrown on purpose");
      case "throw-text":
        throw "only a text";
      case "no-response":
        return { status: 200 };
      case "later":
        this.ctx.waitUntil(scheduler.wait(1).then(() => failing()));
        return new Response("ok");
      case "wait":
        await new Promise((resolve) => waiting.push(resolve));
        return new Response("released");
      case "release":
        for (const resolve of waiting.splice(0)) resolve();
        return new Response("ok");
      case "until-left":
        await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
        left++;
        return new Response("nobody reads this");
      case "left":
        return new Response(String(left));
      case "endless":
        return new Response(
          new ReadableStream({
            async pull(controller) {
              controller.enqueue(new TextEncoder().encode("begun"));
              await scheduler.wait(20);
            },
            cancel: () => void cancelled++,
          }),
        );
      case "elsewhere": {
        const { searchParams } = url;
        return new Response("go", { status: Number(searchParams.get("status")), headers: { location: searchParams.get("to") } });
      }
      case "seen":
        return Response.json([request.url, request.method, await request.text(), Object.fromEntries(request.headers)]);
      case "compressed":
        return new Response("hello ".repeat(1000), { headers: { "content-encoding": "gzip", "content-length": "6000" } });
      case "compressed-by-hand": {
        const bytes = Uint8Array.fromBase64(HELLO_GZIP).slice(0, Number(url.searchParams.get("bytes") ?? 25));
        return new Response(bytes, { headers: { "content-encoding": "gzip" }, encodeBody: "manual" });
      }
      case "passed-on":
        return this.other("afar").fetch("http://objects/objects/afar/compressed");
      case "unpacked": {
        const { body } = await this.other("afar").fetch("http://objects/objects/afar/compressed");
        return new Response(body);
      }
      case "cancelled":
        return new Response(String(cancelled));
      case "objects-in-memory":
        __cqjs.runGc();
        return new Response(String(__cqjs.getMemoryUsage().objCount));
      case "memory-bytes":
        __cqjs.runGc();
        return new Response(String(__cqjs.getMemoryUsage().mallocSize));
      case "busy":
        await busy(this, url.searchParams.get("with"));
        return new Response("ok");
      case "at-start":
        return new Response(this.atStart);
      case "unread":
        return new Response("not read");
    }
    return new Response("not found", { status: 404 });
  }

  other(name = "other") {
    return this.env.objects.getByName(name);
  }

  // What others call.

  get version() {
    return 7;
  }

  get nested() {
    return { deep: { twice: (value) => 2 * value } };
  }

  add(...numbers) {
    return numbers.reduce((sum, number) => sum + number, 0);
  }

  echo(value) {
    return value;
  }

  whoAmI() {
    return { id: this.ctx.id.toString(), name: this.ctx.id.name };
  }

  counter() {
    return new Counter();
  }

  async apply(callback, ...values) {
    return callback(...values);
  }

  applied(callback, value) {
    return callback(value);
  }

  // What another object gave out.
  async counterOf(name) {
    return await this.other(name).counter();
  }

  stubOf(name) {
    return this.other(name);
  }

  async askedBy(stub) {
    return [(await stub.whoAmI()).name, await (await stub.fetch("http://objects/objects/x/left")).text(), "id" in stub];
  }

  counterOfMine(told) {
    return { counter: new Told(told.dup()) };
  }

  same(one, other) {
    return one === other;
  }

  async write(stream, ...chunks) {
    const writer = stream.getWriter();
    for (const chunk of chunks) await writer.write(chunk);
    await writer.close();
  }

  writeLater(stream) {
    setTimeout(() => this.write(stream, "later"), 1);
  }

  giveUp(stream) {
    return stream.abort();
  }

  keep(callback) {
    this.kept = callback.dup();
  }

  async callKept(...values) {
    return this.kept(...values);
  }

  fail() {
    throw Object.assign(new TypeError("not like this"), { code: 17, detail: { why: ["a", "b"] } });
  }

  throwing(what) {
    throw { exception: new DOMException("q", "QuotaExceededError"), object: { a: [1] }, named: Object.assign(new Error("n"), { name: "AbortError" }), text: "t" }[what];
  }

  made() {
    return new Response("made", { status: 201, statusText: "Made It" });
  }

  length(stream) {
    return new Response(stream).text().then((text) => text.length);
  }

  numbers(count) {
    let at = 0;
    return new ReadableStream({
      pull(controller) {
        if (at === count) controller.close();
        else controller.enqueue(new TextEncoder().encode(`${at++} `));
      },
    });
  }

  answer(request) {
    return new Response(`${request.method} ${request.headers.get("x-test")}`, { status: 201, headers: { "x-answer": "yes" } });
  }
}

async function busy(object, what) {
  const { storage } = object.ctx;
  if (what === "storage") await storage.put("k", { a: [1, 2, 3] });
  if (what === "sql") storage.sql.exec("SELECT value FROM json_each(?)", JSON.stringify([...Array(100).keys()])).next();
  if (what === "calls") await object.other().apply((value) => value, 1);
  if (what === "counters") (await object.other().counter()).add(1);
  if (what === "requests") await object.other().fetch("http://objects/objects/other/unread");
  if (what === "timers") clearTimeout(setTimeout(() => {}, 1));
}

class Counter extends RpcTarget {
  value = 0;

  add(number) {
    return (this.value += number);
  }
}

// Tells when nobody holds it any more.
export class Told extends RpcTarget {
  #told;

  constructor(told) {
    super();
    this.#told = told;
  }

  hello() {
    return "hello";
  }

  [Symbol.dispose]() {
    this.#told("disposed");
  }
}

async function failing() {
  throw new Error("failed in the background");
}

// As classes were written before there was `DurableObject`.
export class Old {
  constructor(state, env) {
    this.state = state;
    this.env = env;
  }

  async fetch() {
    const visits = ((await this.state.storage.get("visits")) ?? 0) + 1;
    await this.state.storage.put("visits", visits);
    if (visits === 2) {
      try {
        await this.env.old.getByName("another").add(1);
      } catch (error) {
        return new Response(error.message);
      }
    }
    return new Response(String(visits));
  }

  add() {}
}

export class Sockets extends DurableObject {
  plain = [];

  async fetch(request) {
    const url = new URL(request.url);
    if (url.searchParams.has("left")) return this.#left();
    const pair = new WebSocketPair();
    const [client, server] = Object.values(pair);
    if (url.searchParams.has("plain")) {
      server.accept();
      server.addEventListener("message", ({ data }) => server.send(`plain ${data}`));
      server.send(`of ${this.ctx.getWebSockets().length}`);
    } else {
      this.ctx.acceptWebSocket(server, ["all", url.searchParams.get("tag") ?? "none"]);
      server.serializeAttachment({ since: new Date(0), tags: new Set(["x"]) });
      server.send(`of ${this.ctx.getWebSockets("all").length}`);
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  alarm() {}

  async setAlarm(time) {
    await this.ctx.storage.setAlarm(time);
    return this.ctx.storage.getAlarm();
  }

  async webSocketMessage(socket, message) {
    if (typeof message !== "string") return socket.send(new Uint8Array(message).map((byte) => byte + 1));
    switch (message) {
      case "attachment": {
        const { since, tags } = socket.deserializeAttachment();
        return socket.send(`${since.getTime()} ${[...tags]}`);
      }
      case "tags":
        return socket.send(this.ctx.getTags(socket).join(" "));
      case "close":
        return socket.close(4001, "as you wish");
      case "throw":
        throw new Error("thrown at a message");
      case "abort":
        return this.ctx.abort("reset on purpose");
    }
    for (const other of this.ctx.getWebSockets()) other.send(message);
  }

  async webSocketClose(socket, code, reason) {
    for (const other of this.ctx.getWebSockets()) if (other !== socket) other.send(`gone ${code} ${reason}`);
    this.last = socket;
    socket.close(code, reason);
  }

  // What can be done with a socket whose client has left.
  #left() {
    let sent = "said to nobody";
    try {
      this.last.send("nobody hears this");
    } catch (error) {
      sent = error.message;
    }
    this.last.close(1000, "again");
    const { since } = this.last.deserializeAttachment();
    return new Response(`${this.last.readyState} ${since.getTime()} ${sent}`);
  }
}
