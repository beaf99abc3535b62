// What runs while everything else of the object waits?
//
// A section is the work of blockConcurrencyWhile(), or a transaction. The host holds back the
// other events, from the call on. But the event that calls goes on too, and the host cannot tell
// what it does inside from what it does beside. So a section runs its work when everything has
// run that follows from the call without a wait: from then on the gate holds what was begun
// before.
//
// Sections that are begun beside each other run one after the other. One that is begun while
// another runs lies in it, and ends before it.

import * as state from "durable:object/state@0.1.0";
import { admitted, enter, innermost, isHeld, leave, stamp } from "./gate.js";

const line = []; // of those that lie in no other, the first of which runs or is about to
let newest = 0;

// The value of `work`, which gets a function that waits for all that lies in the section.
// `fail` says with which outcome for the host it ends on an error.
export function inSection(work, fail) {
  const beside = innermost()?.lying ?? line;
  const isFirst = beside.length === 0;
  const section = {
    work,
    fail,
    held: isFirst ? state.beginBlockConcurrency() : null,
    begun: stamp(),
    number: 0,
    beside,
    lying: [],
    isEnded: Promise.withResolvers(),
    result: Promise.withResolvers(),
  };
  beside.push(section);
  if (isFirst) endOfBreath().then(() => run(section));
  return section.result.promise;
}

async function run(section) {
  section.held ??= state.beginBlockConcurrency();
  section.number = ++newest;
  enter(section);
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
    if (section.beside.length > 0) run(section.beside[0]);
  });
  if (isHeld(section.begun)) await admitted(section.begun);
  settle();
}

// Ends when nothing lies in the section any more.
async function alone(section) {
  while (section.lying.length > 0) await section.lying.at(-1).isEnded.promise;
}

// Ends when everything has run that waits for nothing: what is read from a stream comes after it.
function endOfBreath() {
  const { readable, writable } = wit.Stream(wit.Stream.U8);
  const ended = readable.read(1).then(() => readable.drop());
  writable.write(new Uint8Array(1)).then(() => writable.drop());
  return ended;
}
