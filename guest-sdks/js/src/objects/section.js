// What runs while everything else of the object waits?
//
// A section is the work of blockConcurrencyWhile(), or a transaction. The host holds back the
// other events, from the call on, and the gate what was begun before. But the event that calls
// goes on too, and the host cannot tell what it does inside from what it does beside. So a section
// runs its work when everything has run that follows without a wait.
//
// Sections that are begun beside each other run one after the other. One that is begun while
// another runs lies in it, and ends before it.

import * as state from "durable:object/state@0.1.0";
import { completed } from "./event.js";
import { enter, innermost, leave } from "./gate.js";

const line = []; // of those that lie in no other, the first of which has begun
let newest = 0;

// The value of `work`, which gets a function that waits for all that lies in the section.
// `fail` says with which outcome for the host it ends on an error.
export function inSection(work, fail) {
  const beside = innermost()?.lying ?? line;
  const section = {
    work,
    fail,
    beside,
    lying: [],
    held: null,
    number: 0,
    isRunning: false,
    isEnded: Promise.withResolvers(),
    result: Promise.withResolvers(),
  };
  if (beside.length === 0) begin(section);
  beside.push(section);
  return section.result.promise;
}

export function needFunction(work, name, type) {
  if (typeof work !== "function") throw new TypeError(`Failed to execute '${name}' on '${type}': parameter 1 is not of type 'function'.`);
}

function begin(section) {
  section.held = state.beginBlockConcurrency();
  section.number = ++newest;
  enter(section);
  endOfBreath().then(() => run(section));
}

async function run(section) {
  section.isRunning = true;
  let outcome = { tag: "ok" };
  let settle;
  try {
    const value = await section.work(() => alone(section));
    settle = () => section.result.resolve(value);
  } catch (error) {
    outcome = section.fail(error);
    settle = () => section.result.reject(error);
  }
  await alone(section);
  leave(() => {
    state.endBlockConcurrency(section.held, outcome);
    section.beside.shift();
    section.isEnded.resolve();
    if (section.beside.length > 0) begin(section.beside[0]);
  });
  settle();
}

// Ends when nothing lies in the section any more.
async function alone(section) {
  while (section.lying.length > 0) await section.lying.at(-1).isEnded.promise;
}

// Ends when everything has run that waits for nothing: what is read from a stream comes after it.
function endOfBreath() {
  const { readable, writable } = wit.Stream(wit.Stream.U8);
  const ended = completed(readable.read(1)).then(() => readable.drop());
  writable.write(new Uint8Array(1)).then(() => writable.drop());
  return ended;
}
