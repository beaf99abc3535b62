// What is not there says so when it is used.

import { equal, ok, test } from "./harness.js";

const attempt = (work) => {
  try {
    return `it gave ${work()}`;
  } catch (error) {
    return error.message;
  }
};

// At the top level of a module, which is while the component is built.
const early = {
  setTimeout: attempt(() => setTimeout(() => {}, 1)),
  getRandomValues: attempt(() => crypto.getRandomValues(new Uint8Array(1))),
  randomUUID: attempt(() => crypto.randomUUID()),
  random: [Math.random(), Math.random()],
};

test("absent: timers and chance say at build time that they belong into a handler", () => {
  for (const name of ["setTimeout", "getRandomValues", "randomUUID"]) ok(early[name].startsWith("Disallowed operation called within global scope."), early[name]);
  ok(early.random.every((draw) => draw >= 0 && draw < 1) && early.random[0] !== early.random[1]);
});

test("absent: what Abide does not have names itself, and what to do instead", () => {
  for (const [name, use] of [
    ["WebAssembly", () => WebAssembly.instantiate(new Uint8Array())],
    ["HTMLRewriter", () => new HTMLRewriter()],
    ["caches", () => caches.default],
    ["caches", () => caches.open("x")],
  ]) {
    const message = attempt(use);
    ok(message.startsWith(`${name} is not supported by Abide: `), message);
  }
  equal(navigator.userAgent, "Cloudflare-Workers");
});
