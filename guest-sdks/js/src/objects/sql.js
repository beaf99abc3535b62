// How does SQL run, and how are its rows read?

import * as sql from "durable:object/sql@0.1.0";
import { storing } from "./errors.js";
import { isUndone, sectionNow } from "./undone.js";
import { withoutCopies } from "../platform/install.js";
import { withoutLone } from "../platform/text/utf8.js";

// How many rows one call brings: most results are there with the first, and no more than these are
// in memory at once.
const ROWS_MAX = 64;

// How often the database was deleted: older cursors end with an error.
let deletions = 0;

export function cancelCursors() {
  deletions++;
}

// Fewer than the host lets be open.
const OPEN_MAX = 60;

// The cursors that the host has open, by its number for them, the oldest first.
const open = new Map();

// Closes what nobody has read to its end.
const unread = new FinalizationRegistry(close);

function close(cursor) {
  if (open.delete(cursor)) sql.close(cursor);
}

// Has one more be open. Code holds as many cursors as it likes, so rather than refuse one the oldest
// is read to its end.
function makeRoom() {
  if (open.size < OPEN_MAX) return;
  for (const [cursor, reader] of open) if (reader.deref() === undefined) close(cursor);
  if (open.size < OPEN_MAX) return;
  const [reader] = open.values();
  readToEnd(reader.deref());
}

let readToEnd;

export class Sql {
  exec(query, ...bindings) {
    if (arguments.length === 0) throw new TypeError("Failed to execute 'exec' on 'SqlStorage': parameter 1 is not of type 'String'.");
    const params = bindings.map(parameter);
    const text = withoutLone(String(query));
    makeRoom();
    return new SqlStorageCursor(storing(() => sql.open(text, params, ROWS_MAX), Error));
  }

  // Compiles nothing ahead, as at Cloudflare today.
  prepare(query) {
    const run = (...bindings) => this.exec(query, ...bindings);
    return Object.assign(Object.create(SqlStorageStatement.prototype), { run });
  }

  get databaseSize() {
    return storing(() => sql.databaseSize());
  }

  get Cursor() {
    return SqlStorageCursor;
  }

  get Statement() {
    return SqlStorageStatement;
  }
}

export class SqlStorageStatement {}

function parameter(value) {
  switch (typeof value) {
    case "number":
      return Number.isNaN(value) ? NULL : { tag: "real", val: value };
    case "string":
      return { tag: "text", val: withoutLone(value) };
    case "boolean":
      return { tag: "text", val: String(value) };
    case "undefined":
      return NULL;
    case "bigint":
      throw new TypeError("Cannot convert a BigInt value to a number");
    case "symbol":
      throw new TypeError("Cannot convert a Symbol value to a string");
  }
  if (value === null) return NULL;
  if (value instanceof ArrayBuffer) return { tag: "blob", val: new Uint8Array(value) };
  if (ArrayBuffer.isView(value)) {
    return { tag: "blob", val: new Uint8Array(value.buffer, value.byteOffset, value.byteLength) };
  }
  return { tag: "text", val: withoutLone(String(value)) };
}

const NULL = { tag: "null" };

// A blob is an ArrayBuffer here.
function valueOf({ tag, val }) {
  if (tag === "null") return null;
  return tag === "blob" ? bufferOf(val) : val;
}

const bufferOf = ({ buffer, byteOffset, byteLength }) =>
  byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);

export class SqlStorageCursor {
  #columns;
  #rows;
  #at = 0;
  #read = 0;
  #changes;
  #cursor; // of the host, for the rows that are left
  #token = {}; // of its registration in `unread`
  #deletions = deletions;
  #failure = null; // of reading ahead
  #section = sectionNow(); // in which the newest rows were read

  constructor({ columns, rows, changes, cursor }) {
    this.#columns = columns;
    this.#rows = rows;
    this.#changes = changes;
    this.#cursor = cursor;
    if (cursor === null) return;
    open.set(cursor, new WeakRef(this));
    unread.register(this, cursor, this.#token); // QuickJS never calls back for what is its own token
  }

  static {
    readToEnd = (reader) => {
      const left = reader.#rows.slice(reader.#at);
      const section = reader.#section;
      reader.#at = 0;
      try {
        while (reader.#cursor !== null) left.push(...reader.#further());
      } catch (error) {
        reader.#failure = error;
      }
      reader.#rows = left;
      if (isUndone(section)) reader.#section = section;
    };
  }

  get columnNames() {
    return this.#columns;
  }

  // Rows that were returned so far; what SQLite looked at is not known.
  get rowsRead() {
    return this.#read;
  }

  // Rows inserted, updated or deleted; entries of indexes are not counted.
  get rowsWritten() {
    return this.#changes;
  }

  #next() {
    if (this.#at === this.#rows.length && this.#cursor === null) {
      if (this.#failure !== null) throw this.#failure;
      return undefined;
    }
    if (this.#deletions !== deletions) {
      throw new Error("SQLite query was canceled because the database was deleted.");
    }
    if (isUndone(this.#section)) {
      throw new Error("SQLite query was canceled because the transaction in which it read was rolled back.");
    }
    if (this.#at === this.#rows.length) {
      this.#at = 0;
      this.#rows = this.#further();
      if (this.#rows.length === 0) return undefined;
    }
    this.#read++;
    return this.#rows[this.#at++];
  }

  // The host closes a cursor by itself at its end and on an error.
  #further() {
    let rows = [];
    this.#section = sectionNow();
    try {
      rows = storing(() => sql.next(this.#cursor, ROWS_MAX));
    } finally {
      if (rows.length === 0) {
        unread.unregister(this.#token);
        open.delete(this.#cursor);
        this.#cursor = null;
      }
    }
    return rows;
  }

  #object(row) {
    const object = {};
    for (let i = 0; i < row.length; i++) object[this.#columns[i]] = valueOf(row[i]);
    return object;
  }

  next() {
    const row = this.#next();
    return row === undefined ? { done: true } : { done: false, value: this.#object(row) };
  }

  [Symbol.iterator]() {
    return this;
  }

  toArray() {
    const all = [];
    for (let row = this.#next(); row !== undefined; row = this.#next()) all.push(this.#object(row));
    return all;
  }

  one() {
    const row = this.#next();
    if (row === undefined) throw new Error("Expected exactly one result from SQL query, but got no results.");
    if (this.#next() !== undefined) {
      throw new Error("Expected exactly one result from SQL query, but got multiple results.");
    }
    return this.#object(row);
  }

  raw() {
    const next = () => {
      const row = this.#next();
      return row === undefined ? { done: true, value: undefined } : { done: false, value: row.map(valueOf) };
    };
    return new Rows(next);
  }
}

// An iterator of arrays.
class Rows {
  constructor(next) {
    this.next = next;
  }

  [Symbol.iterator]() {
    return this;
  }

  toArray() {
    return [...this];
  }
}

withoutCopies({ SqlStorage: Sql, Cursor: SqlStorageCursor, Statement: SqlStorageStatement });
