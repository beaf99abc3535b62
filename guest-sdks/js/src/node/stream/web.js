// node:stream/web: the web's streams.

export {
  ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableStreamDefaultController, ReadableByteStreamController,
  ReadableStreamBYOBRequest, WritableStream, WritableStreamDefaultWriter, WritableStreamDefaultController, TransformStream,
  TransformStreamDefaultController, ByteLengthQueuingStrategy, CountQueuingStrategy,
} from "../../platform/streams/index.js";
export { TextDecoderStream, TextEncoderStream } from "../../platform/streams/text.js";
export { CompressionStream, DecompressionStream } from "../../platform/streams/compression.js";
