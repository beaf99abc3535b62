// How does an object reach the outside world?

import * as http from "durable:object/http@0.1.0";
import { sockets } from "./sockets.js";
import { valueUnlessAborted } from "./abort.js";
import { dropped } from "./body.js";
import { checked } from "./errors.js";
import { asksForSocket, responseFrom, signalOf, wireRequest } from "./message.js";
import { followed } from "./redirect.js";
import { asked } from "./socket-end.js";
import { NOT_ESTABLISHED, WebSocket } from "./websocket.js";

export async function fetch(input, init) {
  const request = new Request(input, init);
  const signal = signalOf(request);
  signal?.throwIfAborted();
  const send = (wire, redirects) => valueUnlessAborted(http.fetch(wire, redirects), signal);
  if (!asksForSocket(request)) return followed(request, signal, (wire) => send(wire, "manual"));
  const { token, socket } = asked(request);
  const answer = checked(await send(wireRequest(request, token), request.redirect));
  return responseFrom(answer, { url: request.url, signal, webSocket: answer.status === 101 ? socket() : null });
}

// The static files beside the code, which the host has at addresses of their own.
export const assets = {
  async fetch(input, init) {
    const request = new Request(input, init);
    const signal = signalOf(request);
    signal?.throwIfAborted();
    const wire = wireRequest(request, null);
    wire.url = wire.url.replace(/^https?:/, "assets:");
    const answer = checked(await valueUnlessAborted(http.fetch(wire, request.redirect), signal));
    return responseFrom(answer, { url: request.url, signal });
  },
};

const SCHEMES = { "ws:": "http:", "wss:": "https:", "http:": "http:", "https:": "https:" };
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const wrong = (what) => new DOMException(`WebSocket Constructor: ${what}`, "SyntaxError");

// Connects what `new WebSocket(url)` made; calling the result gives that up.
export function openSocket(socket, url, protocols) {
  const parsed = URL.parse(url);
  if (parsed === null) throw wrong("The url is invalid.");
  const scheme = SCHEMES[parsed.protocol];
  if (scheme === undefined) throw wrong("The url scheme must be ws or wss.");
  if (url.includes("#")) throw wrong("The url fragment must be empty.");
  const offered = protocols === undefined ? [] : [protocols].flat().map(String);
  if (!offered.every((protocol) => TOKEN.test(protocol))) throw wrong("The protocol header token is invalid.");
  if (new Set(offered).size < offered.length) throw wrong("The protocols header cannot have repeating values.");
  const fields = [["upgrade", "websocket"]];
  if (offered.length > 0) fields.push(["sec-websocket-protocol", offered.join(", ")]);
  const token = sockets.handshake();
  const request = wireRequest(new Request(parsed.href.replace(/^wss?:/, scheme), { headers: fields }), token);
  const closing = new AbortController();
  valueUnlessAborted(http.fetch(request, "follow"), closing.signal).then(
    (answer) => {
      if (answer.tag === "ok" && answer.val.status === 101) {
        const chosen = responseFrom(answer.val).headers.get("sec-websocket-protocol");
        return WebSocket.opened(socket, token, chosen ?? "");
      }
      if (answer.tag === "ok") dropped(answer.val.body);
      WebSocket.failed(socket, answer.tag === "ok" ? `the server answered with status ${answer.val.status}` : answer.val.message);
    },
    () => WebSocket.failed(socket, NOT_ESTABLISHED),
  );
  return () => closing.abort();
}
