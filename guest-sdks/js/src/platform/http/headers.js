// Headers: names and values, as HTTP has them.
//
// Those of the host are a list of names and bytes. It is kept as it is until somebody asks
// for them, and goes back to the host so if nobody changes them.

import { likeTheWeb } from "../install.js";
import { decode, encode } from "../text/utf8.js";

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const notInValue = /[\0\r\n]/;
const special = /^[\t ]|[\0\r\n]|[\t ]$/; // what makes a value worth a second look
const around = /^[\t\n\r ]+|[\t\n\r ]+$/g;

const NAMES_MAX = 500;
const names = new Map(); // those that were seen, in lower case

const VALUES_MAX = 100;
const VALUE_LENGTH_MAX = 64;
const values = new Map(); // what was sent, as bytes

let ofFields;
let addType;
let toFields;
let copyOf;
let lock;

export class Headers {
  #pairs; // [lower-case name, value], in order; undefined while only #fields has been given
  #fields = null; // what the host has, as long as nobody changed it
  #immutable = false;

  static {
    ofFields = (fields, immutable) => {
      const headers = new Headers();
      headers.#pairs = undefined;
      headers.#fields = fields;
      headers.#immutable = immutable;
      return headers;
    };
    toFields = (headers) => {
      headers.#fields ??= headers.#pairs.map((pair) => [pair[0], bytesOf(pair[1])]);
      return headers.#fields;
    };
    copyOf = (headers) => {
      const copy = new Headers();
      copy.#pairs = headers.#fields ? undefined : headers.#pairs.map((pair) => [...pair]);
      copy.#fields = headers.#fields;
      return copy;
    };
    addType = (headers, type) => {
      if (headers.#pairs.length === 0 || !headers.has("content-type")) headers.#pairs.push(["content-type", type]);
    };
    lock = (headers) => {
      headers.#immutable = true;
      return headers;
    };
  }

  constructor(init) {
    this.#pairs = [];
    if (init === undefined) return;
    if (init instanceof Headers) {
      for (const [name, value] of init.#list()) this.#pairs.push([name, value]);
      return;
    }
    if (init === null || (typeof init !== "object" && typeof init !== "function")) {
      throw new TypeError("Headers: the argument must be an object, a list of pairs or Headers.");
    }
    if (init[Symbol.iterator] != null) {
      for (const given of init) {
        const pair = typeof given === "object" ? Array.from(given) : [];
        if (pair.length !== 2) throw new TypeError("Headers: each pair must be an iterable [name, value] tuple.");
        this.append(pair[0], pair[1]);
      }
      return;
    }
    for (const name of Reflect.ownKeys(init)) {
      if (Object.getOwnPropertyDescriptor(init, name)?.enumerable) this.append(name, init[name]);
    }
  }

  append(name, value) {
    requireArguments(arguments, 2, "append");
    const pair = [nameOf(name), valueOf(value)];
    this.#change().push(pair);
  }

  delete(name) {
    requireArguments(arguments, 1, "delete");
    const wanted = nameOf(name);
    const pairs = this.#change();
    this.#pairs = pairs.filter((pair) => pair[0] !== wanted);
  }

  get(name) {
    requireArguments(arguments, 1, "get");
    const wanted = nameOf(name);
    let found = null;
    const pairs = this.#pairs ?? this.#fields;
    for (let at = 0; at < pairs.length; at++) {
      const pair = pairs[at];
      if (pair[0] !== wanted) continue;
      const value = typeof pair[1] === "string" ? pair[1] : decode(pair[1]);
      found = found === null ? value : `${found}, ${value}`;
    }
    return found;
  }

  getAll(name) {
    if (nameOf(name) !== "set-cookie") throw new TypeError('getAll() can only be used with the header name "Set-Cookie".');
    return this.getSetCookie();
  }

  getSetCookie() {
    return this.#list().filter((pair) => pair[0] === "set-cookie").map((pair) => pair[1]);
  }

  has(name) {
    requireArguments(arguments, 1, "has");
    const wanted = nameOf(name);
    const pairs = this.#pairs ?? this.#fields;
    for (let at = 0; at < pairs.length; at++) if (pairs[at][0] === wanted) return true;
    return false;
  }

  set(name, value) {
    requireArguments(arguments, 2, "set");
    const wanted = nameOf(name);
    const valid = valueOf(value);
    const pairs = this.#change();
    const first = pairs.find((pair) => pair[0] === wanted);
    if (!first) {
      pairs.push([wanted, valid]);
      return;
    }
    first[1] = valid;
    this.#pairs = pairs.filter((pair) => pair === first || pair[0] !== wanted);
  }

  forEach(callback, thisArg) {
    if (typeof callback !== "function") throw new TypeError("Headers.forEach: the argument must be a function.");
    for (const [name, value] of this.entries()) callback.call(thisArg, value, name, this);
  }

  // By name, in order; looked at anew at each step, as the web has it.
  *entries() {
    for (let at = 0; ; at++) {
      const sorted = this.#sorted();
      if (at >= sorted.length) return;
      yield [...sorted[at]];
    }
  }

  *keys() {
    for (const [name] of this.entries()) yield name;
  }

  *values() {
    for (const [, value] of this.entries()) yield value;
  }

  #list() {
    this.#pairs ??= this.#fields.map((pair) => [pair[0], decode(pair[1])]);
    return this.#pairs;
  }

  #change() {
    if (this.#immutable) throw new TypeError("Can't modify immutable headers.");
    const pairs = this.#list();
    this.#fields = null;
    return pairs;
  }

  #sorted() {
    const sorted = new Map();
    const cookies = [];
    for (const [name, value] of this.#list()) {
      if (name === "set-cookie") cookies.push([name, value]);
      else sorted.set(name, sorted.has(name) ? `${sorted.get(name)}, ${value}` : value);
    }
    return [...sorted, ...cookies].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  }
}

likeTheWeb(Headers, "Headers");
Object.defineProperty(Headers.prototype, Symbol.iterator, { value: Headers.prototype.entries, writable: true, configurable: true });

export { addType, copyOf, lock, ofFields, toFields };

function requireArguments(given, count, name) {
  if (given.length < count) {
    throw new TypeError(`Headers.${name}: ${count} argument${count > 1 ? "s" : ""} required, but only ${given.length} present.`);
  }
}

function nameOf(name) {
  const known = names.get(name);
  if (known !== undefined) return known;
  const text = `${name}`;
  if (!token.test(text)) throw new TypeError(`Invalid header name: ${JSON.stringify(text)}.`);
  const lower = text.toLowerCase();
  if (names.size < NAMES_MAX) names.set(text, lower);
  return lower;
}

// Bytes that nobody changes.
function bytesOf(value) {
  const known = values.get(value);
  if (known !== undefined) return known;
  const bytes = encode(value);
  if (value.length <= VALUE_LENGTH_MAX && values.size < VALUES_MAX) values.set(value, bytes);
  return bytes;
}

// As at Cloudflare, characters over U+00FF are allowed; they travel as UTF-8.
function valueOf(value) {
  const text = `${value}`;
  if (!special.test(text)) return text;
  const trimmed = text.replace(around, "");
  if (notInValue.test(trimmed)) throw new TypeError("Invalid header value: it has a line break or NUL in it.");
  return trimmed;
}
