// What a Request or a Response carries, and how it is read.
//
// A body is a *source* until somebody wants a stream of it: null, bytes, or an object
// `{ read(): Promise<Uint8Array | null>, cancel(reason), length? }`, where null is the end.
// Reading it whole then takes no stream, which in QuickJS would cost more than all the rest.

import { concat, bytesOf, isBufferSource } from "../text/bytes.js";
import { decode, encode } from "../text/utf8.js";
import { likeTheWeb } from "../install.js";
import { Blob, bytesIn } from "./blob.js";
import { FormData, parseForm, serializeForm } from "./form.js";
import { URLSearchParams } from "../url/params.js";
import { ReadableStream, isDisturbed, sourceOfStream, streamOfSource } from "../streams/index.js";

// Bytes that somebody else has too, and that must not be given away.
const shared = new WeakSet();
const none = new Uint8Array(0);
shared.add(none);

const owned = (bytes) => (shared.has(bytes) || bytes.byteLength !== bytes.buffer.byteLength ? bytes.slice() : bytes);

let attach;
let take;
let tee;
let isUsed;

export class Body {
  #source = null;
  #stream = null;
  #used = false;

  static {
    attach = (body, source) => {
      if (source instanceof ReadableStream) body.#stream = source;
      else body.#source = source;
    };
    isUsed = (body) => body.#used || (body.#stream !== null && isDisturbed(body.#stream));
    take = (body) => {
      if (isUsed(body)) throw new TypeError(USED);
      if (body.#stream?.locked) throw new TypeError("Cannot read the body: its stream is locked to a reader.");
      const source = body.#stream ? sourceOfStream(body.#stream) : body.#source;
      body.#used = source !== null;
      if (body.#source !== null) body.#source = none; // the bytes are somebody else's now
      return source;
    };
    // For a copy: what both then have.
    tee = (body) => {
      if (isUsed(body)) throw new TypeError("Cannot clone a body that has already been used.");
      if (body.#stream?.locked) throw new TypeError("Cannot clone a body whose stream is locked to a reader.");
      if (body.#stream === null && (body.#source === null || body.#source instanceof Uint8Array)) {
        if (body.#source !== null) shared.add(body.#source);
        return body.#source;
      }
      const [mine, other] = body.body.tee();
      body.#stream = mine;
      return other;
    };
  }

  get body() {
    if (this.#stream === null && this.#source !== null) {
      if (this.#used) this.#stream = emptied();
      else this.#stream = streamOfSource(this.#source);
      this.#source = null;
    }
    return this.#stream;
  }

  get bodyUsed() {
    return isUsed(this);
  }

  async arrayBuffer() {
    return owned(await readWhole(take(this))).buffer;
  }

  async bytes() {
    return owned(await readWhole(take(this)));
  }

  async text() {
    return textOf(await readWhole(take(this)));
  }

  async json() {
    return JSON.parse(textOf(await readWhole(take(this))));
  }

  async blob() {
    const type = this.headers.get("content-type") ?? "";
    return new Blob([await readWhole(take(this))], { type });
  }

  async formData() {
    const type = this.headers.get("content-type") ?? "";
    return parseForm(await readWhole(take(this)), type);
  }
}

likeTheWeb(Body, "Body");
delete Body.prototype[Symbol.toStringTag];

export { attach, isUsed, take, tee };

const USED =
  "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";

function emptied() {
  const stream = new ReadableStream();
  stream.getReader();
  return stream;
}

function textOf(bytes) {
  const text = decode(bytes);
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

// They may be shared.
export async function readWhole(source) {
  if (source === null) return none;
  if (source instanceof Uint8Array) return source;
  const chunks = [];
  for (let chunk = await source.read(); chunk !== null; chunk = await source.read()) chunks.push(chunk);
  return chunks.length ? concat(chunks) : none;
}

// Of what may be given as a body: its source, and the content type that goes with it.
export function extract(init) {
  if (init === null || init === undefined) return { source: null, type: null };
  if (typeof init === "string") return { source: encode(init), type: "text/plain;charset=UTF-8" };
  if (init instanceof ReadableStream) {
    if (isDisturbed(init)) throw new TypeError("This ReadableStream is disturbed (has already been read from), and cannot be used as a body.");
    if (init.locked) throw new TypeError("This ReadableStream is currently locked to a reader, and cannot be used as a body.");
    return { source: init, type: null };
  }
  if (isBufferSource(init)) return { source: bytesOf(init).slice(), type: null };
  if (init instanceof Blob) {
    const source = bytesIn(init);
    shared.add(source);
    return { source, type: init.type || null };
  }
  if (init instanceof FormData) return serializeForm(init);
  if (init instanceof URLSearchParams) {
    return { source: encode(init.toString()), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  if (typeof init === "object" && typeof init[Symbol.asyncIterator] === "function") {
    return { source: ReadableStream.from(init), type: null };
  }
  return { source: encode(`${init}`), type: "text/plain;charset=UTF-8" };
}
