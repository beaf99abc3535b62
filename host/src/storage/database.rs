//! One open SQLite database under our rules.
//!
//! The file belongs to this connection alone (`locking_mode=EXCLUSIVE`, so that
//! the index of the WAL is in memory and no `-shm` file exists), and SQLite never
//! syncs (`synchronous=OFF`): `durable` and `checkpoint` do.

use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::budget::{Budget, STEPS_PER_TICK};
use super::errors::StorageError;
use super::limited::{self, Limited};
use super::limits::{PAGE_BYTES, SQLITE_LIMITS, StorageLimits};
use super::object_files::ObjectFiles;
use super::rules::Rules;
use super::statement::{Columns, Param, Statement, WalWatch};
use super::statement_cache::{Prepared, StatementCache};

/// No locks: the data directory is locked as a whole.
const VFS: &str = "unix-none";

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
}

impl Database {
    /// Opens the object's database, which exists.
    pub fn open(
        files: &ObjectFiles,
        limits: &StorageLimits,
        budget: &Arc<Budget>,
    ) -> Result<Self, StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(files.database_path(), flags, VFS)?;
        let pages_max = (limits.storage_bytes_max / PAGE_BYTES).clamp(1, 0xffff_fffe);
        connection.execute_batch(&format!(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; \
             PRAGMA cache_size = -256; PRAGMA temp_store = MEMORY; \
             PRAGMA max_page_count = {pages_max};"
        ))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Self::under_rules(connection, budget)
    }

    /// An empty database in memory, for queries on one that does not exist yet.
    pub fn empty(budget: &Arc<Budget>) -> Result<Self, StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(":memory:", flags)?;
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
        })
    }

    /// Prepares the first statement of an object's SQL, and says how many bytes
    /// it took. None when there is no statement.
    pub fn prepare(&mut self, sql: &str) -> Result<Option<(Prepared, usize)>, StorageError> {
        match self.prepare_as_it_is(sql) {
            Err(error) if limited::is_refusal(&error) => self.prepare_limited(sql, error),
            other => other,
        }
    }

    fn prepare_as_it_is(&self, sql: &str) -> Result<Option<(Prepared, usize)>, StorageError> {
        self.rules.start();
        let prepared = Statement::prepare(&self.connection, sql);
        let seen = self.rules.seen();
        let prepared = prepared.map_err(|error| seen.explain(error))?;
        Ok(prepared.map(|(statement, used)| (Prepared { statement, seen }, used)))
    }

    /// Prepares an UPDATE or DELETE with ORDER BY or LIMIT, which SQLite refused
    /// with `error`.
    fn prepare_limited(
        &mut self,
        sql: &str,
        error: StorageError,
    ) -> Result<Option<(Prepared, usize)>, StorageError> {
        let Some(statement) = Limited::read(sql) else {
            return Err(error);
        };
        let key = self.row_key(&statement.table)?;
        let prepared = self.prepare_as_it_is(&statement.rewrite(&key)?)?;
        Ok(prepared.map(|(prepared, _)| (prepared, statement.length)))
    }

    /// What tells the rows of a table apart, as a list of columns.
    fn row_key(&mut self, table: &str) -> Result<String, StorageError> {
        let table = [Param::Text(table.as_bytes())];
        let mut columns = Vec::new();
        let mut primary_key = Vec::new();
        let query = "SELECT name, pk FROM pragma_table_xinfo(?1, 'main') ORDER BY pk";
        self.run(query, &table, |column| {
            let name = column.text(0);
            if column.integer(1) > 0 {
                primary_key.push(format!("\"{}\"", name.replace('"', "\"\"")));
            }
            columns.push(name);
            Ok(())
        })?;
        let mut has_rowid = true;
        let query = "SELECT wr FROM pragma_table_list(?1) WHERE schema = 'main'";
        self.run(query, &table, |column| {
            has_rowid = column.integer(0) == 0;
            Ok(())
        })?;
        if !has_rowid {
            return Ok(primary_key.join(", "));
        }
        // A column may have taken the name, but hardly all of them.
        let is_free = |name: &&&str| {
            !columns
                .iter()
                .any(|column| column.eq_ignore_ascii_case(name))
        };
        let names = ["_rowid_", "rowid", "oid"];
        Ok((*names.iter().find(is_free).unwrap_or(&names[0])).to_owned())
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

    /// Whether SQLite's transaction has ended, or never began.
    pub fn is_autocommit(&self) -> bool {
        self.connection.is_autocommit()
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
