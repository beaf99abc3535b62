// How does an object reach the outside world?

import * as http from "durable:object/http@0.1.0";
import { handshake } from "durable:object/websockets@0.1.0";
import { valueUnlessAborted } from "./abort.js";
import { checked } from "./errors.js";
import { valueOf } from "./event.js";
import { asksForSocket, responseFrom, signalOf, wireRequest } from "./message.js";
import { asked } from "./socket-end.js";
import { WebSocket } from "./websocket.js";

export const fetch = async (input, init) => send(new Request(input, init));

// The static files beside the code, which the host has at addresses of their own.
export const assets = {
  fetch: async (input, init) => send(new Request(input, init), (url) => url.replace(/^https?:/, "assets:")),
};

async function send(request, addressOf = (url) => url) {
  const signal = signalOf(request);
  signal?.throwIfAborted();
  const { token, socket } = asksForSocket(request) ? asked(request) : { token: null };
  const wire = wireRequest(request, token);
  wire.url = addressOf(wire.url);
  const answer = checked(await valueUnlessAborted(http.fetch(wire, request.redirect), signal));
  return responseFrom(answer, { url: request.url, signal, webSocket: answer.status === 101 ? socket() : null });
}

function dropped({ body }) {
  if (body.tag !== "stream") return;
  body.val.chunks.drop();
  body.val.end.drop();
}

// Connects what `new WebSocket(url)` made.
export function openSocket(socket, url, protocols) {
  const parsed = URL.parse(url);
  const scheme = { "ws:": "http:", "wss:": "https:", "http:": "http:", "https:": "https:" }[parsed?.protocol];
  if (scheme === undefined) throw new DOMException(`The URL "${url}" is none of a WebSocket.`, "SyntaxError");
  const fields = [["upgrade", "websocket"]];
  const offered = protocols === undefined ? [] : [protocols].flat();
  if (offered.length > 0) fields.push(["sec-websocket-protocol", offered.join(", ")]);
  const token = handshake();
  const request = wireRequest(new Request(parsed.href.replace(/^wss?:/, scheme), { headers: fields }), token);
  valueOf(http.fetch(request, "follow")).then(
    (answer) => {
      if (answer.tag === "ok" && answer.val.status === 101) {
        const chosen = responseFrom(answer.val).headers.get("sec-websocket-protocol");
        return WebSocket.opened(socket, token, chosen ?? "");
      }
      if (answer.tag === "ok") dropped(answer.val);
      WebSocket.failed(socket, answer.tag === "ok" ? `the server answered with status ${answer.val.status}` : answer.val.message);
    },
  );
}
