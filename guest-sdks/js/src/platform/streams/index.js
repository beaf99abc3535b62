// Streams, and how a stream becomes a source of bytes and back.
//
// What a source is: README.md, "The tree". A stream made of one, that nobody has touched,
// gives that source back, so that a body passed on costs no stream.

import { ReadableStream } from "web-streams-polyfill";
import { bytesOf, isBufferSource } from "../text/bytes.js";

export {
  ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableStreamDefaultController, ReadableByteStreamController,
  ReadableStreamBYOBRequest, WritableStream, WritableStreamDefaultWriter, WritableStreamDefaultController, TransformStream,
  TransformStreamDefaultController, ByteLengthQueuingStrategy, CountQueuingStrategy,
} from "web-streams-polyfill";

const sources = new WeakMap();

// Whether somebody has read from the stream, or cancelled it.
export function isDisturbed(stream) {
  return stream._disturbed;
}

export function streamOfSource(given) {
  const source = given instanceof Uint8Array ? once(given) : given;
  const stream = new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const chunk = await source.read();
      if (chunk !== null) {
        if (chunk.length) controller.enqueue(chunk);
        else if (!controller.byobRequest) return this.pull(controller);
        return;
      }
      controller.close();
      controller.byobRequest?.respond(0);
    },
    cancel: (reason) => source.cancel(reason),
  }, { highWaterMark: 0 });
  sources.set(stream, given);
  return stream;
}

function once(bytes) {
  let left = bytes.slice();
  return {
    length: bytes.length,
    async read() {
      const chunk = left;
      left = null;
      return chunk;
    },
    cancel() {
      left = null;
    },
  };
}

// The stream is locked from now on. Text in it is an error, unless `textOf` makes bytes of it.
export function sourceOfStream(stream, textOf) {
  const source = sources.get(stream);
  if (source !== undefined && !isDisturbed(stream) && !stream.locked) {
    stream.getReader();
    stream._disturbed = true;
    return source;
  }
  const reader = stream.getReader();
  return {
    length: lengths.get(stream),
    async read() {
      const { done, value } = await reader.read();
      if (done) return null;
      if (isBufferSource(value)) return bytesOf(value);
      if (textOf !== undefined && typeof value === "string") return textOf(value);
      const error = new TypeError(`A body's stream must have chunks of bytes, but it had ${typeof value === "string" ? "a string: use a TextEncoder" : typeof value}.`);
      reader.cancel(error).catch(() => {});
      throw error;
    },
    cancel: (reason) => reader.cancel(reason).catch(() => {}),
  };
}

// How many bytes a stream will have, where that was promised.
export const lengths = new WeakMap();
