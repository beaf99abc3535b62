//! How much an object may ask of its database.
//!
//! All limits of storage stand here, each with its reason.

use std::time::Duration;

use rusqlite::limits::Limit;

/// What the configuration decides per class.
#[derive(Clone, Copy, Debug)]
pub struct StorageLimits {
    /// Size of the database file; over it: `database or disk is full`.
    pub storage_bytes_max: u64,
}

impl Default for StorageLimits {
    fn default() -> Self {
        Self {
            storage_bytes_max: 10 << 30,
        }
    }
}

/// The size of a database page; a fresh database is one page.
pub const PAGE_BYTES: u64 = 4096;

/// Key and value of one entry together.
pub const ENTRY_BYTES_MAX: usize = 2 << 20;

/// A text or blob that is bound to a statement.
pub const VALUE_BYTES_MAX: usize = 2 << 20;

/// The result of one call: it is copied into the memory of the instance.
pub const RESULT_BYTES_MAX: usize = 64 << 20;

/// Cursors that are open at a time: each holds a statement.
pub const CURSORS_MAX: usize = 64;

/// Savepoints and transactions within each other: SQLite walks all of them at each change.
pub const TRANSACTION_DEPTH_MAX: usize = 64;

/// Prepared statements kept for their next use: a few KB each.
pub const CACHED_STATEMENTS_MAX: usize = 64;

/// A query longer than this is not kept: it is hardly ever run again.
pub const CACHED_QUERY_BYTES_MAX: usize = 8 << 10;

/// How long the statements of one call may run.
pub const STATEMENT_BUDGET: Duration = Duration::from_secs(30);

/// A statement that runs longer holds up the other objects of its thread.
pub const SLOW_STATEMENT: Duration = Duration::from_millis(1);

/// A WAL of so many pages is moved into the database: reads search the WAL, and
/// an unclean start reads all of it.
pub const CHECKPOINT_PAGES: u64 = 1000;

/// A WAL over this is moved into the database when the object goes to sleep.
pub const CLOSE_WAL_BYTES_MAX: u64 = 256 << 10;

/// Limits that SQLite keeps for us, the same as in Cloudflare's objects.
pub const SQLITE_LIMITS: [(Limit, i32); 12] = [
    // A row of a text and a blob of full size still fits.
    (Limit::SQLITE_LIMIT_LENGTH, 4 << 20),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
    (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];
