// Changes what is in the memories of a component before anything runs. What a snapshot of a
// memory has is cut where it is zero, so that a place need not be in the component: what is
// changed is one more segment of data, after all others.

import { appended, concat, read, sections, signed, unsigned, withModules, withSections } from "./wasm.mjs";

const DATA = 11;
const DATA_COUNT = 12;

// `change` gets the beginning of each core module's memory as a DataView, and gives words to
// write: pairs of address and value.
export function withMemory(component, change) {
  return withModules(component, (module) => {
    const words = change(memoryOf(module));
    if (words.length === 0) return module;
    return withSections(module, (id, body) => {
      if (id === DATA_COUNT) return concat([unsigned(read(body, 0).value + words.length)]);
      return id === DATA ? appended(body, words.map(segment)) : body;
    });
  });
}

// What the segments that are put into memory 0 make of it.
function memoryOf(module) {
  const segments = [];
  let bytes = 0;
  for (const { id, body } of sections(module)) {
    if (id !== DATA) continue;
    const count = read(body, 0);
    let at = count.end;
    for (let left = count.value; left > 0; left--) {
      const kind = body[at++];
      let address = null;
      if (kind === 2) at = read(body, at).end;
      if (kind !== 1) {
        // i32.const, its value, end
        if (body[at] !== 0x41) throw new Error("a segment of data has an address that is no constant");
        const constant = read(body, at + 1);
        address = constant.value;
        at = constant.end + 1;
      }
      const size = read(body, at);
      at = size.end + size.value;
      if (address === null) continue;
      segments.push([address, body.subarray(size.end, at)]);
      bytes = Math.max(bytes, address + size.value);
    }
  }
  const memory = new Uint8Array(bytes);
  for (const [address, content] of segments) memory.set(content, address);
  return new DataView(memory.buffer);
}

// A segment with one word.
function segment([address, value]) {
  const word = new Uint8Array(4);
  new DataView(word.buffer).setUint32(0, value, true);
  return concat([[0, 0x41], signed(address), [0x0b, 4], word]);
}
