// How are promises of the platform written down, and which of them hold?
//
// The names are those of the Web Platform Tests' harness, so that its readers know them.

const tests = [];

// `body` may be async. A test's name is a promise.
export function test(name, body) {
  tests.push({ name, body });
}

export const names = () => tests.map(({ name }) => name);

// What a promise about several events takes: asked for by its name.
export const steps = new Map();

export async function run(pattern) {
  const wanted = tests.filter(({ name }) => name.includes(pattern));
  const report = [];
  for (const { name, body } of wanted) {
    try {
      await body();
      report.push({ name });
    } catch (error) {
      report.push({ name, failure: Error.isError(error) ? error.stack : String(error) });
    }
  }
  return report;
}

function fail(message, about) {
  throw new Error(about === undefined ? message : `${about}: ${message}`);
}

const shown = (value) => (typeof value === "string" ? JSON.stringify(value) : typeof value === "bigint" ? `${value}n` : Object.is(value, -0) ? "-0" : String(value));

export function equal(actual, expected, about) {
  if (!Object.is(actual, expected)) fail(`expected ${shown(expected)}, but it is ${shown(actual)}`, about);
}

export function notEqual(actual, unexpected, about) {
  if (Object.is(actual, unexpected)) fail(`it must not be ${shown(unexpected)}`, about);
}

export function ok(condition, about) {
  if (!condition) fail("it must hold", about);
}

// The same items in the same order, and so on within.
export function same(actual, expected, about) {
  const [left, right] = [actual, expected].map((value) => JSON.stringify(Array.from(value, (item) => (ArrayBuffer.isView(item) ? [...item] : item))));
  if (left !== right) fail(`expected ${right}, but it is ${left}`, about);
}

// `kind` is a constructor, or the name of a DOMException.
export function throws(kind, body, about) {
  let result;
  try {
    result = body();
  } catch (error) {
    checkError(kind, error, about);
    return error;
  }
  return fail(`it must throw ${typeof kind === "string" ? kind : kind.name}, but it gave ${shown(result)}`, about);
}

export async function rejects(kind, promise, about) {
  let result;
  try {
    result = await promise;
  } catch (error) {
    checkError(kind, error, about);
    return error;
  }
  return fail(`it must reject with ${typeof kind === "string" ? kind : (kind.name ?? shown(kind))}, but it gave ${shown(result)}`, about);
}

function checkError(kind, error, about) {
  if (typeof kind === "function" ? error instanceof kind && error.constructor === kind : typeof kind === "string" ? error?.name === kind : error === kind) return;
  fail(`expected ${typeof kind === "string" ? kind : (kind?.name ?? shown(kind))}, but it was ${error?.name}: ${error?.message}`, about);
}
