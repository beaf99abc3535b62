//! SQL functions whose work grows with the square of their input in SQLite: here
//! it grows with the input.
//!
//! SQLite can be interrupted between two steps of a statement, never inside a
//! function. With values of 2 MB its own `trim`, `instr`, `replace` and `unhex`
//! would take from seconds to hours.
//!
//! Invariant: a call gives what SQLite's own function gives, for any values, NUL
//! and invalid UTF-8 included; a test compares them.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use memchr::memmem::Finder;
use rusqlite::{Connection, ffi};

use super::errors::StorageError;
use super::utf8::{self, Pieces};

pub type Function =
    unsafe extern "C" fn(*mut ffi::sqlite3_context, c_int, *mut *mut ffi::sqlite3_value);

const LEFT: usize = 1;
const RIGHT: usize = 2;

/// Name, number of arguments, what the function is told, and the function.
const FUNCTIONS: [(&CStr, c_int, usize, Function); 6] = [
    (c"ltrim", 2, LEFT, trim),
    (c"rtrim", 2, RIGHT, trim),
    (c"trim", 2, LEFT | RIGHT, trim),
    (c"instr", 2, 0, instr),
    (c"replace", 3, 0, replace),
    (c"unhex", 2, 0, unhex),
];

/// Puts the functions in the place of SQLite's own.
pub fn attach(connection: &Connection) -> Result<(), StorageError> {
    for (name, arguments, told, function) in FUNCTIONS {
        add(connection, name, arguments, 0, told, function)?;
    }
    Ok(())
}

/// Makes a function that depends on its arguments alone. It is told `told`.
pub fn add(
    connection: &Connection,
    name: &CStr,
    arguments: c_int,
    flags: c_int,
    told: usize,
    function: Function,
) -> Result<(), StorageError> {
    let flags = flags | ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_INNOCUOUS;
    // SAFETY: the handle is used while the connection is borrowed; the functions
    // live for ever and share nothing.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            connection.handle(),
            name.as_ptr(),
            arguments,
            flags,
            ptr::without_provenance_mut::<c_void>(told),
            Some(function),
            None,
            None,
            None,
        )
    };
    match code {
        ffi::SQLITE_OK => Ok(()),
        _ => Err(StorageError::sqlite(code, "cannot make a function", None)),
    }
}

/// The value as text, or none for NULL, as SQLite makes it from a number or a blob.
///
/// # Safety
///
/// `value` is an argument of the function that runs; the bytes are gone with the
/// next conversion of the same argument.
pub unsafe fn text<'a>(value: *mut ffi::sqlite3_value) -> Option<&'a [u8]> {
    // SAFETY: the length belongs to the pointer that was asked for before it.
    unsafe {
        let start = ffi::sqlite3_value_text(value);
        if start.is_null() {
            return None;
        }
        let length = usize::try_from(ffi::sqlite3_value_bytes(value)).unwrap_or(0);
        Some(std::slice::from_raw_parts(start, length))
    }
}

/// The bytes of a text, of a blob, or of what a number looks like.
///
/// # Safety
///
/// As for `text`.
pub unsafe fn bytes<'a>(value: *mut ffi::sqlite3_value) -> &'a [u8] {
    // SAFETY: as in `text`. A blob is not made a text: others may look at it too.
    unsafe {
        if ffi::sqlite3_value_type(value) != ffi::SQLITE_BLOB {
            return text(value).unwrap_or_default();
        }
        let start = ffi::sqlite3_value_blob(value).cast::<u8>();
        let length = usize::try_from(ffi::sqlite3_value_bytes(value)).unwrap_or(0);
        if start.is_null() || length == 0 {
            return &[];
        }
        std::slice::from_raw_parts(start, length)
    }
}

/// # Safety
///
/// `context` is that of the function that runs.
pub unsafe fn give_text(context: *mut ffi::sqlite3_context, text: &[u8]) {
    // SAFETY: SQLite copies the bytes.
    unsafe {
        let length = c_int::try_from(text.len()).unwrap_or(c_int::MAX);
        ffi::sqlite3_result_text(
            context,
            text.as_ptr().cast(),
            length,
            ffi::SQLITE_TRANSIENT(),
        );
    }
}

/// # Safety
///
/// `context` is that of the function that runs.
pub unsafe fn length_max(context: *mut ffi::sqlite3_context) -> usize {
    // SAFETY: a limit of -1 asks for the one that is set.
    let length_max = unsafe {
        let db = ffi::sqlite3_context_db_handle(context);
        ffi::sqlite3_limit(db, ffi::SQLITE_LIMIT_LENGTH, -1)
    };
    usize::try_from(length_max).unwrap_or(0)
}

/// What SQLite's own `trim` takes for each character of its set, from memory that
/// may be as long as a value: more characters are too many.
const BYTES_PER_PIECE: usize = 12;

/// `trim(text, characters)`, `ltrim` and `rtrim`.
unsafe extern "C" fn trim(
    context: *mut ffi::sqlite3_context,
    _: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite gives two arguments.
    unsafe {
        let Some(mut rest) = text(*arguments) else {
            return;
        };
        let Some(set) = text(*arguments.add(1)) else {
            return;
        };
        let sides = ffi::sqlite3_user_data(context).addr();
        let pieces = Pieces::new(utf8::up_to_nul(set), rest.len());
        let Some(pieces) = pieces
            .filter(|pieces| pieces.count().saturating_mul(BYTES_PER_PIECE) <= length_max(context))
        else {
            return ffi::sqlite3_result_error_toobig(context);
        };
        if sides & LEFT != 0 {
            while let Some(length) = pieces.at_start(rest) {
                rest = &rest[length..];
            }
        }
        if sides & RIGHT != 0 {
            while let Some(length) = pieces.at_end(rest) {
                rest = &rest[..rest.len() - length];
            }
        }
        give_text(context, rest);
    }
}

/// `instr(text, searched)`: where it is found first, from 1, in characters or, if
/// both are blobs, in bytes.
unsafe extern "C" fn instr(
    context: *mut ffi::sqlite3_context,
    _: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite gives two arguments.
    unsafe {
        let (hay, needle) = (*arguments, *arguments.add(1));
        let types = [
            ffi::sqlite3_value_type(hay),
            ffi::sqlite3_value_type(needle),
        ];
        if types.contains(&ffi::SQLITE_NULL) {
            return;
        }
        let (hay, needle) = (bytes(hay), bytes(needle));
        let found = if types == [ffi::SQLITE_BLOB; 2] {
            Finder::new(needle).find(hay).map_or(0, |at| at + 1)
        } else {
            utf8::find(hay, needle)
        };
        ffi::sqlite3_result_int(context, c_int::try_from(found).unwrap_or(c_int::MAX));
    }
}

/// `replace(text, searched, other)`.
unsafe extern "C" fn replace(
    context: *mut ffi::sqlite3_context,
    _: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite gives three arguments.
    unsafe {
        let Some(whole) = text(*arguments) else {
            return;
        };
        let Some(searched) = text(*arguments.add(1)) else {
            return;
        };
        if utf8::up_to_nul(searched).is_empty() {
            return give_text(context, whole);
        }
        let Some(other) = text(*arguments.add(2)) else {
            return;
        };
        match utf8::replace(whole, searched, other, length_max(context)) {
            Some(result) => give_text(context, &result),
            None => ffi::sqlite3_result_error_toobig(context),
        }
    }
}

/// `unhex(text, ignored)`: the bytes that pairs of digits stand for. The characters
/// of the second argument may stand between the pairs.
unsafe extern "C" fn unhex(
    context: *mut ffi::sqlite3_context,
    _: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite gives two arguments.
    unsafe {
        let (Some(digits), Some(ignored)) = (text(*arguments), text(*arguments.add(1))) else {
            return;
        };
        if let Some(found) = utf8::unhex(utf8::up_to_nul(digits), ignored) {
            // An empty blob is no NULL: its pointer must not be one either.
            let length = c_int::try_from(found.len()).unwrap_or(c_int::MAX);
            ffi::sqlite3_result_blob(
                context,
                found.as_ptr().cast(),
                length,
                ffi::SQLITE_TRANSIENT(),
            );
        }
    }
}
