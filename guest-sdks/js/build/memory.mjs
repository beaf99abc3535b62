// Changes what is in the memories of a component before anything runs. What a snapshot of a
// memory has is cut where it is zero, so that a place need not be in the component: what is
// changed is one more segment of data, after all others.

const COMPONENT = 0x0001000d;
const CORE_MODULE = 1;
const NESTED_COMPONENT = 4;
const DATA = 11;
const DATA_COUNT = 12;

// `change` gets the beginning of each core module's memory as a DataView, and gives words to
// write: pairs of address and value.
export function withMemory(binary, change) {
  const isComponent = new DataView(binary.buffer, binary.byteOffset).getUint32(4, true) === COMPONENT;
  const parts = [binary.subarray(0, 8)];
  const words = isComponent ? [] : change(memoryOf(binary));
  for (const { id, body } of sections(binary)) {
    let changed = body;
    if (isComponent && (id === CORE_MODULE || id === NESTED_COMPONENT)) changed = withMemory(body, change);
    if (!isComponent && words.length > 0 && id === DATA_COUNT) changed = concat([unsigned(read(body, 0).value + words.length)]);
    if (!isComponent && words.length > 0 && id === DATA) {
      const count = read(body, 0);
      changed = concat([unsigned(count.value + words.length), body.subarray(count.end), ...words.map(segment)]);
    }
    parts.push([id], unsigned(changed.length), changed);
  }
  return concat(parts);
}

function* sections(binary) {
  for (let at = 8; at < binary.length; ) {
    const size = read(binary, at + 1);
    yield { id: binary[at], body: binary.subarray(size.end, size.end + size.value) };
    at = size.end + size.value;
  }
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

// A number as LEB128. Addresses are below 2 GiB, so that signed and unsigned are read alike.
function read(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, end: at };
  }
}

function unsigned(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return bytes;
}

// The highest bit of its last byte is the sign.
function signed(value) {
  const bytes = unsigned(value);
  const last = bytes.length - 1;
  if (bytes[last] & 0x40) {
    bytes[last] |= 0x80;
    bytes.push(0);
  }
  return bytes;
}

function concat(parts) {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
