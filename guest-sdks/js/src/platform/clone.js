// structuredClone: a copy of nearly any value.

import { Blob, File, bytesIn } from "./http/blob.js";
import { isOfTheWeb, withoutCopies } from "./install.js";
import { ReadableStream, TransformStream, WritableStream } from "./streams/index.js";

const errors = new Map([Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((type) => [type.name, type]));
const MOVES = Symbol("moves");
const transferable = [ReadableStream, WritableStream, TransformStream];
withoutCopies({ ReadableStream, WritableStream, TransformStream });

export function structuredClone(value, options) {
  if (arguments.length === 0) throw new TypeError("structuredClone: 1 argument required, but only 0 present.");
  const memory = new Map();
  const transfer = Array.from(options?.transfer ?? []);
  for (const given of transfer) {
    if (memory.has(given)) throw refused("The transfer list has a value twice");
    if (given instanceof ArrayBuffer && !given.detached) memory.set(given, MOVES);
    else if (transferable.some((type) => given instanceof type)) memory.set(given, given);
    else throw refused(`${shown(given)} could not be transferred`);
  }
  const copy = cloned(value, memory);
  for (const given of transfer) if (memory.get(given) === MOVES) given.transfer();
  return copy;
}

const refused = (message) => new DOMException(`${message}.`, "DataCloneError");

// Why an object has no copy.
export function refusal(value) {
  const tag = Object.prototype.toString.call(value);
  if (isWeb(value)) return refused(`Could not serialize object of type "${Object.getPrototypeOf(value).constructor.name}". This type does not support serialization`);
  return refused(`${/(?:Iterator|Generator)\]$/.test(tag) ? tag : shown(value)} could not be cloned`);
}

function shown(value) {
  if (typeof value === "symbol") return value.toString();
  if (typeof value === "function") return value.toString().slice(0, 100);
  return `#<${value?.constructor?.name ?? "Object"}>`;
}

function cloned(value, memory) {
  if (typeof value === "function" || typeof value === "symbol") throw refused(`${shown(value)} could not be cloned`);
  if (typeof value !== "object" || value === null) return value;
  const known = memory.get(value);
  if (known !== undefined && known !== MOVES) return known;
  const remember = (copy) => {
    memory.set(value, copy);
    return copy;
  };
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return properties(value, remember({}), memory);
  const copy = leaf(value, memory);
  return copy === undefined ? branch(value, memory, remember) : remember(copy);
}

// What has nothing in it that must be cloned in turn.
function leaf(value, memory) {
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) return undefined;
  switch (Object.prototype.toString.call(value)) {
    case "[object Boolean]":
    case "[object Number]":
    case "[object String]":
    case "[object BigInt]":
      return isBoxed(value) ? Object(value.valueOf()) : undefined;
    case "[object Symbol]":
      throw refused(`${shown(value)} could not be cloned`);
  }
  if (value instanceof Date) return new Date(value.getTime());
  if (value instanceof RegExp) return new RegExp(value.source, value.flags);
  if (value instanceof ArrayBuffer) {
    if (value.detached) throw refused("An ArrayBuffer is detached and could not be cloned");
    if (memory.get(value) === MOVES) return value.transfer(); // what stays behind is empty
    return value.resizable ? resizable(value) : value.slice(0);
  }
  if (ArrayBuffer.isView(value)) {
    const { byteOffset, byteLength, length } = value; // of a buffer that moves they are 0 afterwards
    const kind = tagOf(value);
    const buffer = cloned(value.buffer, memory);
    return kind ? new globalThis[kind](buffer, byteOffset, length) : new DataView(buffer, byteOffset, byteLength);
  }
  if (value instanceof File) return new File([bytesIn(value)], value.name, { type: value.type, lastModified: value.lastModified });
  if (value instanceof Blob) return new Blob([bytesIn(value)], { type: value.type });
  if (value instanceof DOMException) return new DOMException(value.message, value.name);
  return undefined;
}

const tag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const tagOf = (view) => tag.call(view);

function isBoxed(value) {
  return value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt;
}

function resizable(buffer) {
  const copy = new ArrayBuffer(buffer.byteLength, { maxByteLength: buffer.maxByteLength });
  new Uint8Array(copy).set(new Uint8Array(buffer));
  return copy;
}

function branch(value, memory, remember) {
  if (value instanceof Map) {
    const copy = remember(new Map());
    for (const [key, held] of [...value]) copy.set(cloned(key, memory), cloned(held, memory));
    return copy;
  }
  if (value instanceof Set) {
    const copy = remember(new Set());
    for (const held of [...value]) copy.add(cloned(held, memory));
    return copy;
  }
  if (Error.isError(value)) return remember(error(value, memory));
  if (Array.isArray(value)) {
    return properties(value, remember(new Array(value.length)), memory);
  }
  if (!isPlain(value)) throw refusal(value);
  return properties(value, remember({}), memory);
}

const prototypeOf = Object.getPrototypeOf;
const special = new Set([
  ...[Promise, WeakMap, WeakSet, WeakRef, FinalizationRegistry, SharedArrayBuffer, Symbol].map((type) => type.prototype),
  prototypeOf(function* () {}).prototype,
  prototypeOf(prototypeOf(async function* () {})).prototype,
  ...[[], "", new Map(), new Set()].map((value) => prototypeOf(value[Symbol.iterator]())),
]);

// Instances of one's own classes are cloned as plain objects, those of the platform's are not.
export const isPlain = (value) => !descends(value, (prototype) => special.has(prototype) || isOfTheWeb(prototype));
const isWeb = (value) => descends(value, isOfTheWeb);

function descends(value, isWanted) {
  for (let prototype = prototypeOf(value); prototype !== null; prototype = prototypeOf(prototype)) {
    if (isWanted(prototype)) return true;
  }
  return false;
}

function properties(from, to, memory) {
  for (const key of Object.keys(from)) {
    if (key === "__proto__") Object.defineProperty(to, key, { value: cloned(from[key], memory), writable: true, enumerable: true, configurable: true });
    else to[key] = cloned(from[key], memory);
  }
  return to;
}

function error(value, memory) {
  const type = errors.get(value.name) ?? Error;
  const made = new type();
  if (Object.hasOwn(value, "message")) hidden(made, "message", `${value.message}`);
  made.stack = `${value.stack ?? ""}`;
  if (Object.hasOwn(value, "cause")) hidden(made, "cause", cloned(value.cause, memory));
  return made;
}

function hidden(target, key, value) {
  Object.defineProperty(target, key, { value, writable: true, enumerable: false, configurable: true });
}
