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
//!     └── detach(): a checkpoint failed, or a failed sync was recovered ◄┘
//!
//! any ─── shut(), by close() or drop ───► closed
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

mod allowed;
mod budget;
mod checkpoint;
mod committer;
mod cursors;
mod data_dir;
mod database;
mod delete_all;
mod disk;
mod durable;
mod errors;
mod kv;
mod limited;
mod limits;
mod object_files;
mod opening;
mod rules;
mod sql;
mod statement;
mod statement_cache;
#[cfg(test)]
mod tests;
mod tokens;
mod transaction_stack;
mod turns;
mod value;

use std::sync::Arc;
use std::time::Duration;

pub use committer::Committer;
pub use data_dir::DataDir;
pub use durable::{CommitNumber, Durability};
pub use errors::StorageError;
pub use kv::{Entry, ListOptions};
pub use limits::StorageLimits;
pub use object_files::ObjectFiles;
pub use turns::TurnEnd;
pub use value::{Cursor, Row, Rows, Value};

use budget::Budget;
use cursors::Cursors;
use database::Database;
use durable::Durable;
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
    stack: TransactionStack,
    /// SQLite's transaction is open.
    began: bool,
    committed: CommitNumber,
    /// Pages of the WAL at the newest commit.
    wal_pages: u64,
    checkpoint_at_pages: u64,
    /// Whether the table of keys exists; none when that must be looked up.
    kv_table: Option<bool>,
    /// A PRAGMA of the object may have changed the connection's settings.
    settings_touched: bool,
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
    /// `report` hears what becomes durable, on the committer's thread. It must be
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
            durable: Arc::new(Durable::new(files.clone(), Box::new(report))),
            files,
            limits,
            committer: committer.clone(),
            budget: Arc::default(),
            stack: TransactionStack::default(),
            began: false,
            committed: CommitNumber::ZERO,
            wal_pages: 0,
            checkpoint_at_pages: limits::CHECKPOINT_PAGES,
            kv_table: None,
            settings_touched: false,
            lost: None,
            closed: false,
        }
    }

    /// The newest commit that output of now may reveal.
    ///
    /// While a transaction is open that is the commit which will end it. An
    /// outgoing call from inside one must not wait for that, see `committed`.
    pub fn newest_commit(&self) -> CommitNumber {
        if self.began {
            self.committed.next()
        } else {
            self.committed
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

    /// Whether a statement has taken so long that statements of this object should
    /// run where they hold up no others.
    pub fn is_slow(&self) -> bool {
        self.budget.is_slow()
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
