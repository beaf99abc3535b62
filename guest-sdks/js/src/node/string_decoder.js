// node:string_decoder: bytes become text, and a character may be cut.

import { Buffer } from "node:buffer";
import { concat } from "../platform/text/bytes.js";
import { labelled } from "../platform/text/encodings.js";

const names = { utf8: "utf8", "utf-8": "utf8", ucs2: "utf16le", "ucs-2": "utf16le", utf16le: "utf16le", "utf-16le": "utf16le", latin1: "latin1", binary: "latin1", ascii: "ascii", hex: "hex", base64: "base64", base64url: "base64url" };
const unfinished = {
  utf8: (bytes) => labelled("utf-8").unfinished(bytes),
  utf16le: (bytes) => labelled("utf-16le").unfinished(bytes),
  base64: (bytes) => bytes.length % 3,
  base64url: (bytes) => bytes.length % 3,
};

export class StringDecoder {
  #rest = new Uint8Array(0);

  constructor(encoding = "utf8") {
    this.encoding = names[`${encoding}`.toLowerCase()];
    if (!this.encoding) throw Object.assign(new TypeError(`Unknown encoding: ${encoding}`), { code: "ERR_UNKNOWN_ENCODING" });
  }

  write(chunk) {
    if (typeof chunk === "string") return chunk;
    const bytes = concat([this.#rest, new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)]);
    const left = unfinished[this.encoding]?.(bytes) ?? 0;
    this.#rest = bytes.slice(bytes.length - left);
    return this.#text(bytes.subarray(0, bytes.length - left));
  }

  end(chunk) {
    const text = chunk === undefined ? "" : this.write(chunk);
    const rest = this.#rest;
    this.#rest = new Uint8Array(0);
    return text + this.#text(rest);
  }

  #text(bytes) {
    return bytes.length ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(this.encoding) : "";
  }
}

export default { StringDecoder };
