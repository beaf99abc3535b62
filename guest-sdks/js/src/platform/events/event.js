// What happened: Event and its kinds.

import { likeTheWeb } from "../install.js";

let stateOf;

export class Event {
  #state;

  static {
    stateOf = (event) => event.#state;
  }

  constructor(type, init) {
    if (arguments.length === 0) throw new TypeError("Event: 1 argument required, but only 0 present.");
    this.#state = {
      type: `${type}`,
      bubbles: Boolean(init?.bubbles),
      cancelable: Boolean(init?.cancelable),
      composed: Boolean(init?.composed),
      target: null,
      current: null,
      phase: 0,
      canceled: false,
      passive: false,
      stopped: false,
      stoppedAtOnce: false,
      dispatching: false,
      trusted: false,
      time: performance.now(),
    };
  }

  get type() {
    return this.#state.type;
  }

  get bubbles() {
    return this.#state.bubbles;
  }

  get cancelable() {
    return this.#state.cancelable;
  }

  get composed() {
    return this.#state.composed;
  }

  get target() {
    return this.#state.target;
  }

  get srcElement() {
    return this.#state.target;
  }

  get currentTarget() {
    return this.#state.current;
  }

  get eventPhase() {
    return this.#state.phase;
  }

  get defaultPrevented() {
    return this.#state.canceled;
  }

  get returnValue() {
    return !this.#state.canceled;
  }

  set returnValue(value) {
    if (!value) this.preventDefault();
  }

  get cancelBubble() {
    return this.#state.stopped;
  }

  set cancelBubble(value) {
    if (value) this.#state.stopped = true;
  }

  get isTrusted() {
    return this.#state.trusted;
  }

  get timeStamp() {
    return this.#state.time;
  }

  composedPath() {
    return this.#state.current ? [this.#state.current] : [];
  }

  preventDefault() {
    if (this.#state.cancelable && !this.#state.passive) this.#state.canceled = true;
  }

  stopPropagation() {
    this.#state.stopped = true;
  }

  stopImmediatePropagation() {
    this.#state.stopped = true;
    this.#state.stoppedAtOnce = true;
  }

  initEvent(type, bubbles = false, cancelable = false) {
    if (this.#state.dispatching) return;
    Object.assign(this.#state, { type: `${type}`, bubbles: Boolean(bubbles), cancelable: Boolean(cancelable), canceled: false });
  }
}

for (const [name, value] of Object.entries({ NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 })) {
  Object.defineProperty(Event, name, { value, enumerable: true });
  Object.defineProperty(Event.prototype, name, { value, enumerable: true });
}
likeTheWeb(Event, "Event");

export { stateOf };

// A kind of event that carries `fields`, each with what it is when it is not given.
function kind(name, fields) {
  const type = {
    [name]: class extends Event {
      #given;

      constructor(type, init) {
        super(type, init);
        this.#given = {};
        for (const field of Object.keys(fields)) this.#given[field] = init?.[field] ?? fields[field];
      }

      static {
        for (const field of Object.keys(fields)) {
          Object.defineProperty(this.prototype, field, {
            get() {
              return this.#given[field];
            },
            configurable: true,
          });
        }
      }
    },
  }[name];
  return likeTheWeb(type, name);
}

export const CustomEvent = kind("CustomEvent", { detail: null });
export const MessageEvent = kind("MessageEvent", { data: null, origin: "", lastEventId: "", source: null, ports: [] });
export const CloseEvent = kind("CloseEvent", { wasClean: false, code: 0, reason: "" });
export const ErrorEvent = kind("ErrorEvent", { message: "", filename: "", lineno: 0, colno: 0, error: undefined });
export const ProgressEvent = kind("ProgressEvent", { lengthComputable: false, loaded: 0, total: 0 });
export const PromiseRejectionEvent = kind("PromiseRejectionEvent", { promise: undefined, reason: undefined });
