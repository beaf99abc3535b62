//! One look at an object, since its alarm is due.
//!
//! It is an event and its own caller. An object that it reaches tells the index by
//! itself how its alarm stands then. One that it does not reach, because the object
//! could not be started or has too much to do, is looked at again later.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use super::alarm;
use crate::clock;
use crate::storage::{AlarmIndex, DueAlarm};

pub struct Firing {
    index: AlarmIndex,
    due: DueAlarm,
    has_reached: AtomicBool,
    /// The right to have an object woken.
    waking: Mutex<Option<OwnedSemaphorePermit>>,
    /// The right to keep one busy.
    _busy: Option<OwnedSemaphorePermit>,
}

impl Firing {
    /// `waking` is given back when the object is reached, `busy` at the end.
    pub fn new(
        index: AlarmIndex,
        due: DueAlarm,
        waking: OwnedSemaphorePermit,
        busy: Option<OwnedSemaphorePermit>,
    ) -> Firing {
        Firing {
            index,
            due,
            has_reached: AtomicBool::new(false),
            waking: Mutex::new(Some(waking)),
            _busy: busy,
        }
    }

    /// The object takes its time to wake; others may be woken meanwhile.
    pub fn lets_others_wake(&self) {
        self.waking.lock().take();
    }

    /// The object knows, and sees to its alarm.
    pub fn reached(&self) {
        self.has_reached.store(true, Ordering::Release);
        self.lets_others_wake();
    }

    /// The object's alarm could not be run to its end, by no fault of its own.
    pub fn try_again(&self) {
        self.reached();
        let due_ms = alarm::after_host_failure(self.due.failures, clock::wall_ms(), rand::random());
        self.index.look_again(&self.due, due_ms);
    }
}

impl Drop for Firing {
    fn drop(&mut self) {
        if !self.has_reached.load(Ordering::Acquire) {
            self.try_again();
        }
    }
}
