// AES: GCM, CBC, CTR and KW.

import { aeskw, cbc, ctr, gcm } from "@noble/ciphers/aes.js";
import { randomBytes } from "../random.js";
import { bytesOf, concat } from "../text/bytes.js";
import { checkJwk, checkUsages, fromBase64Url, keyOf, materialOf, toBase64Url } from "./key.js";

const failed = (why) => {
  throw new DOMException(why, "OperationError");
};

function aes(name, usages, { encrypt, decrypt, wrap, unwrap }) {
  const mode = name.slice(4);
  const checkLength = (bits, kind) => {
    if (bits !== 128 && bits !== 192 && bits !== 256) throw new DOMException(`A key of AES has 128, 192 or 256 bits, not ${bits}.`, kind);
    return bits;
  };
  const key = (bytes, extractable, wanted) => {
    checkUsages(wanted, usages, name);
    return keyOf("secret", { name, length: bytes.length * 8 }, extractable, wanted, bytes);
  };
  return {
    usages,
    generateKey: ({ length }, extractable, wanted) => key(randomBytes(checkLength(Number(length), "OperationError") / 8), extractable, wanted),
    importKey(format, data, _, extractable, wanted) {
      let bytes = data;
      if (format === "jwk") {
        checkJwk(data, { kty: "oct", use: "enc", extractable, usages: wanted });
        bytes = fromBase64Url(data.k, "k");
        const alg = `A${bytes.length * 8}${mode}`;
        if (data.alg !== undefined && data.alg !== alg) throw new DOMException(`The JWK's "alg" is ${JSON.stringify(data.alg)}, but it must be "${alg}".`, "DataError");
      } else if (format !== "raw") {
        throw new DOMException(`A key of AES cannot be imported as ${format}; it can as raw and jwk.`, "NotSupportedError");
      }
      checkLength(bytes.length * 8, "DataError");
      return key(bytes.slice(), extractable, wanted);
    },
    exportKey(format, given) {
      if (format === "raw") return materialOf(given).slice();
      return { kty: "oct", k: toBase64Url(materialOf(given)), alg: `A${given.algorithm.length}${mode}`, key_ops: given.usages, ext: given.extractable };
    },
    keyLength: ({ length }) => checkLength(Number(length), "OperationError"),
    encrypt: encrypt && ((parameters, given, data) => encrypt(parameters, materialOf(given), data)),
    decrypt: decrypt && ((parameters, given, data) => decrypt(parameters, materialOf(given), data)),
    wrap: wrap && ((given, data) => wrap(materialOf(given), data)),
    unwrap: unwrap && ((given, data) => unwrap(materialOf(given), data)),
  };
}

const both = ["encrypt", "decrypt", "wrapKey", "unwrapKey"];

function gcmOf({ iv, additionalData, tagLength = 128 }, key) {
  if (![32, 64, 96, 104, 112, 120, 128].includes(Number(tagLength))) failed(`The tag of AES-GCM has 32, 64, 96, 104, 112, 120 or 128 bits, not ${tagLength}.`);
  if (Number(tagLength) !== 128) throw new DOMException("Abide has AES-GCM with a tag of 128 bits only.", "NotSupportedError");
  return gcm(key, bytesOf(iv), additionalData === undefined ? undefined : bytesOf(additionalData));
}

const attempt = (work) => {
  try {
    return work();
  } catch (error) {
    if (error instanceof DOMException) throw error;
    throw new DOMException("The operation failed for an operation-specific reason", "OperationError");
  }
};

export const AES_GCM = aes("AES-GCM", both, {
  encrypt: (parameters, key, data) => gcmOf(parameters, key).encrypt(data),
  decrypt: (parameters, key, data) => attempt(() => gcmOf(parameters, key).decrypt(data)),
});

function cbcOf({ iv }, key) {
  const bytes = bytesOf(iv);
  if (bytes.length !== 16) failed(`The iv of AES-CBC has 16 bytes, not ${bytes.length}.`);
  return cbc(key, bytes);
}

export const AES_CBC = aes("AES-CBC", both, {
  encrypt: (parameters, key, data) => cbcOf(parameters, key).encrypt(data),
  decrypt: (parameters, key, data) => attempt(() => cbcOf(parameters, key).decrypt(data)),
});

// Only the last `length` bits count on, and then begin at 0 again.
function counted({ counter, length }, key, data) {
  const start = bytesOf(counter);
  const bits = Number(length);
  if (start.length !== 16) failed(`The counter of AES-CTR has 16 bytes, not ${start.length}.`);
  if (!(bits >= 1 && bits <= 128)) failed(`The length of AES-CTR's counter has 1 to 128 bits, not ${length}.`);
  const blocks = BigInt(Math.ceil(data.length / 16));
  const size = 1n << BigInt(bits);
  if (blocks > size) failed("The data has more blocks than the counter of AES-CTR can count.");
  const value = BigInt(`0x${start.toHex()}`);
  const before = size - (value % size); // blocks until it begins again
  if (blocks <= before) return ctr(key, start.slice()).encrypt(data);
  const cut = Number(before) * 16;
  const wrapped = Uint8Array.fromHex((value - (value % size)).toString(16).padStart(32, "0"));
  return concat([ctr(key, start.slice()).encrypt(data.subarray(0, cut)), ctr(key, wrapped).encrypt(data.subarray(cut))]);
}

export const AES_CTR = aes("AES-CTR", both, { encrypt: counted, decrypt: counted });

export const AES_KW = aes("AES-KW", ["wrapKey", "unwrapKey"], {
  wrap: (key, data) => attempt(() => aeskw(key).encrypt(data)),
  unwrap: (key, data) => attempt(() => aeskw(key).decrypt(data)),
});
