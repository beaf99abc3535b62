//! The host, in tests that run natively: objects in memory.
//!
//! Storage is a SQLite database in memory, kv and the alarm included, so that
//! transactions cover all three. Time is virtual. Whose code runs is known because
//! every future of an object is polled within its [`Space`].

pub mod alarms;
pub mod callers;
pub mod calls;
mod errors;
mod functions;
mod guard;
pub mod kv;
mod pipe;
mod references;
pub mod rules;
pub mod sockets;
mod space;
pub mod sql;
pub mod turns;

use crate::error::ErrorFlags;
use crate::testing::executor;
use crate::{Error, Result};
use rusqlite::Connection;
use std::cell::Cell;
use std::collections::HashMap;
use std::future::ready;

pub use calls::{outbound, stubs};
pub use pipe::{ByteReader, ByteWriter, pipe};
pub use references::passed_on;
pub use sockets as websockets;
pub use space::{Ended, Event, InSpace, Space};
pub use turns as transactions;

/// An object's storage.
pub struct Memory {
    database: Connection,
    guard: guard::Guard,
    /// Whether SQLite's transaction is open.
    began: Cell<bool>,
    /// The open transactions and savepoints, innermost last.
    open: Vec<turns::Open>,
    cursors: HashMap<u64, sql::Unread>,
    newest_number: u64,
    /// Why the object must be reset.
    broken: Option<String>,
}

impl Memory {
    fn open() -> Self {
        let database = Connection::open_in_memory();
        let (database, guard) = (database.expect("it needs no file"), guard::Guard::default());
        let prepared = sql::limit(&database)
            .and_then(|()| functions::attach(&database))
            .and_then(|()| guard.attach(&database));
        prepared.expect("SQLite has these limits, functions and rules");
        let memory = Self {
            database,
            guard,
            began: Cell::new(false),
            open: Vec::new(),
            cursors: HashMap::new(),
            newest_number: 0,
            broken: None,
        };
        memory.restore_settings();
        memory
    }

    fn number(&mut self) -> u64 {
        self.newest_number += 1;
        self.newest_number
    }

    /// Undoes what PRAGMAs have set.
    fn restore_settings(&self) {
        let set = self.own(
            "PRAGMA foreign_keys = ON; PRAGMA case_sensitive_like = OFF;
             PRAGMA defer_foreign_keys = OFF; PRAGMA ignore_check_constraints = OFF;
             PRAGMA legacy_alter_table = OFF; PRAGMA recursive_triggers = OFF;
             PRAGMA reverse_unordered_selects = OFF;",
        );
        set.expect("SQLite has these settings");
    }

    /// Runs statements that are not the object's.
    fn own(&self, statements: &str) -> rusqlite::Result<()> {
        self.guard.own(|| self.database.execute_batch(statements))
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        let exists = self.database.table_exists(None, name);
        exists.map_err(errors::sqlite)
    }
}

/// Runs a call of the storage. Does not return when that has torn the turn apart.
fn with<T>(work: impl FnOnce(&mut Memory) -> Result<T>) -> Result<T> {
    let space = Space::current();
    let mut memory = space.memory.borrow_mut();
    let result = work(&mut memory);
    let torn = result.as_ref().err().filter(|_| memory.is_torn());
    let torn = torn.map(|error| error.to_string());
    if torn.is_some() {
        memory.rollback_turn();
    }
    let broken = memory.broken.take().or(torn);
    drop(memory);
    match broken {
        Some(reason) => state::abort(Some(&reason), true),
        None => result,
    }
}

/// Runs a future beside the running event, as a part of it.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    let Some(space) = Space::of_running() else {
        return executor::spawn(future);
    };
    let work = Event::beside(&space, async {
        future.await;
        Ok(())
    });
    executor::spawn(async {
        // An instance that is reset takes it along; its events tell why.
        let _ = work.await;
    });
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

    pub fn abort(reason: Option<&str>, retry_alarm: bool) -> ! {
        let default = "Application called abort() to reset Durable Object.";
        let reason = reason.unwrap_or(default);
        let space = Space::current();
        let handles_alarm = space.alarm.get().is_some();
        space.alarm_is_last.set(handles_alarm && !retry_alarm);
        space.end_here(Ended::by_reset(reason.to_owned()))
    }

    pub fn begin_block_concurrency() -> u64 {
        let space = Space::current();
        let number = executor::number();
        space.sections.borrow_mut().push(space.holding(number));
        space.watch_holder();
        number
    }

    /// An error resets the object, unless the test drives it.
    pub fn end_block_concurrency(section: u64, outcome: Result<()>) {
        let space = Space::current();
        let mut sections = space.sections.borrow_mut();
        let place = sections.iter().position(|open| open.number == section);
        // After a reset there is none any more.
        let is_inner = place.is_none_or(|place| place + 1 == sections.len());
        sections.retain(|open| open.number != section);
        drop(sections);
        if !is_inner && !std::thread::panicking() {
            let text = format!("section {section} is not the innermost open one");
            space.end_here(Ended::by_reset(text));
        }
        space.let_others_go_on();
        if let (Err(error), Some(_)) = (outcome, &space.handlers) {
            space.end_here(Ended::new(error.with_flags(ErrorFlags::RESET), true));
        }
    }
}

pub mod storage {
    use super::*;

    /// Commits the turn at once.
    pub fn sync() -> impl Future<Output = Result<()>> {
        let done = with(|memory| match memory.open.is_empty() {
            true => memory.commit_so_far(),
            false => Ok(()),
        });
        ready(done)
    }

    pub fn delete_all() -> Result<()> {
        with(|memory| {
            if !memory.open.is_empty() {
                return Err(Error::new(
                    "delete-all cannot be called within a transaction or savepoint; end it first.",
                ));
            }
            memory.commit_so_far()?;
            memory
                .cursors
                .values_mut()
                .for_each(|unread| *unread = None);
            let fresh = Memory::open();
            (memory.database, memory.guard) = (fresh.database, fresh.guard);
            Ok(())
        })
    }
}

pub mod timers {
    use super::*;

    pub fn sleep(duration_ms: u64) -> impl Future<Output = ()> {
        let begun = Space::of_running().map(|space| (space, executor::number()));
        let slept = executor::sleep(duration_ms);
        async move {
            slept.await;
            if let Some((space, begun)) = begun {
                space.wait_may_end(begun).await;
            }
        }
    }

    pub fn now() -> std::time::SystemTime {
        executor::now()
    }
}
