//! `sql`: the object's own database.

use wasmtime::Result;

use crate::instance::bindings::durable::object::sql::{Host, Part, Rows, StorageError, Value};
use crate::instance::context::Context;
use crate::storage;

type Answer<T> = Result<std::result::Result<T, StorageError>>;

impl Host for Context {
    fn exec(&mut self, query: String, params: Vec<Value>) -> Answer<Rows> {
        let params: Vec<_> = params.into_iter().map(Into::into).collect();
        let rows = self.storage(|storage| storage.exec(&query, &params))?;
        Ok(rows
            .map(|rows| Rows {
                columns: rows.columns,
                rows: to_world(rows.rows),
                changes: rows.changes,
            })
            .map_err(Into::into))
    }

    fn open(&mut self, query: String, params: Vec<Value>, rows_max: u32) -> Answer<Part> {
        let params: Vec<_> = params.into_iter().map(Into::into).collect();
        let part = self.storage(|storage| storage.open_cursor(&query, &params, rows_max))?;
        Ok(part
            .map(|part| Part {
                columns: part.columns,
                rows: to_world(part.rows),
                changes: part.changes,
                cursor: part.cursor,
            })
            .map_err(Into::into))
    }

    fn next(&mut self, cursor: u64, rows_max: u32) -> Answer<Vec<Vec<Value>>> {
        let rows = self.storage(|storage| storage.next_rows(cursor, rows_max))?;
        Ok(rows.map(to_world).map_err(Into::into))
    }

    fn close(&mut self, cursor: u64) -> Result<()> {
        self.parts.storage.lock().close_cursor(cursor);
        Ok(())
    }

    fn database_size(&mut self) -> Answer<u64> {
        Ok(self
            .storage(|storage| storage.database_size())?
            .map_err(Into::into))
    }
}

fn to_world(rows: Vec<Vec<storage::Value>>) -> Vec<Vec<Value>> {
    rows.into_iter()
        .map(|row| row.into_iter().map(Into::into).collect())
        .collect()
}

impl From<Value> for storage::Value {
    fn from(value: Value) -> storage::Value {
        match value {
            Value::Null => storage::Value::Null,
            Value::Integer(integer) => storage::Value::Integer(integer),
            Value::Real(real) => storage::Value::Real(real),
            Value::Text(text) => storage::Value::Text(text),
            Value::Blob(blob) => storage::Value::Blob(blob),
        }
    }
}

impl From<storage::Value> for Value {
    fn from(value: storage::Value) -> Value {
        match value {
            storage::Value::Null => Value::Null,
            storage::Value::Integer(integer) => Value::Integer(integer),
            storage::Value::Real(real) => Value::Real(real),
            storage::Value::Text(text) => Value::Text(text),
            storage::Value::Blob(blob) => Value::Blob(blob),
        }
    }
}
