//! How long SQL may run, and whether it has been slow lately.
//!
//! SQLite asks every few thousand steps of a statement, about every 0.1 ms. The
//! clock starts at the first question, so that a quick statement never reads it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::limits::{SLOW_STATEMENT, STATEMENT_BUDGET};

/// Steps between two questions.
pub const STEPS_PER_TICK: i32 = 2000;

/// For how many calls a slow one is remembered. Not for ever: a call may be slow
/// because its thread had to wait, and what follows a bulk insert is mostly quick.
const SLOW_CALLS: u32 = 64;

#[derive(Debug)]
pub struct Budget {
    origin: Instant,
    /// When the clock of this call started, in nanoseconds since `origin`; 0: not yet.
    started_ns: AtomicU64,
    limit_ns: AtomicU64,
    exhausted: AtomicBool,
    slow_calls_left: AtomicU32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            started_ns: AtomicU64::new(0),
            limit_ns: AtomicU64::new(nanoseconds(STATEMENT_BUDGET)),
            exhausted: AtomicBool::new(false),
            slow_calls_left: AtomicU32::new(0),
        }
    }
}

impl Budget {
    pub fn set_limit(&self, limit: Duration) {
        self.limit_ns.store(nanoseconds(limit), Relaxed);
    }

    /// A new call begins.
    pub fn restart(&self) {
        self.started_ns.store(0, Relaxed);
        self.exhausted.store(false, Relaxed);
        let left = self.slow_calls_left.load(Relaxed);
        self.slow_calls_left.store(left.saturating_sub(1), Relaxed);
    }

    /// SQLite asks whether to stop.
    pub fn must_stop(&self) -> bool {
        let now_ns = nanoseconds(self.origin.elapsed()).max(1);
        let started_ns = self.started_ns.load(Relaxed);
        if started_ns == 0 {
            self.started_ns.store(now_ns, Relaxed);
            return false;
        }
        let used_ns = now_ns.saturating_sub(started_ns);
        if used_ns > nanoseconds(SLOW_STATEMENT) {
            self.slow_calls_left.store(SLOW_CALLS, Relaxed);
        }
        let stop = used_ns > self.limit_ns.load(Relaxed);
        if stop {
            self.exhausted.store(true, Relaxed);
        }
        stop
    }

    /// Whether the current call was stopped.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.load(Relaxed)
    }

    /// Whether one of the last calls was slow.
    pub fn is_slow(&self) -> bool {
        self.slow_calls_left.load(Relaxed) > 0
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
