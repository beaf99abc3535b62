// crypto.DigestStream, as Cloudflare has it: what is written is hashed.

import { WritableStream } from "../streams/index.js";
import { bytesOf, isBufferSource } from "../text/bytes.js";
import { encode } from "../text/utf8.js";
import { hashNamed } from "./hashes.js";

export class DigestStream extends WritableStream {
  #digest;

  constructor(algorithm) {
    const { promise, resolve, reject } = Promise.withResolvers();
    const state = hashNamed(algorithm).hash.create();
    promise.catch(() => {});
    super({
      write(chunk) {
        if (typeof chunk !== "string" && !isBufferSource(chunk)) throw new TypeError("DigestStream is a byte stream but received an object of neither text nor bytes.");
        state.update(typeof chunk === "string" ? encode(chunk) : bytesOf(chunk));
      },
      close: () => resolve(state.digest().slice().buffer),
      abort: reject,
    });
    this.#digest = promise;
  }

  get digest() {
    return this.#digest;
  }
}
