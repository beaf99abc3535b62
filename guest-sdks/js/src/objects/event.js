// How does an event end in its own task, wherever that which it awaits is completed?
//
// The host begins a task for each event. QuickJS runs the callbacks of a promise in whichever task
// completes it, but the result of an event is accepted in its own task alone, and a task that
// waits for nothing of its own traps. So each event that waits has a bell: a stream that its task
// reads, and that whoever completes the event ends. Most end in their own task, or without a
// wait, and nobody rings.
//
// For that it must be known whose task runs. A task goes on only where something of the host ends
// that it waits for, so all of these waits are between `pause()` and `resume()`.

import { admitted, isHeld, stamp } from "./gate.js";

// So many turns of its own an event has before it gets a bell: to take one is cheaper.
const TURNS = 64;
const now = Promise.resolve();

let running = null;

class Task {
  #isOver = false;
  #outcome = null; // what to call, and with what
  #bell = null;
  #fulfilled = null;
  #rejected = null;
  #given;

  // `given` is called when the host has the result.
  constructor(given) {
    this.#given = given;
  }

  // The engine calls this with what takes the result of the event.
  then(fulfilled, rejected) {
    this.#fulfilled = fulfilled;
    this.#rejected = rejected;
  }

  fulfil(value) {
    const [fulfilled, given] = [this.#fulfilled, this.#given];
    const give = (value) => {
      fulfilled(value);
      given(value);
    };
    this.#end(given === null ? fulfilled : give, value);
  }

  reject(error) {
    this.#end(this.#rejected, error);
  }

  #end(take, value) {
    this.#isOver = true;
    this.#fulfilled = this.#rejected = null; // they hold what the event came with
    const bell = this.#bell;
    this.#bell = null;
    if (running !== this) {
      this.#outcome = { take, value };
      bell.writable.drop();
      return;
    }
    take(value);
    if (bell === null) return;
    bell.readable.cancelRead();
    bell.readable.drop();
    bell.writable.drop();
  }

  // From here on others can end the event.
  needBell() {
    if (this.#isOver || this.#bell !== null) return;
    const bell = wit.Stream(wit.Stream.U8);
    this.#bell = bell;
    bell.readable.read(1).then(() => this.#rung(bell));
  }

  #rung({ readable }) {
    if (this.#outcome === null) return; // the wait was given up
    running = this;
    const { take, value } = this.#outcome;
    this.#outcome = null;
    readable.drop();
    take(value);
  }

  async hold() {
    for (let turns = 1; turns < TURNS && !this.#isOver && this.#bell === null; turns++) await now;
    this.needBell();
  }
}

// Begins an event; what is returned is for the engine.
export function inOwnTask(work, given = null) {
  const task = new Task(given);
  running = task;
  work().then(
    (value) => task.fulfil(value),
    (error) => task.reject(error),
  );
  task.hold();
  return task;
}

// To be called before a wait for the host is begun; gives what `resume()` gets, which is to be
// called as the first thing when it has ended.
export function pause() {
  running.needBell();
  return running;
}

export function resume(task) {
  running = task;
}

// What the host completes, in whichever way.
export async function completed(promise) {
  const task = pause();
  try {
    return await promise;
  } finally {
    resume(task);
  }
}

// The value of a future of the host. QuickJS drops no handle by itself.
export async function valueOf(future) {
  const begun = stamp();
  const task = pause();
  let value;
  try {
    value = await future.read();
  } finally {
    resume(task);
    future.drop();
  }
  if (isHeld(begun)) await admitted(begun);
  return value;
}
