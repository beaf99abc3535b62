//! What is a case?

use serde_json::Value;

use crate::pattern::TextPattern;

/// A promise and the events that prove it.
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
    pub events: Vec<Event>,
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
