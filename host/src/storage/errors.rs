//! What can go wrong in storage, and how SQLite's errors are worded.
//!
//! An error of SQLite reads `message[ at offset N]: SQLITE_X[ (extended: SQLITE_X_Y)]`.

use std::fmt;

use rusqlite::ffi;

/// An error of a storage call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// The call breaks a rule of its interface, and changed nothing but what SQL
    /// statements before the refused one did.
    Invalid(String),
    /// SQLite refused. What the statement had changed is undone, the turn goes on.
    Sqlite {
        /// SQLite's extended result code.
        code: i32,
        message: String,
    },
    /// The turn is rolled back and cannot be saved: the gate must break and the
    /// instance be reset.
    Broken(String),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(message) | Self::Broken(message) | Self::Sqlite { message, .. } => {
                f.write_str(message)
            }
        }
    }
}

impl std::error::Error for StorageError {}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(failure, message) => Self::sqlite(
                failure.extended_code,
                &message.unwrap_or_else(|| failure.to_string()),
                None,
            ),
            other => Self::sqlite(ffi::SQLITE_ERROR, &other.to_string(), None),
        }
    }
}

impl StorageError {
    /// Words an error of SQLite in the usual form.
    pub(super) fn sqlite(code: i32, text: &str, offset: Option<i32>) -> Self {
        let primary = code & 0xff;
        let mut message = text.to_owned();
        if let Some(offset) = offset {
            message.push_str(&format!(" at offset {offset}"));
        }
        message.push_str(": ");
        match primary_name(primary) {
            Some(name) => message.push_str(name),
            None => message.push_str(&format!("SQLITE_UNKNOWN_ERROR_CODE({primary})")),
        }
        if code != primary
            && let Some(name) = extended_name(code)
        {
            message.push_str(&format!(" (extended: {name})"));
        }
        Self::Sqlite { code, message }
    }

    /// The same failure, as one that ends the instance.
    pub(super) fn into_broken(self) -> Self {
        Self::Broken(self.to_string())
    }
}

/// Makes the functions that know the symbolic names of SQLite's codes.
macro_rules! names {
    ($function:ident: $($name:ident)*) => {
        fn $function(code: i32) -> Option<&'static str> {
            match code {
                $(ffi::$name => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

names!(primary_name:
    SQLITE_ERROR SQLITE_INTERNAL SQLITE_PERM SQLITE_ABORT SQLITE_BUSY SQLITE_LOCKED SQLITE_NOMEM
    SQLITE_READONLY SQLITE_INTERRUPT SQLITE_IOERR SQLITE_CORRUPT SQLITE_NOTFOUND SQLITE_FULL
    SQLITE_CANTOPEN SQLITE_PROTOCOL SQLITE_EMPTY SQLITE_SCHEMA SQLITE_TOOBIG SQLITE_CONSTRAINT
    SQLITE_MISMATCH SQLITE_MISUSE SQLITE_NOLFS SQLITE_AUTH SQLITE_FORMAT SQLITE_RANGE
    SQLITE_NOTADB SQLITE_NOTICE SQLITE_WARNING SQLITE_ROW SQLITE_DONE
);

names!(extended_name:
    SQLITE_ABORT_ROLLBACK SQLITE_AUTH_USER SQLITE_BUSY_RECOVERY SQLITE_BUSY_SNAPSHOT
    SQLITE_BUSY_TIMEOUT SQLITE_CANTOPEN_CONVPATH SQLITE_CANTOPEN_DIRTYWAL
    SQLITE_CANTOPEN_FULLPATH SQLITE_CANTOPEN_ISDIR SQLITE_CANTOPEN_NOTEMPDIR
    SQLITE_CANTOPEN_SYMLINK SQLITE_CONSTRAINT_CHECK SQLITE_CONSTRAINT_COMMITHOOK
    SQLITE_CONSTRAINT_DATATYPE SQLITE_CONSTRAINT_FOREIGNKEY SQLITE_CONSTRAINT_FUNCTION
    SQLITE_CONSTRAINT_NOTNULL SQLITE_CONSTRAINT_PINNED SQLITE_CONSTRAINT_PRIMARYKEY
    SQLITE_CONSTRAINT_ROWID SQLITE_CONSTRAINT_TRIGGER SQLITE_CONSTRAINT_UNIQUE
    SQLITE_CONSTRAINT_VTAB SQLITE_CORRUPT_INDEX SQLITE_CORRUPT_SEQUENCE SQLITE_CORRUPT_VTAB
    SQLITE_ERROR_MISSING_COLLSEQ SQLITE_ERROR_RETRY SQLITE_ERROR_SNAPSHOT SQLITE_IOERR_ACCESS
    SQLITE_IOERR_AUTH SQLITE_IOERR_BEGIN_ATOMIC SQLITE_IOERR_BLOCKED
    SQLITE_IOERR_CHECKRESERVEDLOCK SQLITE_IOERR_CLOSE SQLITE_IOERR_COMMIT_ATOMIC
    SQLITE_IOERR_CONVPATH SQLITE_IOERR_CORRUPTFS SQLITE_IOERR_DATA SQLITE_IOERR_DELETE
    SQLITE_IOERR_DELETE_NOENT SQLITE_IOERR_DIR_CLOSE SQLITE_IOERR_DIR_FSYNC SQLITE_IOERR_FSTAT
    SQLITE_IOERR_FSYNC SQLITE_IOERR_GETTEMPPATH SQLITE_IOERR_LOCK SQLITE_IOERR_MMAP
    SQLITE_IOERR_NOMEM SQLITE_IOERR_RDLOCK SQLITE_IOERR_READ SQLITE_IOERR_ROLLBACK_ATOMIC
    SQLITE_IOERR_SEEK SQLITE_IOERR_SHMLOCK SQLITE_IOERR_SHMMAP SQLITE_IOERR_SHMOPEN
    SQLITE_IOERR_SHMSIZE SQLITE_IOERR_SHORT_READ SQLITE_IOERR_TRUNCATE SQLITE_IOERR_UNLOCK
    SQLITE_IOERR_VNODE SQLITE_IOERR_WRITE SQLITE_LOCKED_SHAREDCACHE SQLITE_LOCKED_VTAB
    SQLITE_NOTICE_RECOVER_ROLLBACK SQLITE_NOTICE_RECOVER_WAL SQLITE_OK_LOAD_PERMANENTLY
    SQLITE_READONLY_CANTINIT SQLITE_READONLY_CANTLOCK SQLITE_READONLY_DBMOVED
    SQLITE_READONLY_DIRECTORY SQLITE_READONLY_RECOVERY SQLITE_READONLY_ROLLBACK
    SQLITE_WARNING_AUTOINDEX
);

#[cfg(test)]
mod tests {
    //! The words of errors are part of the contract with guests.
    use super::*;

    #[test]
    fn an_error_of_sqlite_names_its_codes() {
        let check = |code, offset, expected: &str| {
            assert_eq!(
                StorageError::sqlite(code, "text", offset).to_string(),
                expected
            );
        };
        check(ffi::SQLITE_AUTH, None, "text: SQLITE_AUTH");
        check(ffi::SQLITE_ERROR, Some(7), "text at offset 7: SQLITE_ERROR");
        check(
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            None,
            "text: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
        );
        check(99, None, "text: SQLITE_UNKNOWN_ERROR_CODE(99)");
    }
}
