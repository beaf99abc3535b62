// A chat room. `/chat/ROOM` is a page to try it with; `/chat/ROOM/ws?name=NAME` is its
// WebSocket: what a client sends is said, and what it gets is JSON.
//
// What was said is in SQLite. Who is there is known by the sockets, which outlive the
// room's memory: a room in which nobody speaks costs nothing.

import { DurableObject } from "cloudflare:workers";
import page from "./page.html";

const HISTORY_MESSAGES_MAX = 50;
const NAME_CHARS_MAX = 40;
const TEXT_BYTES_MAX = 4000;

interface Env {
  CHAT: DurableObjectNamespace<Chat>;
}

type Said = {
  name: string;
  text: string;
  /** In milliseconds since 1970. */
  at: number;
};

/** What clients get. */
type Event =
  | { type: "history"; messages: Said[] }
  | ({ type: "message" } & Said)
  | { type: "presence"; names: string[] };

export class Chat extends DurableObject<Env> {
  private readonly sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(
      `CREATE TABLE IF NOT EXISTS said
       (id INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL)`,
    );
  }

  async fetch(request: Request): Promise<Response> {
    if (request.headers.get("upgrade") !== "websocket") {
      return new Response("this is the room's WebSocket", { status: 426 });
    }
    const name = new URL(request.url).searchParams.get("name")?.trim() ?? "";
    if (name === "" || [...name].length > NAME_CHARS_MAX) {
      return new Response("say who you are: ?name=NAME, up to 40 letters", { status: 400 });
    }
    const { 0: client, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket);
    socket.serializeAttachment(name);
    this.send(socket, { type: "history", messages: this.history() });
    this.tellWhoIsThere();
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket: WebSocket, message: string | ArrayBuffer) {
    if (typeof message !== "string") return socket.close(1003, "only text is said here");
    if (new TextEncoder().encode(message).length > TEXT_BYTES_MAX) return socket.close(1009, "that is too long");
    const said: Said = { name: nameOf(socket), text: message, at: Date.now() };
    this.sql.exec("INSERT INTO said (name, text, at) VALUES (?, ?, ?)", said.name, said.text, said.at);
    this.tellAll({ type: "message", ...said });
  }

  webSocketClose(socket: WebSocket) {
    socket.close(1000);
    this.tellWhoIsThere(socket);
  }

  private history(): Said[] {
    const newest = `SELECT name, text, at FROM
      (SELECT * FROM said ORDER BY id DESC LIMIT ?) ORDER BY id`;
    return this.sql.exec<Said>(newest, HISTORY_MESSAGES_MAX).toArray();
  }

  /** `leaving` is still listed, and there no more. */
  private tellWhoIsThere(leaving?: WebSocket) {
    const there = this.ctx.getWebSockets().filter((socket) => socket !== leaving);
    const names = [...new Set(there.map(nameOf))].sort();
    this.tellAll({ type: "presence", names }, leaving);
  }

  private tellAll(event: Event, but?: WebSocket) {
    for (const socket of this.ctx.getWebSockets()) {
      if (socket !== but) this.send(socket, event);
    }
  }

  private send(socket: WebSocket, event: Event) {
    try {
      socket.send(JSON.stringify(event));
    } catch {
      // Who is just leaving does not keep the others from hearing it.
    }
  }
}

function nameOf(socket: WebSocket): string {
  return socket.deserializeAttachment() ?? "";
}

// Every request comes here, and nobody reaches a room past it.
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [, chat, room, ...rest] = new URL(request.url).pathname.split("/");
    if (chat !== "chat" || !room) return new Response("name a room: /chat/ROOM\n", { status: 404 });
    const path = rest.join("/");
    if (path === "") return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (path !== "ws") return new Response("there is only the room\n", { status: 404 });
    return env.CHAT.getByName(room).fetch(request);
  },
};
