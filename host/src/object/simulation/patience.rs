//! Whether every limit of time holds a simulated instance, none too early and none
//! too late.

use crate::object::deadlines::{BLOCKED_MS_MAX, LEAVING_MS_MAX, SECTION_MS_MAX, START_MS_MAX};

/// How late a task may be polled after its time.
const LATE_MS_MAX: u64 = 10;

/// Since when what goes on.
#[derive(Default)]
pub struct Patience {
    pub fault: Option<String>,
    pub idle_ms: u64,
    pub starting_ms: Option<u64>,
    pub section_ms: Option<u64>,
    pub blocked_ms: Option<u64>,
    pub told_ms: Option<u64>,
    pub quiet_ms: Option<u64>,
}

impl Patience {
    fn require(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds && self.fault.is_none() {
            self.fault = Some(fault());
        }
    }

    /// An instance begins, or has gone.
    pub fn begin(&mut self, starting_ms: Option<u64>, idle_ms: u64) {
        *self = Patience {
            fault: self.fault.take(),
            idle_ms,
            starting_ms,
            ..Patience::default()
        };
    }

    /// It is `now_ms`, and what happened before was looked at.
    pub fn time_is(&mut self, now_ms: u64) {
        let limits = [
            ("starting", self.starting_ms, START_MS_MAX),
            ("a section", self.section_ms, SECTION_MS_MAX),
            ("blocking", self.blocked_ms, BLOCKED_MS_MAX),
            ("leaving", self.told_ms, LEAVING_MS_MAX),
            ("being idle", self.quiet_ms, self.idle_ms),
        ];
        for (what, since_ms, ms_max) in limits {
            let in_time = since_ms.is_none_or(|since| now_ms <= since + ms_max + LATE_MS_MAX);
            self.require(in_time, || {
                format!("{what} lasts since {since_ms:?} and nobody notices until {now_ms}")
            });
        }
    }

    /// The instance is reset by a limit, which `message` names.
    pub fn struck(&mut self, now_ms: u64, message: &str) {
        let limits = [
            ("The constructor", self.starting_ms, START_MS_MAX),
            ("A call to block", self.section_ms, SECTION_MS_MAX),
            ("one call blocked", self.blocked_ms, BLOCKED_MS_MAX),
            ("code was updated", self.told_ms, LEAVING_MS_MAX),
            ("is shutting down", self.told_ms, LEAVING_MS_MAX),
        ];
        for (words, since_ms, ms_max) in limits {
            let due = since_ms.is_some_and(|since| now_ms >= since + ms_max);
            self.require(due || !message.contains(words), || {
                format!("since {since_ms:?}, but at {now_ms} already: {message}")
            });
        }
        if message.contains("nothing was left") {
            let (is_quiet, is_closed) = (self.quiet_ms.is_some(), self.section_ms.is_some());
            self.require(is_quiet && is_closed, || {
                format!("quiet {is_quiet}, in a section {is_closed}: {message}")
            });
        }
    }

    /// The instance leaves.
    pub fn leaves(&mut self, now_ms: u64) {
        let quiet_ms = self.quiet_ms;
        self.require(quiet_ms.is_some(), || {
            "the instance leaves while something runs".into()
        });
        let is_told = self.told_ms.is_some();
        let idle_ms = self.idle_ms;
        let due = is_told || quiet_ms.is_none_or(|since| now_ms >= since + idle_ms);
        self.require(due, || {
            format!("quiet since {quiet_ms:?}, it leaves at {now_ms} already")
        });
    }
}
