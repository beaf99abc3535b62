// What of a module's exports beside its classes of objects can be called, and how?
//
// `ctx.exports` leads to them. They run in the instance that calls them: an entrypoint is made for
// each call, and what a call carries is copied as between objects.

import { runInBackground } from "./background.js";
import { env, exports } from "./env.js";
import { LoopbackServiceStub, isOwn, missing, ownOf, pathOf } from "./pipeline.js";
import { callWithin, copyOf } from "./rpc.js";
import { WorkerEntrypoint } from "./workers.js";

const NO_FETCH = "Handler does not export a fetch() function.";
const NO_RESPONSE = "Incorrect type for Promise: the Promise did not resolve to 'Response'.";

class ExecutionContext {
  exports = exports;

  constructor(props) {
    this.props = props;
  }

  waitUntil(promise) {
    runInBackground(promise);
  }

  passThroughOnException() {}

  abort(reason) {
    throw reason ?? new Error("The execution was aborted.");
  }
}

const isEntrypoint = (value) => typeof value === "function" && value.prototype instanceof WorkerEntrypoint;

// Answers a request by an export, a class or an object with `fetch`.
export function fetchBy(handler, request, props = {}) {
  const ctx = new ExecutionContext(props);
  if (typeof handler === "function") {
    const entrypoint = new handler(ctx, env);
    if (typeof entrypoint.fetch !== "function") throw new TypeError(NO_FETCH);
    return entrypoint.fetch(request);
  }
  if (typeof handler?.fetch !== "function") throw new TypeError(NO_FETCH);
  return handler.fetch(request, env, ctx);
}

// Puts what can be called into `exports`, beside the namespaces of the classes.
export function offer(main) {
  for (const [name, value] of Object.entries(main)) {
    const isOffered = isEntrypoint(value) || (name === "default" && typeof value?.fetch === "function");
    if (isOffered && exports[name] === undefined) exports[name] = stubOf(value, {});
  }
}

// Called, it gives one with other `props`.
function stubOf(handler, props) {
  const invoke = async (path, args) => {
    if (!isEntrypoint(handler)) throw missing(path[0]);
    return callWithin(new handler(new ExecutionContext(props), env), path, args);
  };
  const own = {
    __proto__: null,
    then: undefined,
    async fetch(input, init) {
      const response = await fetchBy(handler, new Request(input, init), props);
      if (!(response instanceof Response)) throw new TypeError(NO_RESPONSE);
      return response;
    },
    [Symbol.dispose]() {},
  };
  return new Proxy(function () {}, {
    get(_, name, receiver) {
      if (name in own) return own[name];
      return isOwn(name) ? ownOf(LoopbackServiceStub.prototype, "LoopbackServiceStub", name, receiver) : pathOf(invoke, [name]);
    },
    apply: (_, __, [options]) => stubOf(handler, copyOf(options?.props ?? {})),
    getPrototypeOf: () => LoopbackServiceStub.prototype,
  });
}
