// Runs the steps of a case on Cloudflare's own runtime; ../../README.md says what each step means.
//
// A callback API takes the place of begin and commit here, so a section of the script is a
// recursion: `run` goes on until the step that closes the section it was called for.
import { DurableObject, RpcTarget } from "cloudflare:workers";

const CLOSERS = ["commit", "rollback", "unblock", "unblock.fail"];

export default {
  async fetch(request, env) {
    const [, className, object] = new URL(request.url).pathname.split("/");
    try {
      return await stub(env[className], address(object)).fetch(request);
    } catch (error) {
      // A failed commit resets the object, too, though its error has no flag.
      const isReset = error.durableObjectReset || error.message.startsWith("Durable Object was reset");
      const kind = isReset ? "reset" : "exception";
      return new Response(String(error), { status: 500, headers: { "probe-error": kind } });
    }
  },
};

const address = (object) =>
  object.startsWith("id:") ? { id: object.slice(3) } : { name: decodeURIComponent(object) };

const stub = (namespace, { id, name }) =>
  namespace.get(id === undefined ? namespace.idFromName(name) : namespace.idFromString(id));

// Ends the event, as a step's own errors do not.
class Thrown {
  constructor(error) {
    this.error = error;
  }
}

class RolledBack {}

class Object_ extends DurableObject {
  notes = new Map();
  signals = new Map();
  waiting = [];
  startResults = [];

  constructor(ctx, env, className) {
    super(ctx, env);
    this.className = className;
    ctx.blockConcurrencyWhile(async () => {
      const steps = ctx.storage.kv.get("start");
      if (steps !== undefined) await new Script(this, JSON.parse(steps), this.startResults).whole();
    });
  }

  async fetch(request) {
    if (request.headers.get("upgrade") === "websocket") return this.upgrade(request);
    const results = [];
    await new Script(this, await request.json(), results).whole();
    return Response.json(results);
  }

  // The steps are in the query, and one of them accepts the socket.
  async upgrade(request) {
    const steps = JSON.parse(new URL(request.url).searchParams.get("steps"));
    const pair = new WebSocketPair();
    const results = [];
    const script = new Script(this, steps, results, pair[1]);
    await script.whole();
    const failed = results.find((result) => result?.error);
    if (failed) throw new Error(failed.error.message);
    return script.passed ?? new Response(null, { status: 101, webSocket: pair[0] });
  }

  // What can be called from other objects.

  get version() {
    return "1";
  }

  echo(...values) {
    return values;
  }

  throws(name, message) {
    throw named(name, message);
  }

  async steps(steps) {
    return this.run(steps);
  }

  async applied(callback, value) {
    return callback(value);
  }

  keep(callback) {
    this.kept = callback.dup();
    return null;
  }

  async applyKept(value) {
    return this.kept(value);
  }

  counter() {
    return new Counter();
  }

  async run(steps) {
    const results = [];
    await new Script(this, steps, results).whole();
    return results;
  }

  // What another object calls back.
  callback() {
    return (value) => {
      append(this.ctx.storage.kv, "called", value);
      return [value, value];
    };
  }

  // Without hibernation; what happens on it is handled as on others.
  acceptPlain(socket) {
    socket.accept({ allowHalfOpen: true });
    socket.addEventListener("message", ({ data }) => this.webSocketMessage(socket, data));
    socket.addEventListener("close", ({ code, reason, wasClean }) => this.webSocketClose(socket, code, reason, wasClean));
    return null;
  }

  async webSocketMessage(socket, message) {
    if (typeof message !== "string" || !message.startsWith("[")) {
      append(this.ctx.storage.kv, "messages", typeof message === "string" ? message : hex(new Uint8Array(message)));
      return;
    }
    const results = [];
    await new Script(this, JSON.parse(message), results, socket).whole();
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(results));
  }

  async webSocketClose(socket, code, reason, wasClean) {
    await this.ended("closes", `${code}/${reason}/${wasClean}`, "on-close", socket);
  }

  async webSocketError(socket, error) {
    await this.ended("errors", error.message, "on-error", socket);
  }

  async alarm({ retryCount, isRetry, scheduledTime }) {
    const { kv } = this.ctx.storage;
    append(kv, "alarms", `${retryCount}/${isRetry}`);
    kv.put("alarm-time", String(scheduledTime));
    await this.stored("on-alarm");
  }

  async ended(key, what, steps, socket) {
    append(this.ctx.storage.kv, key, what);
    await this.stored(steps, socket);
  }

  // Runs the steps that are stored under a key, and stores their results beside it.
  async stored(key, socket) {
    const { kv } = this.ctx.storage;
    const steps = kv.get(key);
    if (steps === undefined) return;
    const results = [];
    await new Script(this, JSON.parse(steps), results, socket).whole();
    kv.put(`${key}-results`, JSON.stringify(results));
  }
}

class Counter extends RpcTarget {
  value = 0;

  add(number) {
    return (this.value += number);
  }
}

export class Probe extends Object_ {
  constructor(ctx, env) {
    super(ctx, env, "probe");
  }
}

export class Other extends Object_ {
  constructor(ctx, env) {
    super(ctx, env, "other");
  }
}

class Script {
  at = 0;
  cursors = new Map();

  constructor(object, steps, results, socket) {
    Object.assign(this, { object, steps, results, socket });
  }

  async whole() {
    try {
      await this.run();
    } catch (thrown) {
      throw thrown instanceof Thrown ? thrown.error : thrown;
    }
  }

  // Runs up to the end of the section with this label, and returns the step that ends it.
  async run(label) {
    while (this.at < this.steps.length) {
      const [operation, ...given] = this.steps[this.at];
      if (CLOSERS.includes(operation) && given[0] === label) return this.steps[this.at];
      const args = given.map(fromWire);
      let value;
      try {
        if (operation === "begin" || operation === "block") value = await this.section(operation, given[0]);
        else if (operation === "savepoint") value = this.savepoint(given[0]);
        else value = this.step(operation, args);
        if (typeof value?.then === "function") value = await value;
      } catch (error) {
        if (error instanceof Thrown) throw error;
        value = { error: { message: error.message } };
        if (operation === "begin" || operation === "block" || operation === "savepoint") {
          this.results.push(value);
          this.at++;
          continue;
        }
      }
      if (value !== SECTION) {
        this.results.push(toWire(value));
        this.at++;
      }
    }
  }

  runSync(label) {
    while (this.at < this.steps.length) {
      const [operation, ...given] = this.steps[this.at];
      if (CLOSERS.includes(operation) && given[0] === label) return this.steps[this.at];
      let value;
      try {
        value = operation === "savepoint" ? this.savepoint(given[0]) : this.step(operation, given.map(fromWire));
        if (value instanceof Promise) throw new Thrown(new Error(`${operation} waits inside a savepoint`));
      } catch (error) {
        if (error instanceof Thrown) throw error;
        value = { error: { message: error.message } };
      }
      if (value !== SECTION) {
        this.results.push(toWire(value));
        this.at++;
      }
    }
  }

  async section(operation, label) {
    const { ctx } = this.object;
    this.results.push(null);
    this.at++;
    if (operation === "begin") {
      await ctx.storage.transaction(async (transaction) => {
        const [closer] = await this.run(label);
        if (closer === "rollback") transaction.rollback();
      });
    } else {
      await ctx.blockConcurrencyWhile(async () => {
        const [closer, , name, message] = await this.run(label);
        if (closer === "unblock.fail") throw named(name, message);
      });
    }
    this.results.push(null);
    this.at++;
    return SECTION;
  }

  savepoint(label) {
    this.results.push(null);
    this.at++;
    try {
      this.object.ctx.storage.transactionSync(() => {
        const [closer] = this.runSync(label);
        if (closer === "rollback") throw new RolledBack();
      });
    } catch (error) {
      if (!(error instanceof RolledBack)) throw new Thrown(error);
    }
    this.results.push(null);
    this.at++;
    return SECTION;
  }

  step(operation, args) {
    const { object } = this;
    const { storage } = object.ctx;
    const { kv, sql } = storage;
    const [first, second, third] = args;
    switch (operation) {
      case "state.id":
        return object.ctx.id.toString();
      case "state.name":
        return object.ctx.id.name ?? null;
      case "state.class":
        return object.className;
      case "abort":
        return object.ctx.abort(first);
      case "kv.get":
        return kv.get(first) ?? null;
      case "kv.get-many":
        return storage.get(first).then((found) => [...found]);
      case "kv.list": {
        const { "start-after": startAfter, ...options } = first ?? {};
        return [...kv.list(startAfter === undefined ? options : { ...options, startAfter })];
      }
      case "kv.put":
        return kv.put(first, second) ?? null;
      case "kv.put-many":
        return storage.put(Object.fromEntries(first)).then(() => null);
      case "kv.delete":
        return kv.delete(first);
      case "kv.delete-many":
        return storage.delete(first);
      case "sql":
        return [...sql.exec(...args).raw()];
      case "sql.full": {
        const cursor = sql.exec(...args);
        const rows = [...cursor.raw()];
        return { columns: cursor.columnNames, rows, changes: null };
      }
      case "sql.open": {
        const [label, ...query] = args;
        const cursor = sql.exec(...query);
        this.cursors.set(label, cursor.raw());
        return cursor.columnNames;
      }
      case "sql.next": {
        const rows = [];
        while (rows.length < second) {
          const { done, value } = this.cursors.get(first).next();
          if (done) break;
          rows.push(value);
        }
        return rows;
      }
      case "sql.size":
        return sql.databaseSize;
      case "sync":
        return storage.sync().then(() => null);
      case "delete-all":
        return storage.deleteAll().then(() => null);
      case "sleep":
        return scheduler.wait(first).then(() => null);
      case "note.put":
        object.notes.set(first, second);
        return null;
      case "note.get":
        return object.notes.get(first) ?? null;
      case "signal":
        object.signals.set(first, (object.signals.get(first) ?? 0) + 1);
        for (const resolve of object.waiting.splice(0)) resolve();
        return null;
      case "wait":
        return this.signalled(first, second ?? 1);
      case "throw":
        throw new Thrown(named(first, second));
      case "start-with":
        return kv.put("start", JSON.stringify(this.steps[this.at][1])) ?? null;
      case "start-results":
        return object.startResults;
      case "unless":
        return kv.get(first) === undefined ? this.nested(second) : [];
      case "beside":
        return Promise.all(this.steps[this.at][1].map((path) => this.wholeTransaction(path)));
      case "count":
        return this.count(first, this.steps[this.at][2] ?? []);
      case "stubs.id-from-name":
        return namespace(object, first).idFromName(second).toString();
      case "stubs.new-id":
        return namespace(object, first).newUniqueId().toString();
      case "stubs.id-from-string":
        return namespace(object, first).idFromString(second).toString();
      case "stubs.run": {
        const steps = JSON.stringify(this.steps[this.at][3]);
        const request = new Request("http://object/run", { method: "POST", body: steps });
        return stub(namespace(object, first), second).fetch(request).then((response) => response.json());
      }
      case "stubs.call":
        return stub(namespace(object, first), second)[third](...args[3]);
      case "stubs.get":
        return stub(namespace(object, first), second)[third];
      case "stubs.apply":
        return stub(namespace(object, first), second).applied(object.callback(), third);
      case "stubs.keep":
        return stub(namespace(object, first), second).keep(object.callback());
      case "stubs.count":
        return this.countThere(first, second, third);
      case "stubs.run-all":
        return this.runAll(first, second, third, args[3]);
      case "sql-list":
        return [...sql.exec(first, ...second).raw()];
      case "append":
        return append(kv, first, second);
      case "steps-for":
        return kv.put(first, JSON.stringify(this.steps[this.at][2])) ?? null;
      case "results-of":
        return JSON.parse(kv.get(`${first}-results`) ?? "null");
      case "alarm.set":
        return storage.setAlarm(first).then(() => null);
      case "alarm.set-in":
        return storage.setAlarm(Date.now() + first).then(() => null);
      case "alarm.get":
        return storage.getAlarm();
      case "alarm.is-set":
        return storage.getAlarm().then((time) => time !== null);
      case "alarm.delete":
        return storage.deleteAlarm().then(() => null);
      case "ws.accept":
        return object.ctx.acceptWebSocket(this.socket, first) ?? null;
      case "ws.accept-plain":
        return object.acceptPlain(this.socket);
      case "ws.pass":
        return this.pass(first, second);
      case "ws.connect":
        return this.connect(first, second);
      case "ws.send":
        return this.of(first).send(second) ?? null;
      case "ws.close":
        return this.of(first).close(...args.slice(1)) ?? null;
      case "ws.list":
        return object.ctx.getWebSockets(first ?? undefined).map((socket) => object.ctx.getTags(socket)[0] ?? null);
      case "ws.tags":
        return object.ctx.getTags(this.of(first));
      case "ws.attach":
        return this.of(first).serializeAttachment(second) ?? null;
      case "ws.attachment":
        return this.of(first).deserializeAttachment();
      case "ws.auto":
        return object.ctx.setWebSocketAutoResponse(first === null ? undefined : new WebSocketRequestResponsePair(first, second)) ?? null;
      case "ws.auto-get": {
        const pair = object.ctx.getWebSocketAutoResponse();
        return pair === null ? null : [pair.request, pair.response];
      }
      case "ws.auto-sent":
        return object.ctx.getWebSocketAutoResponseTimestamp(this.of(first)) !== null;
      case "ws.timeout":
        return object.ctx.setHibernatableWebSocketEventTimeout(first ?? undefined) ?? null;
      case "ws.timeout-get":
        return object.ctx.getHibernatableWebSocketEventTimeout();
      case "ws.state":
        return ["connecting", "open", "closing", "closed"][this.of(first).readyState];
      default:
        throw new Thrown(new Error(`this probe does not know ${operation}`));
    }
  }

  // Has another object take the socket that the event asks for.
  async pass(className, target) {
    const [, , , steps] = this.steps[this.at];
    this.passed = await stub(namespace(this.object, className), target).fetch(upgrade(steps));
    return null;
  }

  // Opens a socket to another object, for which the event is about it from now on.
  async connect(className, target) {
    const [, , , steps] = this.steps[this.at];
    const { webSocket } = await stub(namespace(this.object, className), target).fetch(upgrade(steps));
    this.object.acceptPlain(webSocket);
    this.socket = webSocket;
    return null;
  }

  // Adds the numbers to a counter that another object gives out.
  async countThere(className, target, numbers) {
    using counter = await stub(namespace(this.object, className), target).counter();
    const sums = [];
    for (const number of numbers) sums.push(await counter.add(number));
    return sums;
  }

  // The socket that the event is about, or the oldest one with a tag.
  of(tag) {
    return tag === null ? this.socket : this.object.ctx.getWebSockets(tag)[0];
  }

  async signalled(name, times) {
    while ((this.object.signals.get(name) ?? 0) < times) {
      await new Promise((resolve) => this.object.waiting.push(resolve));
    }
    return null;
  }

  // Sends so many calls without waiting in between; each appends its number to the key.
  async runAll(className, target, count, key) {
    const other = stub(namespace(this.object, className), target);
    const calls = [];
    for (let number = 1; number <= count; number++) {
      const body = JSON.stringify([["append", key, String(number)]]);
      calls.push(other.fetch(new Request("http://object/run", { method: "POST", body })));
    }
    for (const call of calls) await (await call).text();
    return null;
  }

  async wholeTransaction([how, steps]) {
    return this.object.ctx.storage.transaction(async (transaction) => {
      const results = await this.nested(steps);
      if (how === "rollback") transaction.rollback();
      return results;
    });
  }

  async nested(steps) {
    const results = [];
    await new Script(this.object, steps, results, this.socket).run();
    return results;
  }

  // A read, other steps, and a write that depends on the read.
  async count(key, between) {
    const { kv } = this.object.ctx.storage;
    const next = Number(kv.get(key) ?? "0") + 1;
    if (between.length > 0) await this.nested(between);
    kv.put(key, String(next));
    return next;
  }
}

// Stands for "the section has pushed its results itself".
const SECTION = Symbol("section");

const upgrade = (steps) =>
  new Request(`http://object/run?steps=${encodeURIComponent(JSON.stringify(steps))}`, {
    headers: { upgrade: "websocket" },
  });

function append(kv, key, text) {
  const before = kv.get(key);
  return kv.put(key, before === undefined ? text : `${before} ${text}`) ?? null;
}

const namespace = (object, className) => object.env[className];

function named(name, message) {
  const error = new Error(message);
  error.name = name;
  return error;
}

function fromWire(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(fromWire);
  if ("blob" in value) return Uint8Array.from(value.blob.match(/../g) ?? [], (digits) => parseInt(digits, 16));
  if ("real" in value) return value.real === "inf" ? Infinity : value.real === "-inf" ? -Infinity : Number(value.real);
  if ("integer" in value) return Number(value.integer);
  return value;
}

function toWire(value) {
  if (value === undefined) return null;
  if (typeof value === "number") {
    const isPlain = Number.isSafeInteger(value) && !Object.is(value, -0);
    return isPlain ? value : { real: Object.is(value, -0) ? "-0.0" : String(value) };
  }
  if (value instanceof ArrayBuffer) return { blob: hex(new Uint8Array(value)) };
  if (value instanceof Uint8Array) {
    // What kv gives is text if it can be.
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
    } catch {
      return { blob: hex(value) };
    }
  }
  if (Array.isArray(value)) return value.map(toWire);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, toWire(field)]));
  }
  return value;
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
