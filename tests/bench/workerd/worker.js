// The classes of the benchmark for workerd, and for Abide with `--language javascript`;
// guest/src/lib.rs does the same work.
//
//   /echo/<name>                          no storage: "ok"
//   /counter/<name>/{sql,kv,get,born}     one write, one read, or the instance's age
//   /sqlread/<name>                       one of 10,000 rows by its primary key
//   /greedy/<name>/{sql,spin,log}         a slow statement, a long loop, or many lines in the log
//   /room/<name>[/born]                   a WebSocket; "@…" goes back, anything else to all, "!…" is written before
//   /bell/<name>/{at/<ms>,within}         an alarm, and within how many milliseconds it rang
//   /caller/<name>                        asks an echo 100 times, one after the other
//   /json/<name>                          100 KB of JSON read, changed and written
//   /sort/<name>                          10,000 numbers sorted
//   /forgetful/<name>/…                   a counter that Abide puts to sleep without its memory
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

export class Forgetful extends Counter {}

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

export class Greedy extends DurableObject {
  fetch(request) {
    switch (segments(request)[2]) {
      case "sql": {
        const { n } = this.ctx.storage.sql
          .exec(
            "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 500000) " +
              "SELECT count(*) AS n FROM s",
          )
          .one();
        return new Response(String(n));
      }
      case "spin": {
        let x = 1;
        for (let i = 1; i <= 30000000; i++) x = (x ^ i) | 1;
        return new Response(String(x));
      }
      case "log": {
        for (let n = 1; n <= 1000; n++) {
          console.log(`line ${n} of an object that logs more than anybody wants to read`);
        }
        return new Response("1000");
      }
    }
    return new Response("not found", { status: 404 });
  }
}

export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.born = Date.now();
  }

  fetch(request) {
    if (segments(request)[2] === "born") return new Response(String(this.born));
    const { 0: theirs, 1: ours } = new WebSocketPair();
    this.ctx.acceptWebSocket(ours);
    return new Response(null, { status: 101, webSocket: theirs });
  }

  webSocketMessage(socket, text) {
    if (text[0] === "@") return socket.send(text);
    if (text[0] === "!") {
      const sql = this.ctx.storage.sql;
      sql.exec("CREATE TABLE IF NOT EXISTS said (text TEXT NOT NULL)");
      sql.exec("INSERT INTO said VALUES (?)", text);
    }
    for (const other of this.ctx.getWebSockets()) other.send(text);
  }

  webSocketClose(socket) {
    socket.close(1000);
  }
}

export class Bell extends DurableObject {
  async fetch(request) {
    const [, , action, at] = segments(request);
    if (action === "at") {
      await this.ctx.storage.setAlarm(Number(at));
      return new Response("ok");
    }
    if (this.within === undefined) throw new Error("it has not rung");
    return new Response(String(this.within));
  }

  alarm(info) {
    this.within = Math.max(0, Date.now() - Number(info.scheduledTime)) + 1;
  }
}

export class Caller extends DurableObject {
  async fetch() {
    const echo = this.env.echo.get(this.env.echo.idFromName("called"));
    for (let n = 0; n < 100; n++) await (await echo.fetch("http://echo/")).text();
    return new Response("ok");
  }
}

export class Json extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    const items = Array.from({ length: 1000 }, (_, id) => ({
      id,
      name: `item ${id}`,
      price: id * 7,
      tags: ["new", "blue"],
      note: "what somebody wrote about it",
    }));
    this.text = JSON.stringify(items);
  }

  fetch() {
    const items = JSON.parse(this.text);
    for (const item of items) item.price += 1;
    return new Response(String(JSON.stringify(items).length));
  }
}

export class Sort extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    let k = 1;
    this.numbers = Array.from({ length: 10000 }, () => (k = (k * 48271) % 2147483647));
  }

  fetch() {
    const sorted = this.numbers.toSorted((a, b) => a - b);
    return new Response(String(sorted[5000]));
  }
}
