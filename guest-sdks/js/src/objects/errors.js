// What becomes of an error on its way between this object and others?

import { errorOf, propertiesOf } from "./cbor.js";
import { keep, kept } from "./kinds.js";

const DETAILS_BYTES_MAX = 65536;
const FLAGS = ["retryable", "overloaded", "remote", "durableObjectReset"];

// Names of a DOMException that code tells errors apart by, where the host is what fails.
const EXCEPTIONS = ["AbortError", "DataCloneError", "TimeoutError", "InvalidStateError", "NotSupportedError"];

// The key, in the details, of what was thrown where that is no Error of the language.
const THROWN = "";

// Anything thrown, as the contract has it.
export function wireError(thrown) {
  if (!(thrown instanceof Error)) {
    const details = typeof thrown === "object" && thrown !== null ? firstOf([{ [THROWN]: thrown }]) : null;
    return { name: "Error", message: text(thrown), flags: {}, details };
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
  if (error instanceof DOMException) return firstOf([{ [THROWN]: error }]);
  return firstOf([properties, { stack: properties.stack }]);
}

// The bytes of the first of these that can be copied and is not too long.
function firstOf(values) {
  for (const value of values) {
    try {
      const details = keep(value);
      if (details.length <= DETAILS_BYTES_MAX) return details;
    } catch {
      // What cannot be copied stays behind.
    }
  }
  return null;
}

// An error of the contract, as what was thrown.
export function errorFrom({ name, message, flags, details }) {
  let properties = {};
  try {
    if (details) properties = kept(details);
  } catch {
    // Another language may keep there what it likes.
  }
  const { stack, [THROWN]: thrown, ...others } = properties;
  let error = thrown;
  if (typeof thrown !== "object" || thrown === null) {
    const isException = details === null && EXCEPTIONS.includes(name);
    error = isException ? new DOMException(message, name) : errorOf(name, message, typeof stack === "string" ? stack : undefined, others);
  }
  for (const flag of FLAGS) if (flags[flag]) error[flag] = true;
  return error;
}

// The value of a result inside of a future.
export function checked({ tag, val }) {
  if (tag === "err") throw errorFrom(val);
  return val;
}

// Runs a call of the host that fails with an error of storage. One that breaks a rule is an error
// of the type `Refusal`.
export function storing(call, Refusal) {
  try {
    return call();
  } catch (thrown) {
    throw storageError(thrown.payload, Refusal) ?? thrown;
  }
}

export function storageError(cause, Refusal = TypeError) {
  if (cause === undefined) return undefined;
  return cause.tag === "sqlite" ? new Error(cause.val.message) : new Refusal(cause.val);
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
