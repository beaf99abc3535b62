// What does the host call in a component that stands in front of objects?

import { answer } from "./answer.js";
import { fetchBy, offer } from "./entrypoint.js";
import { bind, fill } from "./env.js";
import { haveNone } from "./sockets.js";
import "./globals.js";

let isFilled = false;

export function gateway(main, { classes: named, ...given }) {
  const classes = {};
  for (const [name, spec] of Object.entries(named)) classes[name] = typeof spec === "string" ? { export: spec } : spec;
  bind({ classes, ...given });
  offer(main);
  return { fetchHandler: { fetch: (request, caller) => answer(request, caller, (request) => fetch(main.default, request)) } };
}

function begin() {
  fill();
  haveNone();
  isFilled = true;
}

function fetch(handler, request) {
  if (!isFilled) begin();
  return fetchBy(handler, request);
}
