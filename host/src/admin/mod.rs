//! What a command asks of the server that uses its data directory.
//!
//! ```text
//! command ─ a line of JSON ─► <data>/abide.sock ─► the server acts ─ a line of JSON ─► command
//! ```
//!
//! Invariants:
//!
//! * Only who may use the data directory anyway reaches the socket: it is its owner's.
//! * A server without a socket serves all the same.

mod ask;
mod door;
mod socket;

use serde::{Deserialize, Serialize};

use crate::life::fork::{Forked, Wish};

pub use ask::ask;
pub use door::Door;

/// What a server may be asked. Each kind has its kind of answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    Fork(Wish),
}

/// What a server answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Forked(Forked),
    /// Why nothing was done, for the person at the terminal.
    Refused(String),
}
