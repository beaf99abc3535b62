// What does the host call in a component that stands in front of objects?

import { answer } from "./answer.js";
import { runInBackground } from "./background.js";
import { bind, env, exports, fill } from "./env.js";
import "./globals.js";

let isFilled = false;

export function gateway(main, { classes: named, ...given }) {
  const classes = {};
  for (const [name, spec] of Object.entries(named)) classes[name] = typeof spec === "string" ? { export: spec } : spec;
  bind({ classes, ...given });
  return { fetchHandler: { fetch: (request, caller) => answer(request, caller, (request) => fetch(main.default, request)) } };
}

function fetch(handler, request) {
  if (!isFilled) fill();
  isFilled = true;
  const ctx = new ExecutionContext();
  if (typeof handler === "function") return new handler(ctx, env).fetch(request);
  if (typeof handler?.fetch !== "function") throw new TypeError("Handler does not export a fetch() function.");
  return handler.fetch(request, env, ctx);
}

class ExecutionContext {
  props = {};
  exports = exports;

  waitUntil(promise) {
    runInBackground(promise);
  }

  passThroughOnException() {}

  abort(reason) {
    throw reason ?? new Error("The execution was aborted.");
  }
}
