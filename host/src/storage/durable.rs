//! Which commits of one object survive a crash.
//!
//! The object's task records commits, the committer proves them; this is what
//! the two share.
//!
//! ```text
//! recorded ─take()─► syncing ─finish(ok)──► durable ──► report Durable(n)
//!                            └─finish(err)─► failed ───► report Failed, once
//! ```
//!
//! Invariants:
//!
//! * `durable <= committed`; both only grow.
//! * An object is in the committer's hands once at a time, so that its reports come
//!   in the order of commits.
//! * After a failure nothing is proven any more: what the page cache holds may
//!   never reach the disk, and a second sync would not tell.
//! * `wal_bytes_durable` ends at a commit that is durable.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::disk;
use super::limits::{FRAME_BYTES, LOG_HEADER_BYTES};
use super::object_files::{ObjectFiles, Proven};
use super::zeros_ahead;

/// The number of a commit of one object, since its storage was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitNumber(pub u64);

impl CommitNumber {
    /// Before the first commit; always durable.
    pub const ZERO: Self = Self(0);

    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What the committer reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Commits up to this one survive a crash.
    Durable(CommitNumber),
    /// This commit and later ones may be lost; nothing more becomes durable.
    Failed(CommitNumber, String),
}

/// Called for each report; quick, and without calling storage.
pub type Report = Box<dyn Fn(Durability) + Send + Sync>;

pub struct Durable {
    files: ObjectFiles,
    report: Report,
    /// Whether `State::failure` is set, readable without the lock.
    failed: AtomicBool,
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    committed: CommitNumber,
    durable: CommitNumber,
    /// Length of the WAL at the newest commit, and at the newest durable one.
    wal_bytes: u64,
    wal_bytes_durable: u64,
    /// Length of the file, zeros ahead and all; it may be longer.
    wal_file_bytes: u64,
    wal: Option<Arc<File>>,
    /// The files were created since the last successful sync.
    fresh: bool,
    /// Something was written since the committer last took this object.
    dirty: bool,
    /// In the committer's queue.
    queued: bool,
    /// In the committer's hands.
    syncing: bool,
    failure: Option<String>,
    /// How many syncs of the whole file system had failed when this object was
    /// opened or last synced by itself.
    failures_known: u64,
}

/// What the committer must make durable of one object.
pub struct Job {
    pub durable: Arc<Durable>,
    number: CommitNumber,
    wal_bytes: u64,
    pub fresh: bool,
    pub dirty: bool,
    wal: Option<Arc<File>>,
}

impl Durable {
    /// `failures_known`: how many syncs of the whole file system have failed.
    pub fn new(files: ObjectFiles, report: Report, failures_known: u64) -> Self {
        Self {
            files,
            report,
            failed: AtomicBool::new(false),
            state: Mutex::new(State {
                failures_known,
                ..State::default()
            }),
            settled: Condvar::new(),
        }
    }

    /// An existing database was opened. All of its WAL is durable, but for commits
    /// that are on their way; zeros may follow in the file.
    pub fn opened(&self, wal_bytes: u64, wal_file_bytes: u64) {
        let mut state = self.state.lock();
        state.wal_file_bytes = wal_file_bytes;
        if state.durable == state.committed && !state.fresh {
            state.wal_bytes = wal_bytes;
            state.wal_bytes_durable = wal_bytes;
        }
    }

    /// The files were created just now.
    pub fn created(&self) {
        let mut state = self.state.lock();
        state.fresh = true;
        state.wal_bytes = 0;
        state.wal_bytes_durable = 0;
        state.wal_file_bytes = 0;
    }

    /// Makes sure that the WAL can be synced; before the first write, so that no
    /// error of writing is missed.
    pub fn attach_wal(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.wal.is_none() {
            state.wal = Some(Arc::new(self.files.open_wal()?));
        }
        Ok(())
    }

    /// Writes zeros behind a commit that has come to the end of those that were there.
    /// Before it is recorded, so that one sync covers both.
    pub fn write_ahead(&self, wal_pages: u64) {
        let mut state = self.state.lock();
        let zeros = zeros_ahead::after_commit(wal_bytes(wal_pages), state.wal_file_bytes);
        let (Some(zeros), Some(wal)) = (zeros, state.wal.clone()) else {
            return;
        };
        state.wal_file_bytes = zeros.end;
        drop(state);
        zeros_ahead::fill(&wal, zeros);
    }

    /// Records a commit. Returns its number, and whether the object must be queued.
    ///
    /// `wal_pages` is none for a commit that wrote nothing: it is durable as soon
    /// as those before it are.
    pub fn record(&self, wal_pages: Option<u64>) -> (CommitNumber, bool) {
        let mut state = self.state.lock();
        state.committed = state.committed.next();
        if let Some(pages) = wal_pages {
            state.dirty = true;
            state.wal_bytes = wal_bytes(pages);
        }
        let enqueue = !state.queued;
        state.queued = true;
        (state.committed, enqueue)
    }

    /// Takes what is to be made durable; none when nothing can be any more.
    pub fn take(self: &Arc<Self>) -> Option<Job> {
        let mut state = self.state.lock();
        state.queued = false;
        if state.failure.is_some() {
            self.settled.notify_all();
            return None;
        }
        state.syncing = true;
        Some(Job {
            durable: Arc::clone(self),
            number: state.committed,
            wal_bytes: state.wal_bytes,
            fresh: state.fresh,
            dirty: std::mem::take(&mut state.dirty),
            wal: state.wal.clone(),
        })
    }

    /// Why nothing becomes durable any more, if that is so.
    pub fn failure(&self) -> Option<String> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        self.state.lock().failure.clone()
    }

    /// Whether the file that was written to, if any was, is the object's WAL still. Another
    /// SQLite removes it when it closes the database.
    pub fn has_found_wal(&self) -> bool {
        let wal = self.state.lock().wal.clone();
        wal.is_none_or(|wal| self.files.require_found(&wal).is_ok())
    }

    /// Leaves the file of the WAL; the next write opens it anew.
    pub fn leave_wal(&self) {
        self.state.lock().wal = None;
    }

    #[cfg(test)]
    pub fn fail(&self, message: String) {
        self.set_failure(&mut self.state.lock(), message);
    }

    /// Waits until the committer has nothing to do for this object.
    ///
    /// Fails when not all commits are durable.
    pub fn wait(&self) -> Result<(), String> {
        let mut state = self.state.lock();
        // Also after a failure: the files must not change under a sync that runs,
        // and the object must not be queued twice.
        while state.queued || state.syncing {
            self.settled.wait(&mut state);
        }
        state.failure.clone().map_or(Ok(()), Err)
    }

    /// Waits like `wait`, and takes back what is not proven durable. No connection may
    /// be open.
    pub fn settle(&self, files: &ObjectFiles) -> Result<(), String> {
        let settled = self.wait();
        let proven = self.proven();
        // A file in which nothing was ever committed was never made durable either,
        // and whoever finds it later could not know that.
        if settled.is_err() || proven == Proven::Nothing {
            files.set_unproven(proven);
            // Best now; if the disk fails, whoever opens the file next tries again.
            if let Err(error) = files.discard_unproven(proven) {
                tracing::warn!(%error, "cannot discard what is not durable");
            }
            self.leave_wal();
        }
        settled
    }

    pub fn durable(&self) -> CommitNumber {
        self.state.lock().durable
    }

    /// Length of the WAL at the newest commit.
    pub fn wal_bytes(&self) -> u64 {
        self.state.lock().wal_bytes
    }

    /// The WAL was moved into the database, durably, and cut to nothing. Makes that
    /// durable too, with room for what comes next.
    pub fn sync_emptied(&self) -> io::Result<()> {
        self.attach_wal()?;
        let mut state = self.state.lock();
        state.wal_bytes = 0;
        state.wal_bytes_durable = 0;
        state.wal_file_bytes = zeros_ahead::AHEAD_BYTES_MAX;
        let Some(wal) = state.wal.clone() else {
            return Ok(());
        };
        drop(state);
        zeros_ahead::fill(&wal, 0..zeros_ahead::AHEAD_BYTES_MAX);
        disk::sync_file(&wal)
    }

    /// Whether there is nothing to wait for and nothing to take back.
    pub fn is_settled(&self) -> bool {
        let state = self.state.lock();
        !state.queued && !state.syncing && !state.fresh && state.failure.is_none()
    }

    pub fn proven(&self) -> Proven {
        let state = self.state.lock();
        if state.fresh {
            Proven::Nothing
        } else {
            Proven::WalBytes(state.wal_bytes_durable)
        }
    }

    /// Starts anew after a failure, at the same commit number. What was not
    /// durable must have been discarded.
    pub fn restart(&self) {
        let mut state = self.state.lock();
        let (committed, failures_known) = (state.committed, state.failures_known);
        *state = State {
            committed,
            durable: committed,
            failures_known,
            ..State::default()
        };
        self.failed.store(false, Ordering::Release);
    }

    fn set_failure(&self, state: &mut MutexGuard<'_, State>, message: String) {
        state.failure = Some(message);
        self.failed.store(true, Ordering::Release);
    }

    #[cfg(test)]
    pub fn set_wal_for_test(&self, file: File) {
        self.state.lock().wal = Some(Arc::new(file));
    }
}

impl Job {
    /// So many files must be synced to make this object durable by itself.
    pub fn syncs(&self) -> usize {
        // Of a new object the database, the log, and the directory of both.
        if self.fresh { 3 } else { 1 }
    }

    /// Whether a sync of the whole file system proves this object durable, after so
    /// many of them have failed.
    ///
    /// One that fails may have lost pages of any file, and the next does not say so
    /// again. So each object that was there must be asked by itself once.
    pub fn trusts_syncfs(&self, failures: u64) -> bool {
        self.durable.state.lock().failures_known >= failures
    }

    /// Makes this object durable by itself, when so many syncs of the whole file
    /// system have failed.
    pub fn sync(&self, failures: u64) -> io::Result<()> {
        let Some(wal) = &self.wal else {
            return Ok(());
        };
        if self.fresh {
            disk::sync_file(&self.durable.files.open_database()?)?;
        }
        disk::sync_file(wal)?;
        if self.fresh || self.durable.files.is_log_nameless() {
            self.durable.files.sync_directories()?;
        }
        self.durable.state.lock().failures_known = failures;
        self.require_found()
    }

    /// Fails when what was synced would not be found again.
    pub fn require_found(&self) -> io::Result<()> {
        match &self.wal {
            Some(wal) => self.durable.files.require_found(wal),
            None => Ok(()),
        }
    }

    /// Records the outcome and reports it.
    pub fn finish(self, outcome: io::Result<()>) {
        let outcome = outcome.map_err(|error| format!("writing to disk failed: {error}"));
        let durable = &self.durable;
        let mut state = durable.state.lock();
        let report = match outcome {
            Ok(()) => {
                state.durable = self.number;
                state.wal_bytes_durable = self.wal_bytes;
                if self.dirty {
                    state.fresh = false;
                }
                Durability::Durable(self.number)
            }
            Err(message) => {
                let first = state.durable.next();
                durable.set_failure(&mut state, message.clone());
                Durability::Failed(first, message)
            }
        };
        drop(state);
        (durable.report)(report);
        // Who waits for the object must find it reported: a report that comes after
        // a recovery would be taken for a new one.
        durable.state.lock().syncing = false;
        durable.settled.notify_all();
    }
}

/// Length of a WAL of so many pages: its header, and for each page a header and the page.
pub fn wal_bytes(pages: u64) -> u64 {
    if pages == 0 {
        0
    } else {
        LOG_HEADER_BYTES + pages * FRAME_BYTES
    }
}
