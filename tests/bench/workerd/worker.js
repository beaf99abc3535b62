// The three classes of the benchmark for workerd; guest/src/lib.rs does the same work.
//
//   /echo/<name>                          no storage: "ok"
//   /counter/<name>/{sql,kv,get,born}     one write, one read, or the instance's age
//   /sqlread/<name>                       one of 10,000 rows by its primary key
import { DurableObject } from "cloudflare:workers";

// Cuts the path out of the URL; a URL object per request would be measured too.
const segments = (request) => {
  const url = request.url;
  return url.slice(url.indexOf("/", 8) + 1).split("/");
};

export default {
  async fetch(request, env) {
    const [className, name] = segments(request);
    const namespace = env[className];
    if (!namespace || !name) return new Response("not found", { status: 404 });
    return namespace.get(namespace.idFromName(name)).fetch(request);
  },
};

export class Echo extends DurableObject {
  fetch() {
    return new Response("ok");
  }
}

export class Counter extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.born = Date.now();
    this.sql = ctx.storage.sql;
    this.kv = ctx.storage.kv;
    this.ready = false;
  }

  // The table appears with the first use, so that an object merely touched writes nothing.
  prepare() {
    if (this.ready) return;
    this.sql.exec(
      "CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);" +
        "INSERT OR IGNORE INTO counter (id, n) VALUES (1, 0);",
    );
    this.ready = true;
  }

  fetch(request) {
    switch (segments(request)[2]) {
      case "sql": {
        this.prepare();
        const { n } = this.sql.exec("UPDATE counter SET n = n + 1 WHERE id = 1 RETURNING n").one();
        return new Response(String(n));
      }
      case "kv": {
        const n = (this.kv.get("n") ?? 0) + 1;
        this.kv.put("n", n);
        return new Response(String(n));
      }
      case "get": {
        this.prepare();
        const { n } = this.sql.exec("SELECT n FROM counter WHERE id = 1").one();
        return new Response(String(n));
      }
      case "born":
        return new Response(String(this.born));
    }
    return new Response("not found", { status: 404 });
  }
}

export class SqlRead extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.ready = false;
    this.k = 1;
  }

  prepare() {
    if (this.ready) return;
    this.sql.exec(
      "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL)",
    );
    if (this.sql.exec("SELECT count(*) AS c FROM rows").one().c === 0) {
      this.sql.exec(
        "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 10000) " +
          "INSERT INTO rows SELECT i, 'row-' || i || '-padding-padding-padding', i * 7 FROM s",
      );
    }
    this.ready = true;
  }

  fetch() {
    this.prepare();
    // A small generator picks another row each time.
    this.k = (this.k * 48271) % 2147483647;
    const id = (this.k % 10000) + 1;
    const row = this.sql.exec("SELECT id, name, v FROM rows WHERE id = ?", id).one();
    return new Response(row.name);
  }
}
