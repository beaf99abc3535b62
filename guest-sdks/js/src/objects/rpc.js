// What do calls between objects carry, and who answers them?
//
// Data is copied; functions and RpcTargets stay where they are, and others get a reference. A
// reference of another object is let go of when its stub is disposed or collected. Those
// that came as arguments are disposed when the call is answered: who keeps one keeps a `dup()`.

import * as stubs from "durable:object/stubs@0.1.0";
import { decode, encode } from "./cbor.js";
import { fieldsOf, requestOf, responseOf, sourceOf, streamOf, takeSource } from "../platform/http.js";
import { setTimeout } from "../platform/timers.js";
import { HostSource, wireStream } from "./body.js";
import { checked } from "./errors.js";
import { valueOf } from "./event.js";
import { pathOf, pipelined, walk } from "./pipeline.js";

const NO_RPC =
  "The receiving Durable Object does not support RPC, because its class was not declared with `extends DurableObject`. In order to enable RPC, make sure your class extends the special class `DurableObject`, which can be imported from the module \"cloudflare:workers\".";

// What this instance has given out, by its number.
const mine = new Map();
let newest = 0;

export class RpcTarget {}

// Sends a call off by `send` and returns the promise of its result.
export function call(send, args) {
  let future;
  try {
    future = send(args === undefined ? null : payloadOf(args));
  } catch (error) {
    return Promise.reject(error);
  }
  return valueOf(future).then((answer) => valueFrom(checked(answer)).value);
}

// Lets go of what nobody can name any more.
const lost = new FinalizationRegistry((handle) => handle.letGo());

// A reference of another object's, or something of our own behind a stub. Its stubs share it.
class Handle {
  #holders = 1;

  constructor(theirs, local) {
    this.theirs = theirs;
    this.local = local;
  }

  hold() {
    if (this.#holders === 0) throw new Error("RPC stub used after being disposed.");
    this.#holders++;
    return this;
  }

  letGo() {
    if (this.#holders > 0 && --this.#holders === 0 && this.theirs !== null) stubs.release(this.theirs);
  }

  // An empty path is the function itself.
  invoke(path, args) {
    if (this.#holders === 0) return Promise.reject(new Error("RPC stub used after being disposed."));
    if (this.theirs === null) return walkLocal(this.local, path, args);
    if (path.length > 1) return this.#call(path[0]).then((value) => walk(value, path.slice(1), args));
    return this.#call(path[0] ?? "", args);
  }

  #call(method, args) {
    return call((payload) => stubs.callReference(this.theirs, method, payload), args);
  }
}

async function walkLocal(target, path, args) {
  return walk(target, path, args);
}

const handles = new WeakMap();

// What others gave out, as it is used.
function stubOf(handle) {
  const target = function () {};
  let isHeld = true;
  const letGo = () => {
    if (!isHeld) return;
    isHeld = false;
    lost.unregister(letGo);
    handle.letGo();
  };
  const invoke = (path, args) => (isHeld ? handle.invoke(path, args) : Promise.reject(new Error("RPC stub used after being disposed.")));
  const stub = new Proxy(target, {
    get(_, name) {
      if (name === Symbol.dispose) return letGo;
      if (typeof name === "symbol") return name === Symbol.toStringTag ? "RpcStub" : undefined;
      if (name === "then") return undefined;
      if (name === "dup") return () => stubOf(handle.hold());
      if (name === "onRpcBroken") return () => {};
      return pathOf(invoke, [name]);
    },
    apply: (_, __, args) => pipelined(invoke([], args)),
    getPrototypeOf: () => RpcStub.prototype,
  });
  handles.set(stub, handle);
  lost.register(target, handle, letGo); // QuickJS never calls back for what is its own token
  return stub;
}

export class RpcStub {
  constructor(target) {
    if (typeof target !== "function" && !(target instanceof RpcTarget)) {
      throw new TypeError("A stub is made of a function or an RpcTarget.");
    }
    return stubOf(new Handle(null, target));
  }
}

class Giver {
  references = [];
  streams = [];
  passedOn = []; // handles of what is another object's

  isReference(value) {
    return value instanceof RpcTarget || handles.has(value);
  }

  reference(value) {
    const handle = handles.get(value);
    if (handle !== undefined && handle.theirs !== null) {
      this.passedOn.push(handle);
      return this.references.push({ tag: "theirs", val: handle.theirs }) - 1;
    }
    mine.set(++newest, handle === undefined ? value : handle.local);
    return this.references.push({ tag: "mine", val: newest }) - 1;
  }

  stream(stream) {
    return this.#source(sourceOf(stream));
  }

  #source(source) {
    return this.streams.push(wireStream(source)) - 1;
  }

  special(value) {
    if (value instanceof Headers) return ["Headers", [...value]];
    if (value instanceof Request) {
      return ["Request", value.method, value.url, this.#fields(value), ...this.#body(takeSource(value))];
    }
    if (value instanceof Response) {
      return ["Response", value.status, value.statusText, this.#fields(value), ...this.#body(takeSource(value))];
    }
    if (value instanceof URL) return ["URL", value.href];
    const name = Object.getPrototypeOf(value)?.constructor?.name;
    throw new DOMException(
      `Could not serialize object of type "${name}". This type does not support serialization.`,
      "DataCloneError",
    );
  }

  #fields({ headers }) {
    return fieldsOf(headers);
  }

  // Bytes, or the stream's index.
  #body(source) {
    return source === null || source instanceof Uint8Array ? [source] : [null, this.#source(source)];
  }
}

class Taker {
  stubs = [];

  constructor({ references, streams }) {
    this.references = references;
    this.streams = streams.map((stream) => new HostSource(stream));
  }

  referenceAt(index) {
    const { tag, val } = this.references[index];
    const handle = tag === "theirs" ? new Handle(val, null) : new Handle(null, mine.get(val));
    const stub = stubOf(handle);
    this.stubs.push(stub);
    return stub;
  }

  streamAt(index) {
    return streamOf(this.streams[index]);
  }

  specialOf(name, parts) {
    switch (name) {
      case "Headers":
        return new Headers(parts[0]);
      case "URL":
        return new URL(parts[0]);
      case "Request": {
        const [method, url, fields, bytes, stream] = parts;
        return requestOf({ method, url, fields, source: this.#source(bytes, stream) });
      }
      case "Response": {
        const [status, statusText, fields, bytes, stream] = parts;
        return responseOf({ status, statusText, fields, source: this.#source(bytes, stream) });
      }
    }
  }

  #source(bytes, stream) {
    return stream === undefined ? bytes : this.streams[stream];
  }

  dispose() {
    for (const stub of this.stubs) stub[Symbol.dispose]();
    for (const stream of this.streams) stream.abandon();
  }
}

function payloadOf(value, giver = new Giver()) {
  const data = encode(value, giver);
  return { data, references: giver.references, streams: giver.streams };
}

// What results pass on, by their payloads.
const passedOn = new WeakMap();

// What the call brought is disposed before the host takes the result, so what that passes on is
// held for longer.
function resultOf(value) {
  const giver = new Giver();
  const payload = payloadOf(value, giver);
  if (giver.passedOn.length > 0) passedOn.set(payload, giver.passedOn.map((handle) => handle.hold()));
  return payload;
}

// To be called as the event gives the result: the host has it before any timer runs.
export function isGiven(result) {
  const handles = passedOn.get(result);
  if (handles !== undefined) setTimeout(() => handles.forEach((handle) => handle.letGo()), 0);
}

// The value of a payload; `dispose` lets go of what came with it.
function valueFrom(payload) {
  const taker = new Taker(payload);
  const value = decode(payload.data, taker);
  return { value, dispose: () => taker.dispose() };
}

// Runs a method of `receiver`, or reads a property of it without `args`.
export async function answer(receiver, method, args) {
  const given = args === null ? null : valueFrom(args);
  try {
    return resultOf(await run(receiver, method, given?.value));
  } finally {
    given?.dispose();
  }
}

export async function answerReference(number, method, args) {
  const target = mine.get(number);
  if (target === undefined) throw new Error("What was called is gone.");
  if (typeof target !== "function") return answer(target, method, args);
  if (method !== "") throw missing(method);
  return answer({ __proto__: { call: (...given) => target(...given) } }, "call", args);
}

export function release(number) {
  const target = mine.get(number);
  mine.delete(number);
  if (target instanceof RpcTarget && ![...mine.values()].includes(target)) target[Symbol.dispose]?.();
}

const missing = (method) => new TypeError(`The RPC receiver does not implement the method "${method}".`);

async function run(receiver, method, args) {
  if (!isOffered(receiver, method)) throw missing(method);
  const property = receiver[method];
  if (args === undefined) return typeof property === "function" ? property.bind(receiver) : property;
  if (typeof property !== "function") throw new TypeError(`"${method}" is not a function.`);
  return property.apply(receiver, args);
}

// What a class declares can be called, but nothing that an object keeps in itself.
function isOffered(receiver, method) {
  if (method === "constructor" || Object.hasOwn(receiver, method)) return false;
  let prototype = Object.getPrototypeOf(receiver);
  while (prototype !== null && prototype !== Object.prototype) {
    if (Object.hasOwn(prototype, method)) return true;
    prototype = Object.getPrototypeOf(prototype);
  }
  return false;
}

export const noRpc = () => new TypeError(NO_RPC);
