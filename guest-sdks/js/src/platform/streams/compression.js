// CompressionStream and DecompressionStream, over fflate.

import { Deflate, Gunzip, Gzip, Inflate, Unzlib, Zlib } from "fflate";
import { likeTheWeb } from "../install.js";
import { bytesOf, isBufferSource } from "../text/bytes.js";
import { TransformStream } from "./index.js";

const compressors = { gzip: Gzip, deflate: Zlib, "deflate-raw": Deflate };
const decompressors = { gzip: Gunzip, deflate: Unzlib, "deflate-raw": Inflate };

function coder(name, kinds, broken) {
  const type = class {
    #transform;

    constructor(format) {
      const Coder = Object.hasOwn(kinds, `${format}`) ? kinds[`${format}`] : null;
      if (!Coder) throw new TypeError(`Unsupported compression format: '${format}'; it must be gzip, deflate or deflate-raw.`);
      this.#transform = transform(Coder, broken);
    }

    get readable() {
      return this.#transform.readable;
    }

    get writable() {
      return this.#transform.writable;
    }
  };
  return likeTheWeb(type, name);
}

function transform(Coder, broken) {
  let coder;
  let last = false; // whether the end of what is compressed was met
  const push = (bytes, end) => {
    try {
      coder.push(bytes, end);
    } catch (error) {
      throw new TypeError(`${broken}: ${error.message}`);
    }
  };
  return new TransformStream({
    start(controller) {
      coder = new Coder((chunk, final) => {
        last ||= final;
        if (chunk.length) controller.enqueue(chunk);
      });
    },
    transform(chunk) {
      if (!isBufferSource(chunk)) throw new TypeError("The chunks of a compression stream must be bytes.");
      const bytes = bytesOf(chunk);
      if (bytes.length) push(bytes.slice(), false);
    },
    flush() {
      push(new Uint8Array(0), true);
      if (!last) throw new TypeError(`${broken}: it ends too early`);
    },
  });
}

export const CompressionStream = coder("CompressionStream", compressors, "The data cannot be compressed");
export const DecompressionStream = coder("DecompressionStream", decompressors, "The compressed data is not valid");
