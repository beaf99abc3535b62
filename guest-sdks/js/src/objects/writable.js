// How does somebody write to a WritableStream of another object?
//
// The stream stays where it is. What travels is a reference, and each write is a call.

import { report } from "./errors.js";
import { kind, refused } from "./kinds.js";
import { RpcTarget } from "./rpc.js";
import { bytesOf, isBufferSource } from "../platform/text/bytes.js";
import { encode } from "../platform/text/utf8.js";

const DISCONNECTED = "WritableStream received over RPC was disconnected because the remote execution context has ended.";
const NOT_BYTES =
  "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.";

// What others call. Who lets go of it before it is closed has broken off.
class Sink extends RpcTarget {
  #writer;
  #isClosed = false;

  constructor(stream) {
    super();
    this.#writer = stream.getWriter();
    this.#writer.closed.catch(() => {});
  }

  async write(chunk) {
    await this.#writer.write(chunk.buffer);
  }

  async close() {
    this.#isClosed = true;
    await this.#writer.close();
  }

  [Symbol.dispose]() {
    if (!this.#isClosed) this.#writer.abort(new Error(DISCONNECTED)).catch((error) => report(error, "Uncaught in abort() of a stream:"));
  }
}

function streamTo(sink) {
  const letGo = () => sink[Symbol.dispose]();
  return new WritableStream({
    write: (chunk) => sink.write(bytesIn(chunk)),
    async close() {
      await sink.close();
      letGo();
    },
    abort: letGo,
  });
}

function bytesIn(chunk) {
  if (typeof chunk === "string") return encode(chunk);
  if (isBufferSource(chunk)) return bytesOf(chunk);
  throw new TypeError(NOT_BYTES);
}

kind(
  "WritableStream",
  WritableStream,
  (stream, { isSent }) => {
    if (!isSent) throw refused("WritableStream can only be serialized for RPC.");
    if (stream.locked) throw new TypeError("This WritableStream is currently locked to a writer.");
    return [new Sink(stream)];
  },
  // The call that brought it may end before the last write.
  ([sink]) => streamTo(sink.dup()),
);
