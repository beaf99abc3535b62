// How deep may JavaScript call itself?
//
// QuickJS looks at each call how much of its stack is left, and throws a RangeError where that is
// too little, but componentize-qjs tells it of no limit: then the stack ends in a trap, which
// resets the object. Where QuickJS keeps the limit is found by what is beside it in its JSRuntime:
//
//     stack_size 0 | stack_top | stack_limit 0 | (gap) 0 | the tag of "no exception"
//
// The stack lies at the beginning of memory, and grows down.

const STACK_BYTES = 1 << 20;

// What is left for what looks at no limit, such as a call out of the engine.
const SPARE_BYTES = 96 << 10;

// Writes the limit into a component. False where it has no place: what is zero may be left out of a
// component, which happens or not as other memory has it, so made anew the component may have one.
export function limitStack(component) {
  const view = new DataView(component.buffer, component.byteOffset, component.byteLength);
  const word = (at) => view.getUint32(at, true);
  const isTop = (top) => top > STACK_BYTES - 65536 && top <= STACK_BYTES;
  const found = [];
  for (let at = component.indexOf(4, 16); at !== -1; at = component.indexOf(4, at + 1)) {
    if (word(at - 4) === 0 && word(at - 8) === 0 && word(at - 16) === 0 && isTop(word(at - 12))) found.push(at);
  }
  if (found.length === 0) return false;
  if (found.length > 1) throw new Error(`QuickJS keeps its limit of the stack where nobody knows: ${found.length} places look like it`);
  const [at] = found;
  view.setUint32(at - 16, word(at - 12) - SPARE_BYTES, true);
  view.setUint32(at - 8, SPARE_BYTES, true);
  return true;
}
