// FormData, and what multipart/form-data looks like.

import { likeTheWeb } from "../install.js";
import { concat } from "../text/bytes.js";
import { decode, encode, toLatin1 } from "../text/utf8.js";
import { parse } from "../url/params.js";
import { Blob, File, bytesIn } from "./blob.js";

let entriesOf;

export class FormData {
  #entries = [];

  static {
    entriesOf = (form) => form.#entries;
  }

  constructor(form) {
    if (form !== undefined) throw new TypeError("FormData: an HTML form cannot be given here.");
  }

  append(name, value, filename) {
    requireArguments(arguments, 2, "append");
    this.#entries.push(entry(name, value, filename, arguments.length > 2));
  }

  delete(name) {
    requireArguments(arguments, 1, "delete");
    const unwanted = text(name);
    this.#entries = this.#entries.filter(([key]) => key !== unwanted);
  }

  get(name) {
    requireArguments(arguments, 1, "get");
    const wanted = text(name);
    return this.#entries.find(([key]) => key === wanted)?.[1] ?? null;
  }

  getAll(name) {
    requireArguments(arguments, 1, "getAll");
    const wanted = text(name);
    return this.#entries.filter(([key]) => key === wanted).map(([, value]) => value);
  }

  has(name) {
    requireArguments(arguments, 1, "has");
    const wanted = text(name);
    return this.#entries.some(([key]) => key === wanted);
  }

  set(name, value, filename) {
    requireArguments(arguments, 2, "set");
    const set = entry(name, value, filename, arguments.length > 2);
    const first = this.#entries.findIndex(([key]) => key === set[0]);
    if (first < 0) {
      this.#entries.push(set);
      return;
    }
    this.#entries = this.#entries.filter(([key], at) => at <= first || key !== set[0]);
    this.#entries[first] = set;
  }

  forEach(callback, thisArg) {
    if (typeof callback !== "function") throw new TypeError("FormData.forEach: the argument must be a function.");
    for (const [name, value] of this.entries()) callback.call(thisArg, value, name, this);
  }

  *entries() {
    for (let at = 0; at < this.#entries.length; at++) yield [...this.#entries[at]];
  }

  *keys() {
    for (const [name] of this.entries()) yield name;
  }

  *values() {
    for (const [, value] of this.entries()) yield value;
  }
}

likeTheWeb(FormData, "FormData");
Object.defineProperty(FormData.prototype, Symbol.iterator, { value: FormData.prototype.entries, writable: true, configurable: true });

const text = (value) => `${value}`.toWellFormed();

function requireArguments(given, count, name) {
  if (given.length < count) {
    throw new TypeError(`FormData.${name}: ${count} argument${count > 1 ? "s" : ""} required, but only ${given.length} present.`);
  }
}

function entry(name, value, filename, named) {
  if (!(value instanceof Blob)) {
    if (named) throw new TypeError("FormData: a file name goes only with a Blob.");
    return [text(name), text(value)];
  }
  if (value instanceof File && filename === undefined) return [text(name), value];
  const lastModified = value instanceof File ? value.lastModified : undefined;
  return [text(name), new File([value], filename === undefined ? "blob" : text(filename), { type: value.type, lastModified })];
}

const codes = { "\n": "%0A", "\r": "%0D", '"': "%22" };
const escaped = (name) => name.replace(/[\r\n"]/g, (char) => codes[char]);
const lines = (value) => value.replace(/\r\n|\r|\n/g, "\r\n");

export function serializeForm(form) {
  const boundary = `----formdata-abide-${Math.random().toString(36).slice(2).padEnd(12, "0")}`;
  const chunks = [];
  for (const [name, value] of entriesOf(form)) {
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(lines(name))}"`;
    if (typeof value === "string") {
      chunks.push(encode(`${head}\r\n\r\n${lines(value)}\r\n`));
    } else {
      const type = value.type || "application/octet-stream";
      chunks.push(encode(`${head}; filename="${escaped(value.name)}"\r\ncontent-type: ${type}\r\n\r\n`), bytesIn(value), encode("\r\n"));
    }
  }
  chunks.push(encode(`--${boundary}--\r\n`));
  return { source: concat(chunks), type: `multipart/form-data; boundary=${boundary}` };
}

export function parseForm(bytes, contentType) {
  const [type, ...parameters] = contentType.split(";");
  const form = new FormData();
  switch (type.trim().toLowerCase()) {
    case "application/x-www-form-urlencoded":
      for (const [name, value] of parse(decode(bytes))) form.append(name, value);
      return form;
    case "multipart/form-data": {
      const boundary = parameter(parameters.join(";"), "boundary");
      if (!boundary) throw new TypeError("No boundary string in Content-Type header. The multipart/form-data MIME type requires a boundary parameter.");
      parts(toLatin1(bytes), bytes, `--${boundary}`, (name, filename, partType, content) => {
        if (filename === null) form.append(name, decode(content));
        else form.append(name, new File([content], filename, { type: partType }));
      });
      return form;
    }
    default:
      throw new TypeError(
        `Unrecognized Content-Type header value. FormData can only parse the following MIME types: multipart/form-data, application/x-www-form-urlencoded. It was: ${JSON.stringify(contentType)}`,
      );
  }
}

const broken = () => {
  throw new TypeError("The body is no well-formed multipart/form-data.");
};

// `latin1` is `bytes` as text with one character for each, which can be searched natively.
function parts(latin1, bytes, delimiter, found) {
  let at = latin1.startsWith(delimiter) ? 0 : latin1.indexOf(`\r\n${delimiter}`) + 2;
  if (at === 1) broken();
  for (;;) {
    at += delimiter.length;
    if (latin1.startsWith("--", at)) return;
    at = latin1.indexOf("\r\n", at) + 2;
    if (at === 1) broken();
    const bodyAt = latin1.startsWith("\r\n", at) ? at + 2 : latin1.indexOf("\r\n\r\n", at) + 4;
    if (bodyAt === 3) broken();
    const end = latin1.indexOf(`\r\n${delimiter}`, bodyAt);
    if (end < 0) broken();
    const head = headOf(decode(bytes.subarray(at, bodyAt)));
    found(head.name, head.filename, head.type, bytes.slice(bodyAt, end));
    at = end + 2;
  }
}

function headOf(block) {
  const fields = new Map(
    block.split("\r\n").filter(Boolean).map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const disposition = fields.get("content-disposition") ?? "";
  const name = parameter(disposition, "name");
  if (name === null || !/^form-data\b/i.test(disposition)) broken();
  return { name, filename: parameter(disposition, "filename"), type: fields.get("content-type") ?? "text/plain" };
}

const escapes = { "%0A": "\n", "%0D": "\r", "%22": '"' };

function parameter(field, name) {
  const match = new RegExp(`(?:^|[;\\s])${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]*))`, "i").exec(field);
  if (!match) return null;
  return match[1] === undefined ? match[2] : match[1].replace(/\\(["\\])/g, "$1").replace(/%0A|%0D|%22/gi, (code) => escapes[code.toUpperCase()]);
}
