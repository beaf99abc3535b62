//! Statements and cursors, run by SQLite itself.

use super::{Space, sqlite, with};
use crate::{Error, Result, Value};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Connection, params_from_iter, types};

pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    pub changes: u64,
}

pub struct Cursor {
    pub id: u64,
    pub columns: Vec<String>,
}

pub fn exec(query: &str, params: &[Value]) -> Result<Rows> {
    with(|memory| run(&memory.database, query, params))
}

/// Parameters go to the only statement that has any.
fn run(database: &Connection, query: &str, params: &[Value]) -> Result<Rows> {
    let wrong = || Error::new("Wrong number of parameter bindings for SQL query.");
    let before = database.total_changes();
    let mut result = None;
    let mut bound = params.is_empty();
    let mut batch = rusqlite::Batch::new(database, query);
    while let Some(mut statement) = batch.next().map_err(sqlite)? {
        let count = statement.parameter_count();
        if count != 0 && count != params.len() {
            return Err(wrong());
        }
        bound |= count != 0;
        let columns: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let values = params.iter().take(count).map(value_in);
        let mut found = statement.query(params_from_iter(values)).map_err(sqlite)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(sqlite)? {
            let values = (0..columns.len()).map(|column| row.get_ref(column).map(value_out));
            rows.push(values.collect::<rusqlite::Result<_>>().map_err(sqlite)?);
        }
        result = Some((columns, rows));
    }
    let Some((columns, rows)) = result else {
        return Err(Error::new("SQL code did not contain a statement."));
    };
    if !bound {
        return Err(wrong());
    }
    Ok(Rows {
        columns,
        rows,
        changes: database.total_changes() - before,
    })
}

pub fn open(query: &str, params: &[Value]) -> Result<Cursor> {
    let rows = exec(query, params)?;
    with(|memory| {
        let id = memory.number();
        memory.cursors.insert(id, rows.rows.into());
        let columns = rows.columns;
        Ok(Cursor { id, columns })
    })
}

pub fn next(cursor: u64, rows_max: u32) -> Result<Vec<Vec<Value>>> {
    with(|memory| match memory.cursors.get_mut(&cursor) {
        Some(rows) => Ok(rows.drain(..rows.len().min(rows_max as usize)).collect()),
        None => Err(Error::new(format!("cursor {cursor} is not open"))),
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
    crate::Rows::new(rows.columns, rows.rows, 0).one()
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
