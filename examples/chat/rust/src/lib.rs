//! A chat room. `/chat/ROOM` is a page to try it with; `/chat/ROOM/ws?name=NAME` is its
//! WebSocket: what a client sends is said, and what it gets is JSON.
//!
//! What was said is in SQLite. Who is there is known by the sockets, which outlive the
//! room's memory: a room in which nobody speaks costs nothing.

use durable_object::http::StatusCode;
use durable_object::{
    Close, DurableObject, Error, FromRow, Message, Request, RequestExt, Response, Result, State,
    WebSocket, WebSocketHandler, now, response,
};
use serde::Serialize;
use std::time::UNIX_EPOCH;

const HISTORY_MESSAGES_MAX: i64 = 50;
const NAME_CHARS_MAX: usize = 40;
const TEXT_BYTES_MAX: usize = 4000;

struct Chat {
    state: State,
}

#[derive(FromRow, Serialize)]
struct Said {
    name: String,
    text: String,
    /// In milliseconds since 1970.
    at: i64,
}

/// What clients get.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event {
    History { messages: Vec<Said> },
    Message(Said),
    Presence { names: Vec<String> },
}

impl DurableObject for Chat {
    async fn new(state: State) -> Result<Self> {
        let create = "CREATE TABLE IF NOT EXISTS said
             (id INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL)";
        state.storage().sql().exec(create, ())?;
        Ok(Chat { state })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        match request.subpath() {
            "" => Ok(response::html(include_str!("page.html"))),
            "ws" => self.join(&request),
            _ => Err(Error::status(
                StatusCode::NOT_FOUND,
                "there is only the room",
            )),
        }
    }
}

impl WebSocketHandler for Chat {
    async fn message(&self, socket: WebSocket, message: Message) -> Result<()> {
        match message {
            Message::Text(text) if text.len() <= TEXT_BYTES_MAX => self.say(socket, text),
            Message::Text(_) => socket.close(1009, "that is too long"),
            Message::Binary(_) => socket.close(1003, "only text is said here"),
        }
    }

    async fn close(&self, socket: WebSocket, _: Close) -> Result<()> {
        socket.close(1000, "")?;
        self.tell_who_is_there(Some(socket))
    }
}

impl Chat {
    fn join(&self, request: &Request) -> Result<Response> {
        let name = request.query("name").unwrap_or_default();
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
            let message = "say who you are: ?name=NAME, up to 40 letters";
            return Err(Error::status(StatusCode::BAD_REQUEST, message));
        }
        let socket = self.state.websockets().accept(request, [""; 0])?;
        socket.set_attachment_as(name)?;
        send(
            socket,
            &Event::History {
                messages: self.history()?,
            },
        )?;
        self.tell_who_is_there(None)?;
        Ok(response::status(StatusCode::SWITCHING_PROTOCOLS))
    }

    fn history(&self) -> Result<Vec<Said>> {
        let newest = "SELECT name, text, at FROM
             (SELECT * FROM said ORDER BY id DESC LIMIT ?) ORDER BY id";
        self.state
            .storage()
            .sql()
            .query(newest, (HISTORY_MESSAGES_MAX,))
    }

    fn say(&self, socket: WebSocket, text: String) -> Result<()> {
        let said = Said {
            name: name_of(socket),
            text,
            at: now().duration_since(UNIX_EPOCH)?.as_millis() as i64,
        };
        let insert = "INSERT INTO said (name, text, at) VALUES (?, ?, ?)";
        let row = (&said.name, &said.text, said.at);
        self.state.storage().sql().exec(insert, row)?;
        self.tell_all(&Event::Message(said), None)
    }

    /// `leaving` is still listed, and there no more.
    fn tell_who_is_there(&self, leaving: Option<WebSocket>) -> Result<()> {
        let sockets = self.state.websockets().all()?;
        let there = sockets
            .into_iter()
            .filter(|socket| Some(*socket) != leaving);
        let mut names: Vec<String> = there.map(name_of).collect();
        names.sort();
        names.dedup();
        self.tell_all(&Event::Presence { names }, leaving)
    }

    fn tell_all(&self, event: &Event, but: Option<WebSocket>) -> Result<()> {
        for socket in self.state.websockets().all()? {
            if Some(socket) != but {
                // Who is just leaving does not keep the others from hearing it.
                let _ = send(socket, event);
            }
        }
        Ok(())
    }
}

fn name_of(socket: WebSocket) -> String {
    socket.attachment_as().ok().flatten().unwrap_or_default()
}

fn send(socket: WebSocket, event: &Event) -> Result<()> {
    socket.send(serde_json::to_string(event)?)
}

durable_object::export!(Chat: WebSocketHandler);

#[cfg(test)]
mod tests {
    use super::*;
    use durable_object::testing::{Client, World};
    use serde_json::{Value, json};

    async fn heard(client: &mut Client) -> Value {
        match client.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    fn check(test: impl AsyncFnOnce(&World) -> Result<()>) {
        let world = World::new().class::<Chat>("chat", |object| object.web_sockets());
        world.run(test).unwrap();
    }

    #[test]
    fn everybody_hears_what_is_said_and_who_is_there() {
        check(async |world| {
            let room = world.named("chat", "kitchen");
            let mut ada = room.connect("ws?name=ada").await?;
            assert_eq!(
                heard(&mut ada).await,
                json!({"type": "history", "messages": []})
            );
            assert_eq!(
                heard(&mut ada).await,
                json!({"type": "presence", "names": ["ada"]})
            );
            ada.send("hello")?;
            let message = heard(&mut ada).await;
            assert_eq!(
                (&message["type"], &message["text"]),
                (&json!("message"), &json!("hello"))
            );

            room.restart();
            let mut bob = room.connect("ws?name=bob").await?;
            assert_eq!(heard(&mut bob).await["messages"][0]["name"], "ada");
            assert_eq!(heard(&mut ada).await["names"], json!(["ada", "bob"]));
            bob.vanish()?;
            assert_eq!(heard(&mut ada).await["names"], json!(["ada"]));
            Ok(())
        });
    }

    #[test]
    fn who_says_nothing_of_himself_is_not_let_in() {
        check(async |world| {
            let room = world.named("chat", "kitchen");
            for path in ["ws", "ws?name=", "ws?name=%20"] {
                let refused = room.connect(path).await.unwrap_err();
                assert_eq!(refused.http_status(), Some(StatusCode::BAD_REQUEST));
            }
            Ok(())
        });
    }
}
