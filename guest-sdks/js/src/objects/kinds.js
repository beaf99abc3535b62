// What of the platform has a copy, to be kept or sent, and by which name does that travel?

import { decode, encode } from "./cbor.js";
import { isPlain, refusal } from "../platform/clone.js";
import { Blob, File, bytesIn } from "../platform/http/blob.js";
import { fieldsOf, requestOf, responseOf } from "../platform/http.js";

const kinds = new Map();

// `partsOf(value, carrier)` gives values that have copies, `from(parts, carrier)` makes it again.
// The carrier has `isSent`, and knows what becomes of a body.
export function kind(name, type, partsOf, from) {
  kinds.set(name, { type, partsOf, from });
}

// `[name, ...parts]` of an object that is of a kind.
export function partsOf(value, carrier) {
  for (const [name, { type, partsOf }] of kinds) if (value instanceof type) return [name, ...partsOf(value, carrier)];
  return undefined;
}

export function objectOf(name, parts, carrier) {
  return kinds.get(name)?.from(parts, carrier);
}

export const refused = (message) => new DOMException(message, "DataCloneError");
export const noSerialization = (name) => refused(`Could not serialize object of type "${name}". This type does not support serialization.`);

// What is kept with the object: nobody is there to be called, and nothing streams.
const keeper = {
  isSent: false,
  stream() {
    throw refused("ReadableStream can only be serialized for RPC.");
  },
  body: (message) => (message.body === null ? [null] : keeper.stream()),
  source: () => null,
  special(value) {
    const parts = partsOf(value, keeper);
    if (parts === undefined && !isPlain(value)) throw refusal(value);
    return parts;
  },
  specialOf: (name, parts) => objectOf(name, parts, keeper),
};

// The bytes of a value that is kept, and the value again.
export const keep = (value) => encode(value, keeper);
export const kept = (bytes) => decode(bytes, keeper);

kind("Headers", Headers, (headers) => [[...headers]], ([fields]) => new Headers(fields));

kind(
  "Request",
  Request,
  (request, carrier) => [request.method, request.url, fieldsOf(request.headers), ...carrier.body(request)],
  ([method, url, fields, ...body], carrier) => requestOf({ method, url, fields, source: carrier.source(...body) }),
);

kind(
  "Response",
  Response,
  (response, carrier) => [response.status, response.statusText, fieldsOf(response.headers), ...carrier.body(response)],
  ([status, statusText, fields, ...body], carrier) => responseOf({ status, statusText, fields, source: carrier.source(...body) }),
);

const blobParts = (blob) => {
  if (blob instanceof File) throw noSerialization("File");
  return [blob.type, bytesIn(blob)];
};
kind("Blob", Blob, blobParts, ([type, bytes]) => new Blob([bytes], { type }));

kind(
  "DOMException",
  DOMException,
  ({ message, name, stack }) => [message, name, stack],
  ([message, name, stack]) => Object.assign(new DOMException(message, name), { stack }),
);

const signalParts = () => {
  throw refused("AbortSignal serialization is not enabled.");
};
kind("AbortSignal", AbortSignal, signalParts);
