//! How a statement is prepared, bound, stepped and read: SQLite's C interface.
//!
//! rusqlite does the rest; it lacks cursors that outlive a call, the place of an
//! error, and a WAL hook with a state. The C interface is used by itself here, for
//! what SQLite calls (`memory`, `temp_files`) and for functions of our own.
//!
//! Invariants:
//!
//! * A statement is dropped before its connection; `Database` sees to it.
//! * A statement is used by one thread at a time, the one that owns `Database`.
//! * After `run` the statement is reset and holds no pointer to its parameters.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Connection, ffi};

use super::errors::StorageError;
use super::value::{Row, Value};

/// A value on its way into a statement.
#[derive(Clone, Copy, Debug)]
pub enum Param<'a> {
    Null,
    Integer(i64),
    Real(f64),
    /// UTF-8, or a bound that only looks like it: SQLite compares bytes.
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

impl<'a> From<&'a Value> for Param<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(value) => Self::Integer(*value),
            Value::Real(value) => Self::Real(*value),
            Value::Text(value) => Self::Text(value.as_bytes()),
            Value::Blob(value) => Self::Blob(value),
        }
    }
}

/// Who keeps a parameter's bytes alive while the statement runs.
#[derive(Clone, Copy)]
enum Keeper {
    Caller,
    Sqlite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Row,
    Done,
}

/// A prepared statement.
#[derive(Debug)]
pub struct Statement {
    raw: NonNull<ffi::sqlite3_stmt>,
    db: *mut ffi::sqlite3,
}

// SAFETY: SQLite is built for one thread per connection at a time; a statement
// and its connection belong to the same `Database` and move together.
unsafe impl Send for Statement {}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: `raw` is valid until here. The code returned repeats the last
        // error of the statement, which was reported when it happened.
        unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}

impl Statement {
    /// Prepares the first statement of `sql`, and says how many bytes it took.
    /// None when there is nothing but white space and comments.
    pub fn prepare(
        connection: &Connection,
        sql: &str,
    ) -> Result<Option<(Self, usize)>, StorageError> {
        // SAFETY: the handle is used while the connection is borrowed.
        let db = unsafe { connection.handle() };
        let mut raw = ptr::null_mut();
        let mut tail: *const c_char = ptr::null();
        let length = c_int::try_from(sql.len()).unwrap_or(c_int::MAX);
        // SAFETY: `sql` is readable for `length` bytes; SQLite copies what it keeps.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(
                db,
                sql.as_ptr().cast(),
                length,
                ffi::SQLITE_PREPARE_PERSISTENT,
                &mut raw,
                &mut tail,
            )
        };
        if code != ffi::SQLITE_OK {
            return Err(last_error(db, code));
        }
        let used = (tail as usize).saturating_sub(sql.as_ptr() as usize);
        Ok(NonNull::new(raw).map(|raw| (Self { raw, db }, used)))
    }

    /// Runs the statement to its end and shows each row to `on_row`.
    pub fn run(
        &mut self,
        params: &[Param<'_>],
        mut on_row: impl FnMut(&Columns<'_>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        // Resets on every way out, also when `on_row` fails.
        let run = Run(self);
        run.0.bind(params, Keeper::Caller)?;
        while run.0.step()? == Step::Row {
            on_row(&Columns(run.0))?;
        }
        Ok(())
    }

    /// Binds parameters for a statement that is stepped over several calls.
    pub fn start(&mut self, params: &[Param<'_>]) -> Result<(), StorageError> {
        self.bind(params, Keeper::Sqlite)
    }

    pub fn step(&mut self) -> Result<Step, StorageError> {
        // SAFETY: `raw` is valid; its parameters are alive, see `Keeper`.
        match unsafe { ffi::sqlite3_step(self.raw.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(Step::Row),
            ffi::SQLITE_DONE => Ok(Step::Done),
            code => Err(last_error(self.db, code)),
        }
    }

    /// Ends the run, so that the statement can be bound again.
    pub fn reset(&mut self) {
        // SAFETY: `raw` is valid. The codes repeat errors already reported.
        unsafe {
            ffi::sqlite3_reset(self.raw.as_ptr());
            ffi::sqlite3_clear_bindings(self.raw.as_ptr());
        }
    }

    /// Whether the statement leaves the database as it is.
    pub fn is_readonly(&self) -> bool {
        // SAFETY: `raw` is valid.
        unsafe { ffi::sqlite3_stmt_readonly(self.raw.as_ptr()) != 0 }
    }

    pub fn parameter_count(&self) -> usize {
        // SAFETY: `raw` is valid.
        let count = unsafe { ffi::sqlite3_bind_parameter_count(self.raw.as_ptr()) };
        usize::try_from(count).unwrap_or(0)
    }

    pub fn column_count(&self) -> usize {
        // SAFETY: `raw` is valid.
        let count = unsafe { ffi::sqlite3_column_count(self.raw.as_ptr()) };
        usize::try_from(count).unwrap_or(0)
    }

    /// The columns' names. A changed schema may change them at the first step.
    pub fn column_names(&self) -> Vec<String> {
        (0..self.column_count())
            .map(|column| {
                // SAFETY: the column exists; the name is copied before the next call.
                unsafe {
                    let name = ffi::sqlite3_column_name(self.raw.as_ptr(), column as c_int);
                    text_or_empty(name)
                }
            })
            .collect()
    }

    /// The row on which the statement stands.
    pub fn row(&self) -> Row {
        Columns(self).row()
    }

    fn bind(&mut self, params: &[Param<'_>], keeper: Keeper) -> Result<(), StorageError> {
        let destructor = match keeper {
            Keeper::Caller => ffi::SQLITE_STATIC(),
            Keeper::Sqlite => ffi::SQLITE_TRANSIENT(),
        };
        let raw = self.raw.as_ptr();
        for (index, param) in (1..).zip(params) {
            // SAFETY: the bytes are copied, or outlive the run that `Run` ends.
            let code = unsafe {
                match *param {
                    Param::Null => ffi::sqlite3_bind_null(raw, index),
                    Param::Integer(value) => ffi::sqlite3_bind_int64(raw, index, value),
                    Param::Real(value) => ffi::sqlite3_bind_double(raw, index, value),
                    Param::Text(text) => ffi::sqlite3_bind_text64(
                        raw,
                        index,
                        text.as_ptr().cast(),
                        text.len() as u64,
                        destructor,
                        ffi::SQLITE_UTF8 as u8,
                    ),
                    Param::Blob(blob) => ffi::sqlite3_bind_blob64(
                        raw,
                        index,
                        blob.as_ptr().cast(),
                        blob.len() as u64,
                        destructor,
                    ),
                }
            };
            if code != ffi::SQLITE_OK {
                return Err(last_error(self.db, code));
            }
        }
        Ok(())
    }
}

/// A statement that is reset when this goes.
struct Run<'a>(&'a mut Statement);

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.0.reset();
    }
}

/// The columns of the row on which a statement stands.
pub struct Columns<'a>(&'a Statement);

impl Columns<'_> {
    pub fn row(&self) -> Row {
        (0..self.0.column_count())
            .map(|column| self.value(column))
            .collect()
    }

    pub fn value(&self, column: usize) -> Value {
        let raw = self.0.raw.as_ptr();
        let index = column as c_int;
        // SAFETY: a row is there; SQLite answers NULL for a column that is not.
        unsafe {
            match ffi::sqlite3_column_type(raw, index) {
                ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_column_int64(raw, index)),
                ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_column_double(raw, index)),
                ffi::SQLITE_TEXT => Value::Text(self.text(column)),
                ffi::SQLITE_BLOB => Value::Blob(self.blob(column)),
                _ => Value::Null,
            }
        }
    }

    pub fn integer(&self, column: usize) -> i64 {
        // SAFETY: as in `value`.
        unsafe { ffi::sqlite3_column_int64(self.0.raw.as_ptr(), column as c_int) }
    }

    /// Text with all of its bytes, NUL included.
    pub fn text(&self, column: usize) -> String {
        let raw = self.0.raw.as_ptr();
        // SAFETY: the pointer must be asked for before the length, and is copied
        // before the next call.
        let bytes = unsafe {
            let start = ffi::sqlite3_column_text(raw, column as c_int);
            self.copy(start, column)
        };
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    pub fn blob(&self, column: usize) -> Vec<u8> {
        let raw = self.0.raw.as_ptr();
        // SAFETY: as in `text`.
        unsafe {
            let start = ffi::sqlite3_column_blob(raw, column as c_int);
            self.copy(start.cast(), column)
        }
    }

    /// # Safety
    ///
    /// `start` comes from the same column, with no call to SQLite in between.
    unsafe fn copy(&self, start: *const u8, column: usize) -> Vec<u8> {
        // SAFETY: SQLite gives the length that belongs to `start`.
        unsafe {
            let length = ffi::sqlite3_column_bytes(self.0.raw.as_ptr(), column as c_int);
            match usize::try_from(length) {
                Ok(length) if length > 0 && !start.is_null() => {
                    std::slice::from_raw_parts(start, length).to_vec()
                }
                _ => Vec::new(),
            }
        }
    }
}

/// Makes `last_insert_rowid()` answer as on another connection.
pub fn set_last_rowid(connection: &Connection, rowid: i64) {
    // SAFETY: the handle is used while the connection is borrowed.
    unsafe { ffi::sqlite3_set_last_insert_rowid(connection.handle(), rowid) };
}

/// How many pages the WAL has after the newest commit; 0 when none has happened
/// since it was last asked.
#[derive(Clone, Debug, Default)]
pub struct WalWatch(Arc<AtomicU32>);

impl WalWatch {
    /// Watches the commits of a connection. This also ends automatic checkpoints,
    /// which use the same hook. The watch must outlive the connection.
    pub fn attach(&self, connection: &Connection) {
        unsafe extern "C" fn committed(
            watch: *mut c_void,
            _: *mut ffi::sqlite3,
            _: *const c_char,
            pages: c_int,
        ) -> c_int {
            // SAFETY: `attach` passed a counter that outlives the connection.
            let counter = unsafe { &*watch.cast::<AtomicU32>() };
            counter.store(pages.unsigned_abs(), Ordering::Relaxed);
            ffi::SQLITE_OK
        }
        // SAFETY: the counter is reference counted and outlives the connection.
        unsafe {
            let counter = Arc::as_ptr(&self.0).cast_mut().cast();
            ffi::sqlite3_wal_hook(connection.handle(), Some(committed), counter);
        }
    }

    /// Pages of the WAL if something was committed since the last call.
    pub fn take(&self) -> Option<u64> {
        match self.0.swap(0, Ordering::Relaxed) {
            0 => None,
            pages => Some(u64::from(pages)),
        }
    }
}

/// Words the newest error of a connection.
fn last_error(db: *mut ffi::sqlite3, code: c_int) -> StorageError {
    // SAFETY: `db` is open; the message is copied before the next call.
    unsafe {
        let text = text_or_empty(ffi::sqlite3_errmsg(db));
        let offset = ffi::sqlite3_error_offset(db);
        StorageError::sqlite(code, &text, (offset >= 0).then_some(offset))
    }
}

/// # Safety
///
/// `text` is NULL or ends with NUL.
unsafe fn text_or_empty(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: see above.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}
