//! When and how the WAL is moved into the database.
//!
//! ```text
//! all commits durable ─► pages to the database ─► database durable
//!                     ─► WAL cut to nothing ─► that durable ─► new commits
//! ```
//!
//! SQLite would rather write a new round over the frames of the old one. A power
//! loss in the middle could then leave an old header with some old frames, and
//! SQLite would replay this prefix over a newer database. So the WAL is cut to
//! nothing, durably, before anything but zeros is written to it again.
//!
//! The log of an object that sleeps is moved by `folding`.

use super::disk;
use super::errors::StorageError;
use super::limits::CHECKPOINT_PAGES;
use super::object_files::Proven;
use super::{Place, Storage};

impl Storage {
    /// Whether the WAL is long enough for a checkpoint, and nothing is open that
    /// forbids it.
    pub fn checkpoint_due(&self) -> bool {
        self.wal_pages >= self.checkpoint_at_pages && self.may_checkpoint()
    }

    /// Moves the WAL into the database. Blocks.
    ///
    /// An error is for the log: nothing is lost, and the object goes on.
    pub fn checkpoint(&mut self) -> Result<(), StorageError> {
        if !self.may_checkpoint() {
            return Ok(());
        }
        self.durable.wait().map_err(StorageError::Broken)?;
        self.counted(Self::move_the_wal)
    }

    fn move_the_wal(&mut self) -> Result<(), StorageError> {
        let done = self.move_wal();
        match done {
            Ok(()) => {
                self.wal_pages = 0;
                self.checkpoint_at_pages = CHECKPOINT_PAGES;
            }
            Err(_) => {
                // A new connection believes the WAL again, all of it, and knows
                // nothing of pages that may not have reached the disk.
                self.detach();
                self.checkpoint_at_pages = self.wal_pages + CHECKPOINT_PAGES;
            }
        }
        done
    }

    pub(super) fn may_checkpoint(&self) -> bool {
        self.is_open() && !self.began && self.stack.is_empty() && !self.cursors.any_running()
    }

    fn move_wal(&mut self) -> Result<(), StorageError> {
        let Place::Open(database) = &mut self.place else {
            return Ok(());
        };
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            StorageError::Broken(format!("checkpoint: cannot {what}: {error}"))
        };
        // Opened before the pages are written, so that it hears of their errors.
        let file = self
            .files
            .open_database()
            .map_err(|error| failed("open the database", &error))?;
        database.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
        disk::sync_file(&file).map_err(|error| failed("make the database durable", &error))?;
        database.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")?;
        // From here on the database holds everything; the WAL may only be empty.
        self.durable.sync_emptied().map_err(|error| {
            // The old frames may come back, and nothing may be written over them:
            // the next to open the file makes the log empty first.
            self.files.set_unproven(Proven::WalBytes(0));
            self.durable.leave_wal();
            failed("make the empty log durable", &error)
        })
    }
}
