// What names an object?

import { withoutCopies } from "../platform/install.js";

export class DurableObjectId {
  #digits;

  constructor(digits, name) {
    this.#digits = digits;
    if (name !== undefined && name !== null) this.name = name;
  }

  toString() {
    return this.#digits;
  }

  equals(other) {
    return other instanceof DurableObjectId && other.#digits === this.#digits;
  }
}

withoutCopies({ DurableObjectId });
