// How does a body pass between the host and a message?
//
// In the message it is a source: null, bytes, or `{ read, cancel }`. A body that came as a
// stream and that nobody has begun to read goes on as it is.

import { checked, wireError } from "./errors.js";
import { completed, pause, resume, valueOf } from "./event.js";
import { admitted, isHeld, stamp } from "./gate.js";
import { whenAborted } from "../platform/events/abort.js";
import { gunzipped, gzipSync, gzipped } from "../platform/streams/gzip.js";

const CHUNK_BYTES_MAX = 65536;
const EMPTY = { tag: "empty" };

// Drops what nobody reads any more, or ever did.
const unread = new FinalizationRegistry((stream) => stream.drop());

export const isPulled = (source) => source !== null && !(source instanceof Uint8Array);

// Reading fails once `signal` is aborted, where one is given.
export function sourceFrom(body, signal = null) {
  if (body.tag === "bytes") return signal === null ? body.val : unlessAborted(body.val, signal);
  return body.tag === "empty" ? null : new HostSource(body.val, signal);
}

// Lets go of a body that nobody made a source of.
export function dropped(body) {
  if (body.tag !== "stream") return;
  body.val.chunks.drop();
  body.val.end.drop();
}

function unlessAborted(bytes, signal) {
  const source = once(bytes);
  return {
    length: bytes.length,
    async read() {
      signal.throwIfAborted();
      return source.read();
    },
    cancel() {},
  };
}

// What is sent of a body until `signal` is aborted; then it breaks off, and who gives it is told.
export function untilAborted(source, signal) {
  if (signal === null || !isPulled(source)) return source;
  if (source instanceof HostSource && source.follow(signal)) return source;
  let aborted = null;
  const forget = whenAborted(signal, (reason) => {
    aborted = { reason };
    source.cancel(reason);
  });
  return {
    length: source.length,
    async read() {
      const chunk = aborted === null ? await source.read() : null;
      if (aborted !== null) throw aborted.reason;
      if (chunk === null) forget();
      return chunk;
    },
    cancel(reason) {
      forget();
      source.cancel(reason);
    },
  };
}

// A body-stream of the host.
export class HostSource {
  #stream;

  constructor(wire, signal = null) {
    this.#stream = new HostStream(wire);
    if (signal !== null) this.#stream.follow(signal);
    unread.register(this, this.#stream, this.#stream);
  }

  // Whether the host passes it on without us.
  get mayBeTaken() {
    return this.#stream.mayBeTaken;
  }

  read() {
    return this.#stream.read();
  }

  cancel() {
    this.#stream.drop();
  }

  // False if it cannot.
  follow(signal) {
    if (!this.#stream.mayBeTaken) return false;
    this.#stream.follow(signal);
    return true;
  }

  // Drops what nobody has begun to read.
  abandon() {
    if (!this.#stream.isBegun) this.#stream.drop();
  }

  // The body-stream itself, if nothing of it was read.
  taken() {
    const wire = this.#stream.taken();
    if (wire !== null) unread.unregister(this.#stream);
    return wire;
  }
}

class HostStream {
  #wire; // null once it is dropped or handed on
  #isBegun = false;
  #isReading = false;
  #isCancelled = false;
  #aborted = null; // { reason }
  #unfollow = null; // while a signal is followed
  #interrupt = null; // gives up what is being read

  constructor(wire) {
    this.#wire = wire;
  }

  follow(signal) {
    const unfollow = whenAborted(signal, (reason) => {
      this.#aborted = { reason };
      this.drop();
    });
    if (this.#aborted === null) this.#unfollow = unfollow;
  }

  async read() {
    if (this.#aborted !== null) throw this.#aborted.reason;
    if (this.#wire === null) {
      if (this.#isBegun && !this.#isCancelled) return null;
      throw new TypeError("Can't read from request stream after response has been sent.");
    }
    const begun = stamp();
    this.#isBegun = true;
    this.#isReading = true;
    const { chunks, end } = this.#wire;
    try {
      const chunk = await (this.#unfollow === null ? completed(chunks.read(CHUNK_BYTES_MAX)) : this.#readInterruptibly(chunks));
      if (isHeld(begun)) await admitted(begun);
      if (this.#aborted !== null) throw this.#aborted.reason;
      if (this.#isCancelled) return null;
      if (chunk.length > 0) return chunk;
      this.#wire = null;
      this.#forget();
      chunks.drop();
      checked(await valueOf(end));
      return null;
    } finally {
      this.#isReading = false;
      if (this.#isCancelled) this.drop();
    }
  }

  // Gives none when it is interrupted. See `abort.js`.
  async #readInterruptibly(chunks) {
    const task = pause();
    const { readable, writable } = wit.Stream(wit.Stream.U8);
    let isOver = false;
    const chunk = chunks.read(CHUNK_BYTES_MAX);
    this.#interrupt = () => {
      this.#interrupt = null;
      writable.drop();
    };
    readable.read(1).then(() => {
      resume(task);
      readable.drop();
      if (!isOver) chunks.cancelRead();
    });
    try {
      return await chunk;
    } catch (error) {
      if (this.#isCancelled) return null;
      throw error;
    } finally {
      resume(task);
      isOver = true;
      this.#interrupt?.();
    }
  }

  #forget() {
    this.#unfollow?.();
    this.#unfollow = null;
  }

  // What is being read must not be dropped: it is when the read has ended.
  drop() {
    this.#isCancelled = true;
    this.#forget();
    this.#interrupt?.();
    if (this.#wire === null || this.#isReading) return;
    const { chunks, end } = this.#wire;
    this.#wire = null;
    chunks.drop();
    end.drop();
  }

  get isBegun() {
    return this.#isBegun;
  }

  // One with a signal is not: somebody must follow that.
  get mayBeTaken() {
    return this.#wire !== null && !this.#isBegun && this.#unfollow === null;
  }

  taken() {
    if (!this.mayBeTaken) return null;
    const wire = this.#wire;
    this.#wire = null;
    this.#isCancelled = true;
    return wire;
  }
}

// A body that came compressed. What nobody has begun to read goes on as it is, if it is said to be
// compressed there too.
export class CompressedSource {
  #source;
  #decoded = null;

  constructor(source) {
    this.#source = source;
  }

  read() {
    this.#decoded ??= gunzipped(pulled(this.#source));
    return this.#decoded.read();
  }

  cancel(reason) {
    if (isPulled(this.#source)) this.#source.cancel(reason);
  }

  // What came, or null if that was begun to be read.
  get whole() {
    return this.#decoded === null ? this.#source : null;
  }
}

// The source of a body that is compressed as it leaves.
export function compressed(source) {
  const whole = source instanceof CompressedSource ? source.whole : null;
  if (whole !== null || source === null || source.length === 0) return whole ?? source;
  return isPulled(source) ? gzipped(source) : gzipSync(source);
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
  if (!isPulled(source)) return wireStream(pulled(source), ended);
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

const pulled = (source) => (isPulled(source) ? source : once(source));

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
      const taken = await completed(chunks.writeAll(chunk));
      if (taken < chunk.length) {
        source.cancel(new Error("the reader has gone"));
        break;
      }
    }
  } catch (error) {
    ending = { tag: "err", val: wireError(error) };
  }
  chunks.drop();
  await completed(end.write(ending));
  end.drop();
}
