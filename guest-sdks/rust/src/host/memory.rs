//! The host, in tests that run natively: one object in memory.
//!
//! Storage is a SQLite database in memory, kv and the alarm included, so that
//! transactions cover all three. Time is virtual. Sockets, other objects and the
//! outside world answer with an error.

use crate::testing::executor;
use crate::{Error, Request, Response, Result};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Connection, params_from_iter, types};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::{poll_fn, ready};
use std::rc::Rc;
use std::task::{Poll, Waker};

pub use executor::spawn;

pub struct Memory {
    database: Connection,
    /// Numbers of the open transactions and savepoints, innermost last.
    open: Vec<u64>,
    cursors: HashMap<u64, VecDeque<Vec<crate::Value>>>,
    newest_number: u64,
}

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
    static SECTIONS: Cell<u64> = const { Cell::new(0) };
}

impl Memory {
    /// Makes an empty object that of this thread, and removes it again.
    pub fn scope<T>(work: impl FnOnce() -> T) -> T {
        struct Remove(Option<Memory>);
        impl Drop for Remove {
            fn drop(&mut self) {
                MEMORY.set(self.0.take());
            }
        }
        let memory = Self::open().expect("SQLite opens a database in memory");
        let _remove = Remove(MEMORY.replace(Some(memory)));
        work()
    }

    fn open() -> rusqlite::Result<Self> {
        let database = Connection::open_in_memory()?;
        database.execute_batch(
            "PRAGMA foreign_keys = ON;
             CREATE TABLE _cf_KV (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
             CREATE TABLE _cf_ALARM (time INTEGER NOT NULL);",
        )?;
        Ok(Self {
            database,
            open: Vec::new(),
            cursors: HashMap::new(),
            newest_number: 0,
        })
    }

    fn number(&mut self) -> u64 {
        self.newest_number += 1;
        self.newest_number
    }
}

fn with<T>(work: impl FnOnce(&mut Memory) -> Result<T>) -> Result<T> {
    MEMORY.with_borrow_mut(|memory| {
        let memory = memory.as_mut().expect(
            "this needs a host: call it inside durable_object::testing::run, or build a component",
        );
        work(memory)
    })
}

fn not_served<T>(what: &str) -> Result<T> {
    Err(Error::new(format!("{what} cannot be tested natively")))
}

fn sqlite(error: rusqlite::Error) -> Error {
    match error.sqlite_error() {
        Some(code) => Error::sqlite(code.extended_code, error.to_string()),
        None => Error::new(error.to_string()),
    }
}

pub mod state {
    use super::*;

    pub fn id() -> String {
        "0".repeat(64)
    }

    pub fn name() -> Option<String> {
        Some("test".to_owned())
    }

    pub fn class_name() -> String {
        "test".to_owned()
    }

    pub fn limits() -> crate::Limits {
        crate::Limits {
            memory_bytes: 1 << 20,
            memory_bytes_max: 128 << 20,
            storage_bytes: sql::database_size().unwrap_or(4096),
            storage_bytes_max: 10 << 30,
            cpu_ms_max: 30_000,
        }
    }

    pub fn abort(reason: Option<&str>) -> ! {
        let default = "Application called abort() to reset Durable Object.";
        panic!("{}", reason.unwrap_or(default))
    }

    pub fn begin_block_concurrency() -> u64 {
        SECTIONS.set(SECTIONS.get() + 1);
        SECTIONS.get()
    }

    pub fn end_block_concurrency(section: u64, _outcome: Result<()>) {
        assert_eq!(section, SECTIONS.get(), "not the innermost section");
        SECTIONS.set(section - 1);
    }
}

pub mod kv {
    use super::*;
    use crate::kv::{Entry, ListOptions};

    fn entries() -> Result<Vec<Entry>> {
        let query = "SELECT CAST(key AS TEXT), value FROM _cf_KV ORDER BY key";
        let rows = sql::exec(query, &[])?;
        Ok(crate::Rows::new(rows.columns, rows.rows, 0)
            .all::<(String, Vec<u8>)>()?
            .into_iter()
            .map(Entry::from)
            .collect())
    }

    pub fn get(key: &str) -> Result<Option<Vec<u8>>> {
        Ok(get_many(&[key.to_owned()])?.pop().map(|entry| entry.value))
    }

    pub fn get_many(keys: &[String]) -> Result<Vec<Entry>> {
        let mut found = entries()?;
        found.retain(|entry| keys.contains(&entry.key));
        Ok(found)
    }

    pub fn list(options: &ListOptions) -> Result<Vec<Entry>> {
        if options.start.is_some() && options.start_after.is_some() {
            let text = "list() cannot be called with both start and startAfter values.";
            return Err(Error::new(text));
        }
        if options.limit == Some(0) {
            return Err(Error::new("List limit must be positive."));
        }
        let mut found = entries()?;
        found.retain(|Entry { key, .. }| {
            options.start.as_ref().is_none_or(|start| key >= start)
                && options.start_after.as_ref().is_none_or(|after| key > after)
                && options.end.as_ref().is_none_or(|end| key < end)
                && options.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
        });
        if options.reverse {
            found.reverse();
        }
        found.truncate(options.limit.map_or(usize::MAX, |limit| limit as usize));
        Ok(found)
    }

    pub fn put(key: &str, value: &[u8]) -> Result<()> {
        put_many(&[Entry::from((key, value))])
    }

    pub fn put_many(entries: &[Entry]) -> Result<()> {
        let too_large = |entry: &&Entry| entry.key.len() + entry.value.len() > 2_097_152;
        if let Some(entry) = entries.iter().find(too_large) {
            let text = format!("kv entry {:?} is larger than 2097152 bytes", entry.key);
            return Err(Error::new(text));
        }
        for entry in entries {
            let (key, value) = (entry.key.as_bytes(), &entry.value[..]);
            sql::exec(
                "INSERT OR REPLACE INTO _cf_KV VALUES (?, ?)",
                &crate::params![key, value],
            )?;
        }
        Ok(())
    }

    pub fn delete(key: &str) -> Result<bool> {
        Ok(delete_many(&[key.to_owned()])? == 1)
    }

    pub fn delete_many(keys: &[String]) -> Result<u64> {
        let mut count = 0;
        for key in keys {
            let query = "DELETE FROM _cf_KV WHERE key = ?";
            count += sql::exec(query, &crate::params![key.as_bytes()])?.changes;
        }
        Ok(count)
    }
}

pub mod sql {
    use super::*;
    use crate::Value;

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
            let columns: Vec<String> =
                statement.column_names().into_iter().map(str::to_owned).collect();
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
        MEMORY.with_borrow_mut(|memory| {
            memory.as_mut().map(|memory| memory.cursors.remove(&cursor));
        });
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
}

pub mod transactions {
    use super::*;

    pub fn savepoint() -> Result<u64> {
        with(|memory| {
            let number = memory.number();
            let statement = format!("SAVEPOINT s{number}");
            memory.database.execute_batch(&statement).map_err(sqlite)?;
            memory.open.push(number);
            Ok(number)
        })
    }

    pub fn begin() -> Result<u64> {
        savepoint()
    }

    pub fn commit(number: u64) -> Result<()> {
        end(number, &format!("RELEASE s{number}"))
    }

    pub fn rollback(number: u64) -> Result<()> {
        end(number, &format!("ROLLBACK TO s{number}; RELEASE s{number}"))
    }

    fn end(number: u64, statements: &str) -> Result<()> {
        with(|memory| {
            if memory.open.last() != Some(&number) {
                let text = format!("transaction {number} is not the innermost one");
                return Err(Error::new(text));
            }
            memory.database.execute_batch(statements).map_err(sqlite)?;
            memory.open.pop();
            Ok(())
        })
    }
}

pub mod storage {
    use super::*;

    pub fn sync() -> impl Future<Output = Result<()>> {
        ready(Ok(()))
    }

    pub fn delete_all() -> Result<()> {
        with(|memory| {
            if !memory.open.is_empty() {
                return Err(Error::new("Cannot call deleteAll() within a transaction"));
            }
            memory.cursors.clear();
            memory.database = Memory::open().map_err(sqlite)?.database;
            Ok(())
        })
    }
}

pub mod alarms {
    use super::*;

    pub fn get() -> Result<Option<i64>> {
        let rows = sql::exec("SELECT time FROM _cf_ALARM", &[])?;
        crate::Rows::new(rows.columns, rows.rows, 0).optional()
    }

    pub fn set(time_ms: i64) -> Result<()> {
        if time_ms <= 0 {
            let text = "setAlarm() cannot be called with an alarm time <= 0";
            return Err(Error::new(text));
        }
        delete()?;
        sql::exec("INSERT INTO _cf_ALARM VALUES (?)", &crate::params![time_ms])?;
        Ok(())
    }

    pub fn delete() -> Result<()> {
        sql::exec("DELETE FROM _cf_ALARM", &[])?;
        Ok(())
    }
}

pub mod websockets {
    use super::*;
    use crate::websocket::Message;

    const WHAT: &str = "a WebSocket";

    pub fn accept(_: u64, _: &[String]) -> Result<u64> {
        not_served(WHAT)
    }

    pub fn send(_: u64, _: &Message) -> Result<()> {
        not_served(WHAT)
    }

    pub fn close(_: u64, _: Option<u16>, _: &str) -> Result<()> {
        not_served(WHAT)
    }

    pub fn list(_: Option<&str>) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }

    pub fn tags(_: u64) -> Result<Vec<String>> {
        not_served(WHAT)
    }

    pub fn attachment(_: u64) -> Result<Option<Vec<u8>>> {
        not_served(WHAT)
    }

    pub fn set_attachment(_: u64, _: &[u8]) -> Result<()> {
        not_served(WHAT)
    }

    pub fn set_auto_response(_: Option<(String, String)>) -> Result<()> {
        not_served(WHAT)
    }

    pub fn get_auto_response() -> Result<Option<(String, String)>> {
        not_served(WHAT)
    }

    pub fn auto_response_timestamp(_: u64) -> Result<Option<i64>> {
        not_served(WHAT)
    }

    pub fn set_event_timeout(_: Option<u32>) -> Result<()> {
        not_served(WHAT)
    }

    pub fn get_event_timeout() -> Result<Option<u32>> {
        not_served(WHAT)
    }
}

pub mod stubs {
    use super::*;
    use crate::stub::Target;

    const WHAT: &str = "a call of another object";

    pub fn id_from_name(_: &str, _: &str) -> Result<String> {
        not_served(WHAT)
    }

    pub fn new_unique_id(_: &str) -> Result<String> {
        not_served(WHAT)
    }

    pub fn id_from_string(_: &str, _: &str) -> Result<String> {
        not_served(WHAT)
    }

    pub fn fetch(
        _: &str,
        _: &Target,
        _: Request,
    ) -> impl Future<Output = Result<Response>> + use<> {
        ready(not_served(WHAT))
    }

    pub fn call(
        _: &str,
        _: &Target,
        _: &str,
        _: &[u8],
    ) -> impl Future<Output = Result<Vec<u8>>> + use<> {
        ready(not_served(WHAT))
    }
}

pub mod outbound {
    use super::*;

    pub fn fetch(_: Request) -> impl Future<Output = Result<Response>> {
        ready(not_served("a request to the outside world"))
    }
}

pub mod timers {
    use super::*;

    pub fn sleep(duration_ms: u64) -> impl Future<Output = ()> {
        executor::sleep(duration_ms)
    }
}

/// What a writer and a reader share: at most one chunk, so that the writer waits.
#[derive(Debug, Default)]
struct Pipe {
    chunk: Option<Vec<u8>>,
    is_closed: bool,
    waiting: Vec<Waker>,
}

impl Pipe {
    /// Polls until `step` is done; each change wakes the other side.
    async fn until<T>(pipe: &RefCell<Pipe>, mut step: impl FnMut(&mut Pipe) -> Poll<T>) -> T {
        poll_fn(|cx| {
            let mut pipe = pipe.borrow_mut();
            let result = step(&mut pipe);
            pipe.waiting.drain(..).for_each(Waker::wake);
            if result.is_pending() {
                pipe.waiting.push(cx.waker().clone());
            }
            result
        })
        .await
    }

    fn close(pipe: &RefCell<Pipe>) {
        let mut pipe = pipe.borrow_mut();
        pipe.is_closed = true;
        pipe.waiting.drain(..).for_each(Waker::wake);
    }
}

/// The reading end of a stream of bytes.
#[derive(Debug)]
pub struct ByteReader(Rc<RefCell<Pipe>>);

/// The writing end of a stream of bytes.
#[derive(Debug)]
pub struct ByteWriter(Rc<RefCell<Pipe>>);

pub fn pipe() -> (ByteWriter, ByteReader) {
    let pipe = Rc::<RefCell<Pipe>>::default();
    (ByteWriter(pipe.clone()), ByteReader(pipe))
}

impl ByteReader {
    /// The next bytes, at most `bytes_max` of them; none at the end.
    pub async fn read(&mut self, bytes_max: usize) -> Option<Vec<u8>> {
        Pipe::until(&self.0, |pipe| match pipe.chunk.take() {
            Some(mut chunk) => {
                let rest = chunk.split_off(chunk.len().min(bytes_max));
                pipe.chunk = Some(rest).filter(|rest| !rest.is_empty());
                Poll::Ready(Some(chunk))
            }
            None if pipe.is_closed => Poll::Ready(None),
            None => Poll::Pending,
        })
        .await
    }
}

impl Drop for ByteReader {
    fn drop(&mut self) {
        self.0.borrow_mut().chunk = None;
        Pipe::close(&self.0);
    }
}

impl ByteWriter {
    /// Says whether the reader took all of it.
    pub async fn write(&mut self, bytes: Vec<u8>) -> bool {
        let mut bytes = Some(bytes);
        Pipe::until(&self.0, |pipe| {
            if pipe.is_closed {
                return Poll::Ready(false);
            }
            if let Some(bytes) = bytes.take() {
                pipe.chunk = Some(bytes);
                return Poll::Pending;
            }
            match pipe.chunk {
                Some(_) => Poll::Pending,
                None => Poll::Ready(true),
            }
        })
        .await
    }
}

impl Drop for ByteWriter {
    fn drop(&mut self) {
        Pipe::close(&self.0);
    }
}
