// kysely, with a dialect over the storage of the object.

import { DurableObject } from "cloudflare:workers";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from "kysely";

interface Database {
  entries: { id?: number; account: string; amount: number };
}

class Connection implements DatabaseConnection {
  constructor(private readonly sql: SqlStorage) {}

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const cursor = this.sql.exec(sql, ...(parameters as SqlStorageValue[]));
    const rows = cursor.toArray() as R[];
    return { rows, numAffectedRows: BigInt(cursor.rowsWritten) };
  }

  async *streamQuery<R>({ sql, parameters }: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    for (const row of this.sql.exec(sql, ...(parameters as SqlStorageValue[]))) yield { rows: [row as R] };
  }
}

class StorageDriver implements Driver {
  constructor(private readonly sql: SqlStorage) {}
  async init() {}
  async acquireConnection() {
    return new Connection(this.sql);
  }
  async beginTransaction() {
    throw new Error("use storage.transaction()");
  }
  async commitTransaction() {}
  async rollbackTransaction() {}
  async releaseConnection() {}
  async destroy() {}
}

export class Ledger extends DurableObject {
  private readonly db = new Kysely<Database>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new StorageDriver(this.ctx.storage.sql),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => {
      await this.db.schema
        .createTable("entries")
        .ifNotExists()
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("account", "text", (column) => column.notNull())
        .addColumn("amount", "integer", (column) => column.notNull())
        .execute();
    });
  }

  async book(entries: { account: string; amount: number }[]) {
    await this.db.insertInto("entries").values(entries).execute();
    const sums = await this.db
      .selectFrom("entries")
      .select(["account", sql<number>`sum(amount)`.as("sum")])
      .groupBy("account")
      .orderBy("account")
      .execute();
    const streamed: number[] = [];
    for await (const { amount } of this.db.selectFrom("entries").select("amount").orderBy("id").stream()) streamed.push(amount);
    return { sums, streamed, tables: (await this.db.introspection.getTables()).map((table) => table.name) };
  }
}
