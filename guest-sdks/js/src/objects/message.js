// How do the contract's requests and responses become those of the web, and back?

import { fieldsOf, requestOf, responseOf, stateOfRequest, takeSource } from "../platform/http.js";
import { sourceFrom, wireBody } from "./body.js";

export function requestFrom({ method, url, headers, upgrade }, source, signal) {
  return requestOf({ method, url, fields: headers, source, upgrade, signal });
}

export function responseFrom({ status, headers, body }, { url = "", webSocket = null, signal = null } = {}) {
  return responseOf({ status, fields: headers, source: sourceFrom(body, signal), url, webSocket });
}

// `upgrade` is the token of the socket that it asks for, if it does.
export function wireRequest(request, upgrade) {
  return {
    method: request.method,
    url: request.url,
    headers: fieldsOf(request.headers),
    body: wireBody(takeSource(request)),
    upgrade,
  };
}

export const asksForSocket = (request) => request.headers.get("upgrade")?.toLowerCase() === "websocket";

// The token that it came with, or that a request has it was made from.
export const upgradeOf = (request) => stateOfRequest(request).upgrade;

// `ended` is called when its body has left, or never will.
export function wireResponse(response, source, ended) {
  return { status: response.status, headers: fieldsOf(response.headers), body: wireBody(source, ended) };
}

// The signal that code gave with it. That of a request which came is only made when it is looked
// at, and ends with its event.
export function signalOf(request) {
  const { signal } = stateOfRequest(request);
  return signal instanceof AbortSignal ? signal : null;
}
