//! A chat room. What begins with `@` goes back to who sent it, anything else to
//! everybody; what begins with `!` is written down before.

use std::time::{SystemTime, UNIX_EPOCH};

use durable_object::http::StatusCode;
use durable_object::{
    Close, DurableObject, Message, Request, RequestExt, Response, Result, State, WebSocket,
    WebSocketHandler, response,
};

pub struct Room {
    state: State,
    born_ms: u128,
}

impl DurableObject for Room {
    async fn new(state: State) -> Result<Self> {
        let born_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        Ok(Room { state, born_ms })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        if request.subpath() == "born" {
            return Ok(response::text(self.born_ms.to_string()));
        }
        self.state.websockets().accept(&request, [""; 0])?;
        Ok(response::status(StatusCode::SWITCHING_PROTOCOLS))
    }
}

impl WebSocketHandler for Room {
    async fn message(&self, socket: WebSocket, message: Message) -> Result<()> {
        let Message::Text(text) = message else {
            return Ok(());
        };
        if text.starts_with('@') {
            return socket.send(text);
        }
        if text.starts_with('!') {
            let sql = self.state.storage().sql();
            sql.exec("CREATE TABLE IF NOT EXISTS said (text TEXT NOT NULL)", ())?;
            sql.exec("INSERT INTO said VALUES (?)", (&text,))?;
        }
        for other in self.state.websockets().all()? {
            other.send(text.clone())?;
        }
        Ok(())
    }

    async fn close(&self, socket: WebSocket, _: Close) -> Result<()> {
        socket.close(1000, "")
    }
}
