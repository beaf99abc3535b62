// Of what may stand where the web takes a BufferSource: which bytes are that?

const ofTypedArray = Object.getPrototypeOf(Uint8Array.prototype);
const tag = Object.getOwnPropertyDescriptor(ofTypedArray, Symbol.toStringTag).get;

export function isBufferSource(value) {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value) || value instanceof SharedArrayBuffer;
}

// The same memory, not a copy.
export function bytesOf(value) {
  if (tag.call(value) === "Uint8Array") return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(value);
  throw new TypeError("The provided value is not of type '(ArrayBuffer or ArrayBufferView)'.");
}

export function concat(chunks, length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)) {
  if (chunks.length === 1) return chunks[0];
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
