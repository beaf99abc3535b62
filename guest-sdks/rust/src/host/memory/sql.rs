//! Statements and cursors, run by SQLite itself.

use super::errors::{sqlite, too_big};
use super::{Memory, Space, with};
use crate::{Error, Result, Value};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, Statement, params_from_iter, types};
use std::collections::VecDeque;

/// A text or blob that is bound to a statement.
const VALUE_BYTES_MAX: usize = 2 << 20;

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

pub fn exec(query: &str, params: &[Value]) -> Result<Rows> {
    with(|memory| run(memory, query, params))
}

/// Runs all statements; parameters go to the last one, whose rows are returned.
fn run(memory: &mut Memory, query: &str, params: &[Value]) -> Result<Rows> {
    if params.iter().any(|param| bytes(param) > VALUE_BYTES_MAX) {
        return Err(too_big());
    }
    let before = memory.database.total_changes();
    let mut rest = query;
    loop {
        let (after, writes) = {
            let statement = first(&memory.database, rest)?;
            let after = after(&memory.database, rest, &statement)?;
            if after.is_empty() && statement.parameter_count() != params.len() {
                let text = "Wrong number of parameter bindings for SQL query.";
                return Err(Error::new(text));
            }
            (after, !statement.readonly())
        };
        if writes {
            memory.begin_write()?;
        }
        let params = if after.is_empty() { params } else { &[] };
        let statement = first(&memory.database, rest)?;
        let (columns, rows) = rows(statement, params).map_err(sqlite)?;
        if after.is_empty() {
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

fn rows(mut statement: Statement<'_>, params: &[Value]) -> rusqlite::Result<Collected> {
    let values = params.iter().map(value_in);
    let mut rows = Vec::new();
    let mut found = statement.query(params_from_iter(values))?;
    while let Some(row) = found.next()? {
        let columns = row.as_ref().column_count();
        let values = (0..columns).map(|column| row.get_ref(column).map(value_out));
        rows.push(values.collect::<rusqlite::Result<_>>()?);
    }
    drop(found);
    let names = statement.column_names().into_iter();
    Ok((names.map(str::to_owned).collect(), rows))
}

pub fn open(query: &str, params: &[Value]) -> Result<Cursor> {
    with(|memory| {
        let rows = run(memory, query, params)?;
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
    let rows = exec(query, &[])?;
    let bytes: u64 = crate::Rows::new(rows.columns, rows.rows, 0).one()?;
    Ok(bytes.max(PAGE_BYTES))
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
