//! WebSockets as an object has them: what the host keeps of them while the object
//! comes and goes.
//!
//! ```text
//! object ─ outlet ─► Speaker ─► queue of the other end ─ next() ─► connection, or Relay
//! connection, or Relay ─ bring() ─► Sockets ─► mailbox ─► object, woken if it sleeps
//! ```
//!
//! A socket is a **line** with two ends. Each end belongs to an object, which has an
//! entry in its `Sockets`, or to whoever holds the connection to a peer outside. As
//! long as nobody has accepted an end, it can be passed on with a request.
//!
//! Invariants:
//!
//! * Nothing of a socket lies in an instance or in the task of its object.
//! * What arrives on one socket reaches the object in order, and its end last.
//! * Every end of a socket reaches the object, or the socket was dropped by it.
//! * What waits for either side is bounded.

mod bounds;
pub mod event;
pub mod line;
mod relay;
pub mod rules;
pub mod sockets;
mod table;

/// What goes through a socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    Text(String),
    Binary(Vec<u8>),
}

/// One side has nothing more to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Close {
    pub code: Option<u16>,
    pub reason: String,
}

/// How a socket came to its end, as its object is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    Closed {
        code: u16,
        reason: String,
        was_clean: bool,
    },
    Failed {
        message: String,
    },
}

/// What a peer is told to come back for.
pub const RESTART: u16 = 1012;
/// What a peer is told that does not take what it is sent, or sends too much.
pub const TRY_LATER: u16 = 1013;

const NO_CODE: u16 = 1005;
const DROPPED: u16 = 1006;
const WITHOUT_CLOSE: &str = "WebSocket disconnected without sending Close frame.";

impl Message {
    pub fn bytes(&self) -> usize {
        match self {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
        }
    }
}

impl Ending {
    /// The peer has sent its Close.
    pub fn by_peer(close: Close) -> Ending {
        Ending::Closed {
            code: close.code.unwrap_or(NO_CODE),
            reason: close.reason,
            was_clean: true,
        }
    }

    /// The connection is gone.
    pub fn dropped() -> Ending {
        Ending::unclean(DROPPED, WITHOUT_CLOSE)
    }

    /// The host has ended the socket.
    pub fn unclean(code: u16, reason: &str) -> Ending {
        Ending::Closed {
            code,
            reason: reason.into(),
            was_clean: false,
        }
    }
}
