// What becomes of an error on its way between this object and others?

import { errorOf, propertiesOf } from "./cbor.js";
import { keep, kept } from "./kinds.js";

const DETAILS_BYTES_MAX = 65536;
const FLAGS = ["retryable", "overloaded", "remote", "durableObjectReset"];

// Anything thrown, as the contract has it.
export function wireError(thrown) {
  if (!(thrown instanceof Error)) {
    return { name: "Error", message: text(thrown), flags: {}, details: null };
  }
  const flags = {};
  for (const flag of FLAGS) if (thrown[flag] === true) flags[flag] = true;
  return { name: text(thrown.name), message: text(thrown.message), flags, details: detailsOf(thrown) };
}

function text(value) {
  try {
    return String(value).toWellFormed();
  } catch {
    return "an error without a text";
  }
}

function detailsOf(error) {
  const properties = propertiesOf(error);
  for (const flag of FLAGS) delete properties[flag];
  if (typeof error.stack === "string") properties.stack = error.stack;
  for (const told of [properties, { stack: properties.stack }]) {
    try {
      const details = keep(told);
      if (details.length <= DETAILS_BYTES_MAX) return details;
    } catch {
      // What cannot be copied stays behind.
    }
  }
  return null;
}

// An error of the contract, as an Error.
export function errorFrom({ name, message, flags, details }) {
  let properties = {};
  try {
    if (details) properties = kept(details);
  } catch {
    // Another language may keep there what it likes.
  }
  const { stack, ...others } = properties;
  const error = errorOf(name, message, typeof stack === "string" ? stack : undefined, others);
  for (const flag of FLAGS) if (flags[flag]) error[flag] = true;
  return error;
}

// The value of a result inside of a future.
export function checked({ tag, val }) {
  if (tag === "err") throw errorFrom(val);
  return val;
}

// Runs a call of the host that fails with an error of storage.
export function storing(call) {
  try {
    return call();
  } catch (thrown) {
    throw storageError(thrown.payload) ?? thrown;
  }
}

export function storageError(cause) {
  if (cause === undefined) return undefined;
  return cause.tag === "sqlite" ? new Error(cause.val.message) : new TypeError(cause.val);
}

// Runs a call of the host that fails with an error of the contract.
export function asking(call) {
  try {
    return call();
  } catch (thrown) {
    throw thrown.payload === undefined ? thrown : errorFrom(thrown.payload);
  }
}

// Tells the log of an error that nobody else is told of.
export function report(error, where) {
  console.error(where, error);
}
