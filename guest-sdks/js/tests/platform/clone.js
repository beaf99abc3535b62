// structuredClone.

import { equal, notEqual, ok, same, test, throws } from "./harness.js";

test("clone: values that are not objects are themselves", () => {
  for (const value of [undefined, null, true, 0, -0, NaN, Infinity, 7n, "", "\ud800", "x"]) equal(structuredClone(value), value);
});

test("clone: dates, expressions, boxes and errors keep what they are", () => {
  equal(structuredClone(new Date(7)).getTime(), 7);
  ok(Number.isNaN(structuredClone(new Date(NaN)).getTime()));
  equal(String(structuredClone(/a\/b/giu)), "/a\\/b/giu");
  for (const box of [Object(true), Object("x"), Object(-0), Object(7n)]) {
    const copy = structuredClone(box);
    notEqual(copy, box);
    equal(copy.valueOf(), box.valueOf());
    equal(typeof copy, "object");
  }
  const error = structuredClone(Object.assign(new RangeError("far", { cause: { a: 1 } }), { code: 7 }));
  ok(error instanceof RangeError);
  same([error.message, error.cause.a, error.code], ["far", 1, undefined]);
  class Own extends Error {
    name = "Own";
  }
  equal(structuredClone(new Own("x")).name, "Error");
  equal(structuredClone(new DOMException("m", "AbortError")).name, "AbortError");
});

test("clone: maps, sets, lists with holes and nested objects are copied, not shared", () => {
  const inner = { a: 1 };
  const value = { map: new Map([[inner, new Set([inner])]]), list: [1, , inner], [Symbol("x")]: 1 };
  Object.defineProperty(value, "hidden", { value: 1, enumerable: false });
  const copy = structuredClone(value);
  const [[key, set]] = copy.map;
  notEqual(key, inner);
  ok(set.has(key) && copy.list[2] === key);
  equal(copy.list.length, 3);
  ok(!(1 in copy.list));
  equal(Object.getOwnPropertySymbols(copy).length, 0);
  ok(!("hidden" in copy));
});

test("clone: what refers to itself still does", () => {
  const value = { list: [] };
  value.self = value;
  value.list.push(value.list, value);
  const copy = structuredClone(value);
  ok(copy.self === copy && copy.list[0] === copy.list && copy.list[1] === copy);
});

test("clone: buffers and their views are copied together", () => {
  const buffer = new ArrayBuffer(16);
  const copy = structuredClone({ a: new Uint8Array(buffer, 4, 8), b: new DataView(buffer, 2), c: new Float64Array(buffer, 8) });
  ok(copy.a.buffer === copy.b.buffer && copy.a.buffer !== buffer);
  same([copy.a.byteOffset, copy.a.length, copy.b.byteOffset, copy.b.byteLength, copy.c.length], [4, 8, 2, 14, 1]);
  ok(copy.c instanceof Float64Array);
});

test("clone: a buffer that is transferred moves", () => {
  const view = Uint8Array.of(1, 2, 3);
  const copy = structuredClone(view, { transfer: [view.buffer] });
  same(copy, [1, 2, 3]);
  equal(view.byteLength, 0);
  ok(view.buffer.detached);
  throws("DataCloneError", () => structuredClone(1, { transfer: [view.buffer] }));
  throws("DataCloneError", () => structuredClone(1, { transfer: [{}] }));
  const unused = new ArrayBuffer(4);
  structuredClone(1, { transfer: [unused] });
  ok(unused.detached);
});

test("clone: an instance of one's own class becomes a plain object", () => {
  class Point {
    x = 1;
    get y() {
      return 2;
    }
  }
  class Tagged {
    get [Symbol.toStringTag]() {
      return "Tagged";
    }
  }
  equal(Object.getPrototypeOf(structuredClone(new Tagged())), Object.prototype);
  const copy = structuredClone(new Point());
  equal(Object.getPrototypeOf(copy), Object.prototype);
  same(Object.entries(copy).flat(), ["x", 1]);
  same(Object.entries(structuredClone({ get z() { return 3; } })).flat(), ["z", 3]);
});

test("clone: what cannot be cloned says so", () => {
  for (const value of [() => {}, Symbol("x"), new WeakMap(), Promise.resolve(), { f() {} }, [Symbol()], new Headers(), (function* () {})(), new Map().keys(), new AbortController(), new Event("a")]) {
    throws("DataCloneError", () => structuredClone(value), String(Object.prototype.toString.call(value)));
  }
  throws(TypeError, () => structuredClone());
});
