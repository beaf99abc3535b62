//! What may an object's statement bring into the schema?
//!
//! SQLite asks before it makes a table, see `rules`, but not about a table's new
//! name, about the tables to which foreign keys refer, or about the names that a
//! virtual table gives its own tables when it is renamed. So a statement that may
//! bring a protected name runs within a savepoint, and the schema is compared.
//!
//! Invariants:
//!
//! * A name that begins with `_cf_` is the host's.
//! * No table of an object refers to one of the host's: its foreign key would
//!   decide over the host's own statements, and run triggers within them.

use rusqlite::ffi;

use super::Storage;
use super::allowed::is_free_name;
use super::errors::StorageError;
use super::statement_cache::Prepared;

/// What there is of the host in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Protected {
    names: usize,
    references: usize,
}

impl Storage {
    /// Runs a statement of the object by `work`, all or nothing if it may bring
    /// protected names. Refuses it if it did.
    pub(super) fn keep_names(
        &mut self,
        prepared: &mut Prepared,
        work: impl FnOnce(&mut Prepared) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        if !(prepared.writes() && prepared.seen.may_bring_protected_names()) {
            return work(prepared);
        }
        self.atomically(|storage| {
            let before = storage.protected()?;
            let done = work(prepared);
            // What made the change must not stand on it when it is undone.
            prepared.statement.reset();
            done?;
            if storage.protected()? == before {
                return Ok(());
            }
            Err(storage.refusal()?)
        })
    }

    fn protected(&mut self) -> Result<Protected, StorageError> {
        let database = self.open_for_write()?;
        let (mut names, mut referring) = (0, Vec::new());
        let query = "SELECT name FROM sqlite_schema WHERE instr(lower(name || sql), '_cf_') > 0";
        database.run(query, &[], |columns| {
            let name = columns.text(0);
            if is_free_name(&name) {
                referring.push(name);
            } else {
                names += 1;
            }
            Ok(())
        })?;
        let mut references = 0;
        for table in referring {
            for parent in database.parents(&table)? {
                references += usize::from(!is_free_name(&parent));
            }
        }
        Ok(Protected { names, references })
    }

    /// In the words that SQLite has: a statement is refused, or one within it.
    fn refusal(&mut self) -> Result<StorageError, StorageError> {
        let query = "SELECT 1 FROM sqlite_schema WHERE lower(name) = '_cf' AND rootpage = 0";
        let made_by_a_virtual_table = self.open_for_write()?.integer(query)?.is_some();
        let text = if made_by_a_virtual_table {
            "authorization denied"
        } else {
            "not authorized"
        };
        Ok(StorageError::sqlite(ffi::SQLITE_AUTH, text, None))
    }
}
