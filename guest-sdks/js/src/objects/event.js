// How does an event end in its own task, wherever that which it awaits is completed?
//
// QuickJS runs the callbacks of a promise in whichever task resolves it. The result of an event is
// accepted only in its own task, and a task that waits for nothing of its own traps. An event
// that is not done after some hops therefore waits for a byte on a stream, which is written when
// it is done. Most are done sooner, and never need the stream.

import { admitted, isHeld, stamp } from "./gate.js";

const HOPS = 64;
const now = Promise.resolve();

// The outcome of `promise`, delivered in the task that calls this.
//
// No function here refers to itself: that would be a cycle around the outcome, and all of its bytes
// would stay until the engine looks for cycles.
export async function inOwnTask(promise) {
  const event = { isOver: false, wake: null };
  promise.then(
    () => ended(event),
    () => ended(event),
  );
  for (let hops = 1; hops < HOPS && !event.isOver; hops++) await now;
  if (!event.isOver) await sleep(event);
  return promise;
}

function ended(event) {
  event.isOver = true;
  event.wake?.();
}

// Keeps this task waiting until the event is over.
async function sleep(event) {
  const { readable, writable } = wit.Stream(wit.Stream.U8);
  event.wake = () => writable.write(new Uint8Array(1)).then(() => writable.drop());
  await readable.read(1);
  readable.drop();
}

// The value of a future of the host. QuickJS drops no handle by itself.
export async function valueOf(future) {
  const begun = stamp();
  try {
    const value = await future.read();
    if (isHeld(begun)) await admitted(begun);
    return value;
  } finally {
    future.drop();
  }
}
