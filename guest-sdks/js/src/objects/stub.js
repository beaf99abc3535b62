// What does an object look like to another one?

import * as stubs from "durable:object/stubs@0.1.0";
import { valueUnlessAborted } from "./abort.js";
import { checked } from "./errors.js";
import { asksForSocket, responseFrom, signalOf, wireRequest } from "./message.js";
import { pathOf, walk } from "./pipeline.js";
import { call } from "./rpc.js";
import { asked } from "./socket-end.js";

// Properties of a stub that are no methods of its object.
class DurableObjectStub {
  #className;
  #target;

  constructor(className, id) {
    this.#className = className;
    this.#target = id.name !== undefined ? { tag: "name", val: id.name } : { tag: "id", val: id.toString() };
    this.id = id;
    if (id.name !== undefined) this.name = id.name;
  }

  async fetch(input, init) {
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    const signal = signalOf(request);
    signal?.throwIfAborted();
    const { token, socket } = asksForSocket(request) ? asked(request) : { token: null };
    const future = stubs.fetch(this.#className, this.#target, wireRequest(request, token));
    const answer = checked(await valueUnlessAborted(future, signal));
    return responseFrom(answer, { url: request.url, webSocket: answer.status === 101 ? socket() : null });
  }

  connect() {
    throw new Error("Objects have no sockets of TCP here.");
  }

  call(method, args) {
    return call((payload) => stubs.call(this.#className, this.#target, method, payload), args);
  }
}

export function stubOf(className, id) {
  const stub = new DurableObjectStub(className, id);
  const invoke = (path, args) => {
    if (path.length === 1) return stub.call(path[0], args);
    return stub.call(path[0]).then((value) => walk(value, path.slice(1), args));
  };
  const own = { __proto__: null, fetch: stub.fetch.bind(stub), connect: stub.connect, id: stub.id, name: stub.name, then: undefined };
  return new Proxy(stub, {
    get(_, name) {
      if (typeof name === "symbol") return name === Symbol.toStringTag ? "DurableObject" : undefined;
      return name in own ? own[name] : pathOf(invoke, [name]);
    },
    has: (_, name) => name in own && own[name] !== undefined,
    getPrototypeOf: () => DurableObjectStub.prototype,
  });
}
