// MessageChannel and MessagePort, where the source mentions them. Both ends are in one object.

import { structuredClone } from "../clone.js";
import { MessageEvent } from "../events/event.js";
import { EventTarget, withHandlers } from "../events/target.js";
import { install, likeTheWeb } from "../install.js";
import { setTimeout } from "../timers.js";

const INTERNAL = Symbol();
let join;

class MessagePort extends EventTarget {
  #other = null;
  #waiting = []; // null once the port has been started

  static {
    join = (one, other) => {
      one.#other = other;
      other.#other = one;
    };
  }

  constructor(key) {
    if (key !== INTERNAL) throw new TypeError("Illegal constructor");
    super();
  }

  postMessage(message, options) {
    const data = structuredClone(message, Array.isArray(options) ? { transfer: options } : options);
    this.#other?.#receive(data);
  }

  start() {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const data of waiting) this.#receive(data);
  }

  close() {
    if (this.#other) this.#other.#other = null;
    this.#other = null;
  }

  #receive(data) {
    if (this.#waiting) this.#waiting.push(data);
    else setTimeout(() => this.dispatchEvent(new MessageEvent("message", { data })));
  }
}

likeTheWeb(MessagePort, "MessagePort");
withHandlers(MessagePort, ["message", "messageerror"]);

// Setting the handler starts the port.
const { get, set } = Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage");
Object.defineProperty(MessagePort.prototype, "onmessage", {
  get,
  set(callback) {
    set.call(this, callback);
    this.start();
  },
  enumerable: true,
  configurable: true,
});

class MessageChannel {
  #ports = [new MessagePort(INTERNAL), new MessagePort(INTERNAL)];

  constructor() {
    join(...this.#ports);
  }

  get port1() {
    return this.#ports[0];
  }

  get port2() {
    return this.#ports[1];
  }
}

likeTheWeb(MessageChannel, "MessageChannel");
install({ MessageChannel, MessagePort });
