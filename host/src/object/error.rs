//! What a caller of an object is told when it gets no answer.

use std::fmt;

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// The object's own code returned an error. The instance lives on.
    Exception,
    /// The object was reset: memory gone, uncommitted writes undone.
    Reset,
    /// The object has more work than it may hold.
    Overloaded,
    /// The object could not be started, or the server is shutting down.
    Unavailable,
}

/// An error for the callers of an object. `message` may be shown to a developer;
/// a client sees it only where the configuration says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectError {
    pub kind: ErrorKind,
    /// The kind of exception, as the object's language calls it.
    pub name: String,
    pub message: String,
}

impl ObjectError {
    pub fn exception(name: impl Into<String>, message: impl Into<String>) -> ObjectError {
        ObjectError {
            kind: ErrorKind::Exception,
            name: name.into(),
            message: message.into(),
        }
    }

    pub fn reset(message: impl Into<String>) -> ObjectError {
        ObjectError::of(ErrorKind::Reset, message)
    }

    pub fn overloaded(message: impl Into<String>) -> ObjectError {
        ObjectError::of(ErrorKind::Overloaded, message)
    }

    pub fn unavailable(message: impl Into<String>) -> ObjectError {
        ObjectError::of(ErrorKind::Unavailable, message)
    }

    fn of(kind: ErrorKind, message: impl Into<String>) -> ObjectError {
        ObjectError {
            kind,
            name: "Error".into(),
            message: message.into(),
        }
    }
}

impl ErrorKind {
    /// The word for it in headers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Exception => "exception",
            ErrorKind::Reset => "reset",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::Exception => write!(f, "{}: {}", self.name, self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ObjectError {}
