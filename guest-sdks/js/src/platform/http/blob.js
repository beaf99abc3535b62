// Blob and File: bytes with a type, and a name.

import { likeTheWeb } from "../install.js";
import { bytesOf, concat, isBufferSource } from "../text/bytes.js";
import { decode, encode } from "../text/utf8.js";
import { ReadableStream } from "../streams/index.js";

let bytesIn;

export class Blob {
  #bytes;
  #type;

  static {
    bytesIn = (blob) => blob.#bytes;
  }

  constructor(parts = [], options = {}) {
    if (typeof parts !== "object" || parts === null || typeof parts[Symbol.iterator] !== "function") {
      throw new TypeError("Blob: the first argument must be a sequence.");
    }
    if (options !== undefined && options !== null && typeof options !== "object" && typeof options !== "function") {
      throw new TypeError("Blob: the second argument must be an object.");
    }
    const native = options?.endings === "native";
    const chunks = Array.from(parts, (part) => {
      if (part instanceof Blob) return part.#bytes;
      if (isBufferSource(part)) return bytesOf(part);
      return encode(native ? `${part}`.replace(/\r\n?/g, "\n") : `${part}`);
    });
    // Even a single chunk is copied, for its owner may change it.
    this.#bytes = chunks.length === 1 ? chunks[0].slice() : concat(chunks);
    const type = options?.type === undefined ? "" : `${options.type}`;
    this.#type = /[^\x20-\x7e]/.test(type) ? "" : type.toLowerCase();
  }

  get size() {
    return this.#bytes.length;
  }

  get type() {
    return this.#type;
  }

  async arrayBuffer() {
    return this.#bytes.slice().buffer;
  }

  async bytes() {
    return this.#bytes.slice();
  }

  async text() {
    return decode(this.#bytes);
  }

  slice(start = 0, end = this.size, type = "") {
    const part = new Blob([], { type });
    part.#bytes = this.#bytes.subarray(clamped(start, this.size), Math.max(clamped(start, this.size), clamped(end, this.size)));
    return part;
  }

  stream() {
    const bytes = this.#bytes;
    return new ReadableStream({
      type: "bytes",
      start(controller) {
        if (bytes.length) controller.enqueue(bytes.slice());
        controller.close();
      },
    });
  }
}

likeTheWeb(Blob, "Blob");

function clamped(at, size) {
  const whole = Math.trunc(Number(at)) || 0;
  return whole < 0 ? Math.max(size + whole, 0) : Math.min(whole, size);
}

export class File extends Blob {
  #name;
  #lastModified;

  constructor(parts, name, options = {}) {
    if (arguments.length < 2) throw new TypeError(`File: 2 arguments required, but only ${arguments.length} present.`);
    super(parts, options);
    this.#name = `${name}`.toWellFormed();
    this.#lastModified = options?.lastModified === undefined ? Date.now() : Math.trunc(Number(options.lastModified)) || 0;
  }

  get name() {
    return this.#name;
  }

  get lastModified() {
    return this.#lastModified;
  }

  get webkitRelativePath() {
    return "";
  }
}

likeTheWeb(File, "File");

// The bytes themselves, which nobody may change.
export { bytesIn };
