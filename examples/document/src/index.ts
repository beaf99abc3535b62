// A text that several people edit at once. `/NAME` is a page with the document NAME;
// `/NAME/ws` is its WebSocket, on which both sides send updates of Yjs.
//
// Each update is a row in SQLite, and becomes part of one when there are many: a
// document wakes with what everybody has seen, and no message was lost on the way.

import { DurableObject } from "cloudflare:workers";
import * as Y from "yjs";

const ROWS_MAX = 200;
const UPDATE_BYTES_MAX = 1_000_000;

interface Env {
  DOCUMENT: DurableObjectNamespace<Document>;
}

export class Document extends DurableObject<Env> {
  private readonly doc = new Y.Doc();
  private readonly sql: SqlStorage;
  private rows = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec("CREATE TABLE IF NOT EXISTS updates (id INTEGER PRIMARY KEY, content BLOB NOT NULL)");
    for (const { content } of this.sql.exec<{ content: ArrayBuffer }>("SELECT content FROM updates ORDER BY id")) {
      Y.applyUpdate(this.doc, new Uint8Array(content));
      this.rows += 1;
    }
  }

  async fetch(request: Request): Promise<Response> {
    if (request.headers.get("upgrade") !== "websocket") {
      return new Response(this.doc.getText("text").toString());
    }
    const { 0: client, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket);
    socket.send(Y.encodeStateAsUpdate(this.doc));
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket: WebSocket, message: string | ArrayBuffer) {
    if (typeof message === "string") return socket.close(1003, "only updates of Yjs are read here");
    if (message.byteLength > UPDATE_BYTES_MAX) return socket.close(1009, "that is too much at once");
    const update = new Uint8Array(message);
    try {
      Y.applyUpdate(this.doc, update);
    } catch {
      return socket.close(1007, "that is no update of Yjs");
    }
    this.keep(update);
    for (const other of this.ctx.getWebSockets()) if (other !== socket) other.send(update);
  }

  webSocketClose(socket: WebSocket) {
    socket.close(1000);
  }

  private keep(update: Uint8Array) {
    this.rows += 1;
    if (this.rows > ROWS_MAX) {
      this.sql.exec("DELETE FROM updates");
      update = Y.encodeStateAsUpdate(this.doc);
      this.rows = 1;
    }
    this.sql.exec("INSERT INTO updates (content) VALUES (?)", update);
  }
}

// Every request comes here that no file of the page answers.
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [, name, path] = new URL(request.url).pathname.split("/");
    if (!name) return new Response("name a document: /NAME\n", { status: 404 });
    if (path !== undefined && path !== "ws") return new Response("there is only the document\n", { status: 404 });
    return env.DOCUMENT.getByName(name).fetch(request);
  },
};
