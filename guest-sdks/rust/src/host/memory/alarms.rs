//! The object's alarm: one row, which stays while its handler runs.

use super::{Space, sql, with};
use crate::testing::{alarm, executor};
use crate::{Error, Result, params};
use std::rc::Rc;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _cf_ALARM (one INTEGER PRIMARY KEY CHECK (one = 1), \
     time INTEGER NOT NULL, due INTEGER NOT NULL, retries INTEGER NOT NULL, \
     number INTEGER NOT NULL)";

/// An alarm that is set.
#[derive(Clone, Copy)]
pub struct Alarm {
    pub time_ms: i64,
    /// When its handler is to run: later than that while it waits for a retry.
    pub due_ms: i64,
    /// How often its handler has failed.
    pub retries: u32,
    /// Tells it from those that are set before and after it.
    pub number: u64,
}

/// The alarm, also while its handler runs.
pub fn find() -> Result<Option<Alarm>> {
    if !with(|memory| memory.has_table("_cf_ALARM"))? {
        return Ok(None);
    }
    let rows = sql::own("SELECT time, due, retries, number FROM _cf_ALARM", &[])?;
    let row = crate::Rows::new(rows.columns, rows.rows, 0).optional()?;
    Ok(row.map(
        |(time_ms, due_ms, retries, number): (i64, i64, u32, i64)| Alarm {
            time_ms,
            due_ms,
            retries,
            number: number as u64,
        },
    ))
}

pub fn get() -> Result<Option<i64>> {
    let running = Space::current().alarm.get();
    // One that has failed waits for its retry, though its run has not ended yet.
    let is_running = |alarm: &Alarm| {
        running.is_some_and(|run| (run.number, run.retries) == (alarm.number, alarm.retries))
    };
    let alarm = find()?.filter(|alarm| !is_running(alarm));
    Ok(alarm.map(|alarm| alarm.time_ms))
}

pub fn set(time_ms: i64) -> Result<()> {
    if time_ms <= 0 {
        let text = "setAlarm() cannot be called with an alarm time <= 0";
        return Err(Error::new(text));
    }
    let space = Space::current();
    if !space.has_alarm_handler() {
        let text =
            "Your Durable Object class must have an alarm() handler in order to call setAlarm()";
        return Err(Error::new(text));
    }
    let time_ms = time_ms.max(executor::now_ms());
    sql::own(TABLE, &[])?;
    let number = executor::number() as i64;
    let query = "REPLACE INTO _cf_ALARM VALUES (1, ?1, ?1, 0, ?2)";
    sql::own(query, &params![time_ms, number])?;
    alarm::watch(&space, time_ms);
    Ok(())
}

pub fn delete() -> Result<()> {
    match find()? {
        Some(alarm) => end(&alarm),
        None => Ok(()),
    }
}

/// This alarm is over. Does nothing to another one.
pub fn end(alarm: &Alarm) -> Result<()> {
    let number = alarm.number as i64;
    if find()?.is_some() {
        sql::own("DELETE FROM _cf_ALARM WHERE number = ?", &params![number])?;
    }
    Ok(())
}

/// The handler of this alarm has failed: it waits. Does nothing to another one.
pub fn delay(alarm: &Alarm, due_ms: i64) -> Result<()> {
    let number = alarm.number as i64;
    if find()?.is_some() {
        let query = "UPDATE _cf_ALARM SET due = ?, retries = retries + 1 WHERE number = ?";
        sql::own(query, &params![due_ms, number])?;
    }
    Ok(())
}

/// The alarm whose handler is to run now; none when there is nothing to do, or it runs.
pub fn begin(space: &Rc<Space>) -> Result<Option<Alarm>> {
    if space.alarm.get().is_some() {
        return Ok(None);
    }
    let due = find()?.filter(|alarm| alarm.due_ms <= executor::now_ms());
    space.alarm.set(due);
    Ok(due)
}
