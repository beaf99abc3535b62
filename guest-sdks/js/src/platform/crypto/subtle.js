// crypto.subtle: which algorithm does the work, and may the key do it?

import { likeTheWeb } from "../install.js";
import { bytesOf } from "../text/bytes.js";
import { decode, encode } from "../text/utf8.js";
import { HKDF, HMAC, PBKDF2, digest, equalBytes } from "./hashes.js";
import { CryptoKey } from "./key.js";

const algorithms = new Map();

export function provideAlgorithms(provided) {
  for (const [name, work] of Object.entries(provided)) algorithms.set(name.toLowerCase(), { name, work });
}

provideAlgorithms({ HMAC, HKDF, PBKDF2 });

const optional = /^(?:AES-|EC|ED25519|X25519|NODE-ED25519|RSA)/i; // see build/features.mjs

function resolved(given, method) {
  if (given === null || given === undefined) throw new TypeError(`crypto.subtle.${method}: an algorithm is missing.`);
  const parameters = typeof given === "object" ? given : { name: `${given}` };
  const found = algorithms.get(`${parameters.name}`.toLowerCase());
  if (!found?.work[method]) {
    const hint = !found && optional.test(`${parameters.name}`) ? " It is left out of a component of whose sources none has its name in it." : "";
    throw new DOMException(`Unrecognized or unimplemented algorithm for ${method}: ${parameters.name}.${hint}`, "NotSupportedError");
  }
  return { ...found, parameters };
}

// The algorithm, where the key is of it and may be used so.
function allowed(given, key, method, usage) {
  if (!(key instanceof CryptoKey)) throw new TypeError(`crypto.subtle.${method}: the key is not a CryptoKey.`);
  const found = resolved(given, method);
  if (key.algorithm.name !== found.name && found.work !== algorithms.get(key.algorithm.name.toLowerCase())?.work) {
    throw new DOMException(`The key is one of ${key.algorithm.name}, not of ${found.name}.`, "InvalidAccessError");
  }
  if (!key.usages.includes(usage)) throw new DOMException(`The key may not be used for "${usage}".`, "InvalidAccessError");
  return found;
}

const result = (bytes) => (bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer);

// Promises of what `work` gives, for the web says that everything here may take a while.
const later = async (work) => work();

function exported(format, key) {
  if (!(key instanceof CryptoKey)) throw new TypeError("crypto.subtle.exportKey: the key is not a CryptoKey.");
  const work = algorithms.get(key.algorithm.name.toLowerCase()).work;
  if (!work.exportKey) throw new DOMException(`A key of ${key.algorithm.name} cannot be exported.`, "NotSupportedError");
  if (!key.extractable) throw new DOMException("The key is not extractable.", "InvalidAccessError");
  if (!["raw", "jwk", "spki", "pkcs8"].includes(format)) throw new TypeError(`"${format}" is not a format of keys.`);
  if (key.type === "secret" && format !== "raw" && format !== "jwk") throw new DOMException(`A secret key cannot be exported as ${format}.`, "NotSupportedError");
  return work.exportKey(format, key);
}

function imported(format, data, given, extractable, usages) {
  const { parameters, work } = resolved(given, "importKey");
  if (!["raw", "jwk", "spki", "pkcs8"].includes(format)) throw new TypeError(`"${format}" is not a format of keys.`);
  return work.importKey(format, format === "jwk" ? data : bytesOf(data), parameters, Boolean(extractable), Array.from(usages ?? [], String));
}

export class SubtleCrypto {
  digest(algorithm, data) {
    return later(() => result(digest(algorithm, bytesOf(data))));
  }

  sign(algorithm, key, data) {
    return later(() => {
      const { work, parameters } = allowed(algorithm, key, "sign", "sign");
      return result(work.sign(parameters, key, bytesOf(data)));
    });
  }

  verify(algorithm, key, signature, data) {
    return later(() => {
      const { work, parameters } = allowed(algorithm, key, "verify", "verify");
      return work.verify(parameters, key, bytesOf(signature), bytesOf(data));
    });
  }

  encrypt(algorithm, key, data) {
    return later(() => {
      const { work, parameters } = allowed(algorithm, key, "encrypt", "encrypt");
      return result(work.encrypt(parameters, key, bytesOf(data)));
    });
  }

  decrypt(algorithm, key, data) {
    return later(() => {
      const { work, parameters } = allowed(algorithm, key, "decrypt", "decrypt");
      return result(work.decrypt(parameters, key, bytesOf(data)));
    });
  }

  generateKey(algorithm, extractable, usages) {
    return later(() => {
      const { work, parameters } = resolved(algorithm, "generateKey");
      return work.generateKey(parameters, Boolean(extractable), Array.from(usages, String));
    });
  }

  importKey(format, data, algorithm, extractable, usages) {
    return later(() => imported(format, data, algorithm, extractable, usages));
  }

  exportKey(format, key) {
    return later(() => {
      const given = exported(format, key);
      return format === "jwk" ? given : result(given);
    });
  }

  deriveBits(algorithm, key, length) {
    return later(() => {
      const { work, parameters } = allowed(algorithm, key, "deriveBits", "deriveBits");
      return result(work.deriveBits(parameters, key, length));
    });
  }

  deriveKey(algorithm, key, derived, extractable, usages) {
    return later(() => {
      const { work, parameters } = allowed(algorithm, key, "deriveBits", "deriveKey");
      const wanted = resolved(derived, "keyLength");
      const length = wanted.work.keyLength(wanted.parameters);
      return imported("raw", work.deriveBits(parameters, key, length), derived, extractable, usages);
    });
  }

  wrapKey(format, key, wrapping, algorithm) {
    return later(() => {
      const given = exported(format, key);
      const bytes = format === "jwk" ? encode(JSON.stringify(given)) : given;
      if (wrapping.algorithm.name === "AES-KW") return result(allowed(algorithm, wrapping, "wrap", "wrapKey").work.wrap(wrapping, bytes));
      const { work, parameters } = allowed(algorithm, wrapping, "encrypt", "wrapKey");
      return result(work.encrypt(parameters, wrapping, bytes));
    });
  }

  unwrapKey(format, wrapped, unwrapping, algorithm, wanted, extractable, usages) {
    return later(() => {
      let bytes;
      if (unwrapping.algorithm.name === "AES-KW") {
        bytes = allowed(algorithm, unwrapping, "unwrap", "unwrapKey").work.unwrap(unwrapping, bytesOf(wrapped));
      } else {
        const { work, parameters } = allowed(algorithm, unwrapping, "decrypt", "unwrapKey");
        bytes = work.decrypt(parameters, unwrapping, bytesOf(wrapped));
      }
      return imported(format, format === "jwk" ? JSON.parse(decode(bytes)) : bytes, wanted, extractable, usages);
    });
  }

  // As at Cloudflare.
  timingSafeEqual(a, b) {
    const [left, right] = [bytesOf(a), bytesOf(b)];
    if (left.length !== right.length) throw new TypeError("Input buffers must have the same byte length");
    return equalBytes(left, right);
  }
}

likeTheWeb(SubtleCrypto, "SubtleCrypto");
