// What is the stack of an error?
//
// As with V8, a property of its own that takes any value: its name and message as they were when
// it was made, and below them the places. QuickJS by itself tells the places alone, behind an
// accessor of all errors that takes nothing but text.

let nameOf = (site) => (site.isNative() ? "native" : `${site.getFileName()}:${site.getLineNumber()}:${site.getColumnNumber()}`);

// From now on places are named so. One that is named null is left out.
export function namePlaces(by) {
  nameOf = by;
}

// QuickJS asks anew wherever `await` throws it, which must not be taken for its origin.
Error.prepareStackTrace = (error, sites) => {
  if (!isCaptured && Object.hasOwn(error, "stack")) return error.stack;
  const stack = [headOf(error), ...sites.flatMap(lineOf)].join("\n");
  keep(error, stack);
  return stack;
};

let isCaptured = false;
const { captureStackTrace } = Error;

Error.captureStackTrace = function (target, from = Error.captureStackTrace) {
  isCaptured = true;
  try {
    captureStackTrace(target, from);
  } finally {
    isCaptured = false;
  }
};

// What code may put in place of the above leaves its result here.
Object.defineProperty(Error.prototype, "stack", {
  set(value) {
    keep(this, value);
  },
});

function headOf(error) {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return "<error>"; // as V8 has it, where the name or the message is code that fails
  }
}

function lineOf(site) {
  const place = nameOf(site);
  return place === null ? [] : [`    at ${site.getFunctionName() || "<anonymous>"} (${place})`];
}

function keep(error, value) {
  Reflect.defineProperty(error, "stack", { value, writable: true, enumerable: false, configurable: true });
}
