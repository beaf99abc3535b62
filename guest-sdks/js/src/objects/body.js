// How does a body pass between the host and a message?
//
// In the message it is a source: null, bytes, or `{ read, cancel }`. A body that came as a
// stream and that nobody has begun to read goes on as it is.

import { checked, wireError } from "./errors.js";
import { valueOf } from "./event.js";
import { admitted, isHeld, stamp } from "./gate.js";

const CHUNK_BYTES_MAX = 65536;
const EMPTY = { tag: "empty" };

// Drops what nobody reads any more, or ever did.
const unread = new FinalizationRegistry((stream) => stream.drop());

export const isPulled = (source) => source !== null && !(source instanceof Uint8Array);

export function sourceFrom(body) {
  if (body.tag === "bytes") return body.val;
  return body.tag === "empty" ? null : new HostSource(body.val);
}

// A body-stream of the host.
export class HostSource {
  #stream;

  constructor(wire) {
    this.#stream = new HostStream(wire);
    unread.register(this, this.#stream, this.#stream);
  }

  read() {
    return this.#stream.read();
  }

  cancel() {
    this.#stream.drop();
  }

  // Drops what nobody has begun to read.
  abandon() {
    if (!this.#stream.isBegun) this.#stream.drop();
  }

  // The body-stream itself, if nothing of it was read.
  taken() {
    unread.unregister(this.#stream);
    return this.#stream.taken();
  }
}

class HostStream {
  #wire; // null once it is dropped or handed on
  #isBegun = false;
  #isReading = false;
  #isCancelled = false;

  constructor(wire) {
    this.#wire = wire;
  }

  async read() {
    if (this.#wire === null) {
      if (this.#isBegun && !this.#isCancelled) return null;
      throw new TypeError("Can't read from request stream after response has been sent.");
    }
    const begun = stamp();
    this.#isBegun = true;
    this.#isReading = true;
    const { chunks, end } = this.#wire;
    try {
      const chunk = await chunks.read(CHUNK_BYTES_MAX);
      if (isHeld(begun)) await admitted(begun);
      if (this.#isCancelled) return null;
      if (chunk.length > 0) return chunk;
      this.#wire = null;
      chunks.drop();
      checked(await valueOf(end));
      return null;
    } finally {
      this.#isReading = false;
      if (this.#isCancelled) this.drop();
    }
  }

  // What is being read must not be dropped: it is when the read has ended.
  drop() {
    this.#isCancelled = true;
    if (this.#wire === null || this.#isReading) return;
    const { chunks, end } = this.#wire;
    this.#wire = null;
    chunks.drop();
    end.drop();
  }

  get isBegun() {
    return this.#isBegun;
  }

  taken() {
    if (this.#wire === null || this.#isBegun) return null;
    const wire = this.#wire;
    this.#wire = null;
    this.#isCancelled = true;
    return wire;
  }
}

// The contract's body. `ended` is called when it has left, or never will.
export function wireBody(source, ended) {
  if (!isPulled(source)) {
    ended?.();
    return source === null || source.length === 0 ? EMPTY : { tag: "bytes", val: source };
  }
  return { tag: "stream", val: wireStream(source, ended) };
}

// The contract's body-stream.
export function wireStream(source, ended) {
  if (!isPulled(source)) return wireStream(once(source), ended);
  const untouched = source instanceof HostSource ? source.taken() : null;
  if (untouched !== null) {
    ended?.();
    return untouched;
  }
  const chunks = wit.Stream(wit.Stream.U8);
  const end = wit.Future(wit.Future.RESULT_VOID_ERROR);
  write(source, chunks.writable, end.writable).then(ended);
  return { chunks: chunks.readable, end: end.readable };
}

// The source of bytes at hand, or none.
function once(bytes) {
  let left = bytes;
  return {
    async read() {
      const chunk = left;
      left = null;
      return chunk;
    },
    cancel() {},
  };
}

async function write(source, chunks, end) {
  let ending = { tag: "ok" };
  try {
    for (let chunk = await source.read(); chunk !== null; chunk = await source.read()) {
      if (chunk.length === 0) continue;
      const taken = await chunks.writeAll(chunk);
      if (taken < chunk.length) {
        source.cancel(new Error("the reader has gone"));
        break;
      }
    }
  } catch (error) {
    ending = { tag: "err", val: wireError(error) };
  }
  chunks.drop();
  await end.write(ending);
  end.drop();
}
