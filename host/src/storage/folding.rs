//! What is done for objects after they were closed, off their tasks.
//!
//! The log of a sleeping object is folded into its database, so that the object costs
//! a few pages of the disk. Many are folded at a time, since the two syncs that one
//! needs serve all:
//!
//! ```text
//! waiting ─► pages to the databases ─► these durable ─► logs cut ─► that durable ─► forgotten
//!    │                                           │
//!    └─ reclaim(): the object is opened again ───┴─► forgotten, its log as it was
//! ```
//!
//! And a storage that was dropped, not closed, has the rest of its closing done here:
//! its task must not wait for the disk.
//!
//! Invariants:
//!
//! * No object is opened while it is worked on here: `reclaim` waits, for a sync or
//!   two at most.
//! * A log is cut only after a sync of its database that began after all of the log
//!   was moved, and written anew only after a sync of the cut.
//! * No other SQLite uses a database meanwhile, and what is cut is what was moved.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hashlink::LinkedHashMap;
use parking_lot::{Condvar, Mutex};

use super::budget::Budget;
use super::data_dir::DataDir;
use super::database::Database;
use super::disk;
use super::durable::Durable;
use super::errors::StorageError;
use super::imprint::{Files, Imprint};
use super::limits::StorageLimits;
use super::object_files::{Found, ObjectFiles, Proven};
use super::shut_out::shut_out;
use super::vital_thread;
use super::zeros_ahead;

/// Objects folded with the same syncs. Each holds two descriptors meanwhile.
pub const BATCH_MAX: usize = 64;

/// How long an object sleeps before its log is folded: one that wakes at once, or
/// sleeps often, is not worth it, and others join its batch.
const FOLD_AFTER: Duration = Duration::from_millis(500);

/// Objects that wait. More keep their logs until they sleep again.
const WAITING_MAX: usize = 10_000;

/// How long a process that ends goes on folding; what is left has its log read when
/// it is opened.
const LAST_FOLDS: Duration = Duration::from_secs(3);

pub struct Folding {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: LinkedHashMap<PathBuf, (Instant, Asleep)>,
    unsettled: VecDeque<(ObjectFiles, Arc<Durable>)>,
    /// Objects that are worked on, and whether somebody waits to open them.
    busy: HashMap<PathBuf, bool>,
    closed: bool,
}

enum Task {
    Settle(ObjectFiles, Arc<Durable>),
    Fold(Vec<Asleep>),
}

/// An object that sleeps.
struct Asleep {
    files: ObjectFiles,
    /// Some: it is to fit the files afterwards, if it did before.
    imprint: Option<Imprint>,
}

/// An object whose database no other SQLite can use, as long as this exists.
struct Held {
    object: Asleep,
    database: File,
    wal: File,
    /// What the host has made of the files.
    left: Files,
}

impl Folding {
    pub fn start(data: &Arc<DataDir>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let file_system = data.open_for_syncfs()?;
        let thread = vital_thread::spawn("folding", {
            let shared = Arc::clone(&shared);
            move || {
                while let Some(task) = shared.next() {
                    match task {
                        Task::Settle(files, durable) => shared.settle(&files, &durable),
                        Task::Fold(batch) => shared.fold(batch, &file_system),
                    }
                }
            }
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Folds the log of a closed object, soon.
    pub fn fold(&self, files: ObjectFiles, imprint: Option<Imprint>) {
        let mut state = self.shared.state.lock();
        if state.waiting.len() < WAITING_MAX {
            let name = files.name().to_owned();
            let object = Asleep { files, imprint };
            state.waiting.insert(name, (Instant::now(), object));
            // The thread wakes by itself when the first has waited long enough.
            if matches!(state.waiting.len(), 1 | BATCH_MAX) {
                self.shared.changed.notify_all();
            }
        }
    }

    /// Ends the life of a storage that was dropped while commits were on their way.
    pub fn settle(&self, files: ObjectFiles, durable: Arc<Durable>) {
        let mut state = self.shared.state.lock();
        state.busy.insert(files.name().to_owned(), false);
        state.unsettled.push_back((files, durable));
        self.shared.changed.notify_all();
    }

    /// Waits until an object may be opened. One that only waits is let go.
    pub fn reclaim(&self, files: &ObjectFiles) {
        let mut state = self.shared.state.lock();
        state.waiting.remove(files.name());
        while let Some(is_wanted) = state.busy.get_mut(files.name()) {
            *is_wanted = true;
            self.shared.changed.wait(&mut state);
        }
    }

    /// Folds what waits now, and returns when that is done, or lasts for too long.
    /// Blocks.
    pub fn fold_now(&self) {
        let end = Instant::now() + LAST_FOLDS;
        let mut state = self.shared.state.lock();
        for (since, _) in state.waiting.values_mut() {
            *since -= FOLD_AFTER;
        }
        self.shared.changed.notify_all();
        while !state.waiting.is_empty() || !state.busy.is_empty() {
            let waited = self.shared.changed.wait_until(&mut state, end);
            if waited.timed_out() {
                // What is not folded later than this has no imprint that fits.
                return;
            }
        }
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Waits for something to do; none when there will be no more.
    fn next(&self) -> Option<Task> {
        let mut state = self.state.lock();
        let mut closing = None;
        loop {
            if let Some((files, durable)) = state.unsettled.pop_front() {
                return Some(Task::Settle(files, durable));
            }
            if state.closed {
                let end = *closing.get_or_insert_with(|| Instant::now() + LAST_FOLDS);
                if state.waiting.is_empty() || Instant::now() >= end {
                    return None;
                }
                return Some(Task::Fold(state.take_batch()));
            }
            let Some((since, _)) = state.waiting.values().next() else {
                self.changed.wait(&mut state);
                continue;
            };
            let due = *since + FOLD_AFTER;
            if state.waiting.len() >= BATCH_MAX || due <= Instant::now() {
                return Some(Task::Fold(state.take_batch()));
            }
            self.changed.wait_until(&mut state, due);
        }
    }

    /// Does what closing would have done: waits until nothing is on its way, and
    /// takes back what cannot be proven.
    fn settle(&self, files: &ObjectFiles, durable: &Durable) {
        if let Err(error) = durable.settle(files) {
            tracing::error!(error, database = ?files.database_path(), "writes were lost");
        }
        self.set_free(files);
    }

    fn fold(&self, batch: Vec<Asleep>, file_system: &File) {
        let mut moved = Vec::new();
        for object in batch {
            let files = object.files.clone();
            match Held::hold(object).map(|held| held.map(Held::move_log)) {
                Ok(Some((held, Ok(())))) => moved.push(held),
                Ok(Some((held, Err(error)))) => {
                    // The log has everything still; who opens the object goes on.
                    warn(&files, &error);
                    self.release(held);
                }
                Ok(None) => self.set_free(&files),
                Err(error) => {
                    warn(&files, &error);
                    self.set_free(&files);
                }
            }
        }
        let outcomes = sync_all(file_system, moved.iter().map(|held| &held.database));
        let mut cut = Vec::new();
        for (mut held, outcome) in moved.into_iter().zip(outcomes) {
            let is_wanted = self.state.lock().is_wanted(&held.object.files);
            match outcome.and_then(|()| Ok(!is_wanted && held.cut_log()?)) {
                Ok(true) => cut.push(held),
                Ok(false) => self.release(held),
                Err(error) => {
                    warn(&held.object.files, &error);
                    self.release(held);
                }
            }
        }
        let outcomes = sync_all(file_system, cut.iter().map(|held| &held.wal));
        for (held, outcome) in cut.into_iter().zip(outcomes) {
            if let Err(error) = outcome {
                // The old frames may come back, and nothing may be written over them.
                held.object.files.set_unproven(Proven::WalBytes(0));
                warn(&held.object.files, &error);
            }
            self.release(held);
        }
    }

    /// Lets the object be opened again.
    fn release(&self, held: Held) {
        let files = held.object.files.clone();
        held.let_go();
        self.set_free(&files);
    }

    fn set_free(&self, files: &ObjectFiles) {
        self.state.lock().busy.remove(files.name());
        self.changed.notify_all();
    }
}

impl Held {
    /// None when there is nothing to be done, or another program uses the database.
    fn hold(mut object: Asleep) -> io::Result<Option<Held>> {
        let files = &object.files;
        // What is not proven is cut by whoever opens the object.
        if files.unproven().is_some() || files.find()? == Found::Nothing {
            return Ok(None);
        }
        // Opened before anything is written, so that they hear of its errors.
        let database = files.open_database()?;
        if !shut_out(&database)? {
            return Ok(None);
        }
        let left = Files::look(files)?;
        // Somebody else may have changed the files; that must still show afterwards.
        object.imprint = object.imprint.filter(|imprint| imprint.fits(files));
        let wal = files.open_wal()?;
        Ok(Some(Held {
            object,
            database,
            wal,
            left,
        }))
    }

    /// Moves the log into the database, which is closed again.
    fn move_log(mut self) -> (Held, Result<(), StorageError>) {
        let moved = self.checkpoint().and_then(|()| {
            self.left = Files::look(&self.object.files)
                .map_err(|error| StorageError::Broken(error.to_string()))?;
            Ok(())
        });
        (self, moved)
    }

    fn checkpoint(&self) -> Result<(), StorageError> {
        let limits = StorageLimits::default();
        let mut connection =
            Database::open(&self.object.files, &limits, &Arc::<Budget>::default())?;
        connection.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")
    }

    /// Cuts a log whose database is durable, if both are what `move_log` has left.
    fn cut_log(&mut self) -> io::Result<bool> {
        if !self.left.are_still(&self.object.files)? {
            tracing::warn!(
                database = ?self.object.files.database_path(),
                "somebody has changed the object's files while its log was folded; it stays"
            );
            return Ok(false);
        }
        self.wal.set_len(0)?;
        zeros_ahead::fill(&self.wal, 0..zeros_ahead::ASLEEP_BYTES);
        self.left = Files::look(&self.object.files)?;
        Ok(true)
    }

    /// Others may use the database again. What was done to it by now has not ended the
    /// object's memory, what is done later will.
    fn let_go(self) {
        if let Some(imprint) = &self.object.imprint {
            imprint.renew(self.left);
        }
    }
}

fn warn(files: &ObjectFiles, error: &dyn std::fmt::Display) {
    tracing::warn!(%error, database = ?files.database_path(), "cannot fold a log");
}

impl State {
    fn take_batch(&mut self) -> Vec<Asleep> {
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX
            && let Some((name, (_, object))) = self.waiting.pop_front()
        {
            self.busy.insert(name, false);
            batch.push(object);
        }
        batch
    }

    fn is_wanted(&self, files: &ObjectFiles) -> bool {
        self.busy.get(files.name()) == Some(&true)
    }
}

/// Makes files durable, and says which of them are.
fn sync_all<'a>(
    file_system: &File,
    files: impl ExactSizeIterator<Item = &'a File>,
) -> Vec<io::Result<()>> {
    if files.len() > 1
        && disk::can_sync_file_systems()
        && disk::sync_file_system(file_system).is_ok()
    {
        return files.map(|_| Ok(())).collect();
    }
    // Each file tells of its own errors, also of those that the sync above met.
    files.map(disk::sync_file).collect()
}

#[cfg(test)]
mod tests {
    //! What others do to the files while a log is folded is not lost.

    use std::os::unix::fs::FileExt as _;
    use std::path::Path;

    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;

    /// An object with a log, as it falls asleep.
    fn asleep() -> (TempDir, Asleep) {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let files = data.object("c", "abcd").unwrap();
        files.create().unwrap();
        let limits = StorageLimits::default();
        let mut database = Database::open(&files, &limits, &Arc::default()).unwrap();
        database.execute("CREATE TABLE t (a)", &[]).unwrap();
        drop(database);
        let imprint = Some(Imprint::take(&files).unwrap());
        (folder, Asleep { files, imprint })
    }

    fn edit(files: &ObjectFiles) -> rusqlite::Result<Connection> {
        let other = Connection::open(files.database_path())?;
        other.busy_timeout(Duration::ZERO)?;
        other.execute("INSERT INTO t VALUES (1)", ())?;
        Ok(other)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn another_sqlite_waits_until_a_log_is_folded() {
        let (_folder, object) = asleep();
        let (files, imprint) = (object.files.clone(), object.imprint.clone().unwrap());
        let held = Held::hold(object).unwrap().unwrap();
        let is_busy = || {
            let error = edit(&files).unwrap_err();
            assert_eq!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseBusy)
            );
        };
        is_busy();
        let (mut held, moved) = held.move_log();
        moved.unwrap();
        is_busy();
        assert!(held.cut_log().unwrap());
        is_busy();
        held.let_go();
        assert!(imprint.fits(&files));
        edit(&files).unwrap();
        assert!(!imprint.fits(&files));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_database_that_another_sqlite_uses_is_not_folded() {
        let (_folder, object) = asleep();
        let (files, imprint) = (object.files.clone(), object.imprint.clone().unwrap());
        let other = edit(&files).unwrap();
        // To open and close them here would end the locks of `other`.
        let bytes = |path: &Path| std::fs::metadata(path).unwrap().len();
        let log = files.database_path().with_extension("sqlite-wal");
        let before = (bytes(&files.database_path()), bytes(&log));
        assert!(Held::hold(object).unwrap().is_none());
        assert_eq!((bytes(&files.database_path()), bytes(&log)), before);
        assert!(!imprint.fits(&files));
        drop(other);
    }

    #[test]
    fn a_log_that_is_not_what_was_moved_is_not_cut() {
        let (_folder, object) = asleep();
        let (files, imprint) = (object.files.clone(), object.imprint.clone().unwrap());
        let (mut held, moved) = Held::hold(object).unwrap().unwrap().move_log();
        moved.unwrap();
        // Whoever knows no locks, a copy for example.
        let log = files.open_wal().unwrap();
        let bytes = log.metadata().unwrap().len();
        log.write_all_at(b"more", bytes).unwrap();
        assert!(!held.cut_log().unwrap());
        assert_eq!(log.metadata().unwrap().len(), bytes + 4);
        held.let_go();
        assert!(!imprint.fits(&files));
    }
}
