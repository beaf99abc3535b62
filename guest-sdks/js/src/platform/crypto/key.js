// A key, and what may be done with it.

import { likeTheWeb } from "../install.js";

const INTERNAL = Symbol();
let materialOf;

export class CryptoKey {
  #given;

  static {
    materialOf = (key) => key.#given.material;
  }

  constructor(key, given) {
    if (key !== INTERNAL) throw new TypeError("Illegal constructor");
    this.#given = given;
  }

  get type() {
    return this.#given.type;
  }

  get extractable() {
    return this.#given.extractable;
  }

  get algorithm() {
    return this.#given.algorithm;
  }

  get usages() {
    return [...this.#given.usages];
  }
}

likeTheWeb(CryptoKey, "CryptoKey");
export { materialOf };

const order = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];

export function keyOf(type, algorithm, extractable, usages, material) {
  if ((type === "secret" || type === "private") && usages.length === 0) {
    throw new DOMException(`A ${type} key must have usages.`, "SyntaxError");
  }
  return new CryptoKey(INTERNAL, { type, algorithm, extractable, usages: order.filter((usage) => usages.includes(usage)), material });
}

export function checkUsages(usages, allowed, name) {
  for (const usage of usages) {
    if (!order.includes(usage)) throw new TypeError(`"${usage}" is not a usage of a key.`);
    if (!allowed.includes(usage)) throw new DOMException(`A key of ${name} cannot be used for "${usage}".`, "SyntaxError");
  }
}

// ---- JSON Web Keys ----

const url = { alphabet: "base64url", omitPadding: true };
export const toBase64Url = (bytes) => bytes.toBase64(url);

export function fromBase64Url(text, field) {
  try {
    if (typeof text === "string") return Uint8Array.fromBase64(text, { alphabet: "base64url" });
  } catch {
    // Said below.
  }
  throw new DOMException(`The JWK's "${field}" is not Base64 of the kind for URLs.`, "DataError");
}

// What every kind of JWK must agree with.
export function checkJwk(jwk, { kty, use, extractable, usages, alg }) {
  if (typeof jwk !== "object" || jwk === null || ArrayBuffer.isView(jwk) || jwk instanceof ArrayBuffer) throw new TypeError("A key in the format jwk must be an object.");
  const wrong = (field, value) => {
    throw new DOMException(`The JWK's "${field}" is ${JSON.stringify(jwk[field])}, but it must be ${value}.`, "DataError");
  };
  if (jwk.kty !== kty) wrong("kty", JSON.stringify(kty));
  if (usages.length && jwk.use !== undefined && jwk.use !== use) wrong("use", JSON.stringify(use));
  if (jwk.key_ops !== undefined && !usages.every((usage) => jwk.key_ops.includes(usage))) wrong("key_ops", `a list that has ${usages.join(", ")}`);
  if (jwk.ext === false && extractable) wrong("ext", "true, for the key is to be extractable");
  if (alg !== undefined && jwk.alg !== undefined && jwk.alg !== alg) wrong("alg", JSON.stringify(alg));
}
