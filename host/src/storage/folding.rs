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
use super::imprint::Imprint;
use super::limits::StorageLimits;
use super::object_files::{Found, ObjectFiles, Proven};
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

/// An object whose log is all in its database, durably or not.
struct Moved {
    object: Asleep,
    database: File,
    wal: File,
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
        for mut object in batch {
            object.forget_unless_it_fits();
            match move_log(&object.files) {
                Ok(Some((database, wal))) => moved.push(Moved {
                    object,
                    database,
                    wal,
                }),
                Ok(None) => self.release(&object),
                Err(error) => {
                    // The log has everything still; who opens the object goes on.
                    object.warn(&error, "cannot fold a log");
                    self.release(&object);
                }
            }
        }
        let outcomes = sync_all(file_system, moved.iter().map(|moved| &moved.database));
        let mut cut = Vec::new();
        for (moved, outcome) in moved.into_iter().zip(outcomes) {
            match outcome.and_then(|()| self.cut_log(&moved)) {
                Ok(true) => cut.push(moved),
                Ok(false) => self.release(&moved.object),
                Err(error) => {
                    moved.object.warn(&error, "cannot fold a log");
                    self.release(&moved.object);
                }
            }
        }
        let outcomes = sync_all(file_system, cut.iter().map(|moved| &moved.wal));
        for (moved, outcome) in cut.into_iter().zip(outcomes) {
            if let Err(error) = outcome {
                // The old frames may come back, and nothing may be written over them.
                moved.object.files.set_unproven(Proven::WalBytes(0));
                moved.object.warn(&error, "cannot empty a log");
            }
            self.release(&moved.object);
        }
    }

    /// Cuts a log whose database is durable, unless the object is to be opened.
    fn cut_log(&self, moved: &Moved) -> io::Result<bool> {
        if self.state.lock().is_wanted(&moved.object.files) {
            return Ok(false);
        }
        moved.wal.set_len(0)?;
        zeros_ahead::fill(&moved.wal, 0..zeros_ahead::ASLEEP_BYTES);
        Ok(true)
    }

    /// Lets the object be opened again.
    fn release(&self, object: &Asleep) {
        if let Some(imprint) = &object.imprint {
            imprint.renew(&object.files);
        }
        self.set_free(&object.files);
    }

    fn set_free(&self, files: &ObjectFiles) {
        self.state.lock().busy.remove(files.name());
        self.changed.notify_all();
    }
}

impl Asleep {
    /// Somebody else may have changed the files; that must still show afterwards.
    fn forget_unless_it_fits(&mut self) {
        if self
            .imprint
            .as_ref()
            .is_some_and(|it| !it.fits(&self.files))
        {
            self.imprint = None;
        }
    }

    fn warn(&self, error: &dyn std::fmt::Display, what: &str) {
        tracing::warn!(%error, database = ?self.files.database_path(), "{what}");
    }
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

/// Moves the log of a sleeping object into its database, which is closed again. The
/// database and the log, to be synced; none when there is nothing to be done.
fn move_log(files: &ObjectFiles) -> Result<Option<(File, File)>, StorageError> {
    let unavailable = |error: io::Error| StorageError::Broken(error.to_string());
    // What is not proven is cut by whoever opens the object.
    if files.unproven().is_some() || files.find().map_err(unavailable)? == Found::Nothing {
        return Ok(None);
    }
    // Opened before anything is written, so that they hear of its errors.
    let database = files.open_database().map_err(unavailable)?;
    let wal = files.open_wal().map_err(unavailable)?;
    let mut connection =
        Database::open(files, &StorageLimits::default(), &Arc::<Budget>::default())?;
    connection.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(Some((database, wal)))
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
