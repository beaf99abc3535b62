// How does code reach the objects of a class?

import * as stubs from "durable:object/stubs@0.1.0";
import { asking } from "./errors.js";
import { DurableObjectId } from "./id.js";
import { stubOf } from "./stub.js";
import { withoutCopies } from "../platform/install.js";

const JURISDICTIONS = ["eu", "fedramp", "us"];

export class DurableObjectNamespace {
  #className;

  constructor(className) {
    this.#className = className;
  }

  idFromName(name) {
    const text = String(name).toWellFormed();
    return new DurableObjectId(asking(() => stubs.idFromName(this.#className, text)), text);
  }

  newUniqueId(options) {
    known(options?.jurisdiction);
    return new DurableObjectId(asking(() => stubs.newUniqueId(this.#className)));
  }

  idFromString(digits) {
    return new DurableObjectId(asking(() => stubs.idFromString(this.#className, String(digits))));
  }

  get(id) {
    if (!(id instanceof DurableObjectId)) {
      throw new TypeError("Failed to execute 'get' on 'DurableObjectNamespace': parameter 1 is not of type 'DurableObjectId'.");
    }
    return stubOf(this.#className, id);
  }

  getExisting(id) {
    return this.get(id);
  }

  getByName(name) {
    return this.get(this.idFromName(name));
  }

  // On one machine all objects are in one place.
  jurisdiction(name) {
    known(name);
    return this;
  }
}

function known(jurisdiction) {
  if (jurisdiction === undefined || jurisdiction === null || JURISDICTIONS.includes(jurisdiction)) return;
  throw new TypeError(`There is no jurisdiction "${jurisdiction}"; there are ${JURISDICTIONS.join(", ")}.`);
}

withoutCopies({ DurableObjectNamespace });
