// IdentityTransformStream and FixedLengthStream: what is written on one side is read on the
// other, as bytes, and a write is done when its bytes are taken.

import { likeTheWeb } from "../install.js";
import { bytesOf, isBufferSource } from "../text/bytes.js";
import { ReadableStream, TransformStream, WritableStream, lengths } from "./index.js";

const NOT_BYTES =
  "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.";

export class IdentityTransformStream extends TransformStream {
  #pair;

  constructor(check = () => {}, flush = () => {}) {
    super();
    this.#pair = pair(typeof check === "function" ? check : () => {}, flush);
  }

  get readable() {
    return this.#pair.readable;
  }

  get writable() {
    return this.#pair.writable;
  }
}

likeTheWeb(IdentityTransformStream, "IdentityTransformStream");

export class FixedLengthStream extends IdentityTransformStream {
  constructor(length) {
    const expected = Number(length);
    if (!Number.isSafeInteger(expected) || expected < 0) throw new TypeError(`FixedLengthStream: the length must be a whole number of bytes, not ${length}.`);
    let written = 0;
    super(
      (bytes) => {
        written += bytes.length;
        if (written > expected) throw new TypeError("Attempt to write too many bytes through a FixedLengthStream.");
      },
      () => {
        if (written < expected) throw new TypeError("FixedLengthStream did not see all expected bytes before close().");
      },
    );
    lengths.set(this.readable, expected);
  }
}

likeTheWeb(FixedLengthStream, "FixedLengthStream");

function pair(check, flush) {
  let controller;
  let failWriting;
  let wanted = Promise.withResolvers(); // resolved once the reader asks for more
  // The reader learns of it too when the writer does something wrong.
  const checked = (work) => {
    try {
      work();
    } catch (error) {
      controller.error(error);
      throw error;
    }
  };
  const readable = new ReadableStream({
    type: "bytes",
    start(given) {
      controller = given;
    },
    pull() {
      wanted.resolve();
    },
    cancel(reason) {
      failWriting(reason);
    },
  }, { highWaterMark: 0 });
  const writable = new WritableStream({
    start(given) {
      failWriting = (reason) => {
        given.error(reason);
        wanted.resolve();
      };
    },
    async write(chunk) {
      checked(() => {
        if (!isBufferSource(chunk)) throw new TypeError(NOT_BYTES);
      });
      const bytes = bytesOf(chunk).slice();
      checked(() => check(bytes));
      if (bytes.length === 0) return;
      await wanted.promise;
      wanted = Promise.withResolvers();
      controller.enqueue(bytes);
    },
    close() {
      checked(flush);
      controller.close();
      controller.byobRequest?.respond(0);
    },
    abort(reason) {
      controller.error(reason);
    },
  });
  return { readable, writable };
}
