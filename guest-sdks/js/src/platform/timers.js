// When does what was put off run?
//
// Each timer is a sleep of the host, which keeps the object awake, and the event too that
// began it. Each sleep that ends runs one timer: the one that is due first, so that they run in
// the order of their times. While a section is open it runs its own, for the host
// lets only those sleeps end that the section may wait for.
//
// QuickJS's runtime can only give up a wait within the event that began it, and a timer may be
// cleared in another. So beside the sleep it waits for a stream, whose other end anybody can
// drop; the sleep is then given up where it was begun.

import { sleep } from "durable:object/timers@0.1.0";
import { pause, resume } from "../objects/event.js";
import { admitted, isClosed, isHeld, stamp } from "../objects/gate.js";
import { onlyInEvents } from "./begin.js";
import { contextual } from "./context.js";
import { run } from "./uncaught.js";

const MAX_MS = 2 ** 31 - 1;

let lastId = 0;
let now = 0; // counts timers, for those that are due at the same time
const pending = new Map(); // by id, in no order

export function setTimeout(callback, ms = 0, ...args) {
  return start(callback, ms, args, false);
}

export function setInterval(callback, ms = 0, ...args) {
  return start(callback, ms, args, true);
}

export function clearTimeout(id) {
  const timer = pending.get(Number(id));
  if (!timer) return;
  pending.delete(timer.id);
  timer.giveUp();
}

export { clearTimeout as clearInterval };

export function setImmediate(callback, ...args) {
  return setTimeout(callback, 0, ...args);
}

function start(callback, ms, args, repeats) {
  if (typeof callback !== "function") {
    throw new TypeError(`The callback of a timer must be a function, not ${callback === null ? "null" : typeof callback}.`);
  }
  onlyInEvents();
  const delay = Math.trunc(Number(ms));
  const timer = {
    id: ++lastId,
    run: contextual(callback),
    args,
    ms: delay > 0 && delay <= MAX_MS ? delay : 0,
    repeats,
    due: 0,
    order: 0,
    begun: 0, // see the gate
    isChosen: false, // a sleep has ended for it
    giveUp: null,
  };
  pending.set(timer.id, timer);
  arm(timer);
  return timer.id;
}

function arm(timer) {
  timer.due = Date.now() + timer.ms;
  timer.order = ++now;
  timer.begun = stamp();
  timer.isChosen = false;
  const { ended, giveUp } = interruptible(sleep(timer.ms));
  timer.giveUp = giveUp;
  ended.then((whole) => whole && runOne(timer, timer.order));
}

async function runOne(own, order) {
  const timer = chosen(own, order);
  if (timer === null) return;
  timer.isChosen = true;
  if (isHeld(timer.begun)) await admitted(timer.begun);
  if (pending.get(timer.id) !== timer) return; // it was cleared
  if (timer.repeats) arm(timer);
  else pending.delete(timer.id);
  run(timer.run, undefined, ...timer.args);
}

// Which timer runs when the sleep of `own` has ended.
function chosen(own, order) {
  const isWaiting = pending.get(own.id) === own && own.order === order && !own.isChosen;
  if (isWaiting && isClosed()) return own;
  let first = isWaiting ? own : null;
  const time = Date.now();
  for (const timer of pending.values()) {
    if (timer.isChosen || timer.due > time) continue;
    if (first === null || timer.due < first.due || (timer.due === first.due && timer.order < first.order)) first = timer;
  }
  return first;
}

// Reads a host's future: `ended` is true when it has, and false when it was given up.
export function interruptible(future) {
  const task = pause();
  const { readable, writable } = wit.Stream(wit.Stream.U8);
  let open = true;
  const close = () => {
    if (open) writable.drop();
    open = false;
  };
  let whole = false;
  const ended = new Promise((resolve) => {
    future.read().then(
      () => {
        resume(task);
        whole = true;
        future.drop();
        close();
        resolve(true);
      },
      () => {
        resume(task);
        future.drop();
        resolve(false);
      },
    );
    readable.read(1).then(() => {
      resume(task);
      readable.drop();
      if (!whole) future.cancelRead();
    });
  });
  return { ended, giveUp: close };
}

const native = globalThis.queueMicrotask;

// QuickJS would lose what is thrown.
export function queueMicrotask(callback) {
  if (typeof callback !== "function") throw new TypeError("queueMicrotask: the argument must be a function.");
  native(() => run(callback));
}

export const scheduler = {
  wait(ms, options) {
    const { signal } = options ?? {};
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const id = setTimeout(() => {
        signal?.removeEventListener("abort", aborted);
        resolve();
      }, ms);
      const aborted = () => {
        clearTimeout(id);
        reject(signal.reason);
      };
      signal?.addEventListener("abort", aborted, { once: true });
    });
  },
};
