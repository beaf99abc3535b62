// node:stream.

import stream from "readable-stream/lib/stream.js";

export const {
  Readable, Writable, Duplex, Transform, PassThrough, Stream, pipeline, finished, addAbortSignal, compose, destroy, isDisturbed, isErrored, isReadable,
  promises, getDefaultHighWaterMark, setDefaultHighWaterMark,
} = stream;
export default stream;
