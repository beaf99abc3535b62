//! How an object's SQL is run.
//!
//! A call may hold several statements. All but the last are run as they are read,
//! each on its own: what an earlier one did stays when a later one fails.

use rusqlite::ffi;

use super::database::Database;
use super::errors::StorageError;
use super::limits::{RESULT_BYTES_MAX, VALUE_BYTES_MAX};
use super::rules::Settings;
use super::statement::Param;
use super::statement_cache::Prepared;
use super::value::{Row, Rows, Value, row_bytes};
use super::{Place, Storage};

const NO_STATEMENT: &str = "SQL code did not contain a statement.";

const WRONG_PARAMETERS: &str = "Wrong number of parameter bindings for SQL query.";

const PARAMETERS_BEFORE_LAST: &str = "When executing multiple SQL statements in a single call, \
     only the last statement can have parameters.";

/// What SQLite takes as white space between statements.
const WHITE_SPACE: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];

impl Storage {
    /// Runs one or more statements and returns the rows of the last.
    pub fn exec(&mut self, query: &str, params: &[Value]) -> Result<Rows, StorageError> {
        self.call(|storage| {
            let changes_before = storage.total_changes();
            let (mut prepared, query) = storage.prepare_last(query, params)?;
            let rows = storage.run_to_end(&mut prepared, params, RESULT_BYTES_MAX);
            let columns = prepared.statement.column_names();
            storage.keep(query, prepared);
            Ok(Rows {
                columns,
                rows: rows?,
                changes: storage.total_changes() - changes_before,
            })
        })
    }

    /// Runs all statements but the last, and prepares that. The text comes back if
    /// the statement can be kept under it.
    pub(super) fn prepare_last(
        &mut self,
        query: &str,
        params: &[Value],
    ) -> Result<(Prepared, Option<Box<str>>), StorageError> {
        require_sizes(params)?;
        if !self.is_open() && creates(query) {
            // An empty database to find that out would cost as much as the object's.
            self.open_for_write()?;
        }
        if let Some((text, prepared)) = self.open_to_query()?.cache.take(query) {
            if prepared.statement.parameter_count() != params.len() {
                self.keep(Some(text), prepared);
                return Err(StorageError::Invalid(WRONG_PARAMETERS.to_owned()));
            }
            return Ok((prepared, Some(text)));
        }
        let mut rest = query;
        loop {
            let (mut prepared, used) = self.prepare(rest, params.len())?;
            let after = after_statement(rest, used);
            let parameter_count = prepared.statement.parameter_count();
            if after.is_empty() {
                if parameter_count != params.len() {
                    return Err(StorageError::Invalid(WRONG_PARAMETERS.to_owned()));
                }
                let alone = rest.len() == query.len();
                return Ok((prepared, alone.then(|| query.into())));
            }
            if parameter_count != 0 {
                return Err(StorageError::Invalid(PARAMETERS_BEFORE_LAST.to_owned()));
            }
            self.begin_statement(&prepared)?;
            // One step does all that a statement writes; its rows are not wanted.
            self.keep_names(&mut prepared, |prepared| {
                prepared.statement.step().map(|_| ())
            })?;
            rest = after;
        }
    }

    /// Runs a statement to its end and collects its rows, up to so many bytes.
    pub(super) fn run_to_end(
        &mut self,
        prepared: &mut Prepared,
        params: &[Value],
        bytes_max: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let params: Vec<Param<'_>> = params.iter().map(Into::into).collect();
        self.begin_statement(prepared)?;
        let mut rows = Vec::new();
        if prepared.writes() && prepared.statement.column_count() > 0 {
            // Rows over the limit must leave nothing changed.
            self.atomically(|_| collect(prepared, &params, bytes_max, &mut rows))?;
        } else {
            self.keep_names(prepared, |prepared| {
                collect(prepared, &params, bytes_max, &mut rows)
            })?;
        }
        Ok(rows)
    }

    /// Keeps a statement for its next use.
    pub(super) fn keep(&mut self, query: Option<Box<str>>, prepared: Prepared) {
        let database = match &mut self.place {
            Place::Open(database) => Some(&mut **database),
            Place::Unopened | Place::Absent => self.empty.as_mut(),
        };
        if let (Some(database), Some(query)) = (database, query) {
            database.cache.put(query, prepared);
        }
    }

    /// Prepares the first statement of `sql` on the database that it will run on.
    fn prepare(
        &mut self,
        sql: &str,
        param_count: usize,
    ) -> Result<(Prepared, usize), StorageError> {
        let none = || StorageError::Invalid(NO_STATEMENT.to_owned());
        // A PRAGMA has no parameters: as the last statement it does not fit, and
        // must then change nothing.
        let settings = match param_count {
            0 => Settings::Free,
            _ => Settings::Held,
        };
        let mut found = self.open_to_query()?.prepare(sql, settings);
        if found.is_err() && settings == Settings::Held && self.open_to_query()?.saw_setting() {
            require_further_statement(sql, &Database::empty(&self.budget)?)?;
            found = self.open_to_query()?.prepare(sql, Settings::Free);
        }
        let (prepared, used) = found?.ok_or_else(none)?;
        let needs_file = prepared.writes() || prepared.seen.sets();
        if self.is_open() || !needs_file {
            return Ok((prepared, used));
        }
        drop(prepared);
        self.open_for_write()?
            .prepare(sql, Settings::Free)?
            .ok_or_else(none)
    }

    /// Begins what a statement needs before its first step.
    fn begin_statement(&mut self, prepared: &Prepared) -> Result<(), StorageError> {
        self.settings_touched |= prepared.seen.sets();
        if prepared.writes() {
            self.begin_write()?;
        }
        Ok(())
    }

    pub(super) fn total_changes(&self) -> u64 {
        match &self.place {
            Place::Open(database) => database.total_changes(),
            // A connection counts from 0.
            Place::Unopened | Place::Absent => 0,
        }
    }
}

/// Whether the first statement makes something, if it is one at all.
fn creates(query: &str) -> bool {
    let word = query.trim_ascii_start().as_bytes().get(..6);
    word.is_some_and(|word| word.eq_ignore_ascii_case(b"CREATE"))
}

fn collect(
    prepared: &mut Prepared,
    params: &[Param<'_>],
    bytes_max: usize,
    rows: &mut Vec<Row>,
) -> Result<(), StorageError> {
    let way_out = if prepared.writes() {
        "a statement that writes must be able to return all of it at once: return less"
    } else {
        "read it with a cursor or add a LIMIT"
    };
    let mut size_bytes = 0;
    prepared.statement.run(params, |columns| {
        let row = columns.row();
        size_bytes += row_bytes(&row);
        if size_bytes > bytes_max {
            return Err(StorageError::Invalid(format!(
                "The result of the SQL query is larger than {bytes_max} bytes; {way_out}."
            )));
        }
        rows.push(row);
        Ok(())
    })
}

/// SQLite's own limit is higher, so that a row can hold more than one value.
fn require_sizes(params: &[Value]) -> Result<(), StorageError> {
    let too_big = |param: &Value| match param {
        Value::Text(text) => text.len() > VALUE_BYTES_MAX,
        Value::Blob(bytes) => bytes.len() > VALUE_BYTES_MAX,
        Value::Null | Value::Integer(_) | Value::Real(_) => false,
    };
    if params.iter().any(too_big) {
        return Err(StorageError::sqlite(
            ffi::SQLITE_TOOBIG,
            "string or blob too big",
            None,
        ));
    }
    Ok(())
}

/// Refuses a PRAGMA that is the last statement of `sql`; `scratch` finds its end.
fn require_further_statement(sql: &str, scratch: &Database) -> Result<(), StorageError> {
    match scratch.prepare(sql, Settings::Free)? {
        Some((_, used)) if !after_statement(sql, used).is_empty() => Ok(()),
        _ => Err(StorageError::Invalid(WRONG_PARAMETERS.to_owned())),
    }
}

/// What comes after the first statement of `sql`, which takes `used` bytes.
fn after_statement(sql: &str, used: usize) -> &str {
    sql.get(used..)
        .unwrap_or_default()
        .trim_start_matches(WHITE_SPACE)
}
