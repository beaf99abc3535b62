// Which transaction lies in which, and when does each of them end?
//
// The closure of a transaction may itself begin one, which lies in it then. One that is begun
// beside another, in the same breath, waits until that one has ended. The host
// ends the innermost first, so an outer one that is done before waits.

import * as transactions from "durable:object/transactions@0.1.0";
import { storing } from "./errors.js";
import { enter } from "./gate.js";
import { Entries } from "./kv.js";
import { beginSection, endSection } from "./undone.js";

export class Transactions {
  #storage;
  #open = []; // from the outermost to the innermost
  #last = Promise.resolve(); // ends with the newest, and those that wait for it
  #isBreath = false; // whether what runs is still what began the newest one
  #running = []; // those whose closures are on the stack
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
    const outer = this.#running.at(-1);
    const isBeside = outer === undefined ? this.#isBreath : outer !== this.#open.at(-1);
    if (!isBeside) return this.#begin(work, (last) => (this.#last = last));
    const turn = this.#last.then(() => this.#begin(work, () => {}));
    this.#last = turn.catch(() => {});
    return turn;
  }

  // `begun` is told of its end once the closure has begun.
  async #begin(work, begun) {
    const outer = this.#open.at(-1);
    const number = storing(() => transactions.begin(outer?.number ?? null));
    const transaction = new DurableObjectTransaction(this.#storage, number);
    const own = { number, leave: enter(), isEnded: Promise.withResolvers() };
    const section = beginSection();
    let isUndone = false;
    this.#open.push(own);
    this.#isBreath = true;
    queueMicrotask(() => (this.#isBreath = false));
    try {
      const closure = this.#closure(own, () => work(transaction));
      begun(own.isEnded.promise);
      const value = await closure;
      await this.#innermost(own);
      isUndone = transaction.isRolledBack;
      end(transaction, number);
      return value;
    } catch (error) {
      isUndone = true;
      await this.#innermost(own);
      if (!transaction.isOver) {
        transaction.isOver = true;
        storing(() => transactions.rollback(number));
      }
      throw error;
    } finally {
      endSection(section, isUndone);
      this.#open.splice(this.#open.indexOf(own), 1);
      own.leave();
      own.isEnded.resolve();
    }
  }

  #closure(own, work) {
    this.#running.push(own);
    try {
      return work();
    } finally {
      this.#running.pop();
    }
  }

  // Waits until nothing lies in it any more.
  async #innermost(own) {
    while (this.#open.at(-1) !== own) await this.#open.at(-1).isEnded.promise;
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
