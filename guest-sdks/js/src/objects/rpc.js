// What do calls between objects carry, and who answers them?
//
// Data is copied; functions and RpcTargets stay where they are, and others get a reference. A
// reference of another object is let go of when its stub is disposed or collected. Those
// that came as arguments are disposed when the call is answered: who keeps one keeps a `dup()`.
// When all that one passing of an RpcTarget made is let go of, its own disposer is called.

import * as stubs from "durable:object/stubs@0.1.0";
import { decode, encode } from "./cbor.js";
import { sourceOf, streamOf, takeSource } from "../platform/http.js";
import { isPlain, refusal } from "../platform/clone.js";
import { withoutCopies } from "../platform/install.js";
import { encode as encodeText } from "../platform/text/utf8.js";
import { setTimeout } from "../platform/timers.js";
import { HostSource, wireStream } from "./body.js";
import { checked, report } from "./errors.js";
import { valueOf } from "./event.js";
import { kind, noSerialization, objectOf, partsOf, refused } from "./kinds.js";
import {
  LoopbackServiceStub, RpcPromise, RpcProperty, RpcTarget, isOffered, isOwn, missing, notCallable, ownOf, pathOf, pipelined, stubs as known, walk,
} from "./pipeline.js";

const NO_RPC =
  "The receiving Durable Object does not support RPC, because its class was not declared with `extends DurableObject`. In order to enable RPC, make sure your class extends the special class `DurableObject`, which can be imported from the module \"cloudflare:workers\".";

const DISPOSED = "RPC stub used after being disposed.";

// Handles of what this instance has given out, by its number.
const mine = new Map();
let newest = 0;

kind("RpcTarget", RpcTarget, () => {
  throw refused("Remote RPC references can only be serialized for RPC.");
});

// Sends a call off by `send` and returns the promise of its result.
export function call(send, args) {
  let future;
  try {
    future = send(args === undefined ? null : payloadOf(args));
  } catch (error) {
    return Promise.reject(error);
  }
  return valueOf(future).then((answer) => disposable(valueFrom(checked(answer))));
}

function disposable({ value, dispose }) {
  if (typeof value === "object" && value !== null) {
    Object.defineProperty(value, Symbol.dispose, { value: dispose, writable: true, configurable: true });
  }
  return value;
}

// Lets go of what nobody can name any more.
const lost = new FinalizationRegistry((handle) => handle.letGo());

// A reference of another object's, or something of our own. Its stubs share it, and so do
// the numbers by which it was given out.
class Handle {
  #holders = 1;

  constructor(theirs, local) {
    this.theirs = theirs;
    this.local = local;
  }

  hold() {
    if (this.#holders === 0) throw new Error(DISPOSED);
    this.#holders++;
    return this;
  }

  letGo() {
    if (this.#holders === 0 || --this.#holders > 0) return;
    if (this.theirs !== null) stubs.release(this.theirs);
    else disposeLocal(this.local);
  }

  // An empty path is the function itself.
  invoke(path, args) {
    if (this.#holders === 0) return Promise.reject(new Error(DISPOSED));
    if (this.theirs === null) return walk(this.local, path, args);
    if (path.length > 1) return this.#call(path[0]).then((value) => walk(value, path.slice(1), args, path[0]));
    return this.#call(path[0] ?? "", args);
  }

  #call(method, args) {
    return call((payload) => stubs.callReference(this.theirs, method, payload), args);
  }
}

function disposeLocal(target) {
  try {
    target[Symbol.dispose]?.();
  } catch (error) {
    report(error, "Uncaught in [Symbol.dispose]():");
  }
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
  const invoke = (path, args) => (isHeld ? handle.invoke(path, args) : Promise.reject(new Error(DISPOSED)));
  const stub = new Proxy(target, {
    get(_, name, receiver) {
      if (name === Symbol.dispose) return letGo;
      if (isOwn(name)) return ownOf(RpcStub.prototype, "JsRpcStub", name, receiver);
      if (name === "then") return undefined;
      if (name === "dup") return () => stubOf(handle.hold());
      return pathOf(invoke, [name]);
    },
    apply: (_, __, args) => pipelined(invoke([], args)),
    getPrototypeOf: () => RpcStub.prototype,
  });
  handles.set(stub, handle);
  known.add(stub);
  lost.register(target, handle, letGo); // QuickJS never calls back for what is its own token
  return stub;
}

export { RpcTarget };

export class RpcStub {
  constructor(target) {
    if (typeof target !== "function" && !(target instanceof RpcTarget)) {
      throw new TypeError("A stub is made of a function or an RpcTarget.");
    }
    return stubOf(new Handle(null, target));
  }
}

class Giver {
  isSent = true;
  references = [];
  streams = [];
  passedOn = []; // handles of what is another object's
  #indexes = new Map();

  isReference(value) {
    return value instanceof RpcTarget || handles.has(value);
  }

  // What occurs twice is one reference.
  reference(value) {
    let index = this.#indexes.get(value);
    if (index === undefined) {
      index = this.references.push(this.#given(value)) - 1;
      this.#indexes.set(value, index);
    }
    return index;
  }

  #given(value) {
    const handle = handles.get(value);
    if (handle !== undefined && handle.theirs !== null) {
      this.passedOn.push(handle);
      return { tag: "theirs", val: handle.theirs };
    }
    if (value instanceof RpcPromise) throw noSerialization("RpcPromise");
    if (value instanceof RpcProperty) throw noSerialization("RpcProperty");
    if (value instanceof LoopbackServiceStub) throw noSerialization("LoopbackServiceStub");
    mine.set(++newest, handle === undefined ? new Handle(null, value) : handle.hold());
    return { tag: "mine", val: newest };
  }

  stream(stream) {
    return this.#source(sourceOf(stream, encodeText));
  }

  #source(source) {
    return this.streams.push(wireStream(source)) - 1;
  }

  special(value) {
    const parts = partsOf(value, this);
    if (parts !== undefined) return parts;
    const name = Object.getPrototypeOf(value)?.constructor?.name ?? "Object";
    throw isPlain(value) ? noSerialization(name) : refusal(value);
  }

  // Bytes, or the stream's index.
  body(message) {
    const source = takeSource(message);
    return source === null || source instanceof Uint8Array ? [source] : [null, this.#source(source)];
  }
}

class Taker {
  stubs = [];
  #handleOf;

  // `handleOf` says what a reference leads to.
  constructor({ references, streams }, handleOf) {
    this.references = references;
    this.streams = streams.map((stream) => new HostSource(stream));
    this.#handleOf = handleOf;
  }

  referenceAt(index) {
    return (this.stubs[index] ??= stubOf(this.#handleOf(this.references[index])));
  }

  streamAt(index) {
    return streamOf(this.streams[index]);
  }

  specialOf(name, parts) {
    return objectOf(name, parts, this);
  }

  source(bytes, stream) {
    return stream === undefined ? bytes : this.streams[stream];
  }

  disposeStubs() {
    for (const stub of this.stubs) stub?.[Symbol.dispose]();
  }

  dispose() {
    this.disposeStubs();
    for (const stream of this.streams) stream.abandon();
  }

  // When the call is over that brought it. Code may read a stream later, so only one that nobody
  // can reach any more is dropped; the engine is asked to find that out, for who writes it waits.
  end() {
    this.disposeStubs();
    if (this.streams.some((stream) => stream.mayBeTaken)) setTimeout(() => __cqjs.runGc(), 0);
  }
}

function handleOf({ tag, val }) {
  if (tag === "theirs") return new Handle(val, null);
  const own = mine.get(val);
  if (own === undefined) throw gone();
  return own.hold();
}

function payloadOf(value, giver = new Giver()) {
  try {
    const data = encode(value, giver);
    return { data, references: giver.references, streams: giver.streams };
  } catch (error) {
    for (const { tag, val } of giver.references) if (tag === "mine") release(val);
    throw error;
  }
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

// A copy, as another object would get it.
function copied(value) {
  const giver = new Giver();
  const payload = payloadOf(value, giver);
  const theirs = giver.passedOn.values();
  const held = new Map(payload.references.map((reference) => [reference, reference.tag === "mine" ? mine.get(reference.val) : theirs.next().value]));
  try {
    return valueFrom(payload, (reference) => held.get(reference).hold());
  } finally {
    for (const { tag, val } of payload.references) if (tag === "mine") release(val);
  }
}

export const copyOf = (value) => copied(value).value;

// Calls something of this instance, or reads it without `args`.
export async function callWithin(receiver, [method, ...path], args) {
  const given = args === undefined ? null : copied(args);
  try {
    const result = path.length === 0 ? await run(receiver, method, given?.value) : await walk(await run(receiver, method), path, given?.value, method);
    return disposable(copied(result));
  } finally {
    given?.end();
  }
}

// The value of a payload; `dispose` lets go of what came with it, `end` ends the call.
function valueFrom(payload, referred = handleOf) {
  const taker = new Taker(payload, referred);
  const { data } = payload;
  payload.data = null; // whoever holds the payload needs them no longer
  const value = decode(data, taker);
  return { value, dispose: () => taker.dispose(), end: () => taker.end() };
}

// Runs a method of `receiver`, or reads a property of it without `args`.
export async function answer(receiver, method, args) {
  const given = args === null ? null : valueFrom(args);
  try {
    return resultOf(await run(receiver, method, given?.value));
  } finally {
    given?.end();
  }
}

export async function answerReference(number, method, args) {
  const target = mine.get(number)?.local;
  if (target === undefined) throw gone();
  if (typeof target !== "function") {
    if (method === "") throw notCallable([]);
    return answer(target, method, args);
  }
  if (method !== "") throw missing(method);
  return answer({ __proto__: { call: (...given) => target(...given) } }, "call", args);
}

export function release(number) {
  mine.get(number)?.letGo();
  mine.delete(number);
}

const gone = () => new Error("What was called is gone.");

async function run(receiver, method, args) {
  if (!isOffered(receiver, method)) throw missing(method);
  const property = receiver[method];
  if (args === undefined) return typeof property === "function" ? property.bind(receiver) : property;
  if (typeof property !== "function") throw notCallable([method]);
  return property.apply(receiver, args);
}

withoutCopies({ RpcTarget });

export const noRpc = () => new TypeError(NO_RPC);
