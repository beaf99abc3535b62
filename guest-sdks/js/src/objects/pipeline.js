// How does code call what it does not have yet?
//
// `await stub.counter().add(1)` calls `add` of a result that is still on its way. What a call
// returns here is a promise that has every property; a property is a promise as well, and a
// function. Each is sent off when it is called or awaited.

// What the proxies below seem to be.
class Proxied {
  constructor() {
    throw new TypeError("Illegal constructor");
  }
}
export class RpcPromise extends Proxied {}
export class RpcProperty extends Proxied {}
Object.setPrototypeOf(RpcPromise.prototype, Promise.prototype);

// Properties that belong to the promise itself.
const OWN = ["then", "catch", "finally"];

// As what it is shown, and as a text.
export function symbolOf(tag, symbol) {
  if (symbol === Symbol.toStringTag) return tag;
  return symbol === Symbol.toPrimitive ? () => `[object ${tag}]` : undefined;
}

// What lies under `path` of that which `invoke(path, args)` calls, or reads if there are no `args`.
export function pathOf(invoke, path) {
  let value; // read once it is awaited
  return new Proxy(function () {}, {
    get(_, name) {
      if (typeof name === "symbol") return symbolOf("JsRpcProperty", name);
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
    get(_, name) {
      isLookedAt = true;
      if (name === Symbol.dispose) return () => promise.then((value) => value?.[Symbol.dispose]?.(), () => {});
      if (typeof name === "symbol") return symbolOf("JsRpcPromise", name);
      return OWN.includes(name) ? promise[name].bind(promise) : pathOf(invoke, [name]);
    },
    apply(_, __, args) {
      isLookedAt = true;
      return pipelined(invoke([], args));
    },
    getPrototypeOf: () => RpcPromise.prototype,
  });
}

// Follows a path in a value at hand, which may have stubs in it.
export async function walk(value, path, args) {
  let at = value;
  for (const name of path.slice(0, -1)) at = await at[name];
  const last = path.at(-1);
  if (args === undefined) return at[last];
  return last === undefined ? at(...args) : at[last](...args);
}
