// What a WebAssembly binary is made of.

const COMPONENT = 0x0001000d;
const CORE_MODULE = 1;
export const NESTED_COMPONENT = 4;

const isComponent = (binary) => new DataView(binary.buffer, binary.byteOffset).getUint32(4, true) === COMPONENT;

export function* sections(binary) {
  for (let at = 8; at < binary.length; ) {
    const size = read(binary, at + 1);
    yield { id: binary[at], body: binary.subarray(size.end, size.end + size.value) };
    at = size.end + size.value;
  }
}

// The binary with other sections; `change` gets the number and the content of each.
export function withSections(binary, change) {
  const parts = [binary.subarray(0, 8)];
  for (const { id, body } of sections(binary)) {
    const changed = change(id, body);
    parts.push([id], unsigned(changed.length), changed);
  }
  return concat(parts);
}

// All core modules of a component, also those of the components in it.
export function* modules(binary) {
  if (!isComponent(binary)) return yield binary;
  for (const { id, body } of sections(binary)) if (id === CORE_MODULE || id === NESTED_COMPONENT) yield* modules(body);
}

// The component with other core modules, also those of the components in it.
export function withModules(binary, change) {
  if (!isComponent(binary)) return change(binary);
  return withSections(binary, (id, body) => (id === CORE_MODULE || id === NESTED_COMPONENT ? withModules(body, change) : body));
}

// A number as LEB128. Addresses are below 2 GiB, so that signed and unsigned are read alike.
export function read(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, end: at };
  }
}

export function unsigned(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return bytes;
}

// The highest bit of its last byte is the sign.
export function signed(value) {
  const bytes = unsigned(value);
  const last = bytes.length - 1;
  if (bytes[last] & 0x40) {
    bytes[last] |= 0x80;
    bytes.push(0);
  }
  return bytes;
}

export function concat(parts) {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// A section that is a list, with more entries at its end.
export function appended(body, entries) {
  const count = read(body, 0);
  return concat([unsigned(count.value + entries.length), body.subarray(count.end), ...entries]);
}
