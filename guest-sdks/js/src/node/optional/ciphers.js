// The ciphers of node:crypto, where the source mentions them.

import { Buffer } from "node:buffer";
import { asWanted, bytesOf, getCiphers, provideCiphers } from "node:crypto";
import { Transform } from "node:stream";
import { cbc, ctr, gcm } from "@noble/ciphers/aes.js";

const ciphers = { cbc, ctr, gcm };

// Everything is kept until the end, for the modes are only at hand whole.
class Coding extends Transform {
  #algorithm;
  #key;
  #iv;
  #chunks = [];
  #aad;
  #tag = null;
  #padding = true;
  #decrypts;

  constructor(algorithm, key, iv, decrypts, options) {
    super(options);
    const match = /^aes-?(128|192|256)-(cbc|ctr|gcm)$/.exec(`${algorithm}`.toLowerCase());
    if (!match) throw Object.assign(new Error(`Unknown cipher: ${algorithm}; there are ${getCiphers().join(", ")}.`), { code: "ERR_CRYPTO_UNKNOWN_CIPHER" });
    this.#algorithm = match[2];
    this.#key = bytesOf(key).slice();
    this.#iv = bytesOf(iv).slice();
    if (this.#key.length * 8 !== Number(match[1])) throw Object.assign(new RangeError("Invalid key length"), { code: "ERR_CRYPTO_INVALID_KEYLEN" });
    if (this.#algorithm !== "gcm" && this.#iv.length !== 16) throw Object.assign(new TypeError("Invalid initialization vector"), { code: "ERR_CRYPTO_INVALID_IV" });
    this.#decrypts = decrypts;
  }

  update(data, encoding, wanted) {
    this.#chunks.push(Buffer.from(bytesOf(data, encoding)));
    return asWanted(new Uint8Array(0), wanted);
  }

  final(encoding) {
    const data = Buffer.concat(this.#chunks);
    const cipher = ciphers[this.#algorithm](this.#key, this.#iv, this.#algorithm === "gcm" ? this.#aad : { disablePadding: !this.#padding });
    if (this.#decrypts) {
      if (this.#algorithm === "gcm" && !this.#tag) throw new Error("Unsupported state or unable to authenticate data");
      const sealed = this.#algorithm === "gcm" ? Buffer.concat([data, this.#tag]) : data;
      try {
        return asWanted(cipher.decrypt(sealed), encoding);
      } catch {
        throw new Error(this.#algorithm === "gcm" ? "Unsupported state or unable to authenticate data" : "error:1C800064:Provider routines::bad decrypt");
      }
    }
    const sealed = cipher.encrypt(data);
    if (this.#algorithm !== "gcm") return asWanted(sealed, encoding);
    this.#tag = Buffer.from(sealed.subarray(sealed.length - 16));
    return asWanted(sealed.slice(0, sealed.length - 16), encoding);
  }

  setAAD(data) {
    this.#aad = bytesOf(data).slice();
    return this;
  }

  getAuthTag() {
    if (!this.#tag) throw new Error("Invalid state for operation getAuthTag");
    return this.#tag;
  }

  setAuthTag(tag) {
    this.#tag = Buffer.from(bytesOf(tag));
    return this;
  }

  setAutoPadding(on = true) {
    this.#padding = Boolean(on);
    return this;
  }

  _transform(chunk, encoding, done) {
    this.update(chunk, encoding);
    done();
  }

  _flush(done) {
    try {
      this.push(this.final());
      done();
    } catch (error) {
      done(error);
    }
  }
}

provideCiphers({ Coding });
