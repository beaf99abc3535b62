//! Statements and cursors, run by SQLite itself.

use super::errors::{sqlite, too_big};
use super::{Memory, Space, with};
use crate::{Error, Result, Value};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::limits::Limit;
use rusqlite::{Batch, Connection, Statement, params_from_iter, types};
use std::collections::VecDeque;

/// A text or blob that is bound to a statement.
const VALUE_BYTES_MAX: usize = 2 << 20;

/// The result of one call.
const RESULT_BYTES_MAX: usize = 64 << 20;

/// What SQLite itself sees to.
const LIMITS: [(Limit, i32); 9] = [
    (Limit::SQLITE_LIMIT_LENGTH, 4 << 20),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
];

const CURSORS_MAX: usize = 64;

/// A fresh database is one page.
const PAGE_BYTES: u64 = 4096;

/// What SQLite takes as white space between statements.
const WHITE_SPACE: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];

pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    pub changes: u64,
}

pub struct Cursor {
    pub id: u64,
    pub columns: Vec<String>,
}

/// What an open cursor has yet to give; none once the database was deleted.
pub type Unread = Option<VecDeque<Vec<Value>>>;

pub fn limit(database: &Connection) -> rusqlite::Result<()> {
    let mut limits = LIMITS.into_iter();
    limits.try_for_each(|(limit, max)| database.set_limit(limit, max).map(|_| ()))
}

/// Runs a statement that is not the object's.
pub fn own(query: &str, params: &[Value]) -> Result<Rows> {
    with(|memory| memory.guard.own(|| run(memory, query, params, usize::MAX)))
}

pub fn exec(query: &str, params: &[Value]) -> Result<Rows> {
    with(|memory| run_of_object(memory, query, params, RESULT_BYTES_MAX))
}

fn run_of_object(memory: &Memory, query: &str, params: &[Value], bytes_max: usize) -> Result<Rows> {
    if params.iter().any(|param| bytes(param) > VALUE_BYTES_MAX) {
        return Err(too_big());
    }
    let result = run(memory, query, params, bytes_max);
    result.map_err(|error| memory.guard.explained(error))
}

/// Runs all statements; parameters go to the last one, whose rows are returned.
fn run(memory: &Memory, query: &str, params: &[Value], bytes_max: usize) -> Result<Rows> {
    let before = memory.database.total_changes();
    let mut rest = query;
    loop {
        let statement = first(&memory.database, rest)?;
        let after = after(&memory.database, rest, &statement)?;
        let is_last = after.is_empty();
        if is_last && statement.parameter_count() != params.len() {
            let text = "Wrong number of parameter bindings for SQL query.";
            return Err(Error::new(text));
        }
        let (params, bytes_max) = match is_last {
            true => (params, bytes_max),
            false => (&[][..], usize::MAX),
        };
        let writes = !statement.readonly();
        if writes {
            memory.begin_write()?;
        }
        let (columns, rows) = match writes && statement.column_count() > 0 {
            // Rows over the limit must leave nothing changed.
            true => atomically(memory, || {
                let (columns, rows) = rows(statement, params)?;
                require_size(&rows, bytes_max, writes)?;
                Ok((columns, rows))
            })?,
            false => rows(statement, params)?,
        };
        require_size(&rows, bytes_max, writes)?;
        if is_last {
            let changes = memory.database.total_changes() - before;
            return Ok(Rows {
                columns,
                rows,
                changes,
            });
        }
        rest = after;
    }
}

fn first<'a>(database: &'a Connection, query: &str) -> Result<Statement<'a>> {
    let first = Batch::new(database, query).next().map_err(sqlite)?;
    first.ok_or_else(|| Error::new("SQL code did not contain a statement."))
}

/// What comes after the first statement of `query`.
fn after<'q>(database: &Connection, query: &'q str, first: &Statement<'_>) -> Result<&'q str> {
    if first.parameter_count() == 0 {
        let used = first.expanded_sql().map_or(query.len(), |text| text.len());
        let after = query.get(used..).unwrap_or_default();
        return Ok(after.trim_start_matches(WHITE_SPACE));
    }
    // rusqlite prepares what comes after, too, and fails if that is not nothing.
    match database.prepare(query) {
        Ok(_) => Ok(""),
        Err(_) => Err(Error::new(
            "When executing multiple SQL statements in a single call, only the last statement \
             can have parameters.",
        )),
    }
}

type Collected = (Vec<String>, Vec<Vec<Value>>);

/// Undoes what failing work has written.
fn atomically<T>(memory: &Memory, work: impl FnOnce() -> Result<T>) -> Result<T> {
    memory.own("SAVEPOINT _cf_atomic").map_err(sqlite)?;
    let done = work();
    if !memory.is_torn() {
        if done.is_err() {
            memory.own("ROLLBACK TO _cf_atomic").map_err(sqlite)?;
        }
        memory.own("RELEASE _cf_atomic").map_err(sqlite)?;
    }
    done
}

fn rows(mut statement: Statement<'_>, params: &[Value]) -> Result<Collected> {
    let values = params.iter().map(value_in);
    let mut rows = Vec::new();
    let mut found = statement.query(params_from_iter(values)).map_err(sqlite)?;
    while let Some(row) = found.next().map_err(sqlite)? {
        let columns = row.as_ref().column_count();
        let values = (0..columns).map(|column| row.get_ref(column).map(value_out));
        rows.push(values.collect::<rusqlite::Result<_>>().map_err(sqlite)?);
    }
    drop(found);
    let names = statement.column_names().into_iter();
    Ok((names.map(str::to_owned).collect(), rows))
}

pub fn open(query: &str, params: &[Value]) -> Result<Cursor> {
    with(|memory| {
        let rows = run_of_object(memory, query, params, usize::MAX)?;
        if memory.cursors.len() == CURSORS_MAX {
            return Err(Error::new(format!(
                "At most {CURSORS_MAX} SQL cursors can be open at a time; close some first."
            )));
        }
        let id = memory.number();
        memory.cursors.insert(id, Some(rows.rows.into()));
        let columns = rows.columns;
        Ok(Cursor { id, columns })
    })
}

pub fn next(cursor: u64, rows_max: u32) -> Result<Vec<Vec<Value>>> {
    with(|memory| match memory.cursors.get_mut(&cursor) {
        Some(Some(rows)) => {
            let read: Vec<_> = rows.drain(..rows.len().min(rows_max as usize)).collect();
            if read.is_empty() {
                memory.cursors.remove(&cursor);
            }
            Ok(read)
        }
        Some(None) => {
            memory.cursors.remove(&cursor);
            Err(Error::new(
                "SQLite query was canceled because the database was deleted.",
            ))
        }
        None => Err(Error::new(format!("SQL cursor {cursor} is not open."))),
    })
}

pub fn close(cursor: u64) {
    // Also called while a test unwinds, when there may be no object any more.
    if let Some(space) = Space::of_running() {
        space.memory.borrow_mut().cursors.remove(&cursor);
    }
}

pub fn database_size() -> Result<u64> {
    let query = "SELECT (page_count - freelist_count) * page_size
                 FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let rows = own(query, &[])?;
    let bytes: u64 = crate::Rows::new(rows.columns, rows.rows, 0).one()?;
    Ok(bytes.max(PAGE_BYTES))
}

/// A row and a value take some bytes beside their contents.
fn require_size(rows: &[Vec<Value>], bytes_max: usize, writes: bool) -> Result<()> {
    let row_bytes = |row: &Vec<Value>| 24 + row.iter().map(|it| 32 + bytes(it)).sum::<usize>();
    let way_out = match writes {
        true => "a statement that writes must be able to return all of it at once: return less",
        false => "read it with a cursor or add a LIMIT",
    };
    match rows.iter().map(row_bytes).sum::<usize>() > bytes_max {
        true => Err(Error::new(format!(
            "The result of the SQL query is larger than {bytes_max} bytes; {way_out}."
        ))),
        false => Ok(()),
    }
}

fn bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Integer(_) | Value::Real(_) => 0,
    }
}

fn value_in(value: &Value) -> types::Value {
    match value.clone() {
        Value::Null => types::Value::Null,
        Value::Integer(integer) => types::Value::Integer(integer),
        Value::Real(real) => types::Value::Real(real),
        Value::Text(text) => types::Value::Text(text),
        Value::Blob(bytes) => types::Value::Blob(bytes),
    }
}

fn value_out(value: types::ValueRef) -> Value {
    match value {
        types::ValueRef::Null => Value::Null,
        types::ValueRef::Integer(integer) => Value::Integer(integer),
        types::ValueRef::Real(real) => Value::Real(real),
        types::ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into()),
        types::ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}
