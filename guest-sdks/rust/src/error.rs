//! What went wrong, and what a caller may conclude from it.

use std::fmt;
use std::ops::BitOr;

/// `std::result::Result` with this crate's [`Error`].
///
/// ```
/// fn parse(text: &str) -> durable_object::Result<i64> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse("42").unwrap(), 42);
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that a handler returns, or that a call to the host gave.
///
/// It is made from text and from any error that implements
/// [`std::error::Error`], so `?` works on all of them. To allow that, it does not
/// implement `std::error::Error` itself.
///
/// An error that a handler returns goes to the caller with its name and message.
/// It rolls nothing back and leaves the object as it is.
///
/// ```
/// use durable_object::{Error, Result};
///
/// fn age(text: &str) -> Result<u8> {
///     let age = text.parse()?;
///     if age > 150 {
///         return Err(Error::new("nobody is that old"));
///     }
///     Ok(age)
/// }
///
/// assert_eq!(age("200").unwrap_err().message(), "nobody is that old");
/// assert_eq!(age("x").unwrap_err().name(), "ParseIntError");
///
/// let error: Error = format!("no room {}", 7).into();
/// assert_eq!(error.to_string(), "Error: no room 7");
/// ```
#[derive(Clone, PartialEq)]
pub struct Error {
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) flags: ErrorFlags,
    pub(crate) sqlite_code: Option<i32>,
}

impl Error {
    /// An error named `Error`.
    ///
    /// ```
    /// let error = durable_object::Error::new("out of tea");
    /// assert_eq!((error.name(), error.message()), ("Error", "out of tea"));
    /// ```
    pub fn new(message: impl Into<String>) -> Self {
        Self::named("Error", message)
    }

    /// An error of another kind, for example `TypeError`.
    ///
    /// ```
    /// let error = durable_object::Error::named("RangeError", "7 of 5");
    /// assert_eq!(error.name(), "RangeError");
    /// ```
    pub fn named(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            message: message.into(),
            flags: ErrorFlags::empty(),
            sqlite_code: None,
        }
    }

    /// The kind of error: `Error`, unless it was made from an error of another
    /// type or came from an object that named it otherwise.
    ///
    /// ```
    /// let error = durable_object::Error::from(std::fmt::Error);
    /// assert_eq!(error.name(), "Error");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What happened, in words.
    ///
    /// ```
    /// assert_eq!(durable_object::Error::from("no tea").message(), "no tea");
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Trying again may succeed: the object or the way to it was gone.
    ///
    /// ```
    /// assert!(!durable_object::Error::new("no").is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        self.flags.contains(ErrorFlags::RETRYABLE)
    }

    /// The object has more work than it may hold. Trying again at once makes it
    /// worse.
    ///
    /// ```
    /// assert!(!durable_object::Error::new("no").is_overloaded());
    /// ```
    pub fn is_overloaded(&self) -> bool {
        self.flags.contains(ErrorFlags::OVERLOADED)
    }

    /// The error was raised in another object, not on the way to it.
    ///
    /// ```
    /// assert!(!durable_object::Error::new("no").is_remote());
    /// ```
    pub fn is_remote(&self) -> bool {
        self.flags.contains(ErrorFlags::REMOTE)
    }

    /// The object was reset: its memory is gone and its uncommitted writes are
    /// undone. What was acknowledged before is still there.
    ///
    /// ```
    /// assert!(!durable_object::Error::new("no").is_reset());
    /// ```
    pub fn is_reset(&self) -> bool {
        self.flags.contains(ErrorFlags::RESET)
    }

    /// SQLite's extended result code, when the database refused a statement: for
    /// example 2067 for a violated UNIQUE constraint. The primary code is its
    /// lowest 8 bits.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::params;
    ///
    /// let sql = state.storage().sql();
    /// sql.exec("CREATE TABLE users (name TEXT UNIQUE)", params![])?;
    /// sql.exec("INSERT INTO users VALUES (?)", params!["ada"])?;
    /// let error = sql.exec("INSERT INTO users VALUES (?)", params!["ada"]).unwrap_err();
    /// assert_eq!(error.sqlite_code(), Some(2067));
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn sqlite_code(&self) -> Option<i32> {
        self.sqlite_code
    }

    pub(crate) fn sqlite(code: i32, message: String) -> Self {
        Self {
            sqlite_code: Some(code),
            ..Self::new(message)
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: Into<Box<dyn std::error::Error>>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::named(name_of::<E>(), error.into().to_string())
    }
}

/// `ParseIntError` for `core::num::error::ParseIntError`, and `Error` for what is
/// only text or a box.
fn name_of<E>() -> &'static str {
    let path = std::any::type_name::<E>();
    let path = path.split('<').next().unwrap_or(path);
    let name = path.rsplit("::").next().unwrap_or(path);
    let is_plain = name.starts_with('&') || ["String", "Box", "Cow"].contains(&name);
    if is_plain { "Error" } else { name }
}

/// The contract's `error-flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorFlags(u8);

#[cfg_attr(
    all(feature = "testing", not(target_family = "wasm")),
    allow(dead_code, reason = "only the bindings take flags apart")
)]
impl ErrorFlags {
    pub const RETRYABLE: Self = Self(1);
    pub const OVERLOADED: Self = Self(2);
    pub const REMOTE: Self = Self(4);
    pub const RESET: Self = Self(8);

    pub fn empty() -> Self {
        Self(0)
    }

    pub fn bits(&self) -> u8 {
        self.0
    }

    pub fn from_bits_retain(bits: u8) -> Self {
        Self(bits)
    }

    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for ErrorFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
