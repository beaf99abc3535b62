// node:async_hooks: contexts that follow what is waited for.
//
// Whoever imports this has `then` and queueMicrotask take the context along. `await` itself
// cannot be told to; so where this module is in use, the build turns async functions into
// generators and promises, see build/features.mjs.

import { context, enter, runIn } from "../platform/context.js";

const then = Promise.prototype.then;
const resolve = Promise.resolve;
const microtask = globalThis.queueMicrotask;

const following = (callback) => {
  if (typeof callback !== "function") return callback;
  const wanted = context();
  return (value) => runIn(wanted, callback, undefined, [value]);
};

Promise.prototype.then = function (fulfilled, rejected) {
  return then.call(this, following(fulfilled), following(rejected));
};

// A thenable of somebody's own is asked in a job of its own, which must know the context too.
Promise.resolve = function (value) {
  if (typeof value !== "object" || value === null || value instanceof Promise || typeof value.then !== "function") return resolve.call(this, value);
  return new this((fulfil, reject) => {
    globalThis.queueMicrotask(() => {
      try {
        value.then(fulfil, reject);
      } catch (error) {
        reject(error);
      }
    });
  });
};

globalThis.queueMicrotask = (callback) => {
  if (typeof callback !== "function") throw new TypeError("queueMicrotask: the argument must be a function.");
  microtask(following(callback));
};

export class AsyncLocalStorage {
  #name;
  #defaultValue;

  constructor({ defaultValue, name = "" } = {}) {
    this.#defaultValue = defaultValue;
    this.#name = name;
  }

  get name() {
    return this.#name;
  }

  getStore() {
    const held = context();
    return held?.has(this) ? held.get(this) : this.#defaultValue;
  }

  run(store, callback, ...args) {
    return runIn(new Map(context()).set(this, store), callback, undefined, args);
  }

  exit(callback, ...args) {
    return this.run(undefined, callback, ...args);
  }

  enterWith(store) {
    enter(new Map(context()).set(this, store));
    microtask(() => enter(undefined)); // the next event begins without
  }

  disable() {
    const held = new Map(context());
    held.delete(this);
    enter(held);
  }

  static bind(callback) {
    const wanted = context();
    return function (...args) {
      return runIn(wanted, callback, this, args);
    };
  }

  static snapshot() {
    const wanted = context();
    return (callback, ...args) => runIn(wanted, callback, undefined, args);
  }
}

let lastId = 1;

export class AsyncResource {
  #context = context();
  #id = ++lastId;

  constructor(type) {
    if (typeof type !== "string") throw new TypeError('The "type" argument must be of type string.');
  }

  static bind(callback, type, thisArg) {
    return new AsyncResource(type ?? (callback.name || "bound-anonymous-fn")).bind(callback, thisArg);
  }

  bind(callback, thisArg) {
    const resource = this;
    return function (...args) {
      return resource.runInAsyncScope(callback, thisArg ?? this, ...args);
    };
  }

  runInAsyncScope(callback, thisArg, ...args) {
    return runIn(this.#context, callback, thisArg, args);
  }

  asyncId() {
    return this.#id;
  }

  triggerAsyncId() {
    return 0;
  }

  emitDestroy() {
    return this;
  }
}

// As at Cloudflare, hooks can be made, and are never called.
export const createHook = () => ({
  enable() {
    return this;
  },
  disable() {
    return this;
  },
});
export const executionAsyncId = () => 0;
export const triggerAsyncId = () => 0;
export const executionAsyncResource = () => ({});

export default { AsyncLocalStorage, AsyncResource, createHook, executionAsyncId, triggerAsyncId, executionAsyncResource };
