//! Alarms of objects whose class the test's world knows: they run when the virtual
//! time comes to them.

use super::{executor, world};
use crate::host::memory::Space;
use crate::host::memory::alarms::{self, Alarm};
use crate::storage::time;
use crate::{AlarmInfo, Result};
use std::rc::Rc;

const RETRIES_MAX: u32 = 6;
/// Before the first retry; twice as long before each further one.
const RETRY_AFTER_MS: i64 = 2_000;

/// An alarm is set for then. Who looks finds out whether it is the one that counts.
pub fn watch(space: &Rc<Space>, due_ms: i64) {
    if space.handlers.is_none() {
        return;
    }
    let space = Rc::downgrade(space);
    executor::spawn_in_background(async move {
        executor::sleep_until(due_ms).await;
        if let Some(space) = space.upgrade() {
            ring(&space).await;
        }
    });
}

async fn ring(space: &Rc<Space>) {
    for failures in 0..=RETRIES_MAX {
        let run = Rc::default();
        let rung = world::alarm(space, &run).await;
        if let Some(alarm) = run.get() {
            return space.enter(|| has_run(space, &alarm, rung.is_ok()));
        }
        if rung.is_ok() {
            return;
        }
        // It could not be started.
        executor::sleep((RETRY_AFTER_MS << failures) as u64).await;
    }
}

/// The run of this alarm has come to its end, or to that of its instance.
fn has_run(space: &Rc<Space>, alarm: &Alarm, is_settled: bool) {
    space.alarm.set(None);
    let settled = match is_settled {
        true => Ok(()),
        // What became of it was undone.
        false => settle(space, alarm, false),
    };
    let next = settled.and_then(|()| alarms::find());
    if let (Ok(Some(next)), Ok(())) = (next, space.end_turn()) {
        watch(space, next.due_ms);
    }
}

pub fn info(alarm: &Alarm) -> AlarmInfo {
    AlarmInfo {
        retry_count: alarm.retries,
        is_retry: alarm.retries > 0,
        scheduled_time: time(alarm.time_ms),
    }
}

/// The handler has returned, or was cut short.
pub fn settle(space: &Rc<Space>, alarm: &Alarm, is_well: bool) -> Result<()> {
    let is_last = space.alarm_is_last.take() || alarm.retries == RETRIES_MAX;
    match is_well || is_last {
        true => alarms::end(alarm),
        false => alarms::delay(
            alarm,
            executor::now_ms() + (RETRY_AFTER_MS << alarm.retries),
        ),
    }
}
