// AbortController and AbortSignal.

import { likeTheWeb } from "../install.js";
import { clearTimeout, setTimeout } from "../timers.js";
import { Event } from "./event.js";
import { EventTarget, fire, listens, withHandlers } from "./target.js";

const INTERNAL = Symbol();
const TIMEOUT_MAX_MS = 2 ** 31 - 1; // as long as a timer can be
let abort;
let whenAborted;

// A signal that aborts by itself, after a time, has no timer while nobody listens to it: a timer
// would keep the object awake. `lazy` tells whether it should have aborted by now, and watches.
export class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  #followers = null; // what the platform does on abort, before the listeners hear of it
  #lazy = null; // { reason(): undefined or why, watch(abort): how to end that }
  #unwatch = null;

  static {
    abort = (signal, reason) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
      signal.#unwatch?.();
      signal.#lazy = signal.#unwatch = null;
      const followers = signal.#followers ?? [];
      signal.#followers = null;
      for (const follower of followers) follower(signal.#reason);
      fire(signal, new Event("abort"));
    };
    // Calls `follower` with the reason, and says how to have it not called.
    whenAborted = (signal, follower) => {
      if (signal.aborted) {
        follower(signal.#reason);
        return () => {};
      }
      signal.#followers ??= new Set();
      signal.#followers.add(follower);
      signal.#watch();
      return () => {
        signal.#followers?.delete(follower);
        signal.#watch();
      };
    };
  }

  constructor(key) {
    if (key !== INTERNAL) throw new TypeError("Illegal constructor");
    super();
  }

  get aborted() {
    if (this.#lazy !== null) {
      const reason = this.#lazy.reason();
      if (reason !== undefined) abort(this, reason);
    }
    return this.#aborted;
  }

  get reason() {
    return this.aborted ? this.#reason : undefined;
  }

  throwIfAborted() {
    if (this.aborted) throw this.#reason;
  }

  addEventListener(...args) {
    super.addEventListener(...args);
    this.#watch();
  }

  removeEventListener(...args) {
    super.removeEventListener(...args);
    this.#watch();
  }

  // Watches as long as somebody wants to know.
  #watch() {
    if (this.#lazy === null) return;
    const wanted = this.#followers?.size > 0 || listens(this, "abort");
    if (wanted) {
      this.#unwatch ??= this.#lazy.watch((reason) => abort(this, reason));
    } else {
      this.#unwatch?.();
      this.#unwatch = null;
    }
  }

  static abort(reason) {
    const signal = new AbortSignal(INTERNAL);
    abort(signal, reason);
    return signal;
  }

  static timeout(ms) {
    if (arguments.length === 0) throw new TypeError("AbortSignal.timeout: 1 argument required, but only 0 present.");
    const signal = new AbortSignal(INTERNAL);
    const due = performance.now() + Math.min(Math.max(Number(ms) || 0, 1), TIMEOUT_MAX_MS);
    let mayEnd = false; // not while the code runs that made it, however long that takes
    queueMicrotask(() => (mayEnd = true));
    const late = () => new DOMException("The operation was aborted due to timeout", "TimeoutError");
    signal.#lazy = {
      reason: () => (mayEnd && performance.now() >= due ? late() : undefined),
      watch(abort) {
        const id = setTimeout(() => abort(late()), Math.max(due - performance.now(), 0));
        return () => clearTimeout(id);
      },
    };
    return signal;
  }

  static any(signals) {
    const sources = Array.from(signals);
    if (!sources.every((source) => source instanceof AbortSignal)) throw new TypeError("AbortSignal.any: each value must be an AbortSignal.");
    const signal = new AbortSignal(INTERNAL);
    const aborted = sources.find((source) => source.aborted);
    if (aborted) {
      abort(signal, aborted.#reason);
      return signal;
    }
    const follow = (those, abort) => {
      const forget = those.map((source) => whenAborted(source, abort));
      return () => {
        for (const each of forget) each();
      };
    };
    const lazy = sources.filter((source) => source.#lazy !== null);
    const forget = follow(sources.filter((source) => source.#lazy === null), (reason) => {
      forget();
      abort(signal, reason);
    });
    if (lazy.length > 0) {
      signal.#lazy = {
        reason: () => lazy.find((source) => source.aborted)?.reason,
        watch: (abort) => follow(lazy, abort),
      };
    }
    return signal;
  }
}

likeTheWeb(AbortSignal, "AbortSignal");
withHandlers(AbortSignal, ["abort"]);

export class AbortController {
  #signal = new AbortSignal(INTERNAL);

  get signal() {
    return this.#signal;
  }

  abort(reason) {
    abort(this.#signal, reason);
  }
}

likeTheWeb(AbortController, "AbortController");

export { abort, whenAborted };
