//! Keeps an object's data: keys, SQL, transactions, and what makes them durable.
//!
//! `Storage` is one object's database, owned by the object's task. It knows nothing
//! of wasm, of events or of sockets. Calls are synchronous and never wait for the
//! disk to have written, except those that say so.
//!
//! ```text
//!             open()                      open_for_write(), creates the file
//! Unopened ───────────► Absent ─────────────────────────────────────► Open
//!     ▲  └──────────────────────── open(), the file is there ──────────► │
//!     ├── detach(): a checkpoint failed, or a failed sync was recovered ◄┤
//!     └── rest(): the object is quiet ◄──────────────────────────────────┘
//!
//! any ─── part(), by close() or drop ───► closed, the rest is done by `folding`
//! ```
//!
//! * **Absent**: the object has never written. It reads as empty; queries run on an
//!   empty database in memory, `empty`.
//! * **Open**: one connection. A turn's first write begins SQLite's transaction,
//!   `end_turn` commits it, unless a transaction of the object is open.
//!
//! Invariants:
//!
//! * The file appears at the first write, and is one page large at first.
//! * A commit has a number, and the number becomes durable, or everything after it fails.
//! * `newest_commit` covers everything that a call has shown.
//! * After `Broken` every call fails until `rollback_turn`: the instance must not go
//!   on as if its writes were there.
//! * What was never proven durable is discarded before the file is used again.
//! * The WAL starts over only at length 0, durably: frames of an earlier round
//!   must not appear under later ones.

mod alarm;
mod alarm_index;
mod allowed;
mod bounds;
mod budget;
mod build_flags;
mod checkpoint;
pub mod classes;
mod committer;
mod cursors;
mod data_dir;
mod database;
mod delete_all;
mod disk;
mod durable;
mod errors;
mod folding;
mod fork;
mod functions;
mod imprint;
mod json;
mod kv;
mod limits;
mod memory;
mod object_files;
mod opening;
mod own_tables;
mod regular;
mod rest;
pub mod roll;
mod rules;
mod schema;
mod shut_out;
mod snapshot_file;
mod sql;
mod statement;
mod statement_cache;
mod sync_costs;
mod sync_pool;
mod syncing;
mod temp_files;
#[cfg(test)]
mod tests;
mod text_search;
pub(crate) mod transaction_stack;
mod turns;
mod utf8;
mod value;
mod vital_thread;
mod zeros_ahead;

use std::sync::Arc;
use std::time::Duration;

pub use alarm::{Alarm, AlarmNews};
pub use alarm_index::{AlarmIndex, DueAlarm, ObjectName};
pub use budget::Verdict;
pub use committer::Committer;
pub use data_dir::DataDir;
pub use durable::{CommitNumber, Durability};
pub use errors::StorageError;
pub use fork::fork;
pub use imprint::{Files, Imprint, Stamp};
pub use kv::{Entry, ListOptions};
pub use limits::StorageLimits;
pub use object_files::ObjectFiles;
pub use rest::Traces;
pub use snapshot_file::SnapshotFile;
pub use value::{Part, Value};

use alarm::AlarmChanges;
use budget::Budget;
use cursors::Cursors;
use database::Database;
use durable::Durable;
use memory::Memory;
use own_tables::OwnTables;
use temp_files::TempSpace;
use transaction_stack::TransactionStack;

/// One object's database.
pub struct Storage {
    // Statements go before their connection: fields are dropped in this order.
    cursors: Cursors,
    place: Place,
    /// Answers queries while there is no file.
    empty: Option<Database>,
    files: ObjectFiles,
    limits: StorageLimits,
    committer: Committer,
    durable: Arc<Durable>,
    budget: Arc<Budget>,
    memory: Memory,
    temp: Arc<TempSpace>,
    stack: TransactionStack,
    /// SQLite's transaction is open.
    began: bool,
    committed: CommitNumber,
    /// Pages of the WAL at the newest commit.
    wal_pages: u64,
    checkpoint_at_pages: u64,
    own_tables: OwnTables,
    alarm_changes: AlarmChanges,
    /// A PRAGMA of the object may have changed the connection's settings.
    settings_touched: bool,
    /// What `last_insert_rowid()` was when the connection was closed to rest.
    last_rowid: i64,
    /// What the files were when nobody of the host had them open any more; none while
    /// that is not known, or somebody has.
    left: Option<Imprint>,
    /// Why the turn was lost; nothing works until `rollback_turn`.
    lost: Option<String>,
    closed: bool,
}

/// Where the database is, see the drawing above.
#[derive(Debug)]
enum Place {
    Unopened,
    Absent,
    Open(Box<Database>),
}

impl Storage {
    /// The storage of one object. Opens nothing yet.
    ///
    /// `report` hears what becomes durable, on a thread of the committer. It must be
    /// quick and must not call storage.
    pub fn new(
        files: ObjectFiles,
        limits: StorageLimits,
        committer: &Committer,
        report: impl Fn(Durability) + Send + Sync + 'static,
    ) -> Self {
        Self {
            cursors: Cursors::default(),
            place: Place::Unopened,
            empty: None,
            durable: Arc::new(Durable::new(
                files.clone(),
                Box::new(report),
                committer.failures(),
            )),
            temp: TempSpace::new(files.data_path().to_owned()),
            files,
            limits,
            committer: committer.clone(),
            budget: Arc::default(),
            memory: Memory::default(),
            stack: TransactionStack::default(),
            began: false,
            committed: CommitNumber::ZERO,
            wal_pages: 0,
            checkpoint_at_pages: limits::CHECKPOINT_PAGES,
            own_tables: OwnTables::default(),
            alarm_changes: AlarmChanges::default(),
            settings_touched: false,
            last_rowid: 0,
            left: None,
            lost: None,
            closed: false,
        }
    }

    /// The newest commit that output of now may reveal.
    ///
    /// While a transaction is open that is the commit which will end it; for an
    /// outgoing call see `newest_before_call`.
    pub fn newest_commit(&self) -> CommitNumber {
        if self.began {
            self.committed.next()
        } else {
            self.committed
        }
    }

    /// The newest commit that an outgoing call waits for, and the answer to one that a
    /// transaction has let in. The transaction may wait for either in its turn, so what was
    /// written in it is not meant.
    pub fn newest_before_call(&self) -> CommitNumber {
        match self.stack.holds_the_turn() {
            true => self.committed,
            false => self.newest_commit(),
        }
    }

    /// The newest commit that has happened.
    pub fn committed(&self) -> CommitNumber {
        self.committed
    }

    /// The newest commit that survives a crash.
    pub fn durable(&self) -> CommitNumber {
        self.durable.durable()
    }

    /// Whether a sync has failed, so that every call fails until
    /// `recover_after_failed_sync` succeeds.
    pub fn is_broken(&self) -> bool {
        self.durable.failure().is_some()
    }

    /// How long the statements of one call may run.
    pub fn set_statement_budget(&mut self, budget: Duration) {
        self.budget.set_limit(budget);
    }

    /// How large the database may become.
    pub fn storage_bytes_max(&self) -> u64 {
        self.limits.storage_bytes_max
    }
}
