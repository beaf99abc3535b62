// What an agent keeps between its turns: what was said, a search in it, and what it has
// promised to do later. The answer is streamed; in place of a model, it says what it
// remembers.
//
//     curl -N -d 'Ada likes tea'  http://127.0.0.1:8787/NAME/say
//     curl    'http://127.0.0.1:8787/NAME/search?for=tea'
//     curl -d '{"in_seconds": 5, "text": "drink it"}' http://127.0.0.1:8787/NAME/later
//     curl    http://127.0.0.1:8787/NAME

import { DurableObject } from "cloudflare:workers";

const WORD_MS = 30;
const FOUND_MAX = 5;

interface Env {
  AGENT: DurableObjectNamespace<Agent>;
}

type Message = { role: "user" | "agent" | "reminder"; text: string; at: number };

export class Agent extends DurableObject<Env> {
  private readonly sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(`
      CREATE TABLE IF NOT EXISTS messages
        (id INTEGER PRIMARY KEY, role TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL);
      CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content='messages', content_rowid='id');
      CREATE TRIGGER IF NOT EXISTS said AFTER INSERT ON messages BEGIN
        INSERT INTO words (rowid, text) VALUES (new.id, new.text);
      END;
      CREATE TABLE IF NOT EXISTS plans (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, text TEXT NOT NULL);
    `);
  }

  messages(): Message[] {
    return this.sql.exec<Message>("SELECT role, text, at FROM messages ORDER BY id").toArray();
  }

  /** The messages with these words, the best first. */
  search(words: string): Message[] {
    // Each word by itself, and none is taken for a command of FTS5.
    const quoted = words.match(/[\p{L}\p{N}]+/gu)?.map((word) => `"${word}"`);
    if (quoted === undefined) return [];
    const found = `SELECT role, messages.text, at FROM words JOIN messages ON messages.id = words.rowid
      WHERE words MATCH ? ORDER BY rank LIMIT ?`;
    return this.sql.exec<Message>(found, quoted.join(" OR "), FOUND_MAX).toArray();
  }

  /** Takes a message, and answers word by word. */
  say(text: string): ReadableStream<Uint8Array> {
    const known = this.search(text);
    this.keep("user", text);
    const answer =
      known.length === 0
        ? "I have heard nothing of that before."
        : `I remember: ${known.map((message) => message.text).join("; ")}.`;
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    this.ctx.waitUntil(this.speak(answer, writable));
    return readable;
  }

  private async speak(answer: string, writable: WritableStream<Uint8Array>) {
    const [writer, encoder] = [writable.getWriter(), new TextEncoder()];
    try {
      for (const word of answer.split(/(?<= )/)) {
        await writer.write(encoder.encode(word));
        await scheduler.wait(WORD_MS);
      }
      await writer.write(encoder.encode("\n"));
      await writer.close();
    } catch {
      // Nobody listens any more; what was said stays said.
    }
    this.keep("agent", answer);
  }

  async later(inSeconds: number, text: string): Promise<number> {
    const at = Date.now() + inSeconds * 1000;
    this.sql.exec("INSERT INTO plans (at, text) VALUES (?, ?)", at, text);
    await this.wakeForTheNext();
    return at;
  }

  /** One alarm for all plans: the earliest. */
  async alarm() {
    const due = this.sql.exec<{ id: number; text: string }>("SELECT id, text FROM plans WHERE at <= ?", Date.now());
    for (const { id, text } of due.toArray()) {
      this.keep("reminder", text);
      this.sql.exec("DELETE FROM plans WHERE id = ?", id);
    }
    await this.wakeForTheNext();
  }

  private async wakeForTheNext() {
    const { at } = this.sql.exec<{ at: number | null }>("SELECT min(at) AS at FROM plans").one();
    if (at !== null) await this.ctx.storage.setAlarm(at);
  }

  private keep(role: Message["role"], text: string) {
    this.sql.exec("INSERT INTO messages (role, text, at) VALUES (?, ?, ?)", role, text, Date.now());
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const [, name, what = ""] = url.pathname.split("/");
    if (!name) return new Response("name an agent: /NAME\n", { status: 404 });
    const agent = env.AGENT.getByName(name);
    switch (`${request.method} ${what}`) {
      case "GET ":
        return Response.json(await agent.messages());
      case "GET search":
        return Response.json(await agent.search(url.searchParams.get("for") ?? ""));
      case "POST say":
        return new Response(await agent.say(await request.text()), { headers: { "content-type": "text/plain" } });
      case "POST later": {
        const { in_seconds, text } = await request.json<{ in_seconds: number; text: string }>();
        if (!(in_seconds >= 0) || typeof text !== "string") return new Response("{ in_seconds, text }\n", { status: 400 });
        return Response.json({ at: await agent.later(in_seconds, text) });
      }
    }
    return new Response("GET /NAME, GET /NAME/search?for=…, POST /NAME/say, POST /NAME/later\n", { status: 404 });
  },
};
