// How does a script become an object, or a gateway?
//
// `begin` runs its top level, when it is built; what that leaves in memory is what each
// instance begins with. Only an object is started.

import { objects } from "../objects/entry.js";
import { env } from "../objects/env.js";
import { gateway } from "../objects/gateway.js";
import { DurableObject, RpcTarget, WorkerEntrypoint, WorkflowEntrypoint } from "../objects/workers.js";
import { begin as platformBegins } from "../platform/begin.js";
import { inspect } from "../platform/console/inspect.js";
import { unawaited } from "../platform/uncaught.js";
import { fillIn } from "./bindings.js";
import { useMap } from "./stacks.js";

// Where a script finds the modules of the SDK.
const SHARED = Symbol.for("durable-object:shared");

// As scripts know it: see `build/unawaited.mjs`.
Object.defineProperty(globalThis, "__unawaited", { value: unawaited });

// How much more than its length the parser of a script uses.
const CLEARED = 4;

let object = null;
let front = null;
let isObject = false;

export function share(modules) {
  globalThis[SHARED] = modules;
}

export function begin(given, source) {
  try {
    const settings = JSON.parse(given);
    useMap(settings.map);
    const main = (0, eval)(source);
    delete globalThis.__script;
    const exports = JSON.stringify(take(main, settings));
    platformBegins();
    clear(CLEARED * source.length);
    return exports;
  } catch (error) {
    throw error instanceof Error ? inspect(error) : String(error);
  }
}

function take(main, { classes: wanted, bindings }) {
  const exported = Object.keys(main).filter((name) => isDurableObject(main[name]));
  const classes = {};
  for (const { name, sql = true } of wanted ?? exported.map((name) => ({ name }))) {
    classes[name] = { export: name, hasSql: sql };
  }
  const led = bindings ?? Object.fromEntries(exported.map((name) => [name, { class: name }]));
  const toClasses = Object.entries(led).filter(([, binding]) => binding.class !== undefined);
  const shared = { classes, bindings: Object.fromEntries(toClasses.map(([name, binding]) => [name, binding.class])) };
  object = objects(main, shared);
  front = gateway(main, shared);
  fillIn(env, led);
  const answers = main.default;
  return {
    classes: exported,
    others: Object.keys(main).filter((name) => !exported.includes(name)),
    gateway: typeof answers?.fetch === "function" || typeof answers?.prototype?.fetch === "function",
  };
}

// What the parser left behind is part of the component, as long as it is not nought: so
// much memory as it may have used is taken once, and given back empty.
function clear(bytes) {
  const taken = [];
  for (let size = 1 << 22; size >= 1 << 12; size >>= 1) {
    const share = Math.floor(bytes / 2 / size);
    for (let count = 0; count < share; count += 1) taken.push(new ArrayBuffer(size));
    bytes -= share * size;
  }
}

// Old classes extend nothing.
function isDurableObject(value) {
  if (typeof value !== "function" || value.prototype === undefined) return false;
  if (value.prototype instanceof DurableObject) return true;
  const others = [RpcTarget, WorkerEntrypoint, WorkflowEntrypoint];
  if (others.some((other) => value.prototype instanceof other)) return false;
  const isClass = /^class\b/.test(Function.prototype.toString.call(value));
  const handlers = ["fetch", "alarm", "webSocketMessage"];
  return isClass && handlers.some((name) => typeof value.prototype[name] === "function");
}

const ofObject = (kind) =>
  new Proxy({}, { get: (_, name) => (...args) => object[kind][name](...args) });

export const lifecycle = {
  start() {
    isObject = true;
    return object.lifecycle.start();
  },
};
export const fetchHandler = {
  fetch: (request, caller) => (isObject ? object : front).fetchHandler.fetch(request, caller),
};
export const alarmHandler = ofObject("alarmHandler");
export const rpcHandler = ofObject("rpcHandler");
export const websocketHandler = ofObject("websocketHandler");
