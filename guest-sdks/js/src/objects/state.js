// What does an object know of itself, and what can it do with its instance?

import * as state from "durable:object/state@0.1.0";
import { sockets } from "./sockets.js";
import { runInBackground } from "./background.js";
import { asking, report, wireError } from "./errors.js";
import { inSection, needFunction } from "./section.js";
import { DurableObjectId } from "./id.js";
import { DurableObjectStorage } from "./storage.js";
import { WebSocket, WebSocketRequestResponsePair } from "./websocket.js";
import { withoutCopies } from "../platform/install.js";
import { encode } from "../platform/text/utf8.js";

const TAGS_MAX = 10;
const TAG_BYTES_MAX = 256;

export class DurableObjectState {
  #id;

  // `object` says what the class has.
  constructor(object, exports) {
    this.storage = new DurableObjectStorage(object);
    this.exports = exports;
    this.props = {};
  }

  // A copy of the object has its memory, but an id of its own.
  get id() {
    const digits = state.id();
    if (this.#id?.toString() !== digits) this.#id = new DurableObjectId(digits, state.name());
    return this.#id;
  }

  // The id of the object that this one was copied from; null if it was not.
  get forkedFrom() {
    const digits = state.forkedFrom() ?? null;
    return digits === null ? null : new DurableObjectId(digits);
  }

  waitUntil(promise) {
    runInBackground(promise);
  }

  async blockConcurrencyWhile(work) {
    needFunction(work, "blockConcurrencyWhile", "DurableObjectState");
    return inSection(
      () => work(),
      (error) => {
        report(error, "Uncaught in blockConcurrencyWhile():");
        return { tag: "err", val: wireError(error) };
      },
    );
  }

  abort(reason, options) {
    const text = reason === undefined ? null : reason instanceof Error ? reason.message : String(reason);
    state.abort(text?.toWellFormed() ?? null, options?.retryAlarm ?? true);
  }

  acceptWebSocket(socket, tags = []) {
    if (!(socket instanceof WebSocket)) {
      throw new TypeError("Failed to execute 'acceptWebSocket' on 'DurableObjectState': parameter 1 is not of type 'WebSocket'.");
    }
    if (!Array.isArray(tags)) throw new TypeError("Failed to execute 'acceptWebSocket' on 'DurableObjectState': parameter 2 is not of type 'Array'.");
    const names = [...new Set(tags.map((tag) => String(tag).toWellFormed()))];
    if (names.length > TAGS_MAX) throw new Error(`a Hibernatable WebSocket cannot have more than ${TAGS_MAX} tags`);
    for (const name of names) {
      if (encode(name).length > TAG_BYTES_MAX) {
        throw new Error(`"${name}" is longer than the max tag length (${TAG_BYTES_MAX} characters).`);
      }
    }
    WebSocket.accept(socket, names);
  }

  getWebSockets(tag) {
    const wanted = tag === undefined || tag === null ? null : String(tag).toWellFormed();
    const bound = asking(() => sockets.list(wanted)).map(WebSocket.withLine);
    return wanted === null ? [...WebSocket.unbound(), ...bound] : [...bound, ...WebSocket.unbound(wanted).reverse()];
  }

  getTags(socket) {
    if (!(socket instanceof WebSocket)) {
      throw new TypeError("Failed to execute 'getTags' on 'DurableObjectState': parameter 1 is not of type 'WebSocket'.");
    }
    return WebSocket.tagsOf(socket);
  }

  setWebSocketAutoResponse(pair) {
    if (pair !== undefined && pair !== null && !(pair instanceof WebSocketRequestResponsePair)) {
      throw new TypeError("An automatic response is a WebSocketRequestResponsePair.");
    }
    const wire = pair ? { request: pair.request.toWellFormed(), response: pair.response.toWellFormed() } : null;
    asking(() => sockets.setAutoResponse(wire));
  }

  getWebSocketAutoResponse() {
    const pair = asking(() => sockets.getAutoResponse());
    return pair === null ? null : new WebSocketRequestResponsePair(pair.request, pair.response);
  }

  getWebSocketAutoResponseTimestamp(socket) {
    const line = WebSocket.lineOf(socket);
    const time = line === null ? null : asking(() => sockets.autoResponseTimestamp(line));
    return time === null ? null : new Date(time);
  }

  setHibernatableWebSocketEventTimeout(timeoutMs) {
    asking(() => sockets.setEventTimeout(timeoutMs === undefined || timeoutMs === null ? null : Number(timeoutMs)));
  }

  getHibernatableWebSocketEventTimeout() {
    return asking(() => sockets.getEventTimeout());
  }
}

withoutCopies({ DurableObjectState });
