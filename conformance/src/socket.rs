//! A client's end of a WebSocket: what it does and what it sees.

use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

use crate::case::SocketAct;
use crate::expression::{Names, on_the_wire};
use crate::pattern::{Numbers, matches};
use crate::run::shortened;

/// What a frame without a code stands for.
const NO_CODE: u16 = 1005;

/// A Close would have been answered by then.
const UNANSWERED: Duration = Duration::from_millis(500);

pub struct Socket(WebSocket<TcpStream>);

impl Socket {
    pub fn new(socket: WebSocket<TcpStream>) -> Socket {
        Socket(socket)
    }

    /// Does, or sees, what is said. An error says what was seen instead.
    pub fn act(&mut self, what: &SocketAct, names: &mut Names, numbers: Numbers) -> Result<()> {
        match what {
            SocketAct::Sends(value) => {
                let message = message(names.expand(value)?)?;
                // Whoever is closed meanwhile sees that where it looks next.
                let _ = self.0.send(message);
            }
            SocketAct::Receives(pattern) => {
                let got = match self.next()? {
                    Seen::Message(message) => message,
                    other => bail!("it {}", other.shown()),
                };
                if !matches(pattern, &seen_as(pattern, &got), names, numbers)? {
                    bail!("it received {}", shown(&got));
                }
            }
            SocketAct::Closes { code, reason } => {
                let frame = code.map(|code| CloseFrame {
                    code: code.into(),
                    reason: reason.as_str().into(),
                });
                self.0.close(frame).context("cannot close")?;
                self.0.flush().context("cannot close")?;
            }
            SocketAct::IsClosed { code, reason } => match self.next()? {
                Seen::Close(got, why) if got == *code && reason.matches(&why) => {}
                other => bail!("it {}", other.shown()),
            },
            SocketAct::Drops => self.0.get_ref().shutdown(Shutdown::Both)?,
            SocketAct::IsDropped => match self.next()? {
                Seen::End => {}
                other => bail!("it {}", other.shown()),
            },
            SocketAct::IsUnanswered => {
                let deadline = self.0.get_ref().read_timeout()?;
                self.0.get_ref().set_read_timeout(Some(UNANSWERED))?;
                let seen = self.next();
                self.0.get_ref().set_read_timeout(deadline)?;
                match seen? {
                    Seen::Nothing | Seen::End => {}
                    other => bail!("it {}", other.shown()),
                }
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Seen> {
        loop {
            return Ok(match self.0.read() {
                Ok(Message::Text(text)) => Seen::Message(json!(text.as_str())),
                Ok(Message::Binary(bytes)) => {
                    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    Seen::Message(json!({ "blob": digits }))
                }
                Ok(Message::Close(Some(frame))) => {
                    Seen::Close(frame.code.into(), frame.reason.as_str().into())
                }
                Ok(Message::Close(None)) => Seen::Close(NO_CODE, String::new()),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                Err(tungstenite::Error::Io(error)) if is_late(&error) => Seen::Nothing,
                Err(_) => Seen::End,
            });
        }
    }
}

/// What comes to a client.
enum Seen {
    Message(Value),
    Close(u16, String),
    End,
    /// Nothing came for as long as it waits.
    Nothing,
}

impl Seen {
    fn shown(&self) -> String {
        match self {
            Seen::Message(message) => format!("received {}", shown(message)),
            Seen::Close(code, reason) => format!("was closed with {code} {reason:?}"),
            Seen::End => "was dropped".into(),
            Seen::Nothing => "saw nothing for too long".into(),
        }
    }
}

fn is_late(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

/// What is sent to an object. Steps travel as text.
pub fn message(value: Value) -> Result<Message> {
    Ok(match on_the_wire(value) {
        Value::String(text) => Message::text(text),
        steps @ Value::Array(_) => Message::text(steps.to_string()),
        value => match value.get("blob").and_then(Value::as_str) {
            Some(digits) => Message::binary(bytes(digits)?),
            None => bail!("{value} is no message"),
        },
    })
}

fn bytes(digits: &str) -> Result<Vec<u8>> {
    let pairs = (0..digits.len()).step_by(2);
    let byte = |at: usize| {
        digits
            .get(at..at + 2)
            .and_then(|it| u8::from_str_radix(it, 16).ok())
    };
    let bytes: Option<_> = pairs.map(byte).collect();
    bytes.with_context(|| format!("{digits:?} are no hexadecimal digits"))
}

/// Where results are expected, a text is read as such.
pub fn seen_as(pattern: &Value, got: &Value) -> Value {
    let results = match (pattern, got) {
        (Value::Array(_), Value::String(text)) => serde_json::from_str(text).ok(),
        _ => None,
    };
    results.unwrap_or_else(|| got.clone())
}

fn shown(value: &Value) -> String {
    shortened(&value.to_string())
}
