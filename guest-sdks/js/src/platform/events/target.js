// Who listens to what: EventTarget.

import { likeTheWeb } from "../install.js";
import { run } from "../uncaught.js";
import { Event, stateOf } from "./event.js";

let listens;
let fire;
export { fire, listens };

export class EventTarget {
  #listeners = null; // by type

  addEventListener(type, callback, options) {
    if (arguments.length < 2) throw new TypeError(`EventTarget.addEventListener: 2 arguments required, but only ${arguments.length} present.`);
    const { capture, once = false, passive = false, signal } = asOptions(options);
    if (signal !== undefined && !isSignal(signal)) throw new TypeError("EventTarget.addEventListener: signal is not an AbortSignal.");
    if (callback == null || signal?.aborted) return;
    if (typeof callback !== "function" && typeof callback !== "object") {
      throw new TypeError("EventTarget.addEventListener: the listener must be a function or an object.");
    }
    this.#listeners ??= new Map();
    const listeners = this.#listeners.get(`${type}`) ?? [];
    if (listeners.some((listener) => listener.callback === callback && listener.capture === capture)) return;
    // A new list, for one may be running.
    this.#listeners.set(`${type}`, [...listeners, { callback, capture, once: Boolean(once), passive: Boolean(passive), gone: false }]);
    signal?.addEventListener("abort", () => this.removeEventListener(type, callback, capture), { once: true });
  }

  removeEventListener(type, callback, options) {
    if (arguments.length < 2) throw new TypeError(`EventTarget.removeEventListener: 2 arguments required, but only ${arguments.length} present.`);
    const { capture } = asOptions(options);
    const listeners = this.#listeners?.get(`${type}`);
    const found = listeners?.find((listener) => listener.callback === callback && listener.capture === capture);
    if (!found) return;
    found.gone = true;
    this.#listeners.set(`${type}`, listeners.filter((listener) => listener !== found));
  }

  dispatchEvent(event) {
    if (!(event instanceof Event)) throw new TypeError("EventTarget.dispatchEvent: the argument is not an Event.");
    const state = stateOf(event);
    if (state.dispatching) throw new DOMException("The event is already being dispatched.", "InvalidStateError");
    state.trusted = false;
    return this.#dispatch(event, state);
  }

  #dispatch(event, state) {
    state.dispatching = true;
    state.target = state.current = this;
    state.phase = 2;
    for (const listener of inOrder(this.#listeners?.get(state.type))) {
      if (listener.gone) continue;
      if (state.stoppedAtOnce) break;
      if (listener.once) this.removeEventListener(state.type, listener.callback, listener.capture);
      state.passive = listener.passive;
      call(listener.callback, this, event);
    }
    state.passive = false;
    state.phase = 0;
    state.current = null;
    state.dispatching = state.stopped = state.stoppedAtOnce = false;
    return !state.canceled;
  }

  // Whether somebody listens to `type`, and what the platform itself tells them.
  static {
    listens = (target, type) => Boolean(target.#listeners?.get(type)?.length);
    fire = (target, event) => {
      const state = stateOf(event);
      state.trusted = true;
      return target.#dispatch(event, state);
    };
  }
}

likeTheWeb(EventTarget, "EventTarget");

// Those that capture come first.
function inOrder(listeners = []) {
  return listeners.some((listener) => listener.capture)
    ? [...listeners.filter((listener) => listener.capture), ...listeners.filter((listener) => !listener.capture)]
    : listeners;
}

function asOptions(options) {
  return typeof options === "object" && options !== null
    ? { capture: Boolean(options.capture), once: options.once, passive: options.passive, signal: options.signal }
    : { capture: Boolean(options) };
}

function isSignal(value) {
  return typeof value === "object" && value !== null && "aborted" in value && value instanceof EventTarget;
}

// What a listener throws is reported, and keeps no other listener from its turn.
function call(callback, target, event) {
  if (typeof callback === "function") run(callback, target, event);
  else run((event) => callback.handleEvent(event), callback, event);
}

// Defines `on…` properties, each of which is one listener.
export function withHandlers(type, names) {
  const handlers = new WeakMap();
  for (const name of names) {
    Object.defineProperty(type.prototype, `on${name}`, {
      get() {
        return handlers.get(this)?.[name]?.callback ?? null;
      },
      set(callback) {
        const mine = handlers.get(this) ?? {};
        handlers.set(this, mine);
        const valid = typeof callback === "function" ? callback : null;
        if (mine[name]) mine[name].callback = valid;
        else if (valid) {
          mine[name] = { callback: valid };
          this.addEventListener(name, (event) => mine[name].callback?.call(this, event));
        }
      },
      enumerable: true,
      configurable: true,
    });
  }
  return type;
}
