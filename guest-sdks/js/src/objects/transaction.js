// Which transaction lies in which, and how does each of them end?
//
// A transaction is a section too: what is done beside it is not done in it.

import * as transactions from "durable:object/transactions@0.1.0";
import { storing } from "./errors.js";
import { inSection } from "./section.js";
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

  run(work) {
    return inSection(
      (alone) => this.#inSection(work, alone),
      () => ({ tag: "ok" }),
    );
  }

  async #inSection(work, alone) {
    const number = storing(() => transactions.begin(this.#open.at(-1) ?? null));
    const transaction = new DurableObjectTransaction(this.#storage, number);
    const section = beginSection();
    let isUndone = false;
    this.#open.push(number);
    try {
      const value = await work(transaction);
      await alone();
      isUndone = transaction.isRolledBack;
      end(transaction, number);
      return value;
    } catch (error) {
      isUndone = true;
      await alone();
      if (!transaction.isOver) {
        transaction.isOver = true;
        storing(() => transactions.rollback(number));
      }
      throw error;
    } finally {
      endSection(section, isUndone);
      this.#open.pop();
    }
  }
}

function end(transaction, number) {
  if (transaction.isOver) return;
  storing(() => (transaction.isRolledBack ? transactions.rollback(number) : transactions.commit(number)));
  transaction.isOver = true;
}

export class DurableObjectTransaction extends Entries {
  isRolledBack = false;
  isOver = false;
  #storage;

  constructor(storage) {
    super();
    this.#storage = storage;
  }

  rollback() {
    this.isRolledBack = true;
  }

  #usable(what) {
    if (this.isRolledBack) throw new Error(`Cannot ${what}() on rolled back transaction`);
    if (this.isOver) throw new Error(`Cannot call ${what}() on transaction that has already committed: did you move \`txn\` outside of the closure?`);
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
