//! Which of the host's own tables does the database have?
//!
//! Each is made when it is first written to, so that a fresh database is one page.
//! What was found out is remembered until something may have undone it.

use super::Storage;
use super::database::Database;
use super::errors::StorageError;

/// A table of the host's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnTable {
    Keys,
    Alarm,
    Origin,
}

const KEYS: &str =
    "CREATE TABLE IF NOT EXISTS _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID";
const KEYS_EXIST: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_cf_KV'";

const ALARM: &str = "CREATE TABLE IF NOT EXISTS _cf_ALARM (one INTEGER PRIMARY KEY CHECK (one = 1), \
     time INTEGER NOT NULL, due INTEGER NOT NULL, retries INTEGER NOT NULL, \
     number INTEGER NOT NULL, name TEXT)";
const ALARM_EXISTS: &str =
    "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_cf_ALARM'";

const ORIGIN: &str = "CREATE TABLE IF NOT EXISTS _cf_ORIGIN \
     (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL)";
const ORIGIN_EXISTS: &str =
    "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_cf_ORIGIN'";

/// Whether each exists; none when that must be looked up.
#[derive(Debug, Default)]
pub struct OwnTables {
    known: [Option<bool>; 3],
}

impl OwnTables {
    /// Nothing is known any more.
    pub fn forget(&mut self) {
        self.known = [None; 3];
    }

    /// The database is empty.
    pub fn none(&mut self) {
        self.known = [Some(false); 3];
    }
}

impl Storage {
    pub(super) fn has_table(&mut self, table: OwnTable) -> Result<bool, StorageError> {
        if let Some(known) = self.own_tables.known[table as usize] {
            return Ok(known);
        }
        let Some(database) = self.open()? else {
            return Ok(false);
        };
        let exists = database.integer(table.exists())?.is_some();
        self.own_tables.known[table as usize] = Some(exists);
        Ok(exists)
    }

    /// The database to write to, with this table in it.
    pub(super) fn begin_write_to(
        &mut self,
        table: OwnTable,
    ) -> Result<&mut Database, StorageError> {
        let known = self.own_tables.known[table as usize];
        self.begin_write()?;
        if known != Some(true) {
            self.execute(table.create())?;
            self.own_tables.known[table as usize] = Some(true);
        }
        self.open_for_write()
    }
}

impl OwnTable {
    pub(super) fn create(self) -> &'static str {
        match self {
            OwnTable::Keys => KEYS,
            OwnTable::Alarm => ALARM,
            OwnTable::Origin => ORIGIN,
        }
    }

    pub(super) fn exists(self) -> &'static str {
        match self {
            OwnTable::Keys => KEYS_EXIST,
            OwnTable::Alarm => ALARM_EXISTS,
            OwnTable::Origin => ORIGIN_EXISTS,
        }
    }
}
