//! How an object forgets everything.
//!
//! SQLite writes an empty database into the log, which a full disk has no room for.
//! Then the file itself is removed: with all of the log moved into it, that is one
//! step, before which everything is there and after which nothing is.

use rusqlite::ffi;

use super::errors::StorageError;
use super::limits::CHECKPOINT_PAGES;
use super::object_files::Proven;
use super::own_tables::OwnTable;
use super::{Place, Storage};

impl Storage {
    /// Removes all tables, keys and the alarm, as one commit of its own. What the
    /// turn wrote before is committed first. Open cursors end with an error.
    ///
    /// Blocks when the disk is full.
    pub fn delete_all(&mut self) -> Result<(), StorageError> {
        self.call(|storage| {
            if !storage.stack.is_empty() {
                return Err(StorageError::Invalid(
                    "delete-all cannot be called within a transaction or savepoint; end it first."
                        .to_owned(),
                ));
            }
            if storage.began {
                storage.commit_turn()?;
            }
            storage.cursors.cancel();
            if storage.open()?.is_none() {
                return Ok(());
            }
            if storage.has_table(OwnTable::Alarm)? {
                storage.doubt_alarm();
            }
            storage.attach_wal()?;
            match storage.reset() {
                Err(StorageError::Sqlite { code, .. })
                    if code & 0xff == ffi::SQLITE_FULL && storage.empties_log() =>
                {
                    storage.remove_database()
                }
                other => other,
            }
        })
    }

    fn reset(&mut self) -> Result<(), StorageError> {
        let Place::Open(database) = &mut self.place else {
            return Ok(());
        };
        let pages = database.integer("PRAGMA page_count")?.unwrap_or(0);
        database.reset()?;
        let log_pages = database.take_committed_pages();
        self.own_tables.none();
        self.record(log_pages);
        if pages.unsigned_abs() > CHECKPOINT_PAGES {
            // Only a checkpoint makes the file small.
            self.checkpoint_at_pages = 1;
        }
        Ok(())
    }

    /// Moves the log into the database, if that is possible.
    fn empties_log(&mut self) -> bool {
        let moved = self.wal_pages == 0 || self.checkpoint().is_ok();
        moved && self.wal_pages == 0 && self.durable.wait().is_ok()
    }

    /// Removes the files, durably. All of the log is in the database.
    fn remove_database(&mut self) -> Result<(), StorageError> {
        self.detach();
        self.durable.leave_wal();
        self.files.remove().map_err(|error| {
            // Half removed is worse than removed; nothing was promised yet.
            self.files.set_unproven(Proven::Nothing);
            StorageError::Broken(format!("cannot remove the database: {error}"))
        })?;
        self.place = Place::Absent;
        self.own_tables.none();
        self.record(None);
        Ok(())
    }
}
