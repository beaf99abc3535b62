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

export class Chat extends DurableObject {
  #sql;

  constructor(ctx, env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#sql.exec(
      `CREATE TABLE IF NOT EXISTS said
       (id INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL)`,
    );
  }

  async fetch(request) {
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
    this.#send(socket, { type: "history", messages: this.#history() });
    this.#tellWhoIsThere();
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket, message) {
    if (typeof message !== "string") return socket.close(1003, "only text is said here");
    if (new TextEncoder().encode(message).length > TEXT_BYTES_MAX) return socket.close(1009, "that is too long");
    const said = { name: nameOf(socket), text: message, at: Date.now() };
    this.#sql.exec("INSERT INTO said (name, text, at) VALUES (?, ?, ?)", said.name, said.text, said.at);
    this.#tellAll({ type: "message", ...said });
  }

  webSocketClose(socket) {
    socket.close(1000);
    this.#tellWhoIsThere(socket);
  }

  #history() {
    const newest = `SELECT name, text, at FROM
      (SELECT * FROM said ORDER BY id DESC LIMIT ?) ORDER BY id`;
    return this.#sql.exec(newest, HISTORY_MESSAGES_MAX).toArray();
  }

  // `leaving` is still listed, and there no more.
  #tellWhoIsThere(leaving) {
    const there = this.ctx.getWebSockets().filter((socket) => socket !== leaving);
    const names = [...new Set(there.map(nameOf))].sort();
    this.#tellAll({ type: "presence", names }, leaving);
  }

  #tellAll(event, but) {
    for (const socket of this.ctx.getWebSockets()) {
      if (socket !== but) this.#send(socket, event);
    }
  }

  #send(socket, event) {
    try {
      socket.send(JSON.stringify(event));
    } catch {
      // Who is just leaving does not keep the others from hearing it.
    }
  }
}

function nameOf(socket) {
  return socket.deserializeAttachment() ?? "";
}

// Every request comes here, and nobody reaches a room past it.
export default {
  async fetch(request, env) {
    const [, chat, room, ...rest] = new URL(request.url).pathname.split("/");
    if (chat !== "chat" || !room) return new Response("name a room: /chat/ROOM\n", { status: 404 });
    const path = rest.join("/");
    if (path === "") return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (path !== "ws") return new Response("there is only the room\n", { status: 404 });
    return env.CHAT.getByName(room).fetch(request);
  },
};
