// What does an object look like to another one?

import * as stubs from "durable:object/stubs@0.1.0";
import { valueUnlessAborted } from "./abort.js";
import { dropped } from "./body.js";
import { checked } from "./errors.js";
import { DurableObjectId } from "./id.js";
import { kind, refused } from "./kinds.js";
import { asksForSocket, responseFrom, signalOf, wireRequest } from "./message.js";
import { isOwn, ownOf, pathOf, stubs as known, walk } from "./pipeline.js";
import { followed } from "./redirect.js";
import { call } from "./rpc.js";
import { asked } from "./socket-end.js";
import { withoutCopies } from "../platform/install.js";
import { encode } from "../platform/text/utf8.js";

// Properties of a stub that are no methods of its object.
export class DurableObjectStub {
  #className;
  #target;

  constructor(className, id) {
    this.#className = className;
    this.#target = id.name !== undefined ? { tag: "name", val: id.name } : { tag: "id", val: id.toString() };
  }

  async fetch(input, init) {
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    const signal = signalOf(request);
    signal?.throwIfAborted();
    const send = async (wire) => {
      const answer = checked(await valueUnlessAborted(stubs.fetch(this.#className, this.#target, sized(wire)), signal));
      if (wire.method !== "HEAD") return answer;
      dropped(answer.body);
      return { ...answer, body: { tag: "empty" } };
    };
    if (!asksForSocket(request)) return followed(request, signal, send);
    const { token, socket } = asked(request);
    const answer = await send(wireRequest(request, token));
    return responseFrom(answer, { url: request.url, signal, webSocket: answer.status === 101 ? socket() : null });
  }

  connect() {
    throw new Error("Objects have no sockets of TCP here.");
  }

  call(method, args) {
    return call((payload) => stubs.call(this.#className, this.#target, method, payload), args);
  }
}

// As over HTTP, a request says how long its body is.
function sized(wire) {
  if (wire.body.tag !== "bytes" || wire.headers.some(([name]) => name === "content-length")) return wire;
  return { ...wire, headers: [...wire.headers, ["content-length", encode(String(wire.body.val.length))]] };
}

// Whom each stub stands for.
const meant = new WeakMap();

export function stubOf(className, id) {
  const shown = id.name === undefined ? { id } : { name: id.name, id };
  return proxyOf(className, id, "DurableObject", { name: undefined, ...shown, toJSON: () => ({ ...shown }) }, shown);
}

// One that came from another object knows no name, and can be disposed.
function received(className, id) {
  return proxyOf(className, id, "Fetcher", { [Symbol.dispose]: () => {}, toJSON: () => ({}) });
}

function proxyOf(className, id, tag, about, shown = {}) {
  const stub = new DurableObjectStub(className, id);
  const invoke = (path, args) => {
    if (path.length === 1) return stub.call(path[0], args);
    return stub.call(path[0]).then((value) => walk(value, path.slice(1), args, path[0]));
  };
  const own = { __proto__: null, fetch: stub.fetch.bind(stub), connect: stub.connect, then: undefined, ...about };
  const proxy = new Proxy(Object.assign(stub, shown), {
    get(_, name, receiver) {
      if (name in own) return own[name];
      return isOwn(name) ? ownOf(DurableObjectStub.prototype, tag, name, receiver) : pathOf(invoke, [name]);
    },
    has: (_, name) => name in own && own[name] !== undefined,
    getPrototypeOf: () => DurableObjectStub.prototype,
  });
  meant.set(proxy, { className, id });
  known.add(proxy);
  return proxy;
}

kind(
  "DurableObjectStub",
  DurableObjectStub,
  (stub, { isSent }) => {
    if (!isSent) throw refused("ServiceStub cannot be serialized in this context.");
    const { className, id } = meant.get(stub);
    return [className, id.toString(), id.name];
  },
  ([className, digits, name]) => received(className, new DurableObjectId(digits, name)),
);

withoutCopies({ DurableObject: DurableObjectStub });
