//! Alarms of objects whose class the test's world knows: they run when the virtual
//! time comes to them.

use super::executor;
use crate::AlarmInfo;
use crate::host::memory::Space;
use crate::storage::time;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

const RETRIES_MAX: u32 = 6;
/// Before the first retry; twice as long before each further one.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// An alarm was set.
pub fn set(space: &Rc<Space>, time_ms: i64) {
    if space.handlers.is_none() {
        return;
    }
    let space = Rc::downgrade(space);
    let wait = time(time_ms)
        .duration_since(executor::now())
        .unwrap_or_default();
    executor::spawn_in_background(async move {
        executor::sleep(wait.as_millis() as u64).await;
        let Some(space) = space.upgrade() else {
            return;
        };
        let get = || space.enter(crate::host::alarms::get).unwrap_or_default();
        // Another one may have taken its place.
        if get() != Some(time_ms) {
            return;
        }
        let _ = space.enter(crate::host::alarms::delete);
        for retry_count in 0..=RETRIES_MAX {
            let info = AlarmInfo {
                retry_count,
                is_retry: retry_count > 0,
                scheduled_time: UNIX_EPOCH + Duration::from_millis(time_ms as u64),
            };
            let alarm = super::world::alarm(&space, info);
            let failed = alarm.await.is_err();
            if !failed || get().is_some() {
                return;
            }
            let wait = RETRY_AFTER * 2u32.pow(retry_count);
            executor::sleep(wait.as_millis() as u64).await;
            if get().is_some() {
                return;
            }
        }
    });
}
