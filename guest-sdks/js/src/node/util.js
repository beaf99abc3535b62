// node:util: unenv's, and what it leaves out.

import * as unenv from "unenv/node/util";
import { format, formatWithOptions, inspect } from "../platform/console/inspect.js";
import { printError } from "../platform/output.js";
import types from "./util/types.js";

export { MIMEParams, MIMEType, inherits, isArray, isBoolean, isBuffer, isDate, isError, isFunction, isNull, isNullOrUndefined, isNumber, isObject, isPrimitive, isRegExp, isString, isSymbol, isUndefined } from "unenv/node/util";
export { format, formatWithOptions, inspect, types };
export { isDeepStrictEqual } from "./deep-equal.js";
import { isDeepStrictEqual } from "./deep-equal.js";
export const { TextDecoder, TextEncoder } = globalThis;

const custom = Symbol.for("nodejs.util.promisify.custom");

export function promisify(original) {
  if (typeof original !== "function") throw new TypeError('The "original" argument must be of type function.');
  if (typeof original[custom] === "function") return original[custom];
  const promised = function (...args) {
    return new Promise((resolve, reject) => {
      Reflect.apply(original, this, [...args, (error, value) => (error ? reject(error) : resolve(value))]);
    });
  };
  Object.setPrototypeOf(promised, Object.getPrototypeOf(original));
  return Object.defineProperties(promised, Object.getOwnPropertyDescriptors(original));
}

promisify.custom = custom;

export function callbackify(original) {
  if (typeof original !== "function") throw new TypeError('The "original" argument must be of type function.');
  return function (...args) {
    const callback = args.pop();
    Reflect.apply(original, this, args).then(
      (value) => queueMicrotask(() => callback(null, value)),
      (error) => queueMicrotask(() => callback(error ?? Object.assign(new Error("Promise was rejected with falsy value"), { reason: error }))),
    );
  };
}

const warned = new Set();

export function deprecate(original, message, code) {
  return function (...args) {
    if (!warned.has(code ?? message)) {
      warned.add(code ?? message);
      printError(`${code ? `[${code}] ` : ""}DeprecationWarning: ${message}`);
    }
    return new.target ? Reflect.construct(original, args, new.target) : Reflect.apply(original, this, args);
  };
}

export function debuglog() {
  return Object.assign(() => {}, { enabled: false });
}

export { debuglog as debug };

export const stripVTControlCharacters = (text) => text.replace(/\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07]*(?:\x07|\x1b\\)/g, "");
export const toUSVString = (text) => `${text}`.toWellFormed();
export const styleText = (_, text) => text;
export const log = (...args) => console.log(...args);

export function aborted(signal) {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true })));
}

export const transferableAbortController = () => new AbortController();
export const transferableAbortSignal = (signal) => signal;
// Who called, from the innermost.
export function getCallSites(count = 8) {
  const lines = new Error().stack.split("\n").slice(2, 2 + count);
  return lines.map((line) => {
    const [, functionName = "", scriptName = "", lineNumber = "0", columnNumber = "0"] = /at (.*?) ?\(?([^()]*?)(?::(\d+))?(?::(\d+))?\)?$/.exec(line) ?? [];
    return { functionName, scriptName, lineNumber: Number(lineNumber), columnNumber: Number(columnNumber), column: Number(columnNumber) };
  });
}

export const { parseArgs, parseEnv, getSystemErrorName, getSystemErrorMap, getSystemErrorMessage, _extend } = unenv;

export default {
  ...unenv.default, TextDecoder, TextEncoder, types, format, formatWithOptions, inspect, isDeepStrictEqual, promisify, callbackify, deprecate, debuglog,
  debug: debuglog, stripVTControlCharacters, toUSVString, styleText, log, aborted, getCallSites, transferableAbortController, transferableAbortSignal,
};
