//! What a caller of an object is told when it gets no answer.

use std::fmt;

use bytes::Bytes;

/// What else a language may keep of an exception; longer details are left out.
const DETAILS_BYTES_MAX: usize = 65_536;

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
    pub flags: ErrorFlags,
    /// What else the object's language keeps of it, as CBOR. For objects only.
    pub details: Option<Bytes>,
}

/// What a caller may conclude from an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ErrorFlags {
    pub retryable: bool,
    pub overloaded: bool,
    /// Raised in another object, not on the way to it.
    pub remote: bool,
    pub object_reset: bool,
}

impl ObjectError {
    pub fn exception(name: impl Into<String>, message: impl Into<String>) -> ObjectError {
        ObjectError {
            name: name.into(),
            ..ObjectError::of(ErrorKind::Exception, message)
        }
    }

    /// The error of a caller that broke a rule.
    pub fn type_error(message: impl Into<String>) -> ObjectError {
        ObjectError::exception("TypeError", message)
    }

    pub fn reset(message: impl Into<String>) -> ObjectError {
        ObjectError::of(ErrorKind::Reset, message)
    }

    /// The same, where it is why the object is reset.
    pub fn into_reset(self) -> ObjectError {
        ObjectError {
            name: self.name,
            details: self.details,
            ..ObjectError::reset(self.message)
        }
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
            flags: kind.flags(),
            details: None,
        }
    }

    pub fn with_details(mut self, details: Option<Bytes>) -> ObjectError {
        self.details = details.filter(|details| details.len() <= DETAILS_BYTES_MAX);
        self
    }

    /// Bytes that it keeps in memory while it waits.
    pub fn bytes(&self) -> usize {
        let details = self.details.as_ref();
        self.name.len() + self.message.len() + details.map_or(0, Bytes::len)
    }

    /// The error as another object sees it.
    pub fn seen_from_outside(mut self) -> ObjectError {
        self.flags.remote |= matches!(self.kind, ErrorKind::Exception | ErrorKind::Reset);
        self
    }
}

impl ErrorKind {
    fn flags(self) -> ErrorFlags {
        ErrorFlags {
            retryable: self == ErrorKind::Unavailable,
            overloaded: self == ErrorKind::Overloaded,
            remote: false,
            object_reset: self == ErrorKind::Reset,
        }
    }

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
