//! `json_patch` and `jsonb_patch`, for as many members as they can merge soon.
//!
//! SQLite compares each member of the patch to each member of the document. So a
//! call with too many is refused; any other runs SQLite's own function, on a
//! connection of the thread that still has it.

use std::cell::OnceCell;
use std::ffi::{CStr, c_int};
use std::ptr;

use rusqlite::{Connection, ffi};

use super::errors::StorageError;
use super::functions::{Function, add, bytes};
use super::memory;

/// Members of the patch times members of the document: some 50 ms.
const COMPARED_MAX: usize = 4_000_000;

const TOO_MANY: &CStr = c"the patch and the document have too many members";

/// What tells a JSON text from any other.
const JSON_SUBTYPE: u32 = 74;

/// SQLite's own function, prepared on a connection of this thread.
struct Own {
    patch: *mut ffi::sqlite3_stmt,
    patch_blob: *mut ffi::sqlite3_stmt,
    /// Goes with the thread, after its statements.
    _connection: Connection,
}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: the connection is still open, and nothing else knows the statements.
        unsafe {
            ffi::sqlite3_finalize(self.patch);
            ffi::sqlite3_finalize(self.patch_blob);
        }
    }
}

thread_local! {
    static OWN: OnceCell<Option<Own>> = const { OnceCell::new() };
}

impl Own {
    fn new() -> Option<Self> {
        let connection = Connection::open_in_memory().ok()?;
        let limit = rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH;
        connection
            .set_limit(limit, super::limits::LENGTH_MAX)
            .ok()?;
        // SAFETY: the handle is used while the connection is borrowed.
        let [patch, patch_blob] = [c"SELECT json_patch(?1, ?2)", c"SELECT jsonb_patch(?1, ?2)"]
            .map(|sql| unsafe {
                let mut statement = ptr::null_mut();
                let db = connection.handle();
                ffi::sqlite3_prepare_v2(db, sql.as_ptr(), -1, &mut statement, ptr::null_mut());
                statement
            });
        Some(Self {
            patch,
            patch_blob,
            _connection: connection,
        })
    }
}

/// Puts the functions in the place of SQLite's own.
pub fn attach(connection: &Connection) -> Result<(), StorageError> {
    add(
        connection,
        c"json_patch",
        2,
        ffi::SQLITE_RESULT_SUBTYPE,
        0,
        patch as Function,
    )?;
    add(connection, c"jsonb_patch", 2, 0, 1, patch as Function)
}

/// At most so many members has the JSON.
///
/// # Safety
///
/// `value` is an argument of the function that runs.
unsafe fn members_max(value: *mut ffi::sqlite3_value) -> usize {
    // SAFETY: see above.
    unsafe {
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_NULL => 0,
            // A member has a byte for its name and one for its value at least.
            ffi::SQLITE_BLOB => bytes(value).len() / 2,
            _ => memchr::memchr_iter(b':', bytes(value)).count(),
        }
    }
}

unsafe extern "C" fn patch(
    context: *mut ffi::sqlite3_context,
    _: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite gives two arguments. The statement is used by this thread alone,
    // and its value is copied before it is reset.
    unsafe {
        let (document, change) = (*arguments, *arguments.add(1));
        if members_max(document).saturating_mul(members_max(change)) > COMPARED_MAX {
            return ffi::sqlite3_result_error(context, TOO_MANY.as_ptr(), -1);
        }
        let gives_blob = !ffi::sqlite3_user_data(context).is_null();
        OWN.with(|own| {
            let Some(own) = own.get_or_init(|| memory::uncounted(Own::new)) else {
                return ffi::sqlite3_result_error_nomem(context);
            };
            let statement = if gives_blob {
                own.patch_blob
            } else {
                own.patch
            };
            ffi::sqlite3_bind_value(statement, 1, document);
            ffi::sqlite3_bind_value(statement, 2, change);
            match ffi::sqlite3_step(statement) {
                ffi::SQLITE_ROW => {
                    let value = ffi::sqlite3_column_value(statement, 0);
                    let is_text = ffi::sqlite3_value_type(value) == ffi::SQLITE_TEXT;
                    ffi::sqlite3_result_value(context, value);
                    if is_text {
                        ffi::sqlite3_result_subtype(context, JSON_SUBTYPE);
                    }
                }
                ffi::SQLITE_NOMEM => ffi::sqlite3_result_error_nomem(context),
                ffi::SQLITE_TOOBIG => ffi::sqlite3_result_error_toobig(context),
                _ => {
                    let db = ffi::sqlite3_db_handle(statement);
                    ffi::sqlite3_result_error(context, ffi::sqlite3_errmsg(db), -1);
                }
            }
            ffi::sqlite3_reset(statement);
            ffi::sqlite3_clear_bindings(statement);
        });
    }
}
