// Response.

import { likeTheWeb } from "../install.js";
import { encode } from "../text/utf8.js";
import { URL } from "../url/url.js";
import { Body, attach, extract, tee } from "./body.js";
import { Headers, addType, copyOf, lock, ofFields } from "./headers.js";

const INTERNAL = Symbol();
const withoutBody = new Set([101, 204, 205, 304]);
const redirects = new Set([301, 302, 303, 307, 308]);
const reasonPhrase = /^[\t \x21-\x7e\x80-\xff]*$/;

let stateOf;

export class Response extends Body {
  #state;

  static {
    stateOf = (response) => response.#state;
  }

  constructor(body, init) {
    super();
    if (body === INTERNAL) {
      this.#state = init;
      return;
    }
    this.#state = init === undefined || init === null ? usual(new Headers()) : chosen(init);
    if (body === null || body === undefined) return;
    const { source, type } = extract(body);
    if (withoutBody.has(this.#state.status)) throw new TypeError(`Response with null body status (${[...withoutBody].join(", ")}) cannot have a body.`);
    attach(this, source);
    if (type !== null) addType(this.headers, type);
  }

  static json(data, init) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Response.json: the value cannot be written as JSON.");
    const response = new Response(encode(text), init);
    addType(response.headers, "application/json");
    return response;
  }

  static redirect(url, status = 302) {
    const target = URL.parse(`${url}`);
    if (!target) throw new TypeError(`Unable to parse URL: ${url}`);
    if (!redirects.has(Number(status))) throw new RangeError(`${status} is not a redirect status code.`);
    const response = new Response(null, { status, headers: { location: target.href } });
    lock(response.headers);
    return response;
  }

  static error() {
    return new Response(INTERNAL, {
      status: 0, statusText: "", headers: lock(new Headers()), fields: null, url: "", redirected: false, type: "error", webSocket: null,
    });
  }

  get status() {
    return this.#state.status;
  }

  get statusText() {
    return this.#state.statusText;
  }

  get ok() {
    return this.#state.status >= 200 && this.#state.status <= 299;
  }

  get headers() {
    const state = this.#state;
    state.headers ??= ofFields(state.fields, true);
    return state.headers;
  }

  get url() {
    return this.#state.url;
  }

  get redirected() {
    return this.#state.redirected;
  }

  get type() {
    return this.#state.type;
  }

  get webSocket() {
    return this.#state.webSocket;
  }

  get cf() {
    return this.#state.cf;
  }

  clone() {
    if (this.#state.webSocket !== null) throw new TypeError("Cannot clone a response to a WebSocket handshake.");
    const source = tee(this);
    const state = this.#state;
    const copy = new Response(INTERNAL, { ...state, headers: state.headers && copyOf(state.headers) });
    attach(copy, source);
    return copy;
  }
}

const usual = (headers) => ({
  status: 200, statusText: "", headers, fields: null, url: "", redirected: false, type: "default", webSocket: null, cf: undefined, encodeBody: "automatic",
});

// The state that code asks for.
function chosen({ status = 200, statusText = "", headers, webSocket = null, cf, encodeBody = "automatic" }) {
  const number = Number(status);
  if (!(number === 101 ? webSocket !== null : Number.isInteger(number) && number >= 200 && number <= 599)) {
    throw new RangeError(
      number === 101
        ? "Responses with status code 101 must have a WebSocket: give it as `webSocket`."
        : "Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
    );
  }
  if (encodeBody !== "automatic" && encodeBody !== "manual") throw new TypeError(`encodeBody: unexpected value: ${encodeBody}`);
  if (statusText !== "" && !reasonPhrase.test(`${statusText}`)) throw new TypeError("Invalid statusText: it must be a reason phrase of HTTP.");
  return { ...usual(new Headers(headers ?? undefined)), status: number, statusText: `${statusText}`, webSocket, cf, encodeBody };
}

likeTheWeb(Response, "Response");

export { stateOf as stateOfResponse };

const phrases = {
  200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content", 205: "Reset Content",
  206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used", 300: "Multiple Choices", 301: "Moved Permanently",
  302: "Found", 303: "See Other", 304: "Not Modified", 305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect",
  400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required",
  412: "Precondition Failed", 413: "Payload Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable",
  417: "Expectation Failed", 418: "I'm a teapot", 421: "Misdirected Request", 422: "Unprocessable Entity", 423: "Locked",
  424: "Failed Dependency", 426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
  431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons", 500: "Internal Server Error", 501: "Not Implemented",
  502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates",
  507: "Insufficient Storage", 508: "Loop Detected", 510: "Not Extended", 511: "Network Authentication Required",
};
const ofTheirKind = { 2: "Successful", 3: "Redirection", 4: "Client Error", 5: "Server Error" };

const phraseOf = (status) => phrases[status] ?? ofTheirKind[Math.floor(status / 100)] ?? "";

// What the host gives: see README.md, "The tree".
export function responseOf({ status, statusText = phraseOf(status), fields, source = null, url = "", redirected = false, webSocket = null }) {
  const response = new Response(INTERNAL, {
    status, statusText, headers: null, fields, url, redirected, type: "default", webSocket, cf: undefined, encodeBody: "automatic",
  });
  if (source !== null) attach(response, source);
  return response;
}
