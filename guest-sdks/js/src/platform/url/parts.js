// Which parts does a URL have?
//
// Most URLs that a server sees are plain: http or https, ASCII, nothing to be encoded or
// resolved. A regular expression, which QuickJS runs in C, takes those apart; whatwg-url
// does all others, at some thirty times the price.

import machine from "whatwg-url/lib/url-state-machine.js";

const label = "(?:[a-z0-9-]+\\.)*[a-z][a-z0-9-]*";
const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const plain = new RegExp(
  `^(https?:)//(${label}|(?:${octet}\\.){3}${octet})(?::([1-9]\\d{0,4}))?` +
    "(/[!$-;=@-\\[\\]_a-z|~]*)?(\\?[!$-&(-;=?-~]*)?(#[!#-;=?-_a-~]*)?$",
);
const defaults = { "http:": "80", "https:": "443" };

// The parts, or null where `text` is no URL.
export function partsOf(text, base) {
  return plainParts(text) ?? (base && relativeParts(text, base)) ?? parsed(text, base);
}

function plainParts(text) {
  const match = plain.exec(text);
  if (!match) return null;
  const [, protocol, hostname, port = "", pathname = "/", search = "", hash = ""] = match;
  if (pathname.includes("/.") || pathname.includes("%2") || hostname.includes("xn--") || port > 65535) return null;
  const shown = port === defaults[protocol] ? "" : port;
  const host = shown ? `${hostname}:${shown}` : hostname;
  return {
    href: `${protocol}//${host}${pathname}${search}${hash}`,
    origin: `${protocol}//${host}`,
    protocol, username: "", password: "", host, hostname, port: shown, pathname,
    search: search === "?" ? "" : search,
    hash: hash === "#" ? "" : hash,
  };
}

// A path on a plain base.
function relativeParts(text, base) {
  return text[0] === "/" && text[1] !== "/" && base.username === "" && base.password === "" ? plainParts(base.origin + text) : null;
}

function parsed(text, base) {
  const record = machine.basicURLParse(text.toWellFormed(), { baseURL: base && recordOf(base) });
  return record && partsOfRecord(record);
}

// What setters work on.
export function recordOf(parts) {
  return machine.basicURLParse(parts.href);
}

export function partsOfRecord(record) {
  const hostname = record.host === null ? "" : machine.serializeHost(record.host);
  const port = record.port === null ? "" : machine.serializeInteger(record.port);
  return {
    href: machine.serializeURL(record),
    origin: machine.serializeURLOrigin(record),
    protocol: `${record.scheme}:`,
    username: record.username,
    password: record.password,
    host: port === "" ? hostname : `${hostname}:${port}`,
    hostname,
    port,
    pathname: machine.serializePath(record),
    search: record.query ? `?${record.query}` : "",
    hash: record.fragment ? `#${record.fragment}` : "",
  };
}

export { machine };
