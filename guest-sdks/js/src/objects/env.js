// What is in `env`, and when?
//
// The bindings are there from the start. The variables are the host's, so there are none
// before the first event: a module that reads one at its top level, which runs at build time, does
// not find it.

import { getEnvironment } from "wasi:cli/environment@0.2.0";
import { DurableObjectNamespace } from "./namespace.js";

export const env = {};

// The classes of the component, as `ctx.exports` has them.
export const exports = {};

// `bindings` names the host's class behind each name; `vars` are values that the build knows.
export function bind({ classes, bindings, vars = {} }) {
  Object.assign(env, vars);
  for (const [name, className] of Object.entries(bindings)) env[name] = new DurableObjectNamespace(className);
  for (const [className, { export: name }] of Object.entries(classes)) exports[name] = new DurableObjectNamespace(className);
}

// Takes the host's variables, once per instance.
export function fill() {
  for (const [name, value] of getEnvironment()) if (!(env[name] instanceof DurableObjectNamespace)) env[name] = value;
}
