// Are two values the same all the way down?

import { isAnyArrayBuffer, isBoxedPrimitive } from "./util/types.js";

const viewOf = (value) => (isAnyArrayBuffer(value) ? new Uint8Array(value) : value);

export const isDeepStrictEqual = (a, b) => equal(a, b, true, new Map());
export const isDeepLooseEqual = (a, b) => equal(a, b, false, new Map());

function equal(a, b, strict, compared) {
  if (Object.is(a, b)) return true;
  const objects = typeof a === "object" && a !== null && typeof b === "object" && b !== null;
  if (!objects) return !strict && (typeof a !== "object" || a === null) && (typeof b !== "object" || b === null) && (a == b || (a !== a && b !== b));
  if (compared.get(a)?.has(b)) return true; // being compared further up
  compared.set(a, (compared.get(a) ?? new Set()).add(b));
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (Array.isArray(a) !== Array.isArray(b) || (Array.isArray(a) && a.length !== b.length)) return false;
  return sameContent(a, b, strict, compared) && sameProperties(a, b, strict, compared);
}

function sameContent(a, b, strict, compared) {
  const both = (type) => a instanceof type || b instanceof type;
  const same = (type, compare) => a instanceof type && b instanceof type && compare();
  if (both(Date)) return same(Date, () => Object.is(a.getTime(), b.getTime()));
  if (both(RegExp)) return same(RegExp, () => String(a) === String(b) && a.lastIndex === b.lastIndex);
  if (both(Error)) return same(Error, () => a.message === b.message && a.name === b.name && equal(a.cause, b.cause, strict, compared));
  if (both(Map)) return same(Map, () => a.size === b.size && everyMatched([...a], [...b], strict, compared));
  if (both(Set)) return same(Set, () => a.size === b.size && everyMatched([...a], [...b], strict, compared));
  if (both(Promise) || both(WeakMap) || both(WeakSet)) return false;
  if (isBoxedPrimitive(a) || isBoxedPrimitive(b)) return isBoxedPrimitive(a) && isBoxedPrimitive(b) && Object.is(a.valueOf(), b.valueOf());
  if (isAnyArrayBuffer(a) || ArrayBuffer.isView(a)) {
    const [left, right] = [viewOf(a), viewOf(b)];
    return left.byteLength === right.byteLength && (left instanceof DataView || Array.prototype.every.call(left, (value, at) => Object.is(value, right[at])));
  }
  return true;
}

// In whatever order they are.
function everyMatched(left, right, strict, compared) {
  const open = [...right];
  return left.every((item) => {
    const found = open.findIndex((other) => equal(item, other, strict, compared));
    if (found >= 0) open.splice(found, 1);
    return found >= 0;
  });
}

function sameProperties(a, b, strict, compared) {
  if (ArrayBuffer.isView(a)) return true;
  const [keys, others] = [a, b].map((value) => [
    ...Object.keys(value),
    ...(strict ? Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)) : []),
  ]);
  return keys.length === others.length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key], strict, compared));
}
