// What names an object?

import { withoutCopies } from "../platform/install.js";

export class DurableObjectId {
  #digits; // or what gives them, for few ask

  constructor(digits, name) {
    this.#digits = digits;
    if (name !== undefined && name !== null) this.name = name;
  }

  toString() {
    if (typeof this.#digits === "function") this.#digits = this.#digits();
    return this.#digits;
  }

  equals(other) {
    return other instanceof DurableObjectId && other.toString() === this.toString();
  }
}

withoutCopies({ DurableObjectId });
