// What QuickJS must know of its stack and its memory, which componentize-qjs does not tell it.
//
// How deep JavaScript may call itself: QuickJS looks at each call how much of its stack is left,
// and throws a RangeError where that is too little. Without a limit the stack ends in a trap,
// which resets the object.
//
// How much memory there is to collect: QuickJS collects cycles when it has allocated half as
// much again as the last collection has left. What it gets from malloc in one piece, all over
// 512 bytes, it measures with malloc_usable_size(), which its build for WASI does without: a
// buffer of megabytes counts as nothing, and memory is full before it collects. So it gets a
// function that reads what the malloc of wasi-libc has written before each block.

import { withRuntime } from "./runtime.mjs";
import { appended, concat, modules, read, sections, signed, unsigned, withModules, withSections } from "./wasm.mjs";

// What is left of the stack for what looks at no limit, such as a call out of the engine.
const SPARE_BYTES = 96 << 10;

const TYPE = 1;
const FUNCTION = 3;
const IMPORT = 2;
const TABLE = 4;
const ELEMENT = 9;
const CODE = 10;

// (func (param i32) (result i32)): the word before the block is its size and some flags, and
// includes a word of its own.
const USABLE_SIZE = [
  0, // no locals
  [0x20, 0], // local.get 0
  [0x41, 4, 0x6b], // i32.const 4, i32.sub
  [0x28, 2, 0], // i32.load
  [0x41, 0x78, 0x71], // i32.const -8, i32.and
  [0x41, 4, 0x6b], // i32.const 4, i32.sub
  0x0b, // end
].flat();
const ONE_I32_TO_I32 = [0x60, 1, 0x7f, 1, 0x7f];

export function withLimits(component) {
  const { changed, place } = withUsableSize(component);
  return withRuntime(changed, ({ memoryBytes, allocated, collectAt, stackTop }) => ({
    usableSize: place,
    // Blocks that were not counted as they came will be counted as they go. There are no more
    // of them than there is memory.
    allocated: allocated + memoryBytes,
    collectAt: collectAt + memoryBytes,
    stackSize: stackTop - SPARE_BYTES,
    stackLimit: SPARE_BYTES,
  }));
}

// The component with that function in its table, and where there.
function withUsableSize(component) {
  const all = [...modules(component)];
  // The first with a table has the one that all others share.
  const shared = all.find((module) => bodies(module, TABLE).length > 0);
  const codeBytes = (module) => bodies(module, CODE)[0]?.length ?? 0;
  const engine = all.reduce((one, other) => (codeBytes(other) > codeBytes(one) ? other : one));
  const place = read(bodies(shared, TABLE)[0], 3).value;
  const changed = withModules(component, (module) => {
    if (isSame(module, engine)) return withFunction(module, place);
    if (!isSame(module, shared)) return module;
    return withSections(module, (id, body) => (id === TABLE ? lengthened(body) : body));
  });
  return { changed, place };
}

const bodies = (module, wanted) => [...sections(module)].filter(({ id }) => id === wanted).map(({ body }) => body);

const isSame = (one, other) => one.byteOffset === other.byteOffset && one.buffer === other.buffer && one.length === other.length;

// A table of functions that can have one more. It begins with its number of tables, the type
// of its elements, whether it has an end, and its length.
function lengthened(body) {
  const [count, , hasEnd] = body;
  const length = read(body, 3);
  const end = hasEnd ? read(body, length.end) : null;
  if (count !== 1 || hasEnd > 1 || (end !== null && end.value !== length.value)) throw new Error("nobody knows how to lengthen the table of functions");
  const longer = unsigned(length.value + 1);
  return concat([body.subarray(0, 3), longer, end === null ? [] : longer]);
}

function withFunction(module, place) {
  const [types] = bodies(module, TYPE);
  const typeCount = read(types, 0).value;
  const number = importedFunctions(module) + read(bodies(module, FUNCTION)[0], 0).value;
  // In table 0, at a constant place, one function.
  const element = concat([[0, 0x41], signed(place), [0x0b, 1], unsigned(number)]);
  const added = {
    [TYPE]: ONE_I32_TO_I32,
    [FUNCTION]: unsigned(typeCount),
    [ELEMENT]: element,
    [CODE]: [...unsigned(USABLE_SIZE.length), ...USABLE_SIZE],
  };
  return withSections(module, (id, body) => (added[id] ? appended(body, [added[id]]) : body));
}

function importedFunctions(module) {
  const [body] = bodies(module, IMPORT);
  const count = read(body, 0);
  let functions = 0;
  let at = count.end;
  const skipName = () => {
    const length = read(body, at);
    at = length.end + length.value;
  };
  const skipNumber = () => (at = read(body, at).end);
  const skipLimits = () => {
    const flags = body[at++];
    skipNumber();
    if (flags & 1) skipNumber();
  };
  for (let left = count.value; left > 0; left--) {
    skipName();
    skipName();
    const kind = body[at++];
    if (kind === 0) functions++;
    if (kind === 0) skipNumber();
    else if (kind === 1) at++, skipLimits();
    else if (kind === 2) skipLimits();
    else if (kind === 3) at += 2;
    else throw new Error(`the engine imports what nobody knows: kind ${kind}`);
  }
  return functions;
}
