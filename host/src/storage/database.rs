//! One open SQLite database under our rules.
//!
//! The file belongs to this connection alone (`locking_mode=EXCLUSIVE`, so that
//! the index of the WAL is in memory and no `-shm` file exists), and SQLite never
//! syncs (`synchronous=OFF`): `durable` and `checkpoint` do.

use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row};

use super::budget::{Budget, STEPS_PER_TICK};
use super::data_dir::Claim;
use super::errors::StorageError;
use super::functions;
use super::json;
use super::limits::{PAGE_BYTES, SQLITE_LIMITS, StorageLimits};
use super::memory;
use super::object_files::ObjectFiles;
use super::rules::{Rules, Settings};
use super::statement::{self, Columns, Param, Statement, WalWatch};
use super::statement_cache::{Prepared, StatementCache};
use super::temp_files::{self, VFS};
use super::text_search;

#[derive(Debug)]
pub struct Database {
    // Statements go before their connection, and the connection before what its
    // hooks point to: fields are dropped in this order.
    pub cache: StatementCache,
    /// The host's own statements, by their text.
    own: Vec<(&'static str, Statement)>,
    connection: Connection,
    wal_watch: WalWatch,
    rules: Rules,
    /// The disk, or a permission, forbids writing.
    is_read_only: bool,
    /// That no other connection is open to the file; none for one in memory.
    claim: Option<Claim>,
}

impl Database {
    /// Opens the object's database, which exists.
    pub fn open(
        files: &ObjectFiles,
        limits: &StorageLimits,
        budget: &Arc<Budget>,
    ) -> Result<Self, StorageError> {
        let claim = files.claim();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        memory::install();
        temp_files::install();
        let connection = Connection::open_with_flags_and_vfs(files.database_path(), flags, VFS)?;
        let pages_max = (limits.storage_bytes_max / PAGE_BYTES).clamp(1, 0xffff_fffe);
        connection.execute_batch(&format!(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; \
             PRAGMA cache_size = -256; \
             PRAGMA max_page_count = {pages_max};"
        ))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let mut database = Self::under_rules(connection, budget)?;
        database.claim = Some(claim);
        database.is_read_only = database.connection.is_readonly("main")?;
        database.require_page_size()?;
        Ok(database)
    }

    /// An empty database in memory, for queries on one that does not exist yet.
    pub fn empty(budget: &Arc<Budget>) -> Result<Self, StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        memory::install();
        temp_files::install();
        let connection = Connection::open_with_flags_and_vfs(":memory:", flags, VFS)?;
        Self::under_rules(connection, budget)
    }

    fn under_rules(connection: Connection, budget: &Arc<Budget>) -> Result<Self, StorageError> {
        for (limit, value) in SQLITE_LIMITS {
            connection.set_limit(limit, value)?;
        }
        for (option, on) in [
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, true),
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, true),
        ] {
            connection.set_db_config(option, on)?;
        }
        functions::attach(&connection)?;
        json::attach(&connection)?;
        text_search::attach(&connection)?;
        let rules = Rules::default();
        rules.attach(&connection)?;
        let ticks = Arc::clone(budget);
        connection.progress_handler(STEPS_PER_TICK, Some(move || ticks.must_stop()))?;
        let wal_watch = WalWatch::default();
        wal_watch.attach(&connection);
        Ok(Self {
            cache: StatementCache::default(),
            own: Vec::new(),
            connection,
            wal_watch,
            rules,
            is_read_only: false,
            claim: None,
        })
    }

    /// Prepares the first statement of an object's SQL, and says how many bytes
    /// it took. None when there is no statement.
    pub fn prepare(
        &self,
        sql: &str,
        settings: Settings,
    ) -> Result<Option<(Prepared, usize)>, StorageError> {
        let prepare = || Statement::prepare(&self.connection, sql);
        let (prepared, seen) = self.rules.watch(settings, prepare);
        let Some((statement, used)) = prepared.map_err(|error| seen.explain(error))? else {
            return Ok(None);
        };
        let text = sql.get(..used).unwrap_or(sql);
        let seen = seen.with_text(text);
        Ok(Some((Prepared { statement, seen }, used)))
    }

    /// Whether the statement that was prepared last, or refused, is one that
    /// changes a setting.
    pub fn saw_setting(&self) -> bool {
        self.rules.seen().sets()
    }

    /// Runs a statement of the host's own.
    pub fn run(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        on_row: impl FnMut(&Columns<'_>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let _trust = self.rules.trust();
        let position = match self.own.iter().position(|(text, _)| *text == sql) {
            Some(position) => position,
            None => {
                let Some((statement, _)) = Statement::prepare(&self.connection, sql)? else {
                    return Ok(());
                };
                self.own.push((sql, statement));
                self.own.len() - 1
            }
        };
        self.own[position].1.run(params, on_row)
    }

    /// Runs a statement of the host's own that gives no rows.
    pub fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<(), StorageError> {
        self.run(sql, params, |_| Ok(()))
    }

    /// The integer that a statement of the host's own gives in its first column.
    pub fn integer(&mut self, sql: &'static str) -> Result<Option<i64>, StorageError> {
        let mut found = None;
        self.run(sql, &[], |columns| {
            found = Some(columns.integer(0));
            Ok(())
        })?;
        Ok(found)
    }

    /// What is counted in pages is counted in pages of one size.
    fn require_page_size(&self) -> Result<(), StorageError> {
        let _trust = self.rules.trust();
        // Not among the host's own statements, which are kept: it is asked once.
        let asked = |row: &Row<'_>| row.get::<_, i64>(0);
        let bytes = self.connection.query_row("PRAGMA page_size", [], asked)?;
        if bytes.cast_unsigned() == PAGE_BYTES {
            return Ok(());
        }
        Err(StorageError::Broken(format!(
            "the database has pages of {bytes} bytes, not of {PAGE_BYTES}; convert it with the \
             sqlite3 shell while no server runs: PRAGMA journal_mode = DELETE; \
             PRAGMA page_size = {PAGE_BYTES}; VACUUM; PRAGMA journal_mode = WAL;"
        )))
    }

    /// Whether the file could only be opened for reading.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Gives back what is kept for the next use: pages and statements, none of
    /// which may be running.
    pub fn shrink(&mut self) {
        self.cache.clear();
        self.own.clear();
        if let Err(error) = self.connection.release_memory() {
            tracing::warn!(%error, "cannot give back memory");
        }
    }

    /// The key of the row that this connection inserted last.
    pub fn last_rowid(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    pub fn set_last_rowid(&self, rowid: i64) {
        statement::set_last_rowid(&self.connection, rowid);
    }

    /// The tables to which the foreign keys of a table refer.
    pub fn parents(&mut self, table: &str) -> Result<Vec<String>, StorageError> {
        let _trust = self.rules.trust();
        // Not by the table-valued function: the object may have a view of its name.
        let query = format!(
            "PRAGMA main.foreign_key_list(\"{}\")",
            table.replace('"', "\"\"")
        );
        let mut parents = Vec::new();
        if let Some((mut statement, _)) = Statement::prepare(&self.connection, &query)? {
            statement.run(&[], |columns| {
                parents.push(columns.text(2));
                Ok(())
            })?;
        }
        Ok(parents)
    }

    /// Whether SQLite's transaction has ended, or never began.
    pub fn is_autocommit(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// Rows that the newest statement changed itself, without what triggers and
    /// foreign keys did.
    pub fn changes(&self) -> u64 {
        self.connection.changes()
    }

    /// Rows changed since the database was opened.
    pub fn total_changes(&self) -> u64 {
        self.connection.total_changes()
    }

    /// Pages in the WAL if something was committed since the last call.
    pub fn take_committed_pages(&self) -> Option<u64> {
        self.wal_watch.take()
    }

    /// Pages in the WAL that are valid.
    pub fn wal_pages(&mut self) -> Result<u64, StorageError> {
        let mut pages = 0;
        self.run("PRAGMA wal_checkpoint(NOOP)", &[], |columns| {
            pages = columns.integer(1);
            Ok(())
        })?;
        Ok(u64::try_from(pages).unwrap_or(0))
    }

    /// Moves the whole WAL into the database.
    pub fn checkpoint(&mut self, pragma: &'static str) -> Result<(), StorageError> {
        let (mut busy, mut pages, mut moved) = (0, 0, 0);
        self.run(pragma, &[], |columns| {
            (busy, pages, moved) = (columns.integer(0), columns.integer(1), columns.integer(2));
            Ok(())
        })?;
        if busy != 0 || pages != moved {
            return Err(StorageError::Broken(format!(
                "checkpoint moved {moved} of {pages} pages"
            )));
        }
        Ok(())
    }

    /// Removes all contents, as one transaction. No statement may be running.
    pub fn reset(&mut self) -> Result<(), StorageError> {
        use rusqlite::limits::Limit::SQLITE_LIMIT_ATTACHED;
        let _trust = self.rules.trust();
        self.cache.clear();
        self.own.clear();
        let reset = DbConfig::SQLITE_DBCONFIG_RESET_DATABASE;
        // VACUUM builds the new contents in a database that it attaches.
        let attached_max = self.connection.set_limit(SQLITE_LIMIT_ATTACHED, 1)?;
        self.connection.set_db_config(reset, true)?;
        let done = self.connection.execute_batch("VACUUM");
        self.connection.set_db_config(reset, false)?;
        self.connection
            .set_limit(SQLITE_LIMIT_ATTACHED, attached_max)?;
        Ok(done?)
    }

    /// Puts the connection's settings back that a PRAGMA of the object may have changed.
    pub fn restore_settings(&mut self) -> Result<(), StorageError> {
        let _trust = self.rules.trust();
        Ok(self.connection.execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA case_sensitive_like = OFF; \
             PRAGMA defer_foreign_keys = OFF; PRAGMA ignore_check_constraints = OFF; \
             PRAGMA legacy_alter_table = OFF; PRAGMA recursive_triggers = OFF; \
             PRAGMA reverse_unordered_selects = OFF;",
        )?)
    }
}
