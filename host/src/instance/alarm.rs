//! The run of an alarm's handler in an instance, from its begin to the commit that
//! says what became of it.
//!
//! ```text
//! Idle ─ begin() ─► Running ─ returned() ─► Returned ─ settle(), at the turn's end ─► Idle
//!                      └─────────────────────┴─ cut_short(), the instance ends ─────► Idle
//! ```
//!
//! Invariants:
//!
//! * The alarm stays in the database while its handler runs: a crash runs it again.
//! * What becomes of it is committed with the turn in which the handler returned.
//! * A run decides only over the alarm that it runs, and over none that was set since.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock;
use crate::object::alarm::{self, Next};
use crate::object::error::ObjectError;
use crate::object::firing::Firing;
use crate::object::identity::Identity;
use crate::object::log_budget::shortened;
use crate::storage::{Alarm, AlarmNews, Storage, StorageError};

/// What the runs of an instance share.
pub struct AlarmRuns {
    /// The component exports the handler.
    pub has_handler: bool,
    /// How long the handler may take.
    pub time_max: Duration,
    identity: Arc<Identity>,
    state: Mutex<State>,
}

enum State {
    Idle,
    Running(Run),
    Returned(Run, Next),
}

struct Run {
    firing: Arc<Firing>,
    alarm: Alarm,
    /// The object does not want a failure to be tried again.
    is_last: bool,
}

/// Why an instance ends in which the handler runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Object,
    Host,
}

impl AlarmRuns {
    pub fn new(identity: Arc<Identity>, has_handler: bool, time_max: Duration) -> AlarmRuns {
        AlarmRuns {
            has_handler,
            time_max,
            identity,
            state: Mutex::new(State::Idle),
        }
    }

    /// The alarm whose handler is to run now. None when there is nothing to do: the
    /// index was wrong, or the handler runs.
    pub fn begin(
        &self,
        storage: &mut Storage,
        firing: Arc<Firing>,
    ) -> Result<Option<Alarm>, StorageError> {
        let mut state = self.state.lock();
        if !matches!(*state, State::Idle) {
            // What is told at the end of that run covers this.
            firing.reached();
            return Ok(None);
        }
        let Some(alarm) = due_alarm(storage)? else {
            firing.reached();
            return Ok(None);
        };
        if !self.has_handler {
            let (class, id) = (&*self.identity.class, self.identity.id);
            tracing::warn!(class, %id, "an alarm is due, but the class has no alarm handler any more");
            firing.try_again();
            return Ok(None);
        }
        firing.reached();
        *state = State::Running(Run {
            firing,
            alarm: alarm.clone(),
            is_last: false,
        });
        Ok(Some(alarm))
    }

    /// Whether this alarm is the one whose handler runs.
    pub fn is_running(&self, alarm: &Alarm) -> bool {
        self.running() == Some(alarm.number)
    }

    /// A failure of the handler that runs is not to be tried again.
    pub fn must_not_retry(&self) {
        if let State::Running(run) = &mut *self.state.lock() {
            run.is_last = true;
        }
    }

    /// The handler has returned.
    pub fn returned(&self, outcome: Result<(), ObjectError>) {
        let mut state = self.state.lock();
        if let State::Running(run) = std::mem::replace(&mut *state, State::Idle) {
            let next = match outcome {
                Ok(()) => Next::Over,
                Err(error) => self.failed(&run, &error),
            };
            *state = State::Returned(run, next);
        }
    }

    /// Writes what becomes of the alarm whose handler has returned. Waits for the end
    /// of a transaction that the object has open.
    pub fn settle(&self, storage: &mut Storage) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        if let State::Returned(run, next) = &*state
            && !storage.in_transaction()
            && !storage.has_savepoint()
        {
            write(storage, run, *next)?;
            *state = State::Idle;
        }
        Ok(())
    }

    /// The instance ends with `error`, and its turn was undone. Commits what becomes
    /// of the alarm whose handler was running.
    pub fn cut_short(&self, storage: &mut Storage, fault: Fault, error: &ObjectError) {
        let (run, next) = match std::mem::replace(&mut *self.state.lock(), State::Idle) {
            State::Idle => return,
            // What it returned is lost with its turn if that went well.
            State::Running(run) | State::Returned(run, Next::Over) => (run, None),
            State::Returned(run, next) => (run, Some(next)),
        };
        if fault == Fault::Host {
            return run.firing.try_again();
        }
        let next = match next {
            Some(next) => next,
            None if run.is_last => Next::Over,
            None => self.failed(&run, error),
        };
        let written = write(storage, &run, next).and_then(|()| storage.end_turn());
        if let Err(error) = written {
            let (class, id) = (&*self.identity.class, self.identity.id);
            tracing::error!(class, %id, %error, "what became of an alarm cannot be written");
            run.firing.try_again();
        }
    }

    /// What to tell the index when the newest commit is durable.
    pub fn news(&self, storage: &mut Storage) -> Result<Option<AlarmNews>, StorageError> {
        storage.take_alarm_news(self.running())
    }

    fn running(&self) -> Option<i64> {
        match &*self.state.lock() {
            State::Idle => None,
            State::Running(run) | State::Returned(run, _) => Some(run.alarm.number),
        }
    }

    fn failed(&self, run: &Run, error: &ObjectError) -> Next {
        let (class, id) = (&*self.identity.class, self.identity.id);
        let next = alarm::after_failure(run.alarm.retries, clock::wall_ms(), rand::random());
        let error = error.to_string();
        let error = &*shortened(&error);
        if !self.identity.may_tell(error.len()) {
            return next;
        }
        match next {
            Next::Retry { retries, .. } => {
                tracing::warn!(class, %id, error, retries, "the alarm handler failed and is tried again");
            }
            Next::Over | Next::GivenUp => {
                tracing::error!(class, %id, error, "the alarm handler failed for the last time; the alarm is gone");
            }
        }
        next
    }
}

/// The object's alarm, if it is due. If not, the index is to hear of it.
pub fn due_alarm(storage: &mut Storage) -> Result<Option<Alarm>, StorageError> {
    let alarm = storage.alarm()?;
    let due = alarm.filter(|alarm| alarm.due_ms <= clock::wall_ms());
    if due.is_none() {
        storage.doubt_alarm();
    }
    Ok(due)
}

fn write(storage: &mut Storage, run: &Run, next: Next) -> Result<(), StorageError> {
    let number = run.alarm.number;
    match next {
        Next::Over | Next::GivenUp => storage.end_alarm(number),
        Next::Retry { due_ms, retries } => storage.delay_alarm(number, due_ms, retries),
    }
}
