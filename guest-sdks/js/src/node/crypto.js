// node:crypto: hashes, HMAC, chance, derived keys and AES. Keys as objects and certificates
// are left to crypto.subtle.

import { Buffer } from "node:buffer";
import { Transform } from "node:stream";
import { hkdf as deriveHkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { md5, ripemd160, sha1 } from "@noble/hashes/legacy.js";
import { pbkdf2 as derivePbkdf2 } from "@noble/hashes/pbkdf2.js";
import { scrypt as deriveScrypt } from "@noble/hashes/scrypt.js";
import { sha224, sha256, sha384, sha512, sha512_256 } from "@noble/hashes/sha2.js";
import { sha3_256, sha3_384, sha3_512 } from "@noble/hashes/sha3.js";
import "../platform/optional/subtle.js";
import { equalBytes } from "../platform/crypto/hashes.js";
import { CryptoKey } from "../platform/crypto/key.js";
import { randomBytes as draw } from "../platform/random.js";

const hashes = {
  md5, sha1, sha224, sha256, sha384, sha512, "sha512-256": sha512_256, ripemd160, rmd160: ripemd160, "sha3-256": sha3_256, "sha3-384": sha3_384, "sha3-512": sha3_512,
};

function hashNamed(given) {
  const name = `${given}`.toLowerCase().replace(/^rsa-/, "").replace(/^sha-(?=\d)/, "sha");
  if (Object.hasOwn(hashes, name)) return hashes[name];
  throw Object.assign(new Error(`Digest method not supported: ${given}; there are ${getHashes().join(", ")}.`), { code: "ERR_CRYPTO_INVALID_DIGEST" });
}

export const getHashes = () => Object.keys(hashes);

export function bytesOf(data, encoding = "utf8") {
  if (typeof data === "string") return Buffer.from(data, encoding === "buffer" ? "utf8" : encoding);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof KeyObject) return data.export();
  throw Object.assign(new TypeError("The data must be a string, a Buffer, a typed array or a DataView."), { code: "ERR_INVALID_ARG_TYPE" });
}

export const asWanted = (bytes, encoding) => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return encoding && encoding !== "buffer" ? buffer.toString(encoding) : buffer;
};

class Digesting extends Transform {
  #state;
  #done = false;

  constructor(state, options) {
    super(options);
    this.#state = state;
  }

  update(data, encoding) {
    if (this.#done) throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    this.#state.update(bytesOf(data, encoding));
    return this;
  }

  digest(encoding) {
    if (this.#done) throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    this.#done = true;
    return asWanted(this.#state.digest(), encoding);
  }

  stateCopy() {
    return this.#state.clone();
  }

  _transform(chunk, encoding, done) {
    this.update(chunk, encoding);
    done();
  }

  _flush(done) {
    this.push(this.digest());
    done();
  }
}

export class Hash extends Digesting {
  copy(options) {
    return new Hash(this.stateCopy(), options);
  }
}

export class Hmac extends Digesting {}

export const createHash = (algorithm, options) => new Hash(hashNamed(algorithm).create(), options);
export const createHmac = (algorithm, key, options) => new Hmac(hmac.create(hashNamed(algorithm), bytesOf(key)), options);
export const hash = (algorithm, data, encoding = "hex") => createHash(algorithm).update(data).digest(encoding);

export function timingSafeEqual(a, b) {
  const [left, right] = [bytesOf(a), bytesOf(b)];
  if (left.length !== right.length) throw Object.assign(new RangeError("Input buffers must have the same byte length"), { code: "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH" });
  return equalBytes(left, right);
}

// ---- Chance ----

const called = (callback, work) => {
  queueMicrotask(() => {
    let result;
    try {
      result = work();
    } catch (error) {
      callback(error);
      return;
    }
    callback(null, result);
  });
};

export function randomBytes(size, callback) {
  if (callback) return called(callback, () => randomBytes(size));
  if (!(Number.isInteger(size) && size >= 0)) throw new RangeError(`The size must be a whole number of bytes, not ${size}.`);
  return asWanted(draw(size));
}

export function randomFillSync(view, offset = 0, size = view.byteLength - offset) {
  bytesOf(view).set(draw(size), offset);
  return view;
}

export function randomFill(view, ...rest) {
  const callback = rest.pop();
  called(callback, () => randomFillSync(view, ...rest));
}

const WIDE = 2 ** 48;

export function randomInt(min, max, callback) {
  if (max === undefined || typeof max === "function") return randomInt(0, min, max);
  if (callback) return called(callback, () => randomInt(min, max));
  const range = max - min;
  if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || !(range > 0) || range > WIDE) {
    throw new RangeError(`randomInt: max must be greater than min, and by at most 2 ** 48; they are ${max} and ${min}.`);
  }
  const limit = WIDE - (WIDE % range);
  for (;;) {
    const drawn = Number.parseInt(draw(6).toHex(), 16);
    if (drawn < limit) return min + (drawn % range);
  }
}

export const randomUUID = () => globalThis.crypto.randomUUID();
export const getRandomValues = (view) => globalThis.crypto.getRandomValues(view);
export const pseudoRandomBytes = randomBytes;
export const webcrypto = globalThis.crypto;
export const subtle = globalThis.crypto.subtle;

// ---- Derived keys ----

export const pbkdf2Sync = (password, salt, iterations, length, digest) =>
  asWanted(derivePbkdf2(hashNamed(digest), bytesOf(password), bytesOf(salt), { c: iterations, dkLen: length }));
export const pbkdf2 = (password, salt, iterations, length, digest, callback) => called(callback, () => pbkdf2Sync(password, salt, iterations, length, digest));

export function scryptSync(password, salt, length, { N, cost = N ?? 16384, r, blockSize = r ?? 8, p, parallelization = p ?? 1, maxmem = 32 * 1024 * 1024 } = {}) {
  return asWanted(deriveScrypt(bytesOf(password), bytesOf(salt), { N: cost, r: blockSize, p: parallelization, dkLen: length, maxmem: maxmem + 1024 }));
}

export function scrypt(password, salt, length, ...rest) {
  const callback = rest.pop();
  called(callback, () => scryptSync(password, salt, length, ...rest));
}

export function hkdfSync(digest, key, salt, info, length) {
  return deriveHkdf(hashNamed(digest), bytesOf(key), bytesOf(salt), bytesOf(info), length).slice().buffer;
}

export const hkdf = (digest, key, salt, info, length, callback) => called(callback, () => hkdfSync(digest, key, salt, info, length));

// ---- Ciphers ----

let provided = null;

// What optional/ciphers.js brings.
export function provideCiphers(given) {
  provided = given;
}

function coding(...args) {
  if (provided) return new provided.Coding(...args);
  throw new Error("Ciphers were left out of this component, for no source that it was built of has the word `createCipheriv` or `createDecipheriv` in it.");
}

export const createCipheriv = (algorithm, key, iv, options) => coding(algorithm, key, iv, false, options);
export const createDecipheriv = (algorithm, key, iv, options) => coding(algorithm, key, iv, true, options);
export const getCiphers = () => ["cbc", "ctr", "gcm"].flatMap((mode) => [128, 192, 256].map((bits) => `aes-${bits}-${mode}`));

// ---- Keys ----

export class KeyObject {
  #bytes;

  constructor(bytes) {
    this.#bytes = Uint8Array.from(bytes);
  }

  get type() {
    return "secret";
  }

  get symmetricKeySize() {
    return this.#bytes.length;
  }

  export() {
    return Buffer.from(this.#bytes);
  }

  equals(other) {
    return other instanceof KeyObject && this.symmetricKeySize === other.symmetricKeySize && equalBytes(this.#bytes, other.export());
  }
}

export const createSecretKey = (key, encoding) => new KeyObject(bytesOf(key, encoding));

const absent = (name) => () => {
  throw new Error(`crypto.${name} of node:crypto is not supported by Abide; crypto.subtle has keys, signatures and key agreement.`);
};

export const createSign = absent("createSign");
export const createVerify = absent("createVerify");
export const sign = absent("sign");
export const verify = absent("verify");
export const createPrivateKey = absent("createPrivateKey");
export const createPublicKey = absent("createPublicKey");
export const generateKeyPair = absent("generateKeyPair");
export const generateKeyPairSync = absent("generateKeyPairSync");
export const createECDH = absent("createECDH");
export const createDiffieHellman = absent("createDiffieHellman");
export const publicEncrypt = absent("publicEncrypt");
export const privateDecrypt = absent("privateDecrypt");
export class X509Certificate {
  constructor() {
    absent("X509Certificate")();
  }
}
export const constants = {};
export { CryptoKey };

export default {
  Hash, Hmac, KeyObject, CryptoKey, X509Certificate, constants, getHashes, getCiphers, createHash, createHmac, hash, timingSafeEqual, randomBytes, randomFillSync, randomFill, randomInt,
  randomUUID, getRandomValues, pseudoRandomBytes, webcrypto, subtle, pbkdf2Sync, pbkdf2, scryptSync, scrypt, hkdfSync, hkdf, createCipheriv, createDecipheriv, createSecretKey,
  createSign, createVerify, sign, verify, createPrivateKey, createPublicKey, generateKeyPair, generateKeyPairSync, createECDH, createDiffieHellman, publicEncrypt, privateDecrypt,
};
