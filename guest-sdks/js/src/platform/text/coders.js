// TextEncoder and TextDecoder.

import { likeTheWeb } from "../install.js";
import { bytesOf, concat } from "./bytes.js";
import { labelled } from "./encodings.js";
import { decode, encode, unfinished } from "./utf8.js";

export class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(text = "") {
    return encode(`${text}`);
  }

  encodeInto(text, target) {
    if (!(target instanceof Uint8Array)) throw new TypeError("TextEncoder.encodeInto: the second argument must be a Uint8Array.");
    const source = `${text}`.toWellFormed();
    let taken = source;
    let bytes = encode(source);
    if (bytes.length > target.length) {
      const whole = target.length - unfinished(bytes.subarray(0, target.length));
      bytes = bytes.subarray(0, whole);
      taken = decode(bytes);
    }
    target.set(bytes);
    return { read: taken.length, written: bytes.length };
  }
}

const BOM = "\ufeff";
const none = new Uint8Array(0);

export class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  #rest = none; // the beginning of a character, from the chunk before
  #begun = false; // whether a BOM may no longer come

  constructor(label = "utf-8", options = {}) {
    this.#encoding = labelled(`${label}`);
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }

  get encoding() {
    return this.#encoding.name;
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#ignoreBOM;
  }

  decode(input, options) {
    let bytes = input === undefined ? none : bytesOf(input);
    const more = Boolean(options?.stream);
    if (this.#rest.length) bytes = concat([this.#rest, bytes]);
    const left = more ? this.#encoding.unfinished(bytes) : 0;
    this.#rest = left ? bytes.slice(bytes.length - left) : none;
    if (left) bytes = bytes.subarray(0, bytes.length - left);
    let text;
    try {
      text = this.#fatal ? this.#encoding.strictly(bytes) : this.#encoding.decode(bytes);
    } catch {
      this.#rest = none;
      this.#begun = false;
      throw new TypeError(`The encoded data was not valid ${this.encoding}.`);
    }
    if (!this.#begun && !this.#ignoreBOM && text.startsWith(BOM)) text = text.slice(1);
    this.#begun = more && (this.#begun || bytes.length > 0);
    return text;
  }
}

likeTheWeb(TextEncoder, "TextEncoder");
likeTheWeb(TextDecoder, "TextDecoder");
