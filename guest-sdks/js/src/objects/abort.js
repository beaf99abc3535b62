// How is a call given up?
//
// What is read can only be cancelled in the task that began to read it. So that task also waits
// for a stream, and is woken by it.

import { pause, resume, valueOf } from "./event.js";
import { admitted, isHeld, stamp } from "./gate.js";

// The value of a future, or the reason of the signal, if that comes first.
export function valueUnlessAborted(future, signal) {
  return signal ? interruptibly(future, signal) : valueOf(future);
}

async function interruptibly(future, signal) {
  const begun = stamp();
  const task = pause();
  const { readable, writable } = wit.Stream(wit.Stream.U8);
  let isOver = false;
  const value = future.read();
  const aborted = () => writable.drop();
  signal.addEventListener("abort", aborted, { once: true });
  readable.read(1).then(() => {
    resume(task);
    readable.drop();
    if (!isOver) future.cancelRead();
  });
  let got;
  try {
    got = await value;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    resume(task);
    isOver = true;
    future.drop();
    signal.removeEventListener("abort", aborted);
    if (!signal.aborted) writable.drop();
  }
  if (isHeld(begun)) await admitted(begun);
  return got;
}
