//! What is a case?

use serde_json::Value;

use crate::pattern::TextPattern;

/// A promise and what is done to prove it.
#[derive(Debug)]
pub struct Case {
    /// The name of its file.
    pub topic: String,
    pub promise: String,
    pub line: usize,
    /// What the host must be capable of beyond the common ground.
    pub needs: Vec<String>,
    /// Takes 30 seconds or more, because the promise is about such a time.
    pub is_slow: bool,
    pub acts: Vec<Act>,
}

impl Case {
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.acts.iter().filter_map(|act| match act {
            Act::Event(event) => Some(event),
            Act::OnSocket(_) => None,
        })
    }
}

/// What a client does, or sees.
#[derive(Debug)]
pub enum Act {
    Event(Event),
    OnSocket(OnSocket),
}

/// What a client does with an open WebSocket, or what it must see there.
#[derive(Debug)]
pub struct OnSocket {
    pub line: usize,
    /// As written, for reports.
    pub text: String,
    /// The label of the event that opened it.
    pub socket: String,
    pub what: SocketAct,
}

#[derive(Debug)]
pub enum SocketAct {
    /// A text, bytes, or steps that the probe runs.
    Sends(Value),
    /// The next message: a text, bytes, or the results of steps.
    Receives(Value),
    /// Without a code the frame is empty.
    Closes { code: Option<u16>, reason: String },
    /// The next thing is a Close with this code, 1005 for none, and reason.
    IsClosed { code: u16, reason: TextPattern },
    /// Cuts the connection.
    Drops,
    /// The connection ends without a Close.
    IsDropped,
    /// No Close comes back: the connection ends without one, or stands still.
    IsUnanswered,
}

/// One request to one object.
#[derive(Debug)]
pub struct Event {
    pub line: usize,
    pub class: String,
    pub target: Target,
    /// How many such events are sent at once.
    pub times: usize,
    /// It is sent when all events before it are answered.
    pub is_after_all: bool,
    /// How long to wait before it is sent.
    pub delay_ms: u64,
    /// The next event does not wait for the answer of this one.
    pub in_background: bool,
    /// It asks for a WebSocket, which gets this label.
    pub socket: Option<String>,
    pub steps: Vec<Step>,
    pub ending: Ending,
}

/// Which object is meant.
#[derive(Clone, Debug)]
pub enum Target {
    /// An object that this case alone uses.
    Label(String),
    /// An expression for the name.
    Name(Value),
    /// An expression for the id.
    Id(Value),
}

/// One thing that the probe does.
#[derive(Debug)]
pub struct Step {
    pub line: usize,
    /// As written, for reports.
    pub text: String,
    /// `[operation, argument, …]`, not yet expanded.
    pub script: Value,
    pub expected: Expected,
}

#[derive(Debug)]
pub enum Expected {
    /// Nothing was stated: anything but an error.
    Success,
    Value(Value),
    Error {
        kind: ErrorKind,
        message: TextPattern,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    Any,
    /// The call broke a rule of its interface.
    Invalid,
    /// SQLite refused, with this extended result code.
    Sqlite(i64),
}

/// How the event ends for its caller.
#[derive(Debug)]
pub enum Ending {
    Answer,
    Exception {
        name: TextPattern,
        message: TextPattern,
    },
    Reset {
        message: TextPattern,
    },
    /// One of these two, which hosts may choose.
    Failure {
        message: TextPattern,
    },
    /// Not what the case is about.
    Any,
}
