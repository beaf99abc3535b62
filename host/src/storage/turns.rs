//! When what an object writes is committed or undone.
//!
//! A turn is what the object does without waiting. Its first write begins SQLite's
//! transaction, `end_turn` commits it. Savepoints and transactions of the object
//! lie within, see `transaction_stack`.
//!
//! Invariants:
//!
//! * `began` says whether SQLite's transaction is open, also after an error that
//!   made SQLite end it by itself.
//! * A number that `newest_commit` has given out is recorded, even if nothing was
//!   written or the object rolled its transaction back: output waits for it.
//! * Only a discarded turn records none. Its output must be discarded too.

use rusqlite::ffi;

use super::database::Database;
use super::errors::StorageError;
use super::limits::{CURSOR_WAL_PAGES_MAX, TRANSACTION_DEPTH_MAX};
use super::transaction_stack::{Ending, Kind};
use super::{CommitNumber, Place, Storage};

const CONSTRAINTS_VIOLATED: &str = "Durable Object was reset and rolled back to its last known good \
     state because the application left the database in a state where constraints were violated: ";

const SAVEPOINT_OPEN: &str = "Durable Object was reset because it waited with an open savepoint. \
     End the savepoint before waiting, or use a transaction.";

/// What `end_turn` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// The turn had written nothing.
    Nothing,
    Committed(CommitNumber),
    /// A transaction of the object holds the turn's writes back.
    InTransaction,
}

impl Storage {
    /// Ends a turn: commits what it wrote, unless a transaction is open.
    ///
    /// Fails with `Broken`; the turn is then undone.
    pub fn end_turn(&mut self) -> Result<TurnEnd, StorageError> {
        self.counted(Self::end_this_turn)
    }

    fn end_this_turn(&mut self) -> Result<TurnEnd, StorageError> {
        if let Err(error) = self.require_whole() {
            self.rollback_turn();
            return Err(error);
        }
        if self.stack.has_savepoint() {
            self.rollback_turn();
            return Err(StorageError::Broken(SAVEPOINT_OPEN.to_owned()));
        }
        if self.stack.holds_the_turn() {
            return Ok(TurnEnd::InTransaction);
        }
        if !self.began {
            return Ok(TurnEnd::Nothing);
        }
        self.commit_turn().map(TurnEnd::Committed)
    }

    /// Ends the turn, and says which commit must be durable for all earlier writes to be.
    pub fn sync(&mut self) -> Result<CommitNumber, StorageError> {
        if !self.stack.holds_the_turn() && !self.stack.has_savepoint() {
            self.end_turn()?;
        }
        Ok(self.committed)
    }

    /// Undoes everything that is not committed, transactions of the object
    /// included, and closes its cursors: the instance is gone.
    ///
    /// What it said since the last commit must be discarded too.
    pub fn rollback_turn(&mut self) {
        self.counted(|storage| {
            storage.lost = None;
            storage.cursors.clear();
            storage.forget_turn();
            if storage.settings_touched
                && let Place::Open(database) = &mut storage.place
                && let Err(error) = database.restore_settings()
            {
                tracing::warn!(%error, "cannot restore the database's settings");
            }
            storage.settings_touched = false;
        });
    }

    /// Opens a savepoint within the turn.
    pub fn savepoint(&mut self) -> Result<u64, StorageError> {
        self.call(|storage| storage.push(Kind::Savepoint))
    }

    /// Opens a transaction that may last over turns, in the one named. Commits the
    /// turn so far.
    pub fn begin(&mut self, within: Option<u64>) -> Result<u64, StorageError> {
        self.call(|storage| {
            storage.require_innermost_transaction(within)?;
            if storage.stack.is_empty() && storage.began {
                storage.commit_turn()?;
            }
            storage.push(Kind::Transaction)
        })
    }

    /// Keeps what was written since `number` was opened.
    pub fn commit(&mut self, number: u64) -> Result<(), StorageError> {
        self.call(|storage| {
            storage.require_innermost(number)?;
            match storage.stack.ending() {
                Ending::Nothing => {}
                // On a violated constraint the transaction stays open.
                Ending::Whole => {
                    storage.commit_sql()?;
                }
                Ending::Savepoint(_) => storage.execute("RELEASE _cf_savepoint")?,
            }
            storage.stack.close();
            Ok(())
        })
    }

    /// Undoes what was written since `number` was opened.
    pub fn rollback(&mut self, number: u64) -> Result<(), StorageError> {
        self.call(|storage| {
            storage.require_innermost(number)?;
            match storage.stack.ending() {
                Ending::Nothing => {}
                Ending::Whole => {
                    storage.execute("ROLLBACK")?;
                    storage.began = false;
                    // Output may wait for the number that this would have had.
                    storage.record(None);
                }
                Ending::Savepoint(_) => {
                    storage.execute("ROLLBACK TO _cf_savepoint")?;
                    storage.execute("RELEASE _cf_savepoint")?;
                }
            }
            storage.own_tables.forget();
            storage.stack.close();
            Ok(())
        })
    }

    /// Whether a transaction of the object holds the turns' writes back.
    pub fn in_transaction(&self) -> bool {
        self.stack.holds_the_turn()
    }

    /// Whether `end_turn` has something to commit.
    pub fn has_written(&self) -> bool {
        self.began && !self.stack.holds_the_turn()
    }

    /// Whether a savepoint is open. It must end before the object waits.
    pub fn has_savepoint(&self) -> bool {
        self.stack.has_savepoint()
    }

    /// The database, with everything begun that a write needs.
    pub(super) fn begin_write(&mut self) -> Result<&mut Database, StorageError> {
        self.open_for_write()?;
        if !self.began {
            self.attach_wal()?;
            self.execute("BEGIN IMMEDIATE")?;
            self.began = true;
        }
        while let Some(number) = self.stack.next_to_begin() {
            self.execute("SAVEPOINT _cf_savepoint")?;
            self.stack.begun(number);
        }
        self.open_for_write()
    }

    /// Makes sure that what will be written can be synced.
    pub(super) fn attach_wal(&mut self) -> Result<(), StorageError> {
        self.durable.attach_wal().map_err(|error| {
            StorageError::Broken(format!("cannot open the database's log: {error}"))
        })
    }

    /// Runs several writes of the host as one: all or none.
    pub(super) fn atomically(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.begin_write()?;
        self.execute("SAVEPOINT _cf_atomic")?;
        let done = work(self);
        // An error may have ended the whole transaction, and the savepoint with it.
        let ended = self.open_for_write()?.is_autocommit();
        if done.is_err() && !ended {
            self.execute("ROLLBACK TO _cf_atomic")?;
            self.own_tables.forget();
        }
        if !ended {
            self.execute("RELEASE _cf_atomic")?;
        }
        done
    }

    /// Finds out what an error has done to the transaction, and says it.
    pub(super) fn judge(&mut self, error: StorageError) -> StorageError {
        if !matches!(error, StorageError::Sqlite { .. }) {
            return error;
        }
        if let Some(reason) = self.budget.why_stopped() {
            self.rollback_turn();
            return StorageError::Broken(reason);
        }
        let error = self.explain(error);
        let ended = match &self.place {
            Place::Open(database) => database.is_autocommit(),
            Place::Unopened | Place::Absent => false,
        };
        if self.began && ended {
            // SQLite has rolled back by itself: the disk is full or failed, or the
            // object asked for it with OR ROLLBACK. What the object believes to
            // have written in this turn is gone.
            self.rollback_turn();
            return error.into_broken();
        }
        error
    }

    /// Commits the implicit transaction. On an error it is undone.
    pub(super) fn commit_turn(&mut self) -> Result<CommitNumber, StorageError> {
        let error = match self.commit_sql() {
            Ok(number) => return Ok(number),
            Err(error) => error,
        };
        self.rollback_turn();
        Err(StorageError::Broken(match error {
            StorageError::Sqlite { code, message } if code & 0xff == ffi::SQLITE_CONSTRAINT => {
                format!("{CONSTRAINTS_VIOLATED}{message}")
            }
            other => other.to_string(),
        }))
    }

    /// Records a commit and has it made durable.
    pub(super) fn record(&mut self, wal_pages: Option<u64>) -> CommitNumber {
        if let Some(pages) = wal_pages {
            self.wal_pages = pages;
            self.durable.write_ahead(pages);
        }
        let (number, enqueue) = self.durable.record(wal_pages);
        self.committed = number;
        if enqueue {
            self.committer.enqueue(self.durable.clone());
        }
        number
    }

    /// Undoes SQLite's transaction and forgets the object's.
    pub(super) fn forget_turn(&mut self) {
        self.stack.clear();
        self.own_tables.forget();
        self.forget_notice();
        if !std::mem::take(&mut self.began) {
            return;
        }
        let Place::Open(database) = &mut self.place else {
            return;
        };
        if !database.is_autocommit()
            && let Err(error) = database.execute("ROLLBACK", &[])
        {
            // Closing the connection undoes the transaction as well.
            tracing::error!(%error, "rollback failed");
            self.detach();
        }
    }

    fn commit_sql(&mut self) -> Result<CommitNumber, StorageError> {
        if !self.began {
            return Ok(self.committed);
        }
        self.await_notice()?;
        self.execute("COMMIT")?;
        self.began = false;
        let pages = self.open_for_write()?.take_committed_pages();
        let number = self.record(pages);
        if self.wal_pages >= CURSOR_WAL_PAGES_MAX && self.cursors.any_running() {
            self.buffer_cursors();
        }
        Ok(number)
    }

    /// Runs a statement of the host on the open database.
    pub(super) fn execute(&mut self, sql: &'static str) -> Result<(), StorageError> {
        self.open_for_write()?.execute(sql, &[])
    }

    fn push(&mut self, kind: Kind) -> Result<u64, StorageError> {
        self.stack.open(kind).ok_or_else(|| {
            StorageError::Invalid(format!(
                "At most {TRANSACTION_DEPTH_MAX} transactions and savepoints can be open at a time."
            ))
        })
    }

    /// Refuses to nest a transaction in one that its caller does not mean.
    fn require_innermost_transaction(&self, named: Option<u64>) -> Result<(), StorageError> {
        match (self.stack.innermost_transaction(), named) {
            (open, named) if open == named => Ok(()),
            (Some(open), _) => Err(StorageError::Invalid(format!(
                "Transaction {open} is open; begin within it, or wait until it has ended."
            ))),
            (None, named) => Err(StorageError::Invalid(format!(
                "Transaction {} is not open; begin within none.",
                named.unwrap_or_default()
            ))),
        }
    }

    fn require_innermost(&self, number: u64) -> Result<(), StorageError> {
        match self.stack.innermost() {
            Some(innermost) if innermost == number => Ok(()),
            Some(innermost) => Err(StorageError::Invalid(format!(
                "Transaction {number} is not the innermost one; end {innermost} first."
            ))),
            None => Err(StorageError::Invalid(format!(
                "Transaction {number} is not open."
            ))),
        }
    }
}
