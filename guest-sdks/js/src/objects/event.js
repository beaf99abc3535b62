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
export function inOwnTask(promise) {
  return new Promise((resolve, reject) => {
    let deliver = null;
    let wake = null;
    promise.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    );
    let hops = 0;
    look();

    function settle(outcome) {
      deliver = outcome;
      wake?.();
    }

    function look() {
      if (deliver !== null) deliver();
      else if (++hops < HOPS) now.then(look);
      else wake = sleep(() => deliver());
    }
  });
}

// Keeps this task waiting; calling the result has it call `awake`.
function sleep(awake) {
  const { readable, writable } = wit.Stream(wit.Stream.U8);
  readable.read(1).then(() => {
    readable.drop();
    awake();
  });
  return () => writable.write(new Uint8Array(1)).then(() => writable.drop());
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
