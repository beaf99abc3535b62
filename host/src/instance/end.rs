//! Why an instance comes to its end.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::object::error::ObjectError;

/// The reason, and whom it reaches.
#[derive(Clone, Debug)]
pub struct EndReason {
    pub error: ObjectError,
    /// Do the events that wait in the mailbox get the error too, and not only
    /// those that were running?
    pub reaches_waiting: bool,
    /// Do sockets stay that outlive an instance?
    pub keeps_sockets: bool,
}

impl EndReason {
    /// An end that only the running events notice.
    pub fn of_running(error: ObjectError) -> EndReason {
        EndReason {
            error,
            reaches_waiting: false,
            keeps_sockets: false,
        }
    }

    /// An instance that was told to leave did not do so in time.
    pub fn of_leaving(error: ObjectError) -> EndReason {
        EndReason {
            keeps_sockets: true,
            ..EndReason::of_running(error)
        }
    }

    pub fn of_all(error: ObjectError) -> EndReason {
        EndReason {
            reaches_waiting: true,
            ..EndReason::of_running(error)
        }
    }
}

/// Whether the instance is to end, and why. The first reason counts.
#[derive(Clone, Default)]
pub struct InstanceEnd(Arc<Mutex<Option<EndReason>>>);

/// Ends the instance when it is raised. The reason is in its `InstanceEnd`.
#[derive(Debug)]
pub struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the instance was reset")
    }
}

impl std::error::Error for Ended {}

impl InstanceEnd {
    /// Decides that the instance ends, and returns what is to be raised.
    pub fn decide(&self, reason: EndReason) -> wasmtime::Error {
        self.0.lock().get_or_insert(reason);
        Ended.into()
    }

    /// Ends the instance and the events that run in it.
    pub fn reset(&self, message: impl Into<String>) -> wasmtime::Error {
        self.decide(EndReason::of_running(ObjectError::reset(message)))
    }

    /// Ends the instance, the events that run in it and those that wait for it.
    pub fn reset_all(&self, error: ObjectError) -> wasmtime::Error {
        self.decide(EndReason::of_all(error))
    }

    /// Ends an instance that had to leave.
    pub fn leave(&self, message: impl Into<String>) -> wasmtime::Error {
        self.decide(EndReason::of_leaving(ObjectError::reset(message)))
    }

    pub fn reason(&self) -> Option<EndReason> {
        self.0.lock().clone()
    }

    pub fn is_decided(&self) -> bool {
        self.0.lock().is_some()
    }
}
