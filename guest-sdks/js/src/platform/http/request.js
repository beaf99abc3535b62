// Request.

import { likeTheWeb } from "../install.js";
import { AbortController, AbortSignal } from "../events/abort.js";
import { URL } from "../url/url.js";
import { Body, attach, extract, isUsed, take, tee } from "./body.js";
import { cfOf } from "./cf.js";
import { Headers, addType, copyOf, ofFields } from "./headers.js";

const INTERNAL = Symbol();
const usual = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const choices = {
  redirect: ["follow", "error", "manual"],
  cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
};

let stateOf;

export class Request extends Body {
  #state;

  static {
    stateOf = (request) => request.#state;
  }

  constructor(input, init) {
    super();
    if (input === INTERNAL) {
      this.#state = init;
      return;
    }
    if (arguments.length === 0) throw new TypeError("Request: 1 argument required, but only 0 present.");
    const from = input instanceof Request ? input : null;
    const given = init instanceof Request ? stateFrom(init) : (init ?? {});
    const method = given.method === undefined ? (from?.method ?? "GET") : methodOf(given.method);
    const body = given.body ?? null;
    if (body !== null && (method === "GET" || method === "HEAD")) {
      throw new TypeError("Request with a GET or HEAD method cannot have a body.");
    }
    checkChoice("redirect", given.redirect);
    checkChoice("cache", given.cache);
    if (given.signal != null && !(given.signal instanceof AbortSignal)) throw new TypeError("The signal of a Request must be an AbortSignal.");
    const { source, type } = extract(body);
    this.#state = {
      method,
      url: from ? from.url : urlOf(input),
      headers: given.headers === undefined ? (from ? copyOf(from.headers) : new Headers()) : new Headers(given.headers),
      fields: null,
      signal: given.signal === undefined ? (from?.#state.signal ?? null) : given.signal,
      redirect: given.redirect ?? from?.redirect ?? "follow",
      cache: given.cache ?? from?.cache ?? "default",
      integrity: given.integrity ?? from?.integrity ?? "",
      keepalive: given.keepalive ?? from?.keepalive ?? false,
      cf: given.cf ?? from?.#state.cf,
      upgrade: (from ?? (init instanceof Request ? init : null))?.#state.upgrade ?? null,
    };
    if (type !== null) addType(this.headers, type);
    if (source !== null) attach(this, source);
    else if (from && given.body === undefined) {
      if (isUsed(from)) throw new TypeError("Cannot construct a Request with a Request object whose body has already been used.");
      if (from.body?.locked) throw new TypeError("Cannot construct a Request with a Request object whose body is locked to a reader.");
      attach(this, take(from));
    }
  }

  get method() {
    return this.#state.method;
  }

  get url() {
    return this.#state.url;
  }

  get headers() {
    const state = this.#state;
    state.headers ??= ofFields(state.fields, true);
    return state.headers;
  }

  get signal() {
    const state = this.#state;
    if (typeof state.signal === "function") state.signal = state.signal();
    state.signal ??= new AbortController().signal;
    return state.signal;
  }

  get redirect() {
    return this.#state.redirect;
  }

  get cache() {
    return this.#state.cache;
  }

  get integrity() {
    return this.#state.integrity;
  }

  get keepalive() {
    return this.#state.keepalive;
  }

  get cf() {
    const state = this.#state;
    if (state.cf === cfOf) state.cf = cfOf(state.url);
    return state.cf;
  }

  get mode() {
    return "cors";
  }

  get credentials() {
    return "same-origin";
  }

  get destination() {
    return "";
  }

  get referrer() {
    return "about:client";
  }

  get referrerPolicy() {
    return "";
  }

  get duplex() {
    return "half";
  }

  clone() {
    const source = tee(this);
    const state = this.#state;
    const copy = new Request(INTERNAL, {
      ...state,
      headers: state.headers && copyOf(state.headers),
      signal: state.signal && this.signal,
    });
    attach(copy, source);
    return copy;
  }
}

likeTheWeb(Request, "Request");

export { stateOf as stateOfRequest };

// What the host gives: see README.md, "The tree".
export function requestOf({ method, url, fields, source = null, signal = null, upgrade = null }) {
  const request = new Request(INTERNAL, {
    method, url, fields, headers: null, signal, redirect: "manual", cache: "default", integrity: "", keepalive: false, cf: cfOf, upgrade,
  });
  if (source !== null) attach(request, source);
  return request;
}

function checkChoice(name, value) {
  if (value === undefined || choices[name].includes(`${value}`)) return;
  throw new TypeError(`Invalid value for "${name}" of a Request: ${JSON.stringify(`${value}`)}; it must be one of ${choices[name].join(", ")}.`);
}

function urlOf(input) {
  if (input instanceof URL) return input.href;
  const url = URL.parse(`${input}`);
  if (!url) throw Object.assign(new TypeError(`Invalid URL: ${input}`), { code: "ERR_INVALID_URL" });
  return url.href;
}

function methodOf(method) {
  const text = `${method}`;
  const upper = text.toUpperCase();
  if (usual.has(upper)) return upper;
  if (!token.test(text)) throw new TypeError(`Invalid HTTP method string: ${text}`);
  if (upper === "CONNECT" || upper === "TRACE" || upper === "TRACK") throw new TypeError(`The HTTP method ${upper} is not allowed.`);
  return text;
}

// A Request that stands where options do gives what it has.
function stateFrom(request) {
  const { method, headers, redirect, cache, integrity, keepalive, cf, signal } = request;
  return { method, headers, redirect, cache, integrity, keepalive, cf, signal, body: request.body };
}
