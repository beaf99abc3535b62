// node:assert.

import { inspect } from "../platform/console/inspect.js";
import { isDeepLooseEqual, isDeepStrictEqual } from "./deep-equal.js";

export class AssertionError extends Error {
  constructor({ message, actual, expected, operator, stackStartFn }) {
    super(message ?? `${inspect(actual)} ${operator} ${inspect(expected)}`);
    this.name = "AssertionError";
    this.code = "ERR_ASSERTION";
    Object.assign(this, { actual, expected, operator, generatedMessage: message === undefined });
    if (stackStartFn) Error.captureStackTrace(this, stackStartFn);
  }
}

function check(holds, given, details) {
  if (holds) return;
  if (Error.isError(given)) throw given;
  throw new AssertionError({ ...details, message: given ?? details.message });
}

export function ok(value, message) {
  check(value, message, {
    actual: value, expected: true, operator: "==", stackStartFn: ok,
    message: arguments.length ? `The expression evaluated to a falsy value:\n\n  assert.ok(${inspect(value)})\n` : "No value argument passed to `assert.ok()`",
  });
}

function assert(value, message) {
  check(value, message, {
    actual: value, expected: true, operator: "==", stackStartFn: assert, message: `The expression evaluated to a falsy value:\n\n  assert(${inspect(value)})\n`,
  });
}

const comparison = (operator, phrase, holds) => {
  const compare = (actual, expected, message) =>
    check(holds(actual, expected), message, {
      actual, expected, operator, stackStartFn: compare, message: `${phrase}\n\n${inspect(actual)}\n\nshould ${operator.startsWith("not") ? "not " : ""}equal\n\n${inspect(expected)}\n`,
    });
  return compare;
};

const loose = (a, b) => a == b || (a !== a && b !== b);

export const equal = comparison("==", "Expected values to be loosely equal:", loose);
export const notEqual = comparison("!=", "Expected values not to be loosely equal:", (a, b) => !loose(a, b));
export const strictEqual = comparison("strictEqual", "Expected values to be strictly equal:", Object.is);
export const notStrictEqual = comparison("notStrictEqual", "Expected values not to be strictly equal:", (a, b) => !Object.is(a, b));
export const deepEqual = comparison("deepEqual", "Expected values to be loosely deep-equal:", isDeepLooseEqual);
export const notDeepEqual = comparison("notDeepEqual", "Expected values not to be loosely deep-equal:", (a, b) => !isDeepLooseEqual(a, b));
export const deepStrictEqual = comparison("deepStrictEqual", "Expected values to be strictly deep-equal:", isDeepStrictEqual);
export const notDeepStrictEqual = comparison("notDeepStrictEqual", "Expected values not to be strictly deep-equal:", (a, b) => !isDeepStrictEqual(a, b));
export const match = comparison("match", "The input did not match the regular expression:", (text, pattern) => typeof text === "string" && pattern.test(text));
export const doesNotMatch = comparison("doesNotMatch", "The input was expected not to match the regular expression:", (text, pattern) => typeof text === "string" && !pattern.test(text));

export function fail(message = "Failed") {
  if (Error.isError(message)) throw message;
  throw new AssertionError({ message, operator: "fail", stackStartFn: fail });
}

export function ifError(value) {
  if (value === null || value === undefined) return;
  throw new AssertionError({ message: `ifError got unwanted exception: ${value?.message ?? inspect(value)}`, actual: value, expected: null, operator: "ifError", stackStartFn: ifError });
}

// Whether what was thrown is what was wanted.
function checkThrown(error, wanted, message, operator) {
  if (wanted === undefined) return;
  const details = { actual: error, expected: wanted, operator, message: `The error is not the expected one:\n\n${inspect(error)}\n` };
  if (typeof wanted === "function") {
    const isType = wanted.prototype !== undefined && error instanceof wanted;
    if (isType) return;
    if (Error.isPrototypeOf(wanted)) throw error;
    check(wanted.call({}, error) === true, message, details);
  } else if (wanted instanceof RegExp) {
    check(wanted.test(String(error)), message, details);
  } else {
    const keys = Error.isError(wanted) ? [...Object.keys(wanted), "name", "message"] : Object.keys(wanted);
    const fits = (key) => (wanted[key] instanceof RegExp && typeof error?.[key] === "string" ? wanted[key].test(error[key]) : isDeepStrictEqual(error?.[key], wanted[key]));
    check(keys.every(fits), message, details);
  }
}

const missing = (operator, wanted, message, kind) => {
  const text = typeof wanted === "string" ? wanted : message;
  return new AssertionError({ message: `Missing expected ${kind}${typeof wanted === "function" && wanted.name ? ` (${wanted.name})` : ""}${text ? `: ${text}` : "."}`, expected: wanted, operator });
};

export function throws(body, wanted, message) {
  let thrown;
  try {
    body();
  } catch (error) {
    thrown = { error };
  }
  if (!thrown) throw missing("throws", wanted, message, "exception");
  checkThrown(thrown.error, typeof wanted === "string" ? undefined : wanted, message, "throws");
}

export async function rejects(promise, wanted, message) {
  let thrown;
  try {
    await (typeof promise === "function" ? promise() : promise);
  } catch (error) {
    thrown = { error };
  }
  if (!thrown) throw missing("rejects", wanted, message, "rejection");
  checkThrown(thrown.error, typeof wanted === "string" ? undefined : wanted, message, "rejects");
}

const unwanted = (operator, error, message, kind) =>
  new AssertionError({ message: `Got unwanted ${kind}${message ? `: ${message}` : "."}\nActual message: "${error?.message}"`, actual: error, operator });

export function doesNotThrow(body, wanted, message) {
  try {
    body();
  } catch (error) {
    if (typeof wanted === "function" && !(error instanceof wanted)) throw error;
    throw unwanted("doesNotThrow", error, typeof wanted === "string" ? wanted : message, "exception");
  }
}

export async function doesNotReject(promise, wanted, message) {
  try {
    await (typeof promise === "function" ? promise() : promise);
  } catch (error) {
    if (typeof wanted === "function" && !(error instanceof wanted)) throw error;
    throw unwanted("doesNotReject", error, typeof wanted === "string" ? wanted : message, "rejection");
  }
}

const common = { AssertionError, ok, fail, ifError, throws, rejects, doesNotThrow, doesNotReject, strictEqual, notStrictEqual, deepStrictEqual, notDeepStrictEqual, match, doesNotMatch };

export const strict = Object.assign((value, message) => assert(value, message), common, {
  equal: strictEqual, notEqual: notStrictEqual, deepEqual: deepStrictEqual, notDeepEqual: notDeepStrictEqual,
});
strict.strict = strict;

export default Object.assign(assert, common, { equal, notEqual, deepEqual, notDeepEqual, strict });
