// How does a value become bytes that keep it, and bytes a value?
//
// CBOR (RFC 8949), so that other languages read what a call carries. What JavaScript has beyond it
// are tags: 1 a Date, 2 and 3 a BigInt, 258 a Set, 259 a Map, 21066 a RegExp, RFC 8746 the
// typed arrays (a Uint8Array is the byte string itself), and 27 with a name what else is known by
// a name. Tag 64002 around `n` is the object that began as the n-th, from 0, in the same item.

import { concat } from "../platform/text/bytes.js";
import { PIECE, decode as decodeText, encode as encodeText, lengthOf, pieces } from "../platform/text/utf8.js";

const REFERENCE = 64000;
const STREAM = 64001;
const AGAIN = 64002;
const UTF16 = 64003;

const SENT_BYTES_MAX = 32 * 1024 * 1024;
const LONG = 65536; // bytes that are copied only once
const ROOM_MIN = 128;
const ROOM_MAX = 1 << 20;

const ARRAYS = {
  68: Uint8ClampedArray,
  69: Uint16Array,
  70: Uint32Array,
  71: BigUint64Array,
  72: Int8Array,
  77: Int16Array,
  78: Int32Array,
  79: BigInt64Array,
  85: Float32Array,
  86: Float64Array,
};
const TAGS_OF_ARRAYS = new Map(Object.entries(ARRAYS).map(([tag, type]) => [type, Number(tag)]));
const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError };

// `carrier` takes what is no data: `carrier.stream(value)` and, where there is one,
// `carrier.reference(value)` say the index under which it travels. `carrier.special(value)` gives
// `[name, ...parts]` for an object it knows, nothing for one whose fields are its copy, and throws
// for others.
export function encode(value, carrier) {
  const writer = new Writer(carrier);
  writer.value(value);
  if (carrier.isSent && writer.size > SENT_BYTES_MAX) throw tooLong(writer.size);
  return writer.done();
}

// `carrier` gives back what `encode` gave to its own.
export function decode(bytes, carrier) {
  const reader = new Reader(bytes, carrier);
  const value = reader.value();
  if (reader.at !== bytes.length) throw new TypeError(`${bytes.length - reader.at} bytes are left behind a value`);
  return value;
}

function uncloneable(what) {
  return new DOMException(`${what} could not be cloned.`, "DataCloneError");
}

const detached = () => uncloneable("An ArrayBuffer is detached and");

function tooLong(size) {
  return new Error(`Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: ${size} bytes.`);
}

// Writes into parts that are put together at the end, so that what grows is not copied again, and
// what is long is not copied before.
class Writer {
  parts = [];
  partBytes = 0;
  bytes = new Uint8Array(ROOM_MIN); // the part that is written
  at = 0;
  seen = new Map();

  constructor(carrier) {
    this.carrier = carrier;
  }

  get size() {
    return this.partBytes + this.at;
  }

  done() {
    if (this.at > 0) this.part(this.bytes.subarray(0, this.at));
    return concat(this.parts, this.partBytes);
  }

  part(bytes) {
    this.parts.push(bytes);
    this.partBytes += bytes.length;
  }

  room(count) {
    if (this.at + count <= this.bytes.length) return;
    const begun = this.bytes.subarray(0, this.at);
    const length = Math.max(count, ROOM_MIN, Math.min(2 * this.bytes.length, ROOM_MAX));
    if (begun.length > ROOM_MIN) {
      this.part(begun);
      this.bytes = new Uint8Array(length);
      this.at = 0;
    } else {
      // So that one long text is one part, and not copied.
      this.bytes = new Uint8Array(begun.length + length);
      this.bytes.set(begun);
    }
  }

  head(major, number) {
    this.room(9);
    const { bytes } = this;
    const first = major << 5;
    if (number < 24) {
      bytes[this.at++] = first | number;
    } else if (number < 0x100) {
      bytes[this.at++] = first | 24;
      bytes[this.at++] = number;
    } else if (number < 0x10000) {
      bytes[this.at++] = first | 25;
      bytes[this.at++] = number >> 8;
      bytes[this.at++] = number;
    } else {
      const isLong = number >= 0x100000000;
      bytes[this.at++] = first | (isLong ? 27 : 26);
      if (isLong) this.word(Math.floor(number / 0x100000000));
      this.word(number >>> 0);
    }
  }

  word(number) {
    const { bytes } = this;
    bytes[this.at++] = number >>> 24;
    bytes[this.at++] = number >>> 16;
    bytes[this.at++] = number >>> 8;
    bytes[this.at++] = number;
  }

  blob(major, content) {
    this.head(major, content.length);
    if (content.length > LONG) {
      this.part(this.bytes.subarray(0, this.at));
      this.part(content);
      this.bytes = this.bytes.subarray(this.at);
      this.at = 0;
      return;
    }
    this.content(content);
  }

  content(content) {
    this.room(content.length);
    this.bytes.set(content, this.at);
    this.at += content.length;
  }

  text(text) {
    if (this.carrier.isSent && text.length > SENT_BYTES_MAX) throw tooLong(this.size + lengthOf(text));
    if (text.isWellFormed()) return text.length > PIECE ? this.longText(text) : this.blob(3, encodeText(text));
    this.head(6, UTF16);
    const units = new Uint16Array(text.length);
    for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
    this.blob(2, new Uint8Array(units.buffer));
  }

  // Its length is written when it is known.
  longText(text) {
    this.room(5 + text.length);
    const { bytes, at, size } = this;
    bytes[at] = (3 << 5) | 26;
    this.at += 5;
    for (const piece of pieces(text)) this.content(encodeText(piece));
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(at + 1, this.size - size - 5);
  }

  number(number) {
    if (Number.isSafeInteger(number) && !Object.is(number, -0)) {
      return number >= 0 ? this.head(0, number) : this.head(1, -1 - number);
    }
    this.room(9);
    this.bytes[this.at] = 0xfb;
    new DataView(this.bytes.buffer, this.bytes.byteOffset).setFloat64(this.at + 1, number);
    this.at += 9;
  }

  bigint(value) {
    this.head(6, value < 0n ? 3 : 2);
    const digits = (value < 0n ? -1n - value : value).toString(16);
    this.blob(2, Uint8Array.fromHex(digits.length % 2 ? `0${digits}` : digits));
  }

  value(value) {
    switch (typeof value) {
      case "string":
        return this.text(value);
      case "number":
        return this.number(value);
      case "boolean":
        return this.head(7, value ? 21 : 20);
      case "undefined":
        return this.head(7, 23);
      case "bigint":
        return this.bigint(value);
      case "symbol":
        throw uncloneable(String(value));
      case "function":
        if (this.carrier.reference === undefined) throw uncloneable(String(value));
        return this.reference(value);
    }
    if (value === null) return this.head(7, 22);
    if (this.carrier.isReference?.(value)) return this.reference(value);
    const before = this.seen.get(value);
    if (before !== undefined) {
      this.head(6, AGAIN);
      return this.head(0, before);
    }
    this.seen.set(value, this.seen.size);
    this.object(value);
  }

  reference(value) {
    this.head(6, REFERENCE);
    this.head(0, this.carrier.reference(value));
  }

  object(value) {
    if (Array.isArray(value)) return this.array(value);
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || (prototype === null && !this.carrier.isSent)) return this.fields(value);
    if (ArrayBuffer.isView(value)) return this.view(value);
    if (value instanceof ArrayBuffer) {
      if (value.detached) throw detached();
      this.named("ArrayBuffer", 1);
      return this.blob(2, new Uint8Array(value));
    }
    if (value instanceof Date) {
      this.head(6, 1);
      return this.number(value.getTime() / 1000);
    }
    if (value instanceof Map) {
      this.head(6, 259);
      this.head(5, value.size);
      for (const [key, item] of value) {
        this.value(key);
        this.value(item);
      }
      return;
    }
    if (value instanceof Set) {
      this.head(6, 258);
      this.head(4, value.size);
      for (const item of value) this.value(item);
      return;
    }
    if (value instanceof RegExp) {
      this.head(6, 21066);
      this.head(4, 2);
      this.text(value.source);
      return this.text(value.flags);
    }
    if (value instanceof Error && !(value instanceof DOMException)) return this.error(value);
    if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt) {
      this.named(value.constructor.name, 1);
      return this.value(value.valueOf());
    }
    if (value instanceof ReadableStream) {
      this.head(6, STREAM);
      return this.head(0, this.carrier.stream(value));
    }
    const special = this.carrier.special(value);
    if (special === undefined) return this.fields(value);
    const [name, ...parts] = special;
    this.named(name, parts.length);
    for (const part of parts) this.value(part);
  }

  // With holes or names it is not CBOR's.
  array(value) {
    const { length } = value;
    const keys = Object.keys(value);
    if (keys.length === length && (length === 0 || keys[length - 1] === String(length - 1))) {
      this.head(4, length);
      for (let i = 0; i < length; i++) this.value(value[i]);
      return;
    }
    this.named("Array", 2);
    this.number(length);
    this.fields(value);
  }

  fields(value) {
    const keys = Object.keys(value);
    this.head(5, keys.length);
    for (const key of keys) {
      this.text(key);
      this.value(value[key]);
    }
  }

  named(name, count) {
    this.head(6, 27);
    this.head(4, 1 + count);
    this.text(name);
  }

  view(value) {
    if (value.buffer.detached) throw detached();
    const content = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    const tag = TAGS_OF_ARRAYS.get(value.constructor);
    if (tag !== undefined) this.head(6, tag);
    else if (!(value instanceof Uint8Array)) this.named(value.constructor.name, 1);
    this.blob(2, content);
  }

  error(error) {
    this.named("Error", 4);
    this.text(String(error.name));
    this.text(String(error.message));
    this.value(typeof error.stack === "string" ? error.stack : undefined);
    this.fields(propertiesOf(error));
  }
}

// What an error has beside name, message and stack.
export function propertiesOf(error) {
  const properties = {};
  for (const key of Object.keys(error)) {
    if (key !== "name" && key !== "message" && key !== "stack") properties[key] = error[key];
  }
  if (Object.hasOwn(error, "cause")) properties.cause = error.cause;
  if (error instanceof AggregateError) properties.errors = error.errors;
  return properties;
}

// An error of the class that its name says, if that is one of the language's.
export function errorOf(name, message, stack, properties) {
  const type = ERRORS[name];
  let error;
  if (type === AggregateError) error = new AggregateError([], message);
  else error = new (type ?? Error)(message);
  if (error.name !== name) hidden(error, "name", name);
  if (stack !== undefined) error.stack = stack;
  for (const [key, value] of Object.entries(properties ?? {})) keepProperty(error, key, value);
  return error;
}

function keepProperty(error, key, value) {
  if (key === "cause" || key === "errors") hidden(error, key, value);
  else error[key] = value;
}

function hidden(error, key, value) {
  Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: false });
}

class Reader {
  at = 0;
  objects = [];

  constructor(bytes, carrier) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.carrier = carrier;
  }

  // The argument of a head; -1 for an item of unknown length.
  argument(low) {
    if (low < 24) return low;
    const at = this.at;
    switch (low) {
      case 24:
        this.at += 1;
        return this.view.getUint8(at);
      case 25:
        this.at += 2;
        return this.view.getUint16(at);
      case 26:
        this.at += 4;
        return this.view.getUint32(at);
      case 27: {
        this.at += 8;
        const number = this.view.getUint32(at) * 0x100000000 + this.view.getUint32(at + 4);
        return Number.isSafeInteger(number) ? number : this.view.getBigUint64(at);
      }
      case 31:
        return -1;
    }
    throw new TypeError("these bytes are no CBOR");
  }

  value() {
    const first = this.view.getUint8(this.at++);
    const major = first >> 5;
    const low = first & 31;
    if (major === 7) return this.simple(low);
    const number = this.argument(low);
    switch (major) {
      case 0:
        return number;
      case 1:
        return typeof number === "bigint" ? -1n - number : -1 - number;
      case 2:
        return this.kept(this.blob(number));
      case 3:
        return number === -1 ? decodeText(this.blob(number)) : decodeText(this.next(number));
      case 4:
        return this.array(number, this.kept([]));
      case 5:
        return this.map(number);
    }
    return this.tagged(number);
  }

  simple(low) {
    const at = this.at;
    switch (low) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      case 25:
        this.at += 2;
        return this.view.getFloat16(at);
      case 26:
        this.at += 4;
        return this.view.getFloat32(at);
      case 27:
        this.at += 8;
        return this.view.getFloat64(at);
    }
    throw new TypeError("these bytes are no CBOR");
  }

  kept(object) {
    this.objects.push(object);
    return object;
  }

  blob(length) {
    if (length !== -1) return this.next(length).slice();
    const parts = [];
    while (!this.isBreak()) parts.push(this.blob(this.argument(this.view.getUint8(this.at++) & 31)));
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  // The same memory, not a copy.
  next(length) {
    const begin = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw new TypeError("these bytes end within a value");
    return this.bytes.subarray(begin, this.at);
  }

  isBreak() {
    if (this.view.getUint8(this.at) !== 0xff) return false;
    this.at++;
    return true;
  }

  array(length, into) {
    for (let i = 0; length === -1 ? !this.isBreak() : i < length; i++) into.push(this.value());
    return into;
  }

  // Keys that are no text make a Map of it.
  map(length) {
    const object = {};
    const index = this.objects.push(object) - 1;
    for (let i = 0; length === -1 ? !this.isBreak() : i < length; i++) {
      const key = this.value();
      if (typeof key !== "string") {
        const map = new Map(Object.entries(object));
        this.objects[index] = map;
        map.set(key, this.value());
        return this.entries(length === -1 ? -1 : length - i - 1, map);
      }
      if (key === "__proto__") {
        Object.defineProperty(object, key, { value: this.value(), writable: true, enumerable: true, configurable: true });
      } else {
        object[key] = this.value();
      }
    }
    return object;
  }

  entries(length, map) {
    for (let i = 0; length === -1 ? !this.isBreak() : i < length; i++) {
      const key = this.value();
      map.set(key, this.value());
    }
    return map;
  }

  // The items of the array, or the pairs of the map, that comes next.
  length() {
    return this.argument(this.view.getUint8(this.at++) & 31);
  }

  // The byte string that comes next.
  content() {
    return this.blob(this.length());
  }

  tagged(tag) {
    switch (tag) {
      case 1: {
        const index = this.objects.push(null) - 1;
        return (this.objects[index] = new Date(Math.round(this.value() * 1000)));
      }
      case 2:
        return BigInt(`0x${this.content().toHex() || "0"}`);
      case 3:
        return -1n - BigInt(`0x${this.content().toHex() || "0"}`);
      case 27:
        return this.special();
      case 258: {
        const set = this.kept(new Set());
        const length = this.length();
        for (let i = 0; length === -1 ? !this.isBreak() : i < length; i++) set.add(this.value());
        return set;
      }
      case 259:
        return this.entries(this.length(), this.kept(new Map()));
      case 21066: {
        this.length();
        return this.kept(new RegExp(this.value(), this.value()));
      }
      case AGAIN:
        return this.objects[this.value()];
      case UTF16: {
        const units = new Uint16Array(this.content().buffer);
        let text = "";
        for (const unit of units) text += String.fromCharCode(unit);
        return text;
      }
      case REFERENCE:
        return this.carrier.referenceAt(this.value());
      case STREAM:
        return this.kept(this.carrier.streamAt(this.value()));
    }
    const type = ARRAYS[tag];
    if (type !== undefined) return this.kept(new type(this.content().buffer));
    return this.value(); // what an unknown tag is about
  }

  special() {
    const count = this.length() - 1;
    const name = this.value();
    switch (name) {
      case "ArrayBuffer":
        return this.kept(this.content().buffer);
      case "DataView":
        return this.kept(new DataView(this.content().buffer));
      case "Float16Array":
        return this.kept(new Float16Array(this.content().buffer));
      case "BigInt":
      case "Boolean":
      case "Number":
      case "String":
        return this.kept(Object(this.value()));
      case "Array": {
        const array = this.kept([]);
        array.length = this.value();
        for (let left = this.length(); left > 0; left--) array[this.value()] = this.value();
        return array;
      }
      case "Error": {
        const index = this.objects.push(null) - 1;
        const [errorName, message, stack] = [this.value(), this.value(), this.value()];
        const error = errorOf(errorName, message, stack);
        this.objects[index] = error;
        for (let left = this.length(); left > 0; left--) keepProperty(error, this.value(), this.value());
        return error;
      }
    }
    const index = this.objects.push(null) - 1;
    const parts = [];
    for (let i = 0; i < count; i++) parts.push(this.value());
    const object = this.carrier.specialOf(name, parts);
    if (object === undefined) throw new TypeError(`a value of the kind ${name} is not known here`);
    return (this.objects[index] = object);
  }
}
