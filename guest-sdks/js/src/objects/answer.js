// How does a handler answer a request of the host?

import { left } from "durable:object/callers@0.1.0";
import { takeSource } from "../platform/http.js";
import { HostSource, isPulled, sourceFrom } from "./body.js";
import { report, wireError } from "./errors.js";
import { inOwnTask, valueOf } from "./event.js";
import { requestFrom, wireResponse } from "./message.js";
import { WebSocket } from "./websocket.js";

const NO_RESPONSE = "Incorrect type for Promise: the Promise did not resolve to 'Response'.";

// Whether the caller has gone, told to whoever asks, once asked for.
class Departure {
  #caller;
  #controller = null;
  #watchers = [];
  #isWatched = false;

  constructor(caller) {
    this.#caller = caller;
  }

  // The signal of the request.
  signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      this.watch(() => this.#controller.abort(new DOMException("The client disconnected", "AbortError")));
    }
    return this.#controller.signal;
  }

  watch(gone) {
    this.#watchers.push(gone);
    if (this.#isWatched) return;
    this.#isWatched = true;
    valueOf(left(this.#caller)).then((hasLeft) => {
      const watchers = this.#watchers.splice(0); // they lead back here, and hold the body
      if (hasLeft) for (const watcher of watchers) watcher();
    });
  }
}

// `fetch` gets a Request and gives a Response.
export function answer(wire, caller, fetch) {
  return inOwnTask(() => answered(wire, caller, fetch));
}

let running = 0;

async function answered(wire, caller, fetch) {
  let made = null;
  const departure = () => (made ??= new Departure(caller));
  running++;
  const source = sourceFrom(wire.body);
  const done = () => source instanceof HostSource && source.abandon();
  try {
    const response = await fetch(requestFrom(wire, source, () => departure().signal()));
    if (!(response instanceof Response)) throw new TypeError(NO_RESPONSE);
    if (response.webSocket) WebSocket.leave(response.webSocket, wire.upgrade);
    const body = takeSource(response);
    if (isPulled(body) && !(body instanceof HostSource && body.mayBeTaken)) departure().watch(() => body.cancel(new Error("The client disconnected")));
    return wireResponse(response, body, done);
  } catch (error) {
    done();
    report(error, "Uncaught in fetch():");
    throw wireError(error);
  } finally {
    if (--running === 0) WebSocket.abandon();
  }
}
