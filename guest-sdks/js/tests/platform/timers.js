// Timers, and what waits for them.

import { equal, ok, rejects, same, steps, test, throws } from "./harness.js";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("timers: they run in the order of their times, with their arguments", async () => {
  const seen = [];
  setTimeout((...args) => seen.push(...args), 20, "b", 2);
  setTimeout(() => seen.push("a1"), 10);
  setTimeout(() => seen.push("a2"), 10);
  setTimeout(() => seen.push("now"));
  clearTimeout(setTimeout(() => seen.push("never"), 2 ** 30));
  await pause(40);
  same(seen, ["now", "a1", "a2", "b", 2]);
});

test("timers: what is cleared does not run, and clearing twice or nothing is no error", async () => {
  const seen = [];
  const cleared = setTimeout(() => seen.push("cleared"), 5);
  clearTimeout(cleared);
  clearTimeout(cleared);
  clearTimeout(undefined);
  clearInterval(12345);
  const other = setTimeout(() => seen.push("other"), 5);
  setTimeout(() => clearTimeout(other), 1);
  await pause(20);
  same(seen, []);
});

test("timers: an interval runs until it is cleared, also by itself", async () => {
  let count = 0;
  await new Promise((resolve) => {
    const id = setInterval(() => {
      if (++count === 3) {
        clearInterval(id);
        resolve();
      }
    }, 2);
  });
  await pause(20);
  equal(count, 3);
});

test("timers: microtasks come before timers, and an error in one stops no other", async () => {
  const seen = [];
  setTimeout(() => seen.push("timer"), 0);
  queueMicrotask(() => seen.push("microtask"));
  seen.push("now");
  await pause(5);
  same(seen, ["now", "microtask", "timer"]);
});

test("timers: what is no function is refused", () => {
  throws(TypeError, () => setTimeout("alert(1)", 1));
});

test("timers: scheduler.wait waits, unless its signal is aborted", async () => {
  const begun = performance.now();
  await scheduler.wait(10);
  ok(performance.now() - begun >= 9);
  const controller = new AbortController();
  const waiting = scheduler.wait(2 ** 30, { signal: controller.signal });
  setTimeout(() => controller.abort(), 1);
  await rejects("AbortError", waiting);
  await rejects("AbortError", scheduler.wait(1, { signal: AbortSignal.abort() }));
});

test("timers: one that is cleared does not keep its event", async () => {
  for (let count = 0; count < 300; count++) {
    const id = setTimeout(() => {}, 2 ** 30);
    if (count % 3 === 0) await pause(0);
    clearTimeout(id);
  }
});

test("timers: they leave nothing behind", async () => {
  const use = async (count) => {
    for (let at = 0; at < count; at++) {
      clearTimeout(setTimeout(() => {}, 2 ** 30));
      if (at % 10 === 0) await pause(0);
    }
  };
  await use(200);
  __cqjs.runGc();
  const before = __cqjs.getMemoryUsage().mallocCount;
  await use(2000);
  __cqjs.runGc();
  ok(__cqjs.getMemoryUsage().mallocCount - before < 500, __cqjs.getMemoryUsage().mallocCount - before);
});

test("timers: an error in a microtask is reported, and the next one runs", async () => {
  let ran = false;
  queueMicrotask(() => {
    throw new Error("reported on purpose");
  });
  queueMicrotask(() => (ran = true));
  await pause(0);
  ok(ran);
  throws(TypeError, () => queueMicrotask(1));
});

let held;
steps.set("hold", () => (held = setTimeout(() => {}, 2 ** 30)));
steps.set("free", () => {
  clearTimeout(held);
  const signal = AbortSignal.timeout(2 ** 30);
  const listener = () => {};
  signal.addEventListener("abort", listener);
  signal.removeEventListener("abort", listener);
  return null;
});
