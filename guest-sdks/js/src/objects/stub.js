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

// By this a proxy gives what it stands for.
const MEANT = Symbol();

let get;
let has;

// Properties of a stub that are no methods of its object.
export class DurableObjectStub {
  #className;
  #id;
  #target;
  #isReceived; // it came from another object, so it knows no name and can be disposed
  #fetch = null;

  constructor(className, id, isReceived) {
    this.#className = className;
    this.#id = id;
    this.#isReceived = isReceived;
    this.#target = id.name !== undefined ? { tag: "name", val: id.name } : { tag: "id", val: id.toString() };
    if (isReceived) return;
    if (id.name !== undefined) this.name = id.name;
    this.id = id;
  }

  fetch(input, init) {
    try {
      const request = input instanceof Request && init === undefined ? input : new Request(input, init);
      const signal = signalOf(request);
      signal?.throwIfAborted();
      const send = (wire) => {
        const answer = valueUnlessAborted(stubs.fetch(this.#className, this.#target, sized(wire)), signal);
        return wire.method === "HEAD" ? answer.then(withoutBody) : answer;
      };
      return asksForSocket(request) ? this.#connected(request, signal, send) : followed(request, signal, send);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #connected(request, signal, send) {
    const { token, socket } = asked(request);
    const answer = checked(await send(wireRequest(request, token)));
    return responseFrom(answer, { url: request.url, signal, webSocket: answer.status === 101 ? socket() : null });
  }

  connect() {
    throw new Error("Objects have no sockets of TCP here.");
  }

  #call(method, args) {
    return call((payload) => stubs.call(this.#className, this.#target, method, payload), args);
  }

  #invoke(path, args) {
    if (path.length === 1) return this.#call(path[0], args);
    return this.#call(path[0]).then((value) => walk(value, path.slice(1), args, path[0]));
  }

  static {
    has = (stub, name) => {
      switch (name) {
        case "fetch":
        case "connect":
        case "toJSON":
          return true;
        case "id":
          return !stub.#isReceived;
        case "name":
          return stub.name !== undefined;
        default:
          return name === Symbol.dispose && stub.#isReceived;
      }
    };
    get = (stub, name, receiver) => {
      switch (name) {
        case "fetch":
          return (stub.#fetch ??= stub.fetch.bind(stub));
        case "then":
          return undefined;
        case "connect":
          return stub.connect;
        case "toJSON":
          return () => ({ ...stub });
        case MEANT:
          return { className: stub.#className, id: stub.#id };
      }
      if (stub.#isReceived && name === Symbol.dispose) return () => {};
      if (!stub.#isReceived && (name === "id" || name === "name")) return stub[name];
      if (isOwn(name)) return ownOf(DurableObjectStub.prototype, stub.#isReceived ? "Fetcher" : "DurableObject", name, receiver);
      return pathOf((path, args) => stub.#invoke(path, args), [name]);
    };
  }
}

const handler = { get, has, getPrototypeOf: () => DurableObjectStub.prototype };

// As over HTTP, a request says how long its body is.
function sized(wire) {
  if (wire.body.tag !== "bytes" || wire.headers.some((field) => field[0] === "content-length")) return wire;
  return { ...wire, headers: [...wire.headers, ["content-length", encode(String(wire.body.val.length))]] };
}

function withoutBody(answer) {
  if (answer.tag === "err") return answer;
  dropped(answer.val.body);
  return { tag: "ok", val: { ...answer.val, body: { tag: "empty" } } };
}

export function stubOf(className, id, isReceived = false) {
  const proxy = new Proxy(new DurableObjectStub(className, id, isReceived), handler);
  known.add(proxy);
  return proxy;
}

kind(
  "DurableObjectStub",
  DurableObjectStub,
  (stub, { isSent }) => {
    if (!isSent) throw refused("ServiceStub cannot be serialized in this context.");
    const { className, id } = stub[MEANT];
    return [className, id.toString(), id.name];
  },
  ([className, digits, name]) => stubOf(className, new DurableObjectId(digits, name), true),
);

withoutCopies({ DurableObject: DurableObjectStub });
