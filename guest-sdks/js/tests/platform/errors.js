// Errors.

import { inspect } from "../../src/platform/console/inspect.js";
import { equal, ok, rejects, same, test } from "./harness.js";

test("errors: a stack begins with name and message, and is the error's own", () => {
  const error = new TypeError("wrong");
  ok(/^TypeError: wrong\n {4}at [^\n]+(\n {4}at [^\n]+)*$/.test(error.stack), error.stack);
  const { value, ...flags } = Object.getOwnPropertyDescriptor(error, "stack");
  equal(value, error.stack);
  same(Object.entries(flags).flat(), ["writable", true, "enumerable", false, "configurable", true]);
  same(Object.keys(error), []);
  ok(new Error().stack.startsWith("Error\n    at "));
  ok(new DOMException("gone", "AbortError").stack.startsWith("AbortError: gone\n    at "));
  try {
    null.property;
  } catch (thrown) {
    ok(thrown.stack.startsWith(`TypeError: ${thrown.message}\n    at `), thrown.stack);
  }
});

test("errors: a stack takes any value, also where it is inherited", () => {
  for (const value of [undefined, null, 7, "text", { a: 1 }]) {
    const error = new Error("x");
    const heir = Object.create(Error.prototype);
    for (const target of [error, heir]) {
      target.stack = value;
      equal(target.stack, value);
      ok(Object.hasOwn(target, "stack"));
    }
  }
});

test("errors: what is written of one has its name once, whenever it got that", () => {
  class Late extends Error {
    constructor(message) {
      super(message);
      this.name = "Late";
    }
  }
  const count = (error, text) => inspect(error).split(text).length - 1;
  for (const message of ["wrong", ""]) {
    const error = new Late(message);
    ok(inspect(error).startsWith(message ? "Late: wrong\n    at " : "Late\n    at "), inspect(error));
    equal(count(error, "Error"), 0, inspect(error));
  }
  equal(count(new RangeError("far"), "far"), 1);
});

test("errors: a stack is captured for any object, from the function that is named", () => {
  const target = { name: "Mine", message: "text" };
  const inner = () => Error.captureStackTrace(target, inner);
  inner();
  ok(target.stack.startsWith("Mine: text\n    at "), target.stack);
  ok(!target.stack.includes("inner"), target.stack);
  Error.captureStackTrace(Object.freeze({}));
});

test("errors: a stack tells the origin, whoever awaits it in between, and that of the newest capture", async () => {
  async function origin() {
    await null;
    throw new Error("x");
  }
  const through = async (work) => await work();
  const error = await rejects(Error, through(() => through(origin)));
  ok(error.stack.startsWith("Error: x\n    at origin"), error.stack);
  (function later() {
    Error.captureStackTrace(error);
  })();
  ok(error.stack.startsWith("Error: x\n    at later"), error.stack);
});

test("errors: code may prepare stacks by itself", () => {
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = (_, sites) => sites;
  const sites = new Error("x").stack;
  Error.prepareStackTrace = before;
  ok(Array.isArray(sites) && sites[0].getLineNumber() > 0);
});

test("errors: one whose name is code that fails is an error still", () => {
  class Failing extends Error {
    get name() {
      throw new TypeError("no name");
    }
  }
  ok(new Failing("x").stack.startsWith("<error>"));
});
