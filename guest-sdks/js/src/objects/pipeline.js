// How does code call what it does not have yet?
//
// `await stub.counter().add(1)` calls `add` of a result that is still on its way. What a call
// returns here is a promise that has every property; a property is a promise as well, and a
// function. Each is sent off when it is called or awaited.

export class RpcTarget {}

// What the proxies below seem to be.
class Proxied {
  constructor() {
    throw new TypeError("Illegal constructor");
  }
}
export class RpcPromise extends Proxied {}
export class RpcProperty extends Proxied {}
export class LoopbackServiceStub extends Proxied {}
Object.setPrototypeOf(RpcPromise.prototype, Promise.prototype);

// Properties that belong to the promise itself.
const OWN = ["then", "catch", "finally"];

// What every object has is the stub's own, so that it can be shown and made a text. All else is
// the other side's, which has nothing under a number.
export const isOwn = (name) => typeof name === "symbol" || name in Object.prototype || name === "toJSON" || /^\d+$/.test(name);

export function ownOf(prototype, tag, name, receiver) {
  if (typeof name === "symbol") return name === Symbol.toStringTag ? tag : undefined;
  return name === "toJSON" ? () => undefined : Reflect.get(prototype, name, receiver);
}

export const missing = (method) => new TypeError(`The RPC receiver does not implement the method "${method}".`);

// Proxies whose properties are all there, as far as is known here.
export const stubs = new WeakSet();

// What lies under `path` of that which `invoke(path, args)` calls, or reads if there are no `args`.
export function pathOf(invoke, path) {
  let value; // read once it is awaited
  return new Proxy(function () {}, {
    get(_, name, receiver) {
      if (isOwn(name)) return ownOf(RpcProperty.prototype, "JsRpcProperty", name, receiver);
      if (!OWN.includes(name)) return pathOf(invoke, [...path, name]);
      value ??= invoke(path);
      return value[name].bind(value);
    },
    apply: (_, __, args) => pipelined(invoke(path, args)),
    getPrototypeOf: () => RpcProperty.prototype,
  });
}

// A promise with all properties of its result. Nobody may ever look at it.
export function pipelined(promise) {
  let isLookedAt = false;
  promise.catch((error) => isLookedAt || globalThis.reportError(error));
  const invoke = (path, args) => promise.then((value) => walk(value, path, args));
  return new Proxy(function () {}, {
    get(_, name, receiver) {
      isLookedAt = true;
      if (name === Symbol.dispose) return () => promise.then((value) => value?.[Symbol.dispose]?.(), () => {});
      if (isOwn(name)) return ownOf(RpcPromise.prototype, "JsRpcPromise", name, receiver);
      return OWN.includes(name) ? promise[name].bind(promise) : pathOf(invoke, [name]);
    },
    apply(_, __, args) {
      isLookedAt = true;
      return pipelined(invoke([], args));
    },
    getPrototypeOf: () => RpcPromise.prototype,
  });
}

// Follows a path in a value at hand, which may have stubs in it. `of` is the name of the value, if
// it has one. Who goes on from what has no properties for others is told the name of that.
export async function walk(value, path, args, of) {
  let [at, owner, name] = [value, undefined, of];
  for (const next of path) {
    // A property of a stub is read only if there is more behind it.
    if (owner !== undefined) at = await at;
    if (!hasProperties(at)) throw missing(name ?? next);
    if (!hasProperty(at, next)) throw missing(next);
    [owner, name] = [at, next];
    at = owner[name];
  }
  if (args === undefined) return at;
  if (typeof at !== "function") throw notCallable(of === undefined ? path : [of, ...path]);
  return Reflect.apply(at, owner, args);
}

const isPlain = (value) => typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
const hasProperties = (value) => isPlain(value) || typeof value === "function" || stubs.has(value) || value instanceof RpcTarget;

function hasProperty(at, name) {
  if (stubs.has(at)) return true;
  return at instanceof RpcTarget ? isOffered(at, name) : Object.hasOwn(at, name);
}

// What a class declares can be called, but nothing that an object keeps in itself.
export function isOffered(receiver, method) {
  if (method === "constructor" || Object.hasOwn(receiver, method)) return false;
  let prototype = Object.getPrototypeOf(receiver);
  while (prototype !== null && prototype !== Object.prototype) {
    if (Object.hasOwn(prototype, method)) return true;
    prototype = Object.getPrototypeOf(prototype);
  }
  return false;
}

export const notCallable = (path) => new TypeError(`"${path.length === 0 ? "(this)" : path.join(".")}" is not a function.`);
