// Hashes, HMAC, and what keys are derived with: HKDF and PBKDF2.

import { hmac } from "@noble/hashes/hmac.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import { randomBytes } from "../random.js";
import { bytesOf } from "../text/bytes.js";
import { checkJwk, checkUsages, fromBase64Url, keyOf, materialOf, toBase64Url } from "./key.js";

const hashes = { "SHA-1": sha1, "SHA-256": sha256, "SHA-384": sha384, "SHA-512": sha512, MD5: md5 };

export function hashNamed(given) {
  const name = `${typeof given === "object" && given !== null ? given.name : given}`.toUpperCase();
  if (Object.hasOwn(hashes, name)) return { name, hash: hashes[name] };
  throw new DOMException(`Unrecognized or unimplemented hash algorithm: ${name}; there are ${Object.keys(hashes).join(", ")}.`, "NotSupportedError");
}

export function digest(algorithm, data) {
  return hashNamed(algorithm).hash(data);
}

const hashOf = (key) => hashes[key.algorithm.hash.name];

export const HMAC = {
  usages: ["sign", "verify"],

  generateKey({ hash, length }, extractable, usages) {
    const { name, hash: made } = hashNamed(hash);
    const bits = length === undefined ? made.blockLen * 8 : Number(length);
    if (!(bits > 0)) throw new DOMException("The length of an HMAC key must not be 0.", "OperationError");
    return this.key(name, extractable, usages, randomBytes(Math.ceil(bits / 8)), bits);
  },

  importKey(format, data, { hash, length }, extractable, usages) {
    checkUsages(usages, this.usages, "HMAC");
    const { name } = hashNamed(hash);
    let bytes = data;
    if (format === "jwk") {
      checkJwk(data, { kty: "oct", use: "sig", extractable, usages, alg: `HS${name.slice(4)}` });
      bytes = fromBase64Url(data.k, "k");
    } else if (format !== "raw") {
      throw new DOMException(`An HMAC key cannot be imported as ${format}; it can as raw and jwk.`, "NotSupportedError");
    }
    if (bytes.length === 0) throw new DOMException("An HMAC key must not be empty.", "DataError");
    const bits = length === undefined ? bytes.length * 8 : Number(length);
    if (bits > bytes.length * 8 || bits <= bytes.length * 8 - 8) throw new DOMException("The length does not fit the HMAC key.", "DataError");
    return this.key(name, extractable, usages, bytes.slice(), bits);
  },

  key(hash, extractable, usages, bytes, length) {
    checkUsages(usages, this.usages, "HMAC");
    return keyOf("secret", { name: "HMAC", hash: { name: hash }, length }, extractable, usages, bytes);
  },

  exportKey(format, key) {
    if (format === "raw") return materialOf(key).slice();
    return { kty: "oct", k: toBase64Url(materialOf(key)), alg: `HS${key.algorithm.hash.name.slice(4)}`, key_ops: key.usages, ext: key.extractable };
  },

  keyLength({ hash, length }) {
    return length === undefined ? hashNamed(hash).hash.blockLen * 8 : Number(length);
  },

  sign: (_, key, data) => hmac(hashOf(key), materialOf(key), data),
  verify: (_, key, signature, data) => equalBytes(hmac(hashOf(key), materialOf(key), data), signature),
};

// In a time that does not tell where they differ.
export function equalBytes(a, b) {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a[at] ^ b[at];
  return difference === 0;
}

function derivation(name, derive) {
  return {
    usages: ["deriveKey", "deriveBits"],
    importKey(format, data, _, extractable, usages) {
      if (format !== "raw") throw new DOMException(`A key of ${name} can only be imported as raw.`, "NotSupportedError");
      checkUsages(usages, this.usages, name);
      if (extractable) throw new DOMException(`A key of ${name} cannot be extractable.`, "SyntaxError");
      return keyOf("secret", { name }, false, usages, data.slice());
    },
    keyLength: () => null,
    deriveBits(parameters, key, length) {
      if (length === null || length === undefined || length % 8) {
        throw new DOMException(`${name} derives whole bytes, not ${length} bits.`, "OperationError");
      }
      return length === 0 ? new Uint8Array(0) : derive(parameters, materialOf(key), length / 8);
    },
  };
}

export const HKDF = derivation("HKDF", ({ hash, salt, info }, key, length) => {
  const { hash: chosen } = hashNamed(hash);
  if (length > 255 * chosen.outputLen) throw new DOMException("HKDF cannot derive so many bits.", "OperationError");
  return expand(chosen, extract(chosen, key, bytesOf(salt)), bytesOf(info), length);
});

export const PBKDF2 = derivation("PBKDF2", ({ hash, salt, iterations }, key, length) => {
  if (!(Number(iterations) >= 1)) throw new DOMException("PBKDF2 needs at least one iteration.", "OperationError");
  return pbkdf2(hashNamed(hash).hash, key, bytesOf(salt), { c: Number(iterations), dkLen: length });
});
