// console.
//
// What is said in passing goes to standard output, warnings and errors to standard error.

import { formatWithOptions, inspect } from "./inspect.js";
import { print, printError } from "../output.js";
import { table } from "./table.js";

const counts = new Map();
const timers = new Map();
let indent = "";

const text = (args) => {
  const line = args.length === 1 && typeof args[0] === "string" ? args[0] : formatWithOptions({}, ...args);
  return indent ? line.replace(/^/gm, indent) : line;
};

const say = (...args) => print(text(args));
const warn = (...args) => printError(text(args));

export const console = {
  log: say,
  info: say,
  debug: say,
  warn,
  error: warn,
  trace(...args) {
    const error = { name: "Trace", message: text(args) };
    Error.captureStackTrace(error, console.trace);
    warn(error.stack);
  },
  assert(condition, ...args) {
    if (condition) return;
    if (typeof args[0] === "string") warn(`Assertion failed: ${args[0]}`, ...args.slice(1));
    else warn("Assertion failed", ...args);
  },
  dir: (value, options) => say(inspect(value, options)),
  dirxml: say,
  table: (data, columns) => say(typeof data === "object" && data !== null ? table(data, columns) : data),
  group(...args) {
    if (args.length) say(...args);
    indent += "  ";
  },
  groupCollapsed: (...args) => console.group(...args),
  groupEnd() {
    indent = indent.slice(2);
  },
  count(label = "default") {
    counts.set(`${label}`, (counts.get(`${label}`) ?? 0) + 1);
    say(`${label}: ${counts.get(`${label}`)}`);
  },
  countReset(label = "default") {
    counts.delete(`${label}`);
  },
  time(label = "default") {
    if (timers.has(`${label}`)) warn(`Timer '${label}' already exists`);
    else timers.set(`${label}`, performance.now());
  },
  timeLog: (label = "default", ...args) => timed("timeLog", `${label}`, args),
  timeEnd(label = "default") {
    timed("timeEnd", `${label}`, []);
    timers.delete(`${label}`);
  },
  clear() {},
};

Object.defineProperty(console, Symbol.toStringTag, { value: "console", configurable: true });

function timed(method, label, args) {
  if (!timers.has(label)) warn(`No such label '${label}' for console.${method}()`);
  else say(`${label}: ${(performance.now() - timers.get(label)).toFixed(3)}ms`, ...args);
}

// An error that nobody caught.
export function reportError(error) {
  printError(`Uncaught ${typeof error === "string" ? error : inspect(error)}`);
}
