// node:zlib: gzip and deflate, whole or as streams.

import { Buffer } from "node:buffer";
import { Transform } from "node:stream";
import * as fflate from "fflate";

const bytesOf = (data) => (typeof data === "string" ? Buffer.from(data) : ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data));
const asBuffer = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
const level = (options) => ({ level: options?.level >= 0 ? options.level : 6 });

// What the first bytes say it is.
const unzipped = (bytes) => (bytes[0] === 0x1f && bytes[1] === 0x8b ? fflate.gunzipSync(bytes) : fflate.unzlibSync(bytes));

const sync = (work) => (data, options) => {
  try {
    return asBuffer(work(bytesOf(data), level(options)));
  } catch (error) {
    throw Object.assign(new Error(error.message), { code: "Z_DATA_ERROR", errno: -3 });
  }
};

export const gzipSync = sync(fflate.gzipSync);
export const gunzipSync = sync((bytes) => fflate.gunzipSync(bytes));
export const deflateSync = sync(fflate.zlibSync);
export const inflateSync = sync((bytes) => fflate.unzlibSync(bytes));
export const deflateRawSync = sync(fflate.deflateSync);
export const inflateRawSync = sync((bytes) => fflate.inflateSync(bytes));
export const unzipSync = sync(unzipped);

const later = (work) => (data, ...rest) => {
  const callback = rest.at(-1);
  queueMicrotask(() => {
    let result;
    try {
      result = work(data, rest.length > 1 ? rest[0] : undefined);
    } catch (error) {
      callback(error);
      return;
    }
    callback(null, result);
  });
};

export const gzip = later(gzipSync);
export const gunzip = later(gunzipSync);
export const deflate = later(deflateSync);
export const inflate = later(inflateSync);
export const deflateRaw = later(deflateRawSync);
export const inflateRaw = later(inflateRawSync);
export const unzip = later(unzipSync);

const streaming = (Coder) => (options) => {
  let coder;
  const stream = new Transform({
    ...options,
    transform(chunk, _, done) {
      attempt(() => coder.push(bytesOf(chunk).slice(), false), done);
    },
    flush(done) {
      attempt(() => coder.push(new Uint8Array(0), true), done);
    },
  });
  coder = new Coder((chunk) => chunk.length && stream.push(asBuffer(chunk)));
  return stream;
};

function attempt(work, done) {
  try {
    work();
    done();
  } catch (error) {
    done(Object.assign(new Error(error.message), { code: "Z_DATA_ERROR" }));
  }
}

export const createGzip = streaming(fflate.Gzip);
export const createGunzip = streaming(fflate.Gunzip);
export const createDeflate = streaming(fflate.Zlib);
export const createInflate = streaming(fflate.Unzlib);
export const createDeflateRaw = streaming(fflate.Deflate);
export const createInflateRaw = streaming(fflate.Inflate);
export const createUnzip = streaming(fflate.Decompress);

const absent = (name) => () => {
  throw new Error(`zlib.${name} is not supported by Abide: there is gzip and deflate, but no Brotli or Zstandard.`);
};

export const brotliCompress = absent("brotliCompress");
export const brotliCompressSync = absent("brotliCompressSync");
export const brotliDecompress = absent("brotliDecompress");
export const brotliDecompressSync = absent("brotliDecompressSync");
export const createBrotliCompress = absent("createBrotliCompress");
export const createBrotliDecompress = absent("createBrotliDecompress");

export function crc32(data, before = 0) {
  let crc = ~before;
  for (const byte of bytesOf(data)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

export const constants = {
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_OK: 0, Z_STREAM_END: 1, Z_DATA_ERROR: -3, Z_BUF_ERROR: -5,
  Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, Z_DEFAULT_STRATEGY: 0,
};

export default {
  gzipSync, gunzipSync, deflateSync, inflateSync, deflateRawSync, inflateRawSync, unzipSync, gzip, gunzip, deflate, inflate, deflateRaw, inflateRaw, unzip,
  createGzip, createGunzip, createDeflate, createInflate, createDeflateRaw, createInflateRaw, createUnzip, brotliCompress, brotliCompressSync, brotliDecompress,
  brotliDecompressSync, createBrotliCompress, createBrotliDecompress, crc32, constants,
};
