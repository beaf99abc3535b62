// What of an object's data has the shape of Cloudflare's `ctx.storage`?

import * as storage from "durable:object/storage@0.1.0";
import { valueOf } from "./event.js";
import { storageError, storing } from "./errors.js";
import { Entries, SyncKv } from "./kv.js";
import { cancelCursors, Sql } from "./sql.js";
import { Transactions } from "./transaction.js";
import { withoutCopies } from "../platform/install.js";

const NO_SQL =
  "SQL is not enabled for this Durable Object class. To enable it, set the new_sqlite_classes migration in your Worker's configuration.";

export class DurableObjectStorage extends Entries {
  #transactions = new Transactions(this);
  #sql = new Sql();
  #kv = new SyncKv();
  #object;

  // `object` says what the class has.
  constructor(object) {
    super();
    this.#object = object;
  }

  get sql() {
    this.#needSql();
    return this.#sql;
  }

  get kv() {
    this.#needSql();
    return this.#kv;
  }

  #needSql() {
    if (!this.#object.hasSql) throw new Error(NO_SQL);
  }

  transaction(work) {
    return this.#transactions.run(work);
  }

  transactionSync(work) {
    this.#needSql();
    return this.#transactions.runSync(work);
  }

  async setAlarm(time) {
    if (!this.#object.hasAlarm) {
      throw new Error("Your Durable Object class must have an alarm() handler in order to call setAlarm()");
    }
    return super.setAlarm(time);
  }

  async deleteAll() {
    if (this.#transactions.isOpen) throw new Error("Cannot call deleteAll() within a transaction");
    storing(() => storage.deleteAll());
    cancelCursors();
  }

  async sync() {
    const synced = await valueOf(storage.sync());
    if (synced.tag === "err") throw storageError(synced.val);
  }

  async getCurrentBookmark() {
    throw noRecovery();
  }

  async getBookmarkForTime() {
    throw noRecovery();
  }

  async onNextSessionRestoreBookmark() {
    throw noRecovery();
  }
}

const noRecovery = () => new Error("This server has no point-in-time recovery.");

withoutCopies({ DurableObjectStorage });
