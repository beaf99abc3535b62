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

/// What SQLite writes before the first frame of a log, and before the page in each.
pub const LOG_HEADER_BYTES: u64 = 32;
pub const FRAME_HEADER_BYTES: u64 = 24;
pub const FRAME_BYTES: u64 = FRAME_HEADER_BYTES + PAGE_BYTES;

/// The path of a database: SQLite takes 512 bytes, less the ending of a journal's name.
pub const PATH_BYTES_MAX: usize = 504;

/// Key and value of one entry together.
pub const ENTRY_BYTES_MAX: usize = 2 << 20;

/// A text or blob that is bound to a statement.
pub const VALUE_BYTES_MAX: usize = 2 << 20;

/// The result of one call: it is copied into the memory of the instance.
pub const RESULT_BYTES_MAX: usize = 64 << 20;

/// Cursors that are open at a time: each holds a statement.
pub const CURSORS_MAX: usize = 64;

/// A cursor that nobody read for so long gives way when there are too many: a body
/// whose client is slow may well be read after seconds.
pub const CURSOR_UNREAD: Duration = Duration::from_secs(30);

/// Savepoints and transactions within each other: SQLite walks all of them at each change.
pub const TRANSACTION_DEPTH_MAX: usize = 64;

/// What SQLite may have allocated for one object at a time: a result of full size,
/// or sixteen values of full size and what a sort keeps at hand.
pub const MEMORY_BYTES_MAX: i64 = 64 << 20;

/// A sort keeps so many pages of rows in memory before it writes them to a file.
pub const SORT_PAGES_IN_MEMORY: i32 = 1000;

/// The memory of each connection for small things: so many times so many bytes.
pub const LOOKASIDE_BYTES: i32 = 1200;
pub const LOOKASIDE_COUNT: i32 = 10;

/// The temporary files of one object together. They are written in the data
/// directory, so that others wait when the disk is busy with them.
pub const TEMP_BYTES_MAX: u64 = 1 << 30;

/// Prepared statements kept for their next use: a few KB each.
pub const CACHED_STATEMENTS_MAX: usize = 64;

/// A query longer than this is not kept: it is hardly ever run again.
pub const CACHED_QUERY_BYTES_MAX: usize = 8 << 10;

/// How much CPU time the statements of one call may use.
pub const STATEMENT_BUDGET: Duration = Duration::from_secs(30);

/// How many times its budget a call may take by the clock: it may wait for a slow disk.
pub const STATEMENT_WALL_FACTOR: u64 = 10;

/// A statement that runs longer holds up the other objects of its thread.
pub const SLOW_STATEMENT: Duration = Duration::from_millis(1);

/// From so many pages on a cursor may not keep the WAL from being moved: what it
/// has not read is copied. So a database takes at most its own limit, so many pages
/// and what one transaction writes.
pub const CURSOR_WAL_PAGES_MAX: u64 = 4 * CHECKPOINT_PAGES;

/// A WAL of so many pages is moved into the database: reads search the WAL, and
/// an unclean start reads all of it.
pub const CHECKPOINT_PAGES: u64 = 1000;

/// A WAL over this is moved into the database when the object sleeps: a few commits,
/// which cost no more than moving them would.
pub const ASLEEP_WAL_BYTES_MAX: u64 = 16 << 10;
/// An object whose WAL is longer keeps its connection while it is quiet: to open
/// one reads all of the WAL.
pub const REST_WAL_BYTES_MAX: u64 = 128 << 10;

/// A row or a value inside SQLite: a row of a text and a blob of full size fits.
pub const LENGTH_MAX: i32 = 4 << 20;

/// Limits that SQLite keeps for us, the same as in Cloudflare's objects.
pub const SQLITE_LIMITS: [(Limit, i32); 12] = [
    (Limit::SQLITE_LIMIT_LENGTH, LENGTH_MAX),
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
