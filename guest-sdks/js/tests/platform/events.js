// Event, EventTarget, AbortController and AbortSignal.

import { equal, ok, same, test, throws } from "./harness.js";

test("events: listeners are called in order, each once for the same arguments", () => {
  const target = new EventTarget();
  const seen = [];
  const listener = (event) => seen.push(event.type);
  target.addEventListener("a", listener);
  target.addEventListener("a", listener);
  target.addEventListener("a", { handleEvent: (event) => seen.push(event.target === target) });
  target.addEventListener("a", () => seen.push("capture"), true);
  target.dispatchEvent(new Event("a"));
  same(seen, ["capture", "a", true]);
  target.removeEventListener("a", listener);
  target.dispatchEvent(new Event("a"));
  same(seen, ["capture", "a", true, "capture", true]);
});

test("events: once, signal and stopImmediatePropagation end what they should", () => {
  const target = new EventTarget();
  const seen = [];
  const controller = new AbortController();
  target.addEventListener("a", () => seen.push("once"), { once: true });
  target.addEventListener("a", () => seen.push("signal"), { signal: controller.signal });
  target.addEventListener("a", (event) => event.stopImmediatePropagation());
  target.addEventListener("a", () => seen.push("never"));
  target.dispatchEvent(new Event("a"));
  controller.abort();
  target.dispatchEvent(new Event("a"));
  same(seen, ["once", "signal"]);
});

test("events: what is added or removed while they are called counts from then on", () => {
  const target = new EventTarget();
  const seen = [];
  const second = () => seen.push("second");
  target.addEventListener("a", () => {
    target.removeEventListener("a", second);
    target.addEventListener("a", () => seen.push("third"));
  });
  target.addEventListener("a", second);
  target.dispatchEvent(new Event("a"));
  same(seen, []);
});

test("events: preventDefault counts only where it may", () => {
  const target = new EventTarget();
  target.addEventListener("a", (event) => event.preventDefault());
  equal(target.dispatchEvent(new Event("a")), true);
  equal(target.dispatchEvent(new Event("a", { cancelable: true })), false);
  const passive = new EventTarget();
  passive.addEventListener("a", (event) => event.preventDefault(), { passive: true });
  equal(passive.dispatchEvent(new Event("a", { cancelable: true })), true);
});

test("events: an event cannot be dispatched within itself, and can be again afterwards", () => {
  const target = new EventTarget();
  const event = new Event("a");
  let inner;
  target.addEventListener("a", () => {
    inner = throws("InvalidStateError", () => target.dispatchEvent(event));
    equal(event.eventPhase, 2);
  }, { once: true });
  target.dispatchEvent(event);
  ok(inner);
  equal(event.currentTarget, null);
  target.dispatchEvent(event);
});

test("events: their kinds carry what belongs to them", () => {
  equal(new CustomEvent("a", { detail: 7 }).detail, 7);
  equal(new CustomEvent("a").detail, null);
  equal(new MessageEvent("message", { data: "x" }).data, "x");
  const close = new CloseEvent("close", { code: 1001, reason: "bye", wasClean: true });
  same([close.code, close.reason, close.wasClean], [1001, "bye", true]);
  ok(new ErrorEvent("error", { error: close }).error === close);
  ok(close instanceof Event);
  throws(TypeError, () => new Event());
  throws(TypeError, () => new EventTarget().dispatchEvent({ type: "a" }));
});

test("events: a class of one's own can be a target", () => {
  class Room extends EventTarget {
    open() {
      this.dispatchEvent(new CustomEvent("open", { detail: this }));
    }
  }
  const room = new Room();
  let opened;
  room.addEventListener("open", ({ detail }) => (opened = detail));
  room.open();
  ok(opened === room);
});

test("abort: a signal is aborted once, with its reason", () => {
  const controller = new AbortController();
  let count = 0;
  controller.signal.onabort = () => count++;
  controller.signal.addEventListener("abort", () => count++);
  controller.abort();
  controller.abort("again");
  equal(count, 2);
  equal(controller.signal.reason.name, "AbortError");
  throws("AbortError", () => controller.signal.throwIfAborted());
  equal(AbortSignal.abort("why").reason, "why");
  throws(TypeError, () => new AbortSignal());
});

test("abort: any of several signals aborts, in order and with the first reason", () => {
  const [a, b] = [new AbortController(), new AbortController()];
  const any = AbortSignal.any([a.signal, b.signal]);
  ok(!any.aborted);
  b.abort("b");
  a.abort("a");
  equal(any.reason, "b");
  equal(AbortSignal.any([AbortSignal.abort("x"), a.signal]).reason, "x");
  ok(!AbortSignal.any([]).aborted);
});

test("abort: a time-out is found out without a listener, and any follows it", async () => {
  const signal = AbortSignal.timeout(5);
  const any = AbortSignal.any([new AbortController().signal, signal]);
  const late = AbortSignal.timeout(2 ** 30);
  ok(!late.aborted && !AbortSignal.any([late]).aborted);
  equal(late.reason, undefined);
  await new Promise((resolve) => setTimeout(resolve, 10));
  ok(signal.aborted && any.aborted);
  ok(any.reason === signal.reason);
  throws("TimeoutError", () => any.throwIfAborted());
  const heard = AbortSignal.any([AbortSignal.timeout(3), AbortSignal.timeout(2 ** 30)]);
  await new Promise((resolve) => (heard.onabort = resolve));
  equal(heard.reason.name, "TimeoutError");
});

test("abort: a time-out aborts with TimeoutError", async () => {
  const signal = AbortSignal.timeout(5);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  equal(signal.reason.name, "TimeoutError");
});

test("events: a channel brings copies from one end to the other, in order", async () => {
  const { port1, port2 } = new MessageChannel();
  const sent = { list: [1] };
  port1.postMessage(sent);
  port1.postMessage("second");
  sent.list.push(2);
  const got = [];
  await new Promise((resolve) => {
    port2.onmessage = ({ data }) => got.push(data) === 2 && resolve();
  });
  same(got[0].list, [1]);
  equal(got[1], "second");
  port1.close();
  port2.postMessage("nobody hears this");
});
