// URL.

import { likeTheWeb } from "../install.js";
import { paramsOf, replace } from "./params.js";
import { machine, partsOf, partsOfRecord, recordOf } from "./parts.js";

export class URL {
  #parts;
  #params = null;

  constructor(url, base) {
    if (arguments.length === 0) throw new TypeError("URL: 1 argument required, but only 0 present.");
    const parts = resolved(url, base);
    if (!parts) {
      throw Object.assign(new TypeError("Invalid URL"), { code: "ERR_INVALID_URL", input: `${url}` });
    }
    this.#parts = parts;
  }

  static parse(url, base) {
    try {
      return new URL(url, base);
    } catch {
      return null;
    }
  }

  static canParse(url, base) {
    return resolved(url, base) !== null;
  }

  // Blobs have no addresses here, since nothing could be shown under them.
  static createObjectURL() {
    throw new Error("URL.createObjectURL() is not implemented");
  }

  static revokeObjectURL() {
    throw new Error("URL.revokeObjectURL() is not implemented");
  }

  get href() {
    return this.#parts.href;
  }

  set href(value) {
    const parts = partsOf(`${value}`);
    if (!parts) throw Object.assign(new TypeError("Invalid URL"), { code: "ERR_INVALID_URL", input: `${value}` });
    this.#become(parts);
  }

  get origin() {
    return this.#parts.origin;
  }

  get protocol() {
    return this.#parts.protocol;
  }

  set protocol(value) {
    this.#override(`${value}:`, "scheme start");
  }

  get username() {
    return this.#parts.username;
  }

  set username(value) {
    this.#change((record) => {
      if (!machine.cannotHaveAUsernamePasswordPort(record)) machine.setTheUsername(record, `${value}`.toWellFormed());
    });
  }

  get password() {
    return this.#parts.password;
  }

  set password(value) {
    this.#change((record) => {
      if (!machine.cannotHaveAUsernamePasswordPort(record)) machine.setThePassword(record, `${value}`.toWellFormed());
    });
  }

  get host() {
    return this.#parts.host;
  }

  set host(value) {
    this.#override(`${value}`, "host", (record) => !machine.hasAnOpaquePath(record));
  }

  get hostname() {
    return this.#parts.hostname;
  }

  set hostname(value) {
    this.#override(`${value}`, "hostname", (record) => !machine.hasAnOpaquePath(record));
  }

  get port() {
    return this.#parts.port;
  }

  set port(value) {
    if (`${value}` !== "") {
      this.#override(`${value}`, "port", (record) => !machine.cannotHaveAUsernamePasswordPort(record));
    } else {
      this.#change((record) => {
        if (!machine.cannotHaveAUsernamePasswordPort(record)) record.port = null;
      });
    }
  }

  get pathname() {
    return this.#parts.pathname;
  }

  set pathname(value) {
    this.#override(`${value}`, "path start", (record) => {
      if (machine.hasAnOpaquePath(record)) return false;
      record.path = [];
      return true;
    });
  }

  get search() {
    return this.#parts.search;
  }

  set search(value) {
    this.#setQuery(`${value}`);
    if (this.#params) replace(this.#params, this.#parts.search.slice(1));
  }

  get searchParams() {
    this.#params ??= paramsOf(this.#parts.search.slice(1), () => this.#setQuery(this.#params.toString()));
    return this.#params;
  }

  get hash() {
    return this.#parts.hash;
  }

  set hash(value) {
    const text = `${value}`;
    if (text === "") {
      this.#change((record) => {
        record.fragment = null;
      });
    } else {
      this.#override(text[0] === "#" ? text.slice(1) : text, "fragment", (record) => {
        record.fragment = "";
        return true;
      });
    }
  }

  toString() {
    return this.#parts.href;
  }

  toJSON() {
    return this.#parts.href;
  }

  #setQuery(text) {
    if (text === "") {
      this.#change((record) => {
        record.query = null;
      });
    } else {
      this.#override(text[0] === "?" ? text.slice(1) : text, "query", (record) => {
        record.query = "";
        return true;
      });
    }
  }

  #override(text, stateOverride, may = () => true) {
    this.#change((url) => {
      if (may(url)) machine.basicURLParse(text.toWellFormed(), { url, stateOverride });
    });
  }

  #change(how) {
    const record = recordOf(this.#parts);
    how(record);
    this.#parts = partsOfRecord(record);
  }

  #become(parts) {
    this.#parts = parts;
    if (this.#params) replace(this.#params, parts.search.slice(1));
  }
}

function resolved(url, base) {
  const text = `${url}`;
  if (base === undefined) return partsOf(text);
  const on = partsOf(`${base}`);
  return on && partsOf(text, on);
}

likeTheWeb(URL, "URL");
