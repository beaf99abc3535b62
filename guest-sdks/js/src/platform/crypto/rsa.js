// RSA: RSASSA-PKCS1-v1_5, RSA-PSS and RSA-OAEP, with keys that were made elsewhere.
//
// Making a key needs primes of a thousand bits, which would take QuickJS minutes.

import { randomBytes } from "../random.js";
import { bytesOf, concat } from "../text/bytes.js";
import * as der from "./der.js";
import { equalBytes, hashNamed } from "./hashes.js";
import { checkJwk, checkUsages, fromBase64Url, keyOf, materialOf, toBase64Url } from "./key.js";

const RSA = "2a864886f70d010101";
const failed = (why) => {
  throw new DOMException(why, "OperationError");
};

const toNumber = (bytes) => (bytes.length ? BigInt(`0x${bytes.toHex()}`) : 0n);
const toBytes = (number, size) => Uint8Array.fromHex(number.toString(16).padStart(size * 2, "0"));

function power(base, exponent, modulus) {
  let result = 1n;
  let square = base % modulus;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

// With the primes it takes a quarter of the time.
function privatePower(value, { n, d, p, q, dp, dq, qi }) {
  if (!p) return power(value, d, n);
  const first = power(value, dp, p);
  const second = power(value, dq, q);
  const difference = (((first - second) % p) + p) % p;
  return second + q * ((qi * difference) % p);
}

const sizeOf = ({ n }) => Math.ceil(n.toString(16).length / 2);

function rsa(name, all, alg, methods) {
  const key = (type, hash, numbers, extractable, usages) => {
    checkUsages(usages, all[type], name);
    const bytes = toBytes(numbers.n, sizeOf(numbers));
    const modulusLength = bytes.length * 8 - Math.clz32(bytes[0]) + 24;
    const algorithm = { name, modulusLength, publicExponent: toBytes(numbers.e, Math.ceil(numbers.e.toString(16).length / 2)), hash: { name: hashNamed(hash).name } };
    return keyOf(type, algorithm, extractable, usages, numbers);
  };
  const fields = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
  const imports = {
    jwk(data, hash, extractable, usages) {
      checkJwk(data, { kty: "RSA", use: all.public[0] === "verify" ? "sig" : "enc", extractable, usages, alg: alg(hashNamed(hash).name) });
      const given = fields.filter((field) => data[field] !== undefined);
      const numbers = Object.fromEntries(given.map((field) => [field, toNumber(fromBase64Url(data[field], field))]));
      if (!numbers.n || !numbers.e) throw new DOMException('A JWK of RSA must have "n" and "e".', "DataError");
      return key(numbers.d === undefined ? "public" : "private", hash, numbers, extractable, usages);
    },
    spki(data, hash, extractable, usages) {
      const read = der.readSpki(data);
      if (read.oid !== RSA) throw new DOMException("The key is not one of RSA.", "DataError");
      const inner = new der.Reader(read.key).inner();
      return key("public", hash, { n: toNumber(inner.unsigned()), e: toNumber(inner.unsigned()) }, extractable, usages);
    },
    pkcs8(data, hash, extractable, usages) {
      const read = der.readPkcs8(data);
      if (read.oid !== RSA) throw new DOMException("The key is not one of RSA.", "DataError");
      const inner = new der.Reader(read.key).inner();
      inner.unsigned();
      return key("private", hash, Object.fromEntries(fields.map((field) => [field, toNumber(inner.unsigned())])), extractable, usages);
    },
  };
  const number = (value) => der.integer(toBytes(value, Math.ceil(value.toString(16).length / 2)));
  return {
    generateKey() {
      throw new DOMException(`Abide cannot make keys of ${name}: it would take minutes. Make one elsewhere, for instance with openssl genpkey, and import it; or use ECDSA or Ed25519.`, "NotSupportedError");
    },
    importKey(format, data, { hash }, extractable, usages) {
      if (!imports[format]) throw new DOMException(`A key of ${name} cannot be imported as ${format}; it can as ${Object.keys(imports).join(", ")}.`, "NotSupportedError");
      return imports[format](data, hash, extractable, usages);
    },
    exportKey(format, given) {
      const numbers = materialOf(given);
      if (format === "spki" && given.type === "public") return der.spki([der.oid(RSA), der.node(der.tags.NULL)], der.sequence(number(numbers.n), number(numbers.e)));
      if (format === "pkcs8" && given.type === "private" && numbers.p) {
        return der.pkcs8([der.oid(RSA), der.node(der.tags.NULL)], der.sequence(der.integer([0]), ...fields.map((field) => number(numbers[field]))));
      }
      if (format !== "jwk") throw new DOMException(`A ${given.type} key of ${name} cannot be exported as ${format}.`, "InvalidAccessError");
      const written = fields.filter((field) => numbers[field] !== undefined).map((field) => [field, toBase64Url(toBytes(numbers[field], Math.ceil(numbers[field].toString(16).length / 2)))]);
      return { kty: "RSA", ...Object.fromEntries(written), alg: alg(given.algorithm.hash.name), key_ops: given.usages, ext: given.extractable };
    },
    ...methods,
  };
}

const hashOf = (key) => hashNamed(key.algorithm.hash).hash;
const signing = { private: ["sign"], public: ["verify"] };
const hiding = { private: ["decrypt", "unwrapKey"], public: ["encrypt", "wrapKey"] };

const prefixes = {
  "SHA-1": "3021300906052b0e03021a05000414", "SHA-256": "3031300d060960864801650304020105000420",
  "SHA-384": "3041300d060960864801650304020205000430", "SHA-512": "3051300d060960864801650304020305000440",
};

function padded(key, data) {
  const prefix = prefixes[key.algorithm.hash.name];
  if (!prefix) failed(`RSASSA-PKCS1-v1_5 does not go with ${key.algorithm.hash.name}.`);
  const info = concat([Uint8Array.fromHex(prefix), hashOf(key)(data)]);
  const size = sizeOf(materialOf(key));
  const filling = size - info.length - 3;
  if (filling < 8) failed("The key of RSA is too short for this hash.");
  return concat([Uint8Array.of(0, 1), new Uint8Array(filling).fill(0xff), Uint8Array.of(0), info]);
}

const signed = (key, message) => toBytes(privatePower(toNumber(message), materialOf(key)), sizeOf(materialOf(key)));

// What was signed, or null where it cannot be a signature.
function opened(key, signature) {
  const numbers = materialOf(key);
  const value = toNumber(signature);
  if (signature.length !== sizeOf(numbers) || value >= numbers.n) return null;
  return toBytes(power(value, numbers.e, numbers.n), sizeOf(numbers));
}

export const PKCS1 = rsa("RSASSA-PKCS1-v1_5", signing, (hash) => `RS${hash.slice(4)}`, {
  sign: (_, key, data) => signed(key, padded(key, data)),
  verify(_, key, signature, data) {
    const message = opened(key, signature);
    return message !== null && equalBytes(padded(key, data), message);
  },
});

function mask(hash, seed, length) {
  const chunks = [];
  for (let counter = 0; chunks.length * hash.outputLen < length; counter++) {
    chunks.push(hash(concat([seed, Uint8Array.of(counter >> 24, counter >> 16, counter >> 8, counter)])));
  }
  return concat(chunks).subarray(0, length);
}

const xor = (a, b) => a.map((byte, at) => byte ^ b[at]);

export const PSS = rsa("RSA-PSS", signing, (hash) => `PS${hash.slice(4)}`, {
  sign({ saltLength }, key, data) {
    const hash = hashOf(key);
    const bits = key.algorithm.modulusLength - 1;
    const size = Math.ceil(bits / 8);
    const salt = randomBytes(Number(saltLength));
    const filling = size - salt.length - hash.outputLen - 2;
    if (filling < 0) failed("The key of RSA is too short for this salt and hash.");
    const digest = hash(concat([new Uint8Array(8), hash(data), salt]));
    const block = concat([new Uint8Array(filling), Uint8Array.of(1), salt]);
    const masked = xor(block, mask(hash, digest, block.length));
    masked[0] &= 0xff >> (size * 8 - bits);
    return signed(key, concat([masked, digest, Uint8Array.of(0xbc)]));
  },
  verify({ saltLength }, key, signature, data) {
    const hash = hashOf(key);
    const bits = key.algorithm.modulusLength - 1;
    const size = Math.ceil(bits / 8);
    const whole = opened(key, signature);
    if (whole === null || whole.at(-1) !== 0xbc || whole.length - size > 1 || (whole.length > size && whole[0] !== 0)) return false;
    const message = whole.subarray(whole.length - size);
    const digest = message.subarray(size - hash.outputLen - 1, size - 1);
    const masked = message.subarray(0, size - hash.outputLen - 1);
    const filling = masked.length - Number(saltLength) - 1;
    if (filling < 0 || masked[0] & ~(0xff >> (size * 8 - bits)) & 0xff) return false;
    const block = xor(masked, mask(hash, digest, masked.length));
    block[0] &= 0xff >> (size * 8 - bits);
    if (block[filling] !== 1 || block.subarray(0, filling).some((byte) => byte !== 0)) return false;
    return equalBytes(hash(concat([new Uint8Array(8), hash(data), block.subarray(filling + 1)])), digest);
  },
});

export const OAEP = rsa("RSA-OAEP", hiding, (hash) => (hash === "SHA-1" ? "RSA-OAEP" : `RSA-OAEP-${hash.slice(4)}`), {
  encrypt({ label }, key, data) {
    const hash = hashOf(key);
    const numbers = materialOf(key);
    const size = sizeOf(numbers);
    const filling = size - data.length - 2 * hash.outputLen - 2;
    if (filling < 0) failed(`RSA-OAEP encrypts at most ${size - 2 * hash.outputLen - 2} bytes with this key, not ${data.length}.`);
    const block = concat([hash(label === undefined ? new Uint8Array(0) : bytesOf(label)), new Uint8Array(filling), Uint8Array.of(1), data]);
    const seed = randomBytes(hash.outputLen);
    const masked = xor(block, mask(hash, seed, block.length));
    const message = concat([Uint8Array.of(0), xor(seed, mask(hash, masked, seed.length)), masked]);
    return toBytes(power(toNumber(message), numbers.e, numbers.n), size);
  },
  decrypt({ label }, key, data) {
    const hash = hashOf(key);
    const numbers = materialOf(key);
    const size = sizeOf(numbers);
    if (data.length !== size || toNumber(data) >= numbers.n) failed("The data cannot be decrypted with this key.");
    const message = toBytes(privatePower(toNumber(data), numbers), size);
    const masked = message.subarray(1 + hash.outputLen);
    const seed = xor(message.subarray(1, 1 + hash.outputLen), mask(hash, masked, hash.outputLen));
    const block = xor(masked, mask(hash, seed, masked.length));
    const expected = hash(label === undefined ? new Uint8Array(0) : bytesOf(label));
    const one = block.indexOf(1, hash.outputLen);
    const good = message[0] === 0 && equalBytes(expected, block.subarray(0, hash.outputLen)) && one > 0 && block.subarray(hash.outputLen, one).every((byte) => byte === 0);
    return good ? block.slice(one + 1) : failed("The data cannot be decrypted with this key.");
  },
});
