// How deep may JavaScript call itself?
//
// QuickJS looks at each call how much of its stack is left, and throws a RangeError where that is
// too little, but componentize-qjs tells it of no limit: then the stack ends in a trap, which
// resets the object. Where QuickJS keeps the limit is found by what is beside it in its JSRuntime:
//
//     stack_size 0 | stack_top | stack_limit 0 | (gap) 0 | the tag of "no exception"
//
// The stack lies at the beginning of memory, and grows down.

import { withMemory } from "./memory.mjs";

const STACK_BYTES = 1 << 20;

// What is left for what looks at no limit, such as a call out of the engine.
const SPARE_BYTES = 96 << 10;

// The component with the limit in its memory.
export function limitStack(component) {
  let places = 0;
  const limited = withMemory(component, (memory) => {
    const word = (at) => memory.getUint32(at, true);
    const isTop = (top) => top > STACK_BYTES - 65536 && top <= STACK_BYTES;
    const found = [];
    for (let at = 16; at + 4 <= memory.byteLength; at += 4) {
      const isPlace = word(at) === 4 && isTop(word(at - 12)) && [4, 8, 16].every((back) => word(at - back) === 0);
      if (isPlace) found.push(at);
    }
    places += found.length;
    return found.flatMap((at) => [
      [at - 16, word(at - 12) - SPARE_BYTES],
      [at - 8, SPARE_BYTES],
    ]);
  });
  if (places !== 1) throw new Error(`QuickJS keeps its limit of the stack where nobody knows: ${places} places look like it`);
  return limited;
}
