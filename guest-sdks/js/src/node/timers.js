// node:timers: a timer is an object, which may be started anew.
//
// Nothing waits for an object to end, so `unref` only notes what `hasRef` says.

import promises from "node:timers/promises";
import { contextual } from "../platform/context.js";
import * as timers from "../platform/timers.js";

let idOf;
let begin;

class Timer {
  #begin;
  #id;
  #hasRef = true;

  constructor(begin) {
    this.#begin = begin;
    this.#id = begin();
  }

  static {
    idOf = (timer) => timer.#id;
    begin = (timer) => (timer.#id = timer.#begin());
  }

  ref() {
    this.#hasRef = true;
    return this;
  }

  unref() {
    this.#hasRef = false;
    return this;
  }

  hasRef() {
    return this.#hasRef;
  }

  [Symbol.dispose]() {
    timers.clearTimeout(this.#id);
  }
}

export class Timeout extends Timer {
  // Also one that has run or was cleared.
  refresh() {
    this.close();
    begin(this);
    return this;
  }

  close() {
    this[Symbol.dispose]();
    return this;
  }

  [Symbol.toPrimitive]() {
    return idOf(this);
  }
}

export class Immediate extends Timer {}

// It runs in the context that it was made in, also when another one starts it anew.
const begun = (Kind, start, callback, ms, args) => {
  const inContext = typeof callback === "function" ? contextual(callback) : callback;
  return new Kind(() => start(inContext, ms, ...args));
};

export const setTimeout = (callback, ms, ...args) => begun(Timeout, timers.setTimeout, callback, ms, args);
export const setInterval = (callback, ms, ...args) => begun(Timeout, timers.setInterval, callback, ms, args);
export const setImmediate = (callback, ...args) => begun(Immediate, timers.setTimeout, callback, 0, args);

// By its number too.
export function clearTimeout(timer) {
  if (timer instanceof Timer) timer[Symbol.dispose]();
  else timers.clearTimeout(timer);
}

export { clearTimeout as clearImmediate, clearTimeout as clearInterval, promises };

// What Node.js advises against.
export const active = (timer) => timer instanceof Timeout && timer.refresh();
export { active as _unrefActive, clearTimeout as unenroll };
export function enroll() {
  throw new Error("timers.enroll() is not supported by Abide: use setTimeout().");
}

export default {
  setTimeout, setInterval, setImmediate, clearTimeout, clearInterval: clearTimeout, clearImmediate: clearTimeout, promises,
  active, _unrefActive: active, enroll, unenroll: clearTimeout,
};
