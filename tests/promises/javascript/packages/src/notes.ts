// drizzle-orm with its migrator, which rebuilds a table that another refers to.

import { DurableObject } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { type DrizzleSqliteDODatabase, drizzle } from "drizzle-orm/durable-sqlite";
import { migrate } from "drizzle-orm/durable-sqlite/migrator";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import migrations from "../drizzle/migrations";

const authors = sqliteTable("authors", {
  id: integer().primaryKey({ autoIncrement: true }),
  name: text().notNull().unique(),
});
const notes = sqliteTable("notes", {
  id: integer().primaryKey({ autoIncrement: true }),
  author: integer()
    .notNull()
    .references(() => authors.id),
  text: text().notNull(),
});

export class Notes extends DurableObject {
  private readonly db: DrizzleSqliteDODatabase;

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env);
    this.db = drizzle(ctx.storage, { logger: false });
    ctx.blockConcurrencyWhile(() => migrate(this.db, migrations));
  }

  async add({ author, text }: { author: string; text: string }) {
    return this.db.transaction((tx) => {
      tx.insert(authors).values({ name: author }).onConflictDoNothing().run();
      const [{ id }] = tx.select({ id: authors.id }).from(authors).where(eq(authors.name, author)).all();
      return tx.insert(notes).values({ author: id, text }).returning().all();
    });
  }

  async all() {
    return this.db
      .select({ author: authors.name, text: notes.text })
      .from(notes)
      .innerJoin(authors, eq(notes.author, authors.id))
      .orderBy(notes.id);
  }
}
