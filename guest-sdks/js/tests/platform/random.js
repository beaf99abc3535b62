// Chance.

import { equal, ok, steps, test, throws } from "./harness.js";

test("random: bytes fill any view of integers, up to their limit", () => {
  for (const view of [new Uint8Array(100), new Int32Array(5), new BigUint64Array(3), new Uint8Array(65536), new Uint8Array(0)]) {
    ok(crypto.getRandomValues(view) === view);
    ok(view.length === 0 || view.some((value) => value != 0));
  }
  const part = new Uint8Array(20);
  crypto.getRandomValues(part.subarray(5, 15));
  ok(part.subarray(0, 5).every((byte) => byte === 0) && part.subarray(15).every((byte) => byte === 0));
  throws("QuotaExceededError", () => crypto.getRandomValues(new Uint8Array(65537)));
  throws("TypeMismatchError", () => crypto.getRandomValues(new Float32Array(1)));
  throws("TypeMismatchError", () => crypto.getRandomValues([1]));
});

test("random: a UUID has its form, and no two are the same", () => {
  const ids = Array.from({ length: 1000 }, () => crypto.randomUUID());
  ok(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)));
  equal(new Set(ids).size, 1000);
});

test("random: Math.random is spread over its range", () => {
  const draws = Array.from({ length: 4000 }, () => Math.random());
  ok(draws.every((draw) => draw >= 0 && draw < 1));
  const mean = draws.reduce((sum, draw) => sum + draw) / draws.length;
  ok(mean > 0.4 && mean < 0.6, mean);
  equal(new Set(draws).size, draws.length);
});

let instance = null;
steps.set("instance", () => (instance ??= [Math.random(), crypto.randomUUID()]));
