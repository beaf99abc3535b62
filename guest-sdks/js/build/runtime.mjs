// Where in a component's memory does QuickJS keep what it is to know?
//
// componentize-qjs gives no way to tell it. Its JSRuntime is found by what lies in it:
//
//     the functions of malloc, five in a row | count | bytes | … | bytes at which it collects
//     | stack_size 0 | stack_top | stack_limit 0 | (gap) 0 | the tag of "no exception"
//
// The stack lies at the beginning of memory, and grows down.

import { withMemory } from "./memory.mjs";

const STACK_BYTES = 1 << 20;

// How far before the tag it is.
const USABLE_SIZE = 628;
const ALLOCATED = 620;
const COLLECT_AT = 20;
const STACK_SIZE = 16;
const STACK_TOP = 12;
const STACK_LIMIT = 8;

// `change` gets what is there, and gives what is to be there.
export function withRuntime(component, change) {
  let places = 0;
  const changed = withMemory(component, (memory) => {
    const word = (at) => memory.getUint32(at, true);
    const isTop = (top) => top > STACK_BYTES - 65536 && top <= STACK_BYTES;
    const isRow = (last) => [1, 2, 3, 4].every((back) => word(last - 4 * back) === word(last) - back);
    const found = [];
    for (let at = USABLE_SIZE + STACK_SIZE; at + 4 <= memory.byteLength; at += 4) {
      if (word(at) === 4 && isTop(word(at - STACK_TOP)) && [4, STACK_LIMIT, STACK_SIZE].every((back) => word(at - back) === 0)) {
        if (isRow(at - USABLE_SIZE)) found.push(at);
      }
    }
    places += found.length;
    return found.flatMap((tag) => {
      const { usableSize, allocated, collectAt, stackSize, stackLimit } = change({
        memoryBytes: memory.byteLength,
        allocated: word(tag - ALLOCATED),
        collectAt: word(tag - COLLECT_AT),
        stackTop: word(tag - STACK_TOP),
      });
      return [
        [tag - USABLE_SIZE, usableSize],
        [tag - ALLOCATED, allocated],
        [tag - COLLECT_AT, collectAt],
        [tag - STACK_SIZE, stackSize],
        [tag - STACK_LIMIT, stackLimit],
      ];
    });
  });
  if (places !== 1) throw new Error(`nobody knows where QuickJS keeps its settings: ${places} places look like it`);
  return changed;
}
