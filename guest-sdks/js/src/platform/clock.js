// How long has this instance run?
//
// QuickJS counts from when its memory was made, which was while the component was built, perhaps on
// another machine.

import { hasBegun } from "./begin.js";

const { performance: native } = globalThis;
let began; // by that clock, when an instance first asked
let timeOrigin;

function start() {
  if (began !== undefined || !hasBegun()) return;
  began = native.now();
  timeOrigin = Date.now();
}

export const performance = {
  now() {
    start();
    return began === undefined ? 0 : native.now() - began;
  },

  get timeOrigin() {
    start();
    return timeOrigin ?? 0;
  },

  toJSON() {
    return { timeOrigin: this.timeOrigin };
  },
};
