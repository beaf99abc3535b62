// partyserver, with hibernation and without.

import { type Connection, Server, type WSMessage } from "partyserver";

class Room extends Server {
  onStart() {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS said (text TEXT)");
  }

  onConnect(connection: Connection) {
    const said = this.ctx.storage.sql.exec<{ text: string }>("SELECT text FROM said").toArray();
    connection.send(JSON.stringify({ room: this.name, said: said.map((row) => row.text) }));
  }

  onMessage(connection: Connection, message: WSMessage) {
    this.ctx.storage.sql.exec("INSERT INTO said VALUES (?)", String(message));
    this.broadcast(JSON.stringify({ from: connection.id, text: String(message) }), [connection.id]);
  }

  onClose(connection: Connection) {
    this.broadcast(JSON.stringify({ left: connection.id }), [connection.id]);
  }

  onRequest() {
    return Response.json({ there: [...this.getConnections()].map((connection) => connection.id) });
  }
}

export class Chat extends Room {
  static options = { hibernate: true };
}

export class Lounge extends Room {
  static options = { hibernate: false };
}
