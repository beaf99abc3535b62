// Where does chance come from?
//
// From the host, and only while an instance runs: what were drawn at build time would be the
// same in all of them.

import { getRandomBytes } from "wasi:random/random@0.2.0";
import { hasBegun, onlyInEvents } from "./begin.js";

// Drawn anew each time: what lay in memory would be copied with an object, and be drawn by both.
export function randomBytes(count) {
  onlyInEvents();
  return getRandomBytes(count);
}

// Marsaglia's xorshift of 128 bits: fast, and good enough for what Math.random promises. While
// the component is built it begins with the same numbers each time.
const state = Uint32Array.of(0x9e3779b9, 0x243f6a88, 0xb7e15162, 0xdeadbeef);
let seeded = false;

export function random() {
  if (!seeded && hasBegun()) {
    seeded = true;
    state.set(new Uint32Array(getRandomBytes(16).buffer.slice(0, 16)));
    if (state.every((word) => word === 0)) state[0] = 1;
  }
  return (next() * 0x200000 + (next() >>> 11)) / 0x20000000000000;
}

function next() {
  let t = state[3];
  const s = state[0];
  state[3] = state[2];
  state[2] = state[1];
  state[1] = s;
  t ^= t << 11;
  t ^= t >>> 8;
  state[0] = t ^ s ^ (s >>> 19);
  return state[0];
}
