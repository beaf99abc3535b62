//! The file of the index: one row for each object that has an alarm, or may have.
//!
//! The file stands for nothing but speed. One that is damaged is removed and made
//! anew, from the objects' databases.
//!
//! Invariants:
//!
//! * Where a row is not `uncertain`, the object's alarm is not due before it says.
//! * What a transaction that gives notice wrote is durable when it returns, and so is
//!   everything before it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result, params};

use super::{Change, Due, ObjectName};
use crate::storage::disk;
use crate::storage::memory;

/// Its name in the data directory.
const NAME: &str = "alarms.sqlite";

/// Pages that are kept in memory, in KiB: enough for the branches of a large index.
const CACHE_KIB: i64 = 2048;

/// `due`: when to look at the object; none while it is being looked at, or when there
/// is nothing to look at. `uncertain`: the object is to be looked at after a crash.
/// `failures`: how often it could not be. `scanned`: folders all of whose objects with
/// alarms are known.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS alarms (
        folder TEXT NOT NULL, id TEXT NOT NULL, due INTEGER, uncertain INTEGER NOT NULL,
        failures INTEGER NOT NULL, PRIMARY KEY (folder, id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_time ON alarms (due) WHERE due IS NOT NULL;
    CREATE INDEX IF NOT EXISTS by_doubt ON alarms (uncertain) WHERE uncertain = 1;
    CREATE TABLE IF NOT EXISTS scanned (folder TEXT PRIMARY KEY) WITHOUT ROWID;";

const DOUBT_ALL: &str =
    "UPDATE alarms SET due = ?1 WHERE uncertain = 1 AND (due IS NULL OR due > ?1)";
const NOTICE: &str = "INSERT INTO alarms VALUES (?1, ?2, NULL, 1, 0) \
     ON CONFLICT DO UPDATE SET uncertain = 1";
const AT: &str = "INSERT INTO alarms VALUES (?1, ?2, ?3, 0, 0) \
     ON CONFLICT DO UPDATE SET due = excluded.due, failures = 0";
const NEVER: &str = "UPDATE alarms SET due = NULL, failures = 0 WHERE folder = ?1 AND id = ?2";
const AGAIN: &str = "INSERT INTO alarms VALUES (?1, ?2, ?3, 1, ?4) \
     ON CONFLICT DO UPDATE SET due = excluded.due, uncertain = 1, failures = excluded.failures";
const FORGET: &str = "DELETE FROM alarms WHERE folder = ?1 AND id = ?2 AND due IS NULL";
const CERTAIN: &str = "UPDATE alarms SET uncertain = 0 WHERE folder = ?1 AND id = ?2";
const DUE: &str = "SELECT folder, id, failures FROM alarms WHERE due <= ?1 ORDER BY due LIMIT ?2";
const TAKEN: &str = "UPDATE alarms SET due = NULL, uncertain = 1 WHERE folder = ?1 AND id = ?2";
const NEXT: &str = "SELECT min(due) FROM alarms WHERE due IS NOT NULL";

pub struct Table {
    connection: Connection,
}

impl Table {
    /// Opens the index in a data directory, or makes one. After a crash, objects of
    /// which it is uncertain are due at once.
    pub fn open(directory: &Path, now_ms: i64) -> Result<Table> {
        memory::install();
        let connection = Connection::open(directory.join(NAME))?;
        connection.execute_batch(&format!(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; \
             PRAGMA cache_size = -{CACHE_KIB}; PRAGMA synchronous = FULL;"
        ))?;
        connection.execute_batch(SCHEMA)?;
        connection.execute(DOUBT_ALL, [now_ms])?;
        if let Err(error) = disk::sync_directory(directory) {
            return Err(rusqlite::Error::ToSqlConversionFailure(error.into()));
        }
        Ok(Table { connection })
    }

    /// Removes the file, whatever it holds.
    pub fn remove(directory: &Path) {
        for end in ["", "-wal", "-journal", "-shm"] {
            let path: PathBuf = directory.join(format!("{NAME}{end}"));
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::error!(%error, ?path, "cannot remove the index of alarms");
            }
        }
    }

    /// Writes what changed, and what has become certain; durably if notice is given.
    pub fn write<'a>(
        &mut self,
        changes: impl Iterator<Item = (&'a ObjectName, &'a Change)>,
        certain: &[ObjectName],
        gives_notice: bool,
    ) -> Result<()> {
        let synchronous = if gives_notice { "FULL" } else { "NORMAL" };
        let pragma = format!("PRAGMA synchronous = {synchronous}");
        self.connection.execute_batch(&pragma)?;
        let transaction = self.connection.transaction()?;
        let run =
            |sql, params: &[&dyn rusqlite::ToSql]| transaction.prepare_cached(sql)?.execute(params);
        for (ObjectName { folder, id }, change) in changes {
            if change.notice.is_some() {
                run(NOTICE, params![folder, id])?;
            }
            match change.due {
                None => 0,
                Some(Due::At(due_ms)) => run(AT, params![folder, id, due_ms])?,
                Some(Due::Never) => run(NEVER, params![folder, id])?,
                Some(Due::Again { due_ms, failures }) => {
                    run(AGAIN, params![folder, id, due_ms, failures])?
                }
            };
        }
        for ObjectName { folder, id } in certain {
            if run(FORGET, params![folder, id])? == 0 {
                run(CERTAIN, params![folder, id])?;
            }
        }
        transaction.commit()
    }

    /// Takes up to `max` objects at which it is time to look, and how often that
    /// failed before.
    pub fn take(&mut self, now_ms: i64, max: usize) -> Result<Vec<(ObjectName, u32)>> {
        let transaction = self.connection.transaction()?;
        let taken = transaction
            .prepare_cached(DUE)?
            .query_map(params![now_ms, max as i64], |row| {
                let object = ObjectName {
                    folder: row.get(0)?,
                    id: row.get(1)?,
                };
                Ok((object, row.get(2)?))
            })?
            .collect::<Result<Vec<_>>>()?;
        for (object, _) in &taken {
            let mut statement = transaction.prepare_cached(TAKEN)?;
            statement.execute(params![object.folder, object.id])?;
        }
        transaction.commit()?;
        Ok(taken)
    }

    /// When it is time to look at the next object.
    pub fn next_due_ms(&self) -> Result<Option<i64>> {
        self.connection
            .prepare_cached(NEXT)?
            .query_row([], |row| row.get(0))
    }

    pub fn scanned(&self) -> Result<HashSet<String>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT folder FROM scanned")?;
        statement.query_map([], |row| row.get(0))?.collect()
    }

    pub fn set_scanned(&self, folder: &str) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO scanned VALUES (?1)";
        self.connection.execute(sql, [folder]).map(drop)
    }

    #[cfg(test)]
    pub fn row(&self, object: &ObjectName) -> Option<(Option<i64>, bool)> {
        use rusqlite::OptionalExtension as _;
        let sql = "SELECT due, uncertain FROM alarms WHERE folder = ?1 AND id = ?2";
        self.connection
            .query_row(sql, params![object.folder, object.id], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
            .unwrap()
    }
}
