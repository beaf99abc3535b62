//! How errors read: as a host words those of SQLite, and hands on those of objects.

use crate::Error;
use crate::error::ErrorFlags;
use rusqlite::ffi;

/// An object's error as its caller gets it: what follows from what is text, and no more.
pub fn seen_from_outside(error: Error) -> Error {
    let flags = error.flags() | ErrorFlags::REMOTE;
    let seen = Error::named(error.name(), format!("{error:#}")).with_flags(flags);
    match error.http_status() {
        Some(status) => seen.with_status(status),
        None => seen,
    }
}

/// `message[ at offset N]: SQLITE_X[ (extended: SQLITE_X_Y)]`
pub fn sqlite(error: rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(failure, text) => {
            let text = text.unwrap_or_else(|| failure.to_string());
            worded(failure.extended_code, &text, None)
        }
        rusqlite::Error::SqlInputError {
            error, msg, offset, ..
        } => worded(error.extended_code, &msg, Some(offset)),
        other => worded(ffi::SQLITE_ERROR, &other.to_string(), None),
    }
}

/// The error of a value that is larger than a statement takes.
pub fn too_big() -> Error {
    worded(ffi::SQLITE_TOOBIG, "string or blob too big", None)
}

fn worded(code: i32, text: &str, offset: Option<i32>) -> Error {
    let primary = code & 0xff;
    let mut message = text.to_owned();
    if let Some(offset) = offset.filter(|offset| *offset >= 0) {
        message.push_str(&format!(" at offset {offset}"));
    }
    let unknown = format!("SQLITE_UNKNOWN_ERROR_CODE({primary})");
    message.push_str(": ");
    message.push_str(name(primary).unwrap_or(&unknown));
    if let Some(extended) = name(code).filter(|_| code != primary) {
        message.push_str(&format!(" (extended: {extended})"));
    }
    Error::sqlite(code, message)
}

/// The symbolic names of those codes that a database in memory may give.
macro_rules! names {
    ($($name:ident)*) => {
        fn name(code: i32) -> Option<&'static str> {
            match code {
                $(ffi::$name => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

names! {
    SQLITE_ERROR SQLITE_INTERNAL SQLITE_PERM SQLITE_ABORT SQLITE_BUSY SQLITE_LOCKED SQLITE_NOMEM
    SQLITE_READONLY SQLITE_INTERRUPT SQLITE_IOERR SQLITE_CORRUPT SQLITE_NOTFOUND SQLITE_FULL
    SQLITE_CANTOPEN SQLITE_SCHEMA SQLITE_TOOBIG SQLITE_CONSTRAINT SQLITE_MISMATCH SQLITE_MISUSE
    SQLITE_AUTH SQLITE_RANGE SQLITE_NOTADB
    SQLITE_ABORT_ROLLBACK SQLITE_LOCKED_VTAB SQLITE_CORRUPT_VTAB SQLITE_CONSTRAINT_CHECK
    SQLITE_CONSTRAINT_DATATYPE SQLITE_CONSTRAINT_FOREIGNKEY SQLITE_CONSTRAINT_FUNCTION
    SQLITE_CONSTRAINT_NOTNULL SQLITE_CONSTRAINT_PRIMARYKEY SQLITE_CONSTRAINT_ROWID
    SQLITE_CONSTRAINT_TRIGGER SQLITE_CONSTRAINT_UNIQUE SQLITE_CONSTRAINT_VTAB
    SQLITE_ERROR_MISSING_COLLSEQ
}
