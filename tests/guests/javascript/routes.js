// What does the object answer on each path?

import * as alarms from "durable:object/alarms@0.1.0";
import * as kv from "durable:object/kv@0.1.0";
import * as sql from "durable:object/sql@0.1.0";
import * as state from "durable:object/state@0.1.0";
import * as storage from "durable:object/storage@0.1.0";
import * as stubs from "durable:object/stubs@0.1.0";
import * as timers from "durable:object/timers@0.1.0";

import * as events from "./events.js";
import { decode, encode } from "./text.js";

let lastRead = "none"; // how the last body ended that was read

export async function answer(request) {
  const { path, query } = route(request.url);
  const where = `${request.method} ${path}`;
  const name = query.get("name") ?? "";
  if (where === "POST echo") return response(200, passedOn(request.body));
  if (where === "POST relay") return relay(name, "POST", "echo", passedOn(request.body));
  if (where === "POST read") return text((lastRead = await read(request.body)));
  if (where === "POST first") return text(await first(request.body));
  drop(request.body);

  switch (where) {
    case "GET started":
      return text(events.starts());
    case "GET read":
      return text(lastRead);
    case "GET broken":
      return response(200, streamed(broken));
    case "GET who":
      return text(`${state.className()} ${state.name() ?? "-"} -> ${state.id()}`);
    case "POST kv":
      return text(checked(countInKv));
    case "POST sql":
      return text(checked(countInSql));
    case "GET sleep":
      return text(await events.peakDuring(value(timers.sleep(Number(query.get("ms") ?? 0)))));
    case "GET wait":
      await events.waitForRelease();
      return text("released");
    case "GET release":
      events.release();
      return text("ok");
    case "GET sync": {
      const synced = await value(storage.sync());
      if (synced.tag === "err") throw failure(storageText(synced.val));
      return text("synced");
    }
    case "GET relay":
      return relay(name, "GET", "who", { tag: "empty" });
    case "GET error":
      throw failure("refused on purpose");
    case "GET throw":
      throw new RangeError("thrown on purpose");
    case "GET trap":
      return { status: "not a number" }; // what the bindings cannot pass on traps
    case "GET later":
      return text(alarm());
  }
  return response(404, bytes("not found"));
}

// Of `http://host/<class>/<name>/<path>?<query>` the path and the query.
function route(url) {
  const [, path, query] = /^[^/]*\/\/[^/?]*(?:\/[^/?]*){2}\/([^?]*)\??(.*)$/.exec(url) ?? [, "", ""];
  return { path, query: new Map(query.split("&").map((pair) => pair.split("="))) };
}

function text(content) {
  return response(200, bytes(String(content)));
}

function bytes(content) {
  return { tag: "bytes", val: encode(content) };
}

function response(status, body) {
  return { status, headers: [["content-type", encode("text/plain")]], body };
}

// What a handler throws to answer with an error.
export function failure(message, name = "Error") {
  return { name, message, flags: {}, details: null };
}

// The value of a future. QuickJS has no finalizers: what is not dropped stays.
async function value(future) {
  try {
    return await future.read();
  } finally {
    future.drop();
  }
}

// Tells the sender of an unread body that nobody will read it.
function drop(body) {
  if (body.tag !== "stream") return;
  body.val.chunks.drop();
  body.val.end.drop();
}

// The same body, with the same end; a stream is read as fast as its copy is taken.
function passedOn(body) {
  return body.tag === "stream" ? streamed((end) => copied(body.val, end)) : body;
}

async function* copied({ chunks, end }, ended) {
  try {
    yield* chunks;
  } finally {
    chunks.drop();
    ended(value(end));
  }
}

// A body of what `write` yields, which calls its argument with the body's end, or a
// promise of it, when it is done.
function streamed(write) {
  const { readable, writable } = wit.Future(wit.Future.RESULT_VOID_ERROR);
  const end = async (ended) => {
    await writable.write(await ended);
    writable.drop();
  };
  return { tag: "stream", val: { chunks: write(end), end: readable } };
}

async function* broken(ended) {
  yield encode("begun");
  ended({ tag: "err", val: failure("broken on purpose") });
}

// How many bytes a body has, and how it ends.
async function read({ tag, val }) {
  if (tag !== "stream") return `${val?.length ?? 0} bytes, ok`;
  let count = 0;
  for await (const chunk of val.chunks) count += chunk.length;
  val.chunks.drop();
  const end = await value(val.end);
  return `${count} bytes, ${end.tag === "ok" ? "ok" : end.val.message}`;
}

// How many bytes come first. The rest is dropped.
async function first(body) {
  if (body.tag !== "stream") return body.val?.length ?? 0;
  const chunk = await body.val.chunks.read(65536);
  drop(body);
  return chunk.length;
}

function countInKv() {
  const stored = kv.get("count");
  const count = Number(stored ? decode(stored) : 0) + 1;
  kv.put("count", encode(String(count)));
  return count;
}

function countInSql() {
  const query = `
    CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
    INSERT INTO counter (id, n) VALUES (1, ?1)
    ON CONFLICT (id) DO UPDATE SET n = n + excluded.n RETURNING n`;
  return sql.exec(query, [{ tag: "integer", val: 1 }]).rows[0][0].val;
}

// Sends a request to another object, and passes its answer on.
async function relay(name, method, path, body) {
  const className = state.className();
  const request = {
    method,
    url: `http://relay/${className}/${name}/${path}`,
    headers: [],
    body,
    upgrade: null,
  };
  const answered = await value(stubs.fetch(className, { tag: "name", val: name }, request));
  if (answered.tag === "err") throw answered.val;
  return response(answered.val.status, passedOn(answered.val.body));
}

function alarm() {
  try {
    return alarms.get() ?? "none";
  } catch (thrown) {
    return storageText(thrown.payload);
  }
}

// The result of `work`, with a storage error as the object's error.
function checked(work) {
  try {
    return work();
  } catch (thrown) {
    throw "payload" in thrown ? failure(storageText(thrown.payload)) : thrown;
  }
}

function storageText(cause) {
  return cause.tag === "sqlite" ? cause.val.message : cause.val;
}
