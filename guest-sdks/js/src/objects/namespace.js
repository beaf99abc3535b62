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
    if (arguments.length === 0) throw notOfType("idFromName", "string");
    const text = textOf(name).toWellFormed();
    return new DurableObjectId(() => asking(() => stubs.idFromName(this.#className, text)), text);
  }

  newUniqueId(options) {
    const isGiven = options !== undefined && options !== null;
    if (isGiven && typeof options !== "object" && typeof options !== "function") throw notOfType("newUniqueId", "NewUniqueIdOptions");
    known(options?.jurisdiction);
    return new DurableObjectId(asking(() => stubs.newUniqueId(this.#className)));
  }

  idFromString(digits) {
    if (arguments.length === 0) throw notOfType("idFromString", "string");
    const text = textOf(digits).toWellFormed();
    return new DurableObjectId(asking(() => stubs.idFromString(this.#className, text)));
  }

  get(id) {
    if (!(id instanceof DurableObjectId)) {
      throw notOfType("get", "DurableObjectId");
    }
    return stubOf(this.#className, id);
  }

  getExisting(id) {
    return this.get(id);
  }

  getByName(name) {
    if (arguments.length === 0) throw notOfType("getByName", "string");
    return this.get(this.idFromName(name));
  }

  get [Symbol.toStringTag]() {
    return "DurableObjectNamespace";
  }

  // On one machine all objects are in one place.
  jurisdiction(name) {
    known(name);
    return this;
  }
}

const notOfType = (name, type) =>
  new TypeError(`Failed to execute '${name}' on 'DurableObjectNamespace': parameter 1 is not of type '${type}'.`);

function textOf(value) {
  if (typeof value === "symbol") throw new TypeError("Cannot convert a Symbol value to a string");
  return String(value);
}

function known(jurisdiction) {
  if (jurisdiction === undefined || jurisdiction === null || JURISDICTIONS.includes(jurisdiction)) return;
  throw new TypeError(`There is no jurisdiction "${jurisdiction}"; there are ${JURISDICTIONS.join(", ")}.`);
}

withoutCopies({ DurableObjectNamespace });
