// How do the contract's requests and responses become those of the web, and back?

import { fieldsOf, requestOf, responseOf, stateOfRequest, stateOfResponse, takeSource } from "../platform/http.js";
import { toLatin1 } from "../platform/text/utf8.js";
import { CompressedSource, compressed, sourceFrom, wireBody } from "./body.js";

export function requestFrom({ method, url, headers, upgrade }, source, signal) {
  return requestOf({ method, url, fields: headers, source, upgrade, signal });
}

export function responseFrom({ status, headers, body }, { url = "", redirected = false, webSocket = null, signal = null } = {}) {
  const came = sourceFrom(body, signal);
  const source = came !== null && isGzip(headers) ? new CompressedSource(came) : came;
  return responseOf({ status, fields: headers, source, url, redirected, webSocket });
}

// As at Cloudflare in this very spelling. Of no other coding anything is known here.
const isGzip = (fields) => fields.some((field) => field[0] === "content-encoding" && toLatin1(field[1]) === "gzip");

// `upgrade` is the token of the socket that it asks for, if it does.
export function wireRequest(request, upgrade) {
  const { source, ...message } = messageOf(request);
  return { ...message, url: wireUrl(message.url), body: wireBody(source), upgrade };
}

// What of a request leaves.
export function messageOf(request) {
  return { method: request.method, url: fetchable(request.url), headers: fieldsIn(request, stateOfRequest(request)), source: takeSource(request) };
}

// An address without its fragment, which is nobody else's.
export function fetchable(url) {
  if (!url.startsWith("http:") && !url.startsWith("https:")) throw new TypeError(`Fetch API cannot load: ${url}`);
  const end = url.indexOf("#");
  return end === -1 ? url : url.slice(0, end);
}

// As it is sent: at Cloudflare name and password stay behind.
export const wireUrl = (url) => (url.includes("@") ? url.replace(/^(https?:\/\/)[^/?]*@/, "$1") : url);

// Headers of the host are looked at without making the web's of them.
const fieldsIn = (message, { headers, fields }) => (headers === null ? fields : fieldsOf(message.headers));

export function asksForSocket(request) {
  const { headers, fields } = stateOfRequest(request);
  if (headers === null && !fields.some((field) => field[0] === "upgrade")) return false;
  return request.headers.get("upgrade")?.toLowerCase() === "websocket";
}

// The token that it came with, or that a request has it was made from.
export const upgradeOf = (request) => stateOfRequest(request).upgrade;

// `ended` is called when its body has left, or never will.
export function wireResponse(response, source, ended) {
  const { status } = response;
  const state = stateOfResponse(response);
  const headers = fieldsIn(response, state);
  const asItIs = state.encodeBody === "manual" || !isGzip(headers);
  const leaving = asItIs ? source : compressed(source);
  const isOfItsLength = asItIs ? !(source instanceof CompressedSource) : source === null || leaving === source.whole;
  return { status, headers: isOfItsLength ? headers : headers.filter(([name]) => name !== "content-length"), body: wireBody(leaving, ended) };
}

// The signal that code gave with it. That of a request which came is only made when it is looked
// at, and ends with its event.
export function signalOf(request) {
  const { signal } = stateOfRequest(request);
  return signal instanceof AbortSignal ? signal : null;
}
