// node:buffer: unenv's, with the ways between text and bytes that QuickJS has in C.

import * as unenv from "unenv/node/buffer";
import { Blob, File } from "../platform/http/blob.js";
import { decode, encode, isAscii, toLatin1 } from "../platform/text/utf8.js";

const { Buffer } = unenv;
const from = Buffer.from;
const toString = Buffer.prototype.toString;
const byteLength = Buffer.byteLength;

// As Node.js does it: either alphabet, and what belongs to neither is passed over.
function fromBase64(text) {
  const clean = text.replace(/=[^]*$/, "").replace(/[^A-Za-z0-9+/_-]/g, "").replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.fromBase64(clean.length % 4 === 1 ? clean.slice(0, -1) : clean);
}

// Those of text that is written and read most.
const written = {
  utf8: encode,
  "utf-8": encode,
  base64: fromBase64,
  base64url: fromBase64,
  hex: (text) => (/^(?:[\da-f]{2})*$/i.test(text) ? Uint8Array.fromHex(text) : null),
};
const read = {
  utf8: decode,
  "utf-8": decode,
  latin1: toLatin1,
  binary: toLatin1,
  hex: (bytes) => bytes.toHex(),
  base64: (bytes) => bytes.toBase64(),
  base64url: (bytes) => bytes.toBase64({ alphabet: "base64url", omitPadding: true }),
};

Buffer.from = function (value, encoding, length) {
  const bytes = typeof value === "string" ? written[(encoding ?? "utf8").toLowerCase?.()]?.(value) : null;
  return bytes ? from.call(this, bytes.buffer, bytes.byteOffset, bytes.length) : from.call(this, value, encoding, length);
};

Buffer.prototype.toString = function (encoding, start = 0, end = this.length) {
  const reader = read[(encoding ?? "utf8").toLowerCase?.()];
  return reader ? reader(this.subarray(Math.max(start | 0, 0), end)) : toString.call(this, encoding, start, end);
};

Buffer.byteLength = function (value, encoding) {
  return typeof value === "string" && (encoding === undefined || encoding === "utf8" || encoding === "utf-8") ? encode(value).length : byteLength.call(this, value, encoding);
};

export { Blob, Buffer, File };
export const { INSPECT_MAX_BYTES, SlowBuffer, kMaxLength, kStringMaxLength, constants } = unenv;
export const { atob, btoa } = globalThis;
export const isUtf8 = (bytes) => {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
};
export { isAscii };
export const transcode = (bytes, source, target) => Buffer.from(Buffer.from(bytes).toString(source), target);
export const resolveObjectURL = () => undefined;

export default { Blob, Buffer, File, INSPECT_MAX_BYTES, SlowBuffer, kMaxLength, kStringMaxLength, constants, atob, btoa, isUtf8, isAscii, transcode, resolveObjectURL };
