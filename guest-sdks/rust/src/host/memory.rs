//! The host, in tests that run natively: objects in memory.
//!
//! Storage is a SQLite database in memory, kv and the alarm included, so that
//! transactions cover all three. Time is virtual. Whose code runs is known because
//! every future of an object is polled within its [`Space`].

pub mod calls;
pub mod kv;
mod pipe;
pub mod sockets;
mod space;
pub mod sql;

use crate::testing::executor;
use crate::{Error, Result};
use rusqlite::Connection;
use std::collections::{HashMap, VecDeque};
use std::future::ready;

pub use calls::{callers, outbound, stubs};
pub use executor::spawn;
pub use pipe::{ByteReader, ByteWriter, pipe};
pub use sockets as websockets;
pub use space::{Event, InSpace, Space};

/// An object's storage.
pub struct Memory {
    database: Connection,
    /// The open transactions and savepoints, innermost last.
    open: Vec<Open>,
    cursors: HashMap<u64, VecDeque<Vec<crate::Value>>>,
    newest_number: u64,
}

struct Open {
    number: u64,
    is_transaction: bool,
}

impl Memory {
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
    work(&mut Space::current().memory.borrow_mut())
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
        Space::current().id.clone()
    }

    pub fn name() -> Option<String> {
        Space::current().name.clone()
    }

    pub fn class_name() -> String {
        Space::current().class.clone()
    }

    /// Nobody copies an object of a test.
    pub fn forked_from() -> Option<String> {
        None
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

    pub fn abort(reason: Option<&str>, _retry_alarm: bool) -> ! {
        let default = "Application called abort() to reset Durable Object.";
        let reason = reason.unwrap_or(default);
        match Space::current().handlers {
            // The instance ends here, and not the test.
            Some(_) => std::panic::resume_unwind(Box::new(space::Aborted(reason.to_owned()))),
            None => panic!("{reason}"),
        }
    }

    pub fn begin_block_concurrency() -> u64 {
        let space = Space::current();
        space.sections.set(space.sections.get() + 1);
        space.sections.get()
    }

    pub fn end_block_concurrency(section: u64, _outcome: Result<()>) {
        let space = Space::current();
        assert_eq!(section, space.sections.get(), "not the innermost section");
        space.sections.set(section - 1);
    }
}

pub mod transactions {
    use super::*;

    pub fn savepoint() -> Result<u64> {
        with(|memory| open(memory, false))
    }

    pub fn begin(within: Option<u64>) -> Result<u64> {
        with(|memory| {
            let mut innermost_first = memory.open.iter().rev();
            let innermost = innermost_first.find(|open| open.is_transaction);
            match (innermost.map(|open| open.number), within) {
                (open, within) if open == within => {}
                (Some(open), _) => {
                    return Err(Error::new(format!(
                        "Transaction {open} is open; begin within it, or wait until it has ended."
                    )));
                }
                (None, within) => {
                    return Err(Error::new(format!(
                        "Transaction {} is not open; begin within none.",
                        within.unwrap_or_default()
                    )));
                }
            }
            open(memory, true)
        })
    }

    fn open(memory: &mut Memory, is_transaction: bool) -> Result<u64> {
        let number = memory.number();
        let statement = format!("SAVEPOINT s{number}");
        memory.database.execute_batch(&statement).map_err(sqlite)?;
        memory.open.push(Open {
            number,
            is_transaction,
        });
        Ok(number)
    }

    pub fn commit(number: u64) -> Result<()> {
        end(number, &format!("RELEASE s{number}"))
    }

    pub fn rollback(number: u64) -> Result<()> {
        end(number, &format!("ROLLBACK TO s{number}; RELEASE s{number}"))
    }

    fn end(number: u64, statements: &str) -> Result<()> {
        with(|memory| {
            let innermost = memory.open.last().map(|open| open.number);
            if innermost != Some(number) {
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
                return Err(Error::new(
                    "delete-all cannot be called within a transaction or savepoint; end it first.",
                ));
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
        let space = Space::current();
        if !space.has_alarm_handler() {
            let text = "Your Durable Object class must have an alarm() handler in order to call setAlarm()";
            return Err(Error::new(text));
        }
        delete()?;
        sql::exec("INSERT INTO _cf_ALARM VALUES (?)", &crate::params![time_ms])?;
        crate::testing::alarm::set(&space, time_ms);
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

    pub fn now() -> std::time::SystemTime {
        executor::now()
    }
}
