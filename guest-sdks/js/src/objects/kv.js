// How are values kept by key?

import * as alarms from "durable:object/alarms@0.1.0";
import * as kv from "durable:object/kv@0.1.0";
import { storing } from "./errors.js";
import { keep, kept } from "./kinds.js";
import { withoutCopies } from "../platform/install.js";
import { withoutLone } from "../platform/text/utf8.js";

function listOptions(options = {}) {
  const { start, startAfter, end, prefix, reverse, limit } = options ?? {};
  if (start !== undefined && startAfter !== undefined) {
    throw new TypeError("list() cannot be called with both start and startAfter values.");
  }
  if (limit !== undefined && !(limit > 0)) throw new TypeError("List limit must be positive.");
  const key = (value) => (value === undefined || value === null ? null : withoutLone(String(value)));
  return {
    start: key(start),
    startAfter: key(startAfter),
    end: key(end),
    prefix: key(prefix),
    reverse: Boolean(reverse),
    limit: limit === undefined ? null : Math.min(Math.floor(limit), 0xffffffff),
  };
}

const keyOf = (key, what) => {
  if (key === undefined) throw new TypeError(`${what}() called with undefined key.`);
  return withoutLone(String(key));
};

function put(key, value) {
  const name = keyOf(key, "put");
  if (value === undefined) throw new TypeError("put() called with undefined value.");
  storing(() => kv.put(name, keep(value)));
}

function get(key) {
  const bytes = storing(() => kv.get(keyOf(key, "get")));
  return bytes === null ? undefined : kept(bytes);
}

function list(options) {
  return storing(() => kv.list(listOptions(options))).map(({ key, value }) => [key, kept(value)]);
}

// What Cloudflare's times can be: nanoseconds in 64 bits.
const TIME_MS_MAX = 9223372036854;

function alarmTime(time) {
  if (typeof time !== "number" && !(time instanceof Date)) {
    throw new TypeError("Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.");
  }
  const at = Number(time);
  if (!Number.isFinite(at)) throw new TypeError("The value cannot be converted because it is not a valid Date.");
  if (at > TIME_MS_MAX) throw new TypeError("This API doesn't support dates after 2189.");
  if (at < -TIME_MS_MAX) throw new TypeError("This API doesn't support dates before 1687.");
  return Math.trunc(at);
}

// `ctx.storage.kv`.
export class SyncKv {
  get(key) {
    return get(key);
  }

  put(key, value) {
    put(key, value);
  }

  list(options) {
    return list(options)[Symbol.iterator]();
  }

  delete(key) {
    return storing(() => kv.delete(keyOf(key, "delete")));
  }
}

// What `ctx.storage` and a transaction have in common. Nothing here waits: an await of it lets no
// other event in.
export class Entries {
  async get(keys) {
    if (!Array.isArray(keys)) return get(keys);
    const names = keys.map((key) => keyOf(key, "get"));
    const found = storing(() => kv.getMany(names));
    return new Map(found.map(({ key, value }) => [key, kept(value)]));
  }

  async list(options) {
    return new Map(list(options));
  }

  async put(entries, value) {
    if (entries === null || typeof entries !== "object") return put(entries, value);
    const list = Object.entries(entries).filter(([, value]) => value !== undefined);
    const wire = list.map(([key, value]) => ({ key: withoutLone(key), value: keep(value) }));
    storing(() => kv.putMany(wire));
  }

  async delete(keys) {
    if (!Array.isArray(keys)) return storing(() => kv.delete(keyOf(keys, "delete")));
    return storing(() => kv.deleteMany(keys.map((key) => keyOf(key, "delete"))));
  }

  async getAlarm() {
    return storing(() => alarms.get());
  }

  async setAlarm(time) {
    const at = alarmTime(time);
    storing(() => alarms.set(at));
  }

  async deleteAlarm() {
    storing(() => alarms.delete());
  }
}

withoutCopies({ SyncKvStorage: SyncKv });
