// URLSearchParams, and what application/x-www-form-urlencoded looks like.

import { decode, encode } from "../text/utf8.js";
import { likeTheWeb } from "../install.js";

export function parse(text) {
  const pairs = [];
  for (const part of text.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    if (equals < 0) pairs.push([decoded(part), ""]);
    else pairs.push([decoded(part.slice(0, equals)), decoded(part.slice(equals + 1))]);
  }
  return pairs;
}

function decoded(text) {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  if (!spaced.includes("%")) return spaced.toWellFormed();
  try {
    return decodeURIComponent(spaced.toWellFormed());
  } catch {
    return decode(percentDecoded(encode(spaced)));
  }
}

function percentDecoded(bytes) {
  const out = [];
  for (let at = 0; at < bytes.length; at++) {
    const hex = bytes[at] === 0x25 ? String.fromCharCode(bytes[at + 1], bytes[at + 2]) : "";
    if (/^[0-9a-f]{2}$/i.test(hex)) {
      out.push(Number.parseInt(hex, 16));
      at += 2;
    } else {
      out.push(bytes[at]);
    }
  }
  return Uint8Array.from(out);
}

const others = { "%20": "+", "!": "%21", "'": "%27", "(": "%28", ")": "%29", "~": "%7E" };
const encoded = (text) => encodeURIComponent(text).replace(/%20|[!'()~]/g, (char) => others[char]);

export function serialize(pairs) {
  return pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join("&");
}

const text = (value) => `${value}`.toWellFormed();

let attach;

export class URLSearchParams {
  #pairs;
  #changed = () => {};

  static {
    attach = (params, pairs, changed) => {
      params.#pairs = pairs;
      if (changed) params.#changed = changed;
    };
  }

  constructor(init = "") {
    this.#pairs = pairsOf(init);
  }

  get size() {
    return this.#pairs.length;
  }

  append(name, value) {
    requireArguments(arguments, 2, "append");
    this.#pairs.push([text(name), text(value)]);
    this.#changed();
  }

  delete(name, value) {
    requireArguments(arguments, 1, "delete");
    this.#pairs = this.#pairs.filter((pair) => !matches(pair, name, value));
    this.#changed();
  }

  get(name) {
    requireArguments(arguments, 1, "get");
    const wanted = text(name);
    for (const pair of this.#pairs) if (pair[0] === wanted) return pair[1];
    return null;
  }

  getAll(name) {
    requireArguments(arguments, 1, "getAll");
    return this.#pairs.filter((pair) => matches(pair, name)).map((pair) => pair[1]);
  }

  has(name, value) {
    requireArguments(arguments, 1, "has");
    return this.#pairs.some((pair) => matches(pair, name, value));
  }

  set(name, value) {
    requireArguments(arguments, 2, "set");
    const first = this.#pairs.find((pair) => matches(pair, name));
    if (first) {
      first[1] = text(value);
      this.#pairs = this.#pairs.filter((pair) => pair === first || !matches(pair, name));
    } else {
      this.#pairs.push([text(name), text(value)]);
    }
    this.#changed();
  }

  sort() {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#changed();
  }

  forEach(callback, thisArg) {
    if (typeof callback !== "function") throw new TypeError("URLSearchParams.forEach: the argument must be a function.");
    for (const [name, value] of this) callback.call(thisArg, value, name, this);
  }

  // What is added meanwhile is met too.
  *entries() {
    for (let at = 0; at < this.#pairs.length; at++) yield [...this.#pairs[at]];
  }

  *keys() {
    for (const [name] of this.entries()) yield name;
  }

  *values() {
    for (const [, value] of this.entries()) yield value;
  }

  toString() {
    return serialize(this.#pairs);
  }
}

likeTheWeb(URLSearchParams, "URLSearchParams");
Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, {
  value: URLSearchParams.prototype.entries,
  writable: true,
  configurable: true,
});

// Those of a URL, which hears when they change.
export function paramsOf(query, changed) {
  const params = new URLSearchParams();
  attach(params, parse(query), changed);
  return params;
}

export function replace(params, query) {
  attach(params, parse(query));
}

function requireArguments(given, count, name) {
  if (given.length < count) {
    throw new TypeError(`URLSearchParams.${name}: ${count} argument${count > 1 ? "s" : ""} required, but only ${given.length} present.`);
  }
}

function matches(pair, name, value) {
  return pair[0] === text(name) && (value === undefined || pair[1] === text(value));
}

function pairsOf(init) {
  if (init === null || (typeof init !== "object" && typeof init !== "function")) {
    const query = text(init);
    return parse(query.startsWith("?") ? query.slice(1) : query);
  }
  if (init[Symbol.iterator] != null) {
    return Array.from(init, (given) => {
      const pair = Array.from(given);
      if (pair.length !== 2) throw new TypeError("URLSearchParams: each pair must be an iterable [name, value] tuple.");
      return pair.map(text);
    });
  }
  const pairs = new Map();
  for (const key of Reflect.ownKeys(init)) {
    if (Object.getOwnPropertyDescriptor(init, key)?.enumerable) pairs.set(text(key), text(init[key]));
  }
  return [...pairs];
}
