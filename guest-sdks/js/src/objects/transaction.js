// Which transaction lies in which, and how does each of them end?
//
// A transaction is a section too: what is done beside it is not done in it.

import * as transactions from "durable:object/transactions@0.1.0";
import { storing } from "./errors.js";
import { inSection, needFunction } from "./section.js";
import { Entries } from "./kv.js";
import { beginSection, endSection } from "./undone.js";

export class Transactions {
  #storage;
  #open = []; // numbers, from the outermost to the innermost
  #savepoints = 0;

  constructor(storage) {
    this.#storage = storage;
  }

  get isOpen() {
    return this.#open.length > 0 || this.#savepoints > 0;
  }

  runSync(work) {
    needFunction(work, "transactionSync", "DurableObjectStorage");
    const number = storing(() => transactions.savepoint());
    const section = beginSection();
    let isUndone = false;
    this.#savepoints++;
    try {
      const value = work();
      storing(() => transactions.commit(number));
      return value;
    } catch (error) {
      isUndone = true;
      storing(() => transactions.rollback(number));
      throw error;
    } finally {
      endSection(section, isUndone);
      this.#savepoints--;
    }
  }

  async run(work) {
    needFunction(work, "transaction", "DurableObjectStorage");
    return inSection(
      (alone) => this.#inSection(work, alone),
      () => ({ tag: "ok" }),
    );
  }

  async #inSection(work, alone) {
    const number = storing(() => transactions.begin(this.#open.at(-1) ?? null));
    const section = beginSection();
    this.#open.push(number);
    const isInnermost = () => this.#open.at(-1) === number;
    const end = (isKept) => {
      storing(() => (isKept ? transactions.commit(number) : transactions.rollback(number)));
      this.#open.pop();
      endSection(section, !isKept);
    };
    const transaction = new DurableObjectTransaction(this.#storage, isInnermost, end);
    try {
      const value = await work(transaction);
      await alone();
      finish(transaction, true);
      return value;
    } catch (error) {
      await alone();
      finish(transaction, false);
      throw error;
    }
  }
}

let finish; // ends one that was not rolled back

const late = (what) => new Error(`Cannot call ${what}() on transaction that has already committed: did you move \`txn\` outside of the closure?`);

export class DurableObjectTransaction extends Entries {
  #isRolledBack = false;
  #isOver = false;
  #storage;
  #isInnermost;
  #end;

  constructor(storage, isInnermost, end) {
    super();
    this.#storage = storage;
    this.#isInnermost = isInnermost;
    this.#end = end;
  }

  // Undone at once: what follows in the closure is not part of it any more.
  rollback() {
    if (this.#isRolledBack) return;
    if (this.#isOver) throw late("rollback");
    if (!this.#isInnermost()) throw new Error("Cannot roll back an outer transaction while a nested transaction is still running.");
    this.#finish(false);
    this.#isRolledBack = true;
  }

  #finish(isKept) {
    if (this.#isOver) return;
    this.#end(isKept);
    this.#isOver = true;
  }

  static {
    finish = (transaction, isKept) => transaction.#finish(isKept);
  }

  #usable(what) {
    if (this.#isRolledBack) throw new Error(`Cannot ${what}() on rolled back transaction`);
    if (this.#isOver) throw late(what);
  }

  async get(keys) {
    this.#usable("get");
    return super.get(keys);
  }

  async list(options) {
    this.#usable("list");
    return super.list(options);
  }

  async put(entries, value) {
    this.#usable("put");
    return super.put(entries, value);
  }

  async delete(keys) {
    this.#usable("delete");
    return super.delete(keys);
  }

  async getAlarm() {
    this.#usable("getAlarm");
    return super.getAlarm();
  }

  async setAlarm(time) {
    this.#usable("setAlarm");
    return this.#storage.setAlarm(time);
  }

  async deleteAlarm() {
    this.#usable("deleteAlarm");
    return super.deleteAlarm();
  }

  async deleteAll() {
    throw new Error("Cannot call deleteAll() within a transaction");
  }
}
