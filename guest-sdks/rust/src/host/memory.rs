//! The host, in tests that run natively: one object in memory.
//!
//! Storage is a SQLite database in memory, kv and the alarm included, so that
//! transactions cover all three. Time is virtual. Sockets, other objects and the
//! outside world answer with an error.

mod absent;
pub mod kv;
mod pipe;
pub mod sql;

use crate::testing::executor;
use crate::{Error, Result};
use rusqlite::Connection;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::ready;

pub use absent::{outbound, stubs, websockets};
pub use executor::spawn;
pub use pipe::{ByteReader, ByteWriter, pipe};

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

pub mod timers {
    use super::*;

    pub fn sleep(duration_ms: u64) -> impl Future<Output = ()> {
        executor::sleep(duration_ms)
    }
}
