//! What goes wrong, as a caller of the object sees it.

use http::StatusCode;
use std::cell::Cell;
use std::fmt;
use std::ops::{BitOr, Deref};

/// A result whose error is [`Error`], unless named otherwise.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a caller sees it: the name of a kind of error, a message and
/// what it follows from.
///
/// `?` makes one of any error and of text; the name is then the error's type, and its
/// sources are kept. It gets out the same way: into `anyhow::Error` with the feature
/// `anyhow`, into a field that `thiserror` marks with `#[from]`, and into
/// `Box<dyn std::error::Error + Send + Sync>`. It dereferences to a
/// `dyn std::error::Error`; it cannot be one, or `?` would not take any error.
///
/// On the way back, `?` finds the status, the SQLite code and what [`is_reset`](Error::is_reset)
/// and the like tell again, wherever in the other error this one is: an error that shows it or
/// has it among its sources is enough. The name does not survive, it is that of the outer type.
/// An error that only kept the text has nothing left but that.
///
/// An error that a handler returns goes to the caller with its name and message.
/// It rolls nothing back and leaves the object as it is. One with a status is an
/// answer of that status, with the message as its text: what a client did wrong needs
/// no code of its own.
///
/// ```
/// use durable_object::http::StatusCode;
/// use durable_object::{Error, Result};
///
/// fn age(text: &str) -> Result<u8> {
///     let age = text.parse()?;
///     if age > 150 {
///         return Err(Error::status(StatusCode::BAD_REQUEST, "nobody is that old"));
///     }
///     Ok(age)
/// }
///
/// assert_eq!(age("200").unwrap_err().message(), "nobody is that old");
/// assert_eq!(age("x").unwrap_err().name(), "ParseIntError");
///
/// let error: Error = format!("no room {}", 7).into();
/// assert_eq!(error.to_string(), "no room 7");
/// ```
#[derive(Clone, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq)]
struct Inner {
    name: String,
    cause: Cause,
}

/// A message and what it follows from. The outermost one says what callers may conclude, so
/// that it goes along wherever an error is turned into one of another type.
#[derive(Clone, Debug, PartialEq)]
struct Cause {
    message: String,
    source: Option<Box<Cause>>,
    marks: Marks,
}

/// What callers may conclude beside what they may read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Marks {
    flags: ErrorFlags,
    status: Option<StatusCode>,
    sqlite_code: Option<i32>,
}

thread_local! {
    /// The marks of the outermost cause that was shown lately. Others' errors hide the type of
    /// what they hold, anyhow for one, so there is nothing to cast; but they show it.
    static SHOWN: Cell<Option<Marks>> = const { Cell::new(None) };
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
        Self::of(name.into(), Cause::new(message))
    }

    fn of(name: String, cause: Cause) -> Self {
        Self(Box::new(Inner { name, cause }))
    }

    /// An error that a handler's caller gets as an answer of this status.
    ///
    /// ```
    /// use durable_object::{Error, http::StatusCode};
    ///
    /// let found: Option<u8> = None;
    /// let missing = || Error::status(StatusCode::NOT_FOUND, "no such link");
    /// let error = found.ok_or_else(missing).unwrap_err();
    /// assert_eq!(error.http_status(), Some(StatusCode::NOT_FOUND));
    /// ```
    pub fn status(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(message).with_status(status)
    }

    /// The same error, with a status for the handler's caller.
    ///
    /// ```
    /// use durable_object::{Error, http::StatusCode};
    ///
    /// let age = "x".parse::<u8>();
    /// let error = age.map_err(|e| Error::from(e).with_status(StatusCode::BAD_REQUEST)).unwrap_err();
    /// assert_eq!(error.http_status(), Some(StatusCode::BAD_REQUEST));
    /// ```
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.cause.marks.status = Some(status);
        self
    }

    /// The status with which a handler that returns this error answers; none for one
    /// that is the object's fault.
    ///
    /// ```
    /// assert_eq!(durable_object::Error::new("no").http_status(), None);
    /// ```
    pub fn http_status(&self) -> Option<StatusCode> {
        self.0.cause.marks.status
    }

    /// What was being done when this error came, which becomes its source.
    ///
    /// ```
    /// let error = durable_object::Error::new("disk full").context("cannot save");
    /// assert_eq!(error.to_string(), "cannot save");
    /// assert_eq!(format!("{error:#}"), "cannot save: disk full");
    /// ```
    ///
    /// Of a `Result` it is `result.map_err(|e| e.context("cannot save"))`: the trait `Context` of
    /// anyhow does not know this type.
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let mut outer = Cause::new(message);
        outer.marks = self.0.cause.marks;
        let source = std::mem::replace(&mut self.0.cause, outer);
        self.0.cause.source = Some(Box::new(source));
        self
    }

    /// The kind of error: `Error`, unless it was made from an error of another
    /// type or came from an object that named it otherwise.
    ///
    /// ```
    /// let error = durable_object::Error::from(std::fmt::Error);
    /// assert_eq!(error.name(), "Error");
    /// ```
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What happened, in words.
    ///
    /// ```
    /// assert_eq!(durable_object::Error::from("no tea").message(), "no tea");
    /// ```
    pub fn message(&self) -> &str {
        &self.0.cause.message
    }

    /// Trying again may succeed: the object or the way to it was gone.
    ///
    /// ```
    /// assert!(!durable_object::Error::new("no").is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        self.flags().contains(ErrorFlags::RETRYABLE)
    }

    /// The object has more work than it may hold. Trying again at once makes it
    /// worse.
    ///
    /// ```
    /// assert!(!durable_object::Error::new("no").is_overloaded());
    /// ```
    pub fn is_overloaded(&self) -> bool {
        self.flags().contains(ErrorFlags::OVERLOADED)
    }

    /// The error was raised in another object, not on the way to it.
    ///
    /// ```
    /// assert!(!durable_object::Error::new("no").is_remote());
    /// ```
    pub fn is_remote(&self) -> bool {
        self.flags().contains(ErrorFlags::REMOTE)
    }

    /// The object was reset: its memory is gone and its uncommitted writes are
    /// undone. What was acknowledged before is still there.
    ///
    /// ```
    /// assert!(!durable_object::Error::new("no").is_reset());
    /// ```
    pub fn is_reset(&self) -> bool {
        self.flags().contains(ErrorFlags::RESET)
    }

    /// SQLite's extended result code, when the database refused a statement: for
    /// example 2067 for a violated UNIQUE constraint. The primary code is its
    /// lowest 8 bits.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let sql = state.storage().sql();
    /// sql.exec("CREATE TABLE users (name TEXT UNIQUE)", ())?;
    /// sql.exec("INSERT INTO users VALUES (?)", ("ada",))?;
    /// let error = sql.exec("INSERT INTO users VALUES (?)", ("ada",)).unwrap_err();
    /// assert_eq!(error.sqlite_code(), Some(2067));
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn sqlite_code(&self) -> Option<i32> {
        self.0.cause.marks.sqlite_code
    }

    pub(crate) fn sqlite(code: i32, message: String) -> Self {
        let mut error = Self::new(message);
        error.0.cause.marks.sqlite_code = Some(code);
        error
    }

    pub(crate) fn flags(&self) -> ErrorFlags {
        self.0.cause.marks.flags
    }

    pub(crate) fn with_flags(mut self, flags: ErrorFlags) -> Self {
        self.0.cause.marks.flags = flags;
        self
    }
}

impl Cause {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
            marks: Marks::default(),
        }
    }

    /// What another type's error says, and the marks of a cause that it shows.
    fn of(error: &dyn std::error::Error) -> Self {
        let before = SHOWN.take();
        let mut cause = Self::text_of(error);
        cause.marks = SHOWN.replace(before).unwrap_or_default();
        cause
    }

    fn text_of(error: &dyn std::error::Error) -> Self {
        let mut cause = Self::new(error.to_string());
        cause.source = error.source().map(|source| Box::new(Self::text_of(source)));
        cause
    }

    /// The message and what it follows from, unless the message says so itself.
    fn in_full(&self) -> String {
        let message = &self.message;
        let Some(source) = &self.source else {
            return message.clone();
        };
        let rest = source.in_full();
        if ends_with_words(message, &rest) {
            return message.clone();
        }
        if ends_with_words(message, &source.message) {
            return format!("{message}{}", &rest[source.message.len()..]);
        }
        format!("{message}: {rest}")
    }
}

/// Whether a text ends with these words, as a message does that is written like
/// `failed: {0}` or `failed ({0})`.
fn ends_with_words(text: &str, words: &str) -> bool {
    let bare = |text| str::trim_end_matches(text, |it: char| !it.is_alphanumeric());
    let before = bare(text).strip_suffix(bare(words));
    words.is_empty() || before.is_some_and(|before| !before.ends_with(char::is_alphanumeric))
}

impl fmt::Display for Cause {
    /// The message; with `#`, what it follows from too, unless the message says so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.marks != Marks::default() && SHOWN.get().is_none() {
            SHOWN.set(Some(self.marks));
        }
        match f.alternate() {
            true => f.write_str(&self.in_full()),
            false => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

/// The message alone; `{:#}` adds what it follows from.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.cause, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:#}", self.0.name, self.0.cause)
    }
}

impl Deref for Error {
    type Target = dyn std::error::Error + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        &self.0.cause
    }
}

impl<E: Into<Box<dyn std::error::Error>>> From<E> for Error {
    fn from(error: E) -> Self {
        let error = error.into();
        Self::of(name_of::<E>().to_owned(), Cause::of(&*error))
    }
}

impl From<Error> for Box<dyn std::error::Error + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(error.0.cause)
    }
}

#[cfg(feature = "anyhow")]
impl From<Error> for anyhow::Error {
    fn from(error: Error) -> Self {
        anyhow::Error::new(error.0.cause)
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
