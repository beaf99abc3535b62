// What is in `env` beside classes and texts?

import { assets } from "../objects/fetch.js";

// Variables that are no texts come as JSON, and what the host does not have is named when
// it is used.
export function fillIn(env, bindings) {
  for (const [name, binding] of Object.entries(bindings)) {
    if (binding.json) define(env, name, { set: (text) => keep(env, name, JSON.parse(text)), get: () => undefined });
    if (binding.missing) keep(env, name, missing(name, binding.missing));
    if (binding.assets) keep(env, name, assets);
  }
}

function keep(env, name, value) {
  define(env, name, { value, writable: true });
}

function define(env, name, property) {
  Object.defineProperty(env, name, { ...property, enumerable: true, configurable: true });
}

// May be passed around and looked at; the first property that is read throws.
function missing(name, { what, setting, place }) {
  const fail = () => {
    const where = place === undefined ? "" : ` at ${place}`;
    throw new Error(`env.${name} leads to ${what} (${setting}${where}), which Abide does not have.`);
  };
  const harmless = (key) => typeof key === "symbol" || key === "then" || key === "toJSON" || key === "constructor";
  return new Proxy(function () {}, {
    get: (_, key) => (harmless(key) ? undefined : fail()),
    set: fail,
    apply: fail,
    construct: fail,
  });
}
