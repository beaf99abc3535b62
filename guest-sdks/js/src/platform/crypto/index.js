// crypto: chance, and `subtle`.

import { likeTheWeb } from "../install.js";
import { bytesOf } from "../text/bytes.js";
import { randomBytes } from "../random.js";

const RANDOM_MAX = 65536; // bytes at once, as the web has it
const integers = new Set(["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "BigInt64Array", "BigUint64Array"]);

let subtle = null;

// What optional/subtle.js brings.
export function provide(given) {
  subtle = given;
}

export class Crypto {
  get subtle() {
    if (subtle) return subtle;
    throw new Error("crypto.subtle was left out of this component, for no source that it was built of has the word `subtle` in it.");
  }

  getRandomValues(view) {
    if (!integers.has(Object.prototype.toString.call(view).slice(8, -1))) {
      throw new DOMException("The argument of getRandomValues must be a typed array of integers.", "TypeMismatchError");
    }
    if (view.byteLength > RANDOM_MAX) {
      throw new DOMException(`getRandomValues fills at most ${RANDOM_MAX} bytes, not ${view.byteLength}.`, "QuotaExceededError");
    }
    bytesOf(view).set(randomBytes(view.byteLength));
    return view;
  }

  randomUUID() {
    const bytes = randomBytes(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = bytes.toHex();
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }
}

likeTheWeb(Crypto, "Crypto");
export const crypto = new Crypto();
