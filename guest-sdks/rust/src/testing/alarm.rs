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
        let rung = world::alarm(space).await;
        let was_running = space.alarm.take();
        space.enter(|| {
            if let (Err(_), Some(alarm)) = (&rung, &was_running) {
                // A reset has undone what became of it.
                let _ = settle(space, alarm, false);
            }
            if let Ok(Some(next)) = alarms::find() {
                watch(space, next.due_ms);
            }
        });
        if rung.is_ok() || was_running.is_some() {
            return;
        }
        // It could not be started.
        executor::sleep((RETRY_AFTER_MS << failures) as u64).await;
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
