// console, as far as it can be seen from inside: how values are written.

import { equal, ok, test } from "./harness.js";
import { format, inspect } from "../../src/platform/console/inspect.js";

test("console: values are written as a person reads them", () => {
  class Point {
    x = 1;
  }
  class Empty {}
  const circular = { name: "a" };
  circular.self = circular;
  for (const [value, expected] of [
    [undefined, "undefined"], [-0, "-0"], [12n, "12n"], ["it's", `"it's"`], ["a\nb", "'a\\nb'"], [Symbol("s"), "Symbol(s)"],
    [{}, "{}"], [[], "[]"], [{ a: 1, "b-c": "x" }, "{ a: 1, 'b-c': 'x' }"], [[1, , 3], "[ 1, <1 empty item>, 3 ]"],
    [{ a: { b: { c: { d: 1 } } } }, "{ a: { b: { c: [Object] } } }"],
    [new Map([["a", { b: 1 }]]), "Map(1) { 'a' => { b: 1 } }"], [new Set([1, "x"]), "Set(2) { 1, 'x' }"],
    [new Point(), "Point { x: 1 }"], [new Empty(), "Empty {}"], [Object.create(null), "[Object: null prototype] {}"],
    [Point, "[class Point]"], [class B extends Point {}, "[class B extends Point]"], [function ownName() {}, "[Function: ownName]"], [() => {}, "[Function (anonymous)]"],
    [async () => {}, "[AsyncFunction (anonymous)]"],
    [new Date(0), "1970-01-01T00:00:00.000Z"], [/x/g, "/x/g"], [Uint8Array.of(1, 2), "Uint8Array(2) [ 1, 2 ]"],
    [new ArrayBuffer(2), "ArrayBuffer { [Uint8Contents]: <00 00>, byteLength: 2 }"],
    [Object("x"), "[String: 'x']"], [circular, "<ref *1> { name: 'a', self: [Circular *1] }"],
    [{ get a() { return 1; }, set b(value) {} }, "{ a: [Getter], b: [Setter] }"],
    [{ [Symbol("k")]: 1 }, "{ [Symbol(k)]: 1 }"], [Object.assign([1], { a: 2 }), "[ 1, a: 2 ]"],
    [{ [inspect.custom]: () => "mine" }, "mine"],
    [new URLSearchParams("a=1"), "URLSearchParams { 'a' => '1' }"],
  ]) {
    equal(inspect(value), expected);
  }
});

test("console: an error is written with its stack, its cause and what it carries", () => {
  const text = inspect(Object.assign(new TypeError("wrong", { cause: new Error("why") }), { code: 7 }));
  ok(text.startsWith("TypeError: wrong\n    at "), text);
  ok(text.includes("[cause]: Error: why") && text.includes("code: 7"), text);
});

test("console: what is long is broken into lines, and cut where it is too long", () => {
  const object = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`property${at}`, "value"]));
  equal(inspect(object).split("\n").length, 10);
  ok(inspect(Array.from({ length: 150 }, () => 1)).includes("... 50 more items"));
  ok(inspect(Array.from({ length: 30 }, (_, at) => at)).split("\n").length < 12);
});

test("console: directives take their arguments in order", () => {
  equal(format("%s is %d of %i%%, %j %o", "a", "1.5", "7.9", { b: 1 }, [1], "rest", { c: 1 }), "a is 1.5 of 7%, {\"b\":1} [ 1 ] rest { c: 1 }");
  equal(format("%s"), "%s");
  equal(format("100%", 1), "100% 1");
  equal(format(1, "a", { b: 2 }), "1 a { b: 2 }");
});

test("console: every method can be called", () => {
  console.log("a", { b: 1 });
  console.group("g");
  console.warn("multi\nline");
  console.groupEnd();
  console.table([{ a: 1 }, { a: 2, b: "x" }]);
  console.table(7);
  console.assert(true);
  console.assert(false, "as it should: %s", "x");
  console.count();
  console.count();
  console.countReset();
  console.time("t");
  console.timeLog("t");
  console.timeEnd("t");
  console.timeEnd("t");
  console.trace("t");
  console.dir({ a: 1 });
  console.debug("x".repeat(20_000).length);
});
