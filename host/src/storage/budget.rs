//! How long SQL may run, and who hears of a call that takes long.
//!
//! SQLite asks every hundred steps of a statement, also inside triggers and in the
//! statements of full-text tables. A quick statement never reaches a question.
//!
//! ```text
//! begin ── 1 ms ──► slow: `Pace` is asked ── every 5 ms ──► asked again
//!                        │ Stop                  │ Stop, or the budget is used up
//!                        └───────────────────────┴──► SQLite interrupts the statement
//! ```
//!
//! Invariants:
//!
//! * The budget counts the time that the call used: CPU time of its thread, once it
//!   is slow. What it waited for inside `Pace` counts for nothing.
//! * Waiting for the disk is no CPU time, and has a limit of its own.
//! * Between two questions lies one step of SQLite at least, however long that is.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

use super::limits::{SLOW_STATEMENT, STATEMENT_BUDGET, STATEMENT_WALL_FACTOR};

/// Steps between two questions: 1 to 3 µs for most statements, a few rows for one
/// that reads long values from the disk. A question costs as much as two steps.
pub const STEPS_PER_TICK: i32 = 100;

/// Time between two questions to `Pace`.
const PACE_INTERVAL: Duration = Duration::from_millis(5);

/// How much of the time before a call was found slow counts as used, at most: the
/// thread may have had to wait for a CPU.
const FIRST_USE_MAX: Duration = Duration::from_millis(10);

const TIMED_OUT: &str =
    "Durable Object storage operation exceeded timeout which caused object to be reset.";

/// What a call has used until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// CPU time. Of the first millisecond only the clock is known.
    pub cpu: Duration,
    /// Time since it began, without what it spent in `Pace`.
    pub wall: Duration,
}

/// What a slow call shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Continue,
    /// End at once, with this error, which resets the object.
    Stop(String),
}

/// Is asked by a call that is slow, on its thread, in the middle of SQLite. It may
/// block, and must not call storage.
pub type Pace = Box<dyn Fn(Used) -> Verdict + Send + Sync>;

pub struct Budget {
    origin: Instant,
    /// When this call began, in nanoseconds since `origin`; 0: not asked yet.
    began_ns: AtomicU64,
    /// When to look closer.
    next_ns: AtomicU64,
    limit_ns: AtomicU64,
    is_stopped: AtomicBool,
    stopped: Mutex<Option<String>>,
    slow: Mutex<Slow>,
    pace: OnceLock<Pace>,
}

/// The account of a call that is slow.
#[derive(Debug, Default)]
struct Slow {
    is_slow: bool,
    cpu_ns: u64,
    /// The clock of the thread when `cpu_ns` was counted.
    thread_ns: u64,
    in_pace_ns: u64,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").finish_non_exhaustive()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            began_ns: AtomicU64::new(0),
            next_ns: AtomicU64::new(0),
            limit_ns: AtomicU64::new(nanoseconds(STATEMENT_BUDGET)),
            is_stopped: AtomicBool::new(false),
            stopped: Mutex::default(),
            slow: Mutex::default(),
            pace: OnceLock::new(),
        }
    }
}

impl Budget {
    pub fn set_limit(&self, limit: Duration) {
        self.limit_ns.store(nanoseconds(limit), Relaxed);
    }

    /// Sets whom slow calls ask; once.
    pub fn set_pace(&self, pace: Pace) {
        assert!(self.pace.set(pace).is_ok(), "the pace is set already");
    }

    /// A new call begins.
    pub fn restart(&self) {
        self.began_ns.store(0, Relaxed);
        if self.is_stopped.swap(false, Relaxed) {
            *self.stopped.lock() = None;
        }
    }

    /// SQLite asks whether to stop.
    pub fn must_stop(&self) -> bool {
        if self.is_stopped.load(Relaxed) {
            return true;
        }
        let now_ns = self.now_ns();
        if self.began_ns.load(Relaxed) == 0 {
            self.began_ns.store(now_ns, Relaxed);
            let first_ns = nanoseconds(SLOW_STATEMENT).min(self.limit_ns.load(Relaxed));
            self.next_ns.store(now_ns + first_ns, Relaxed);
            self.slow.lock().is_slow = false;
            return false;
        }
        now_ns > self.next_ns.load(Relaxed) && self.settle(now_ns)
    }

    /// Counts what a slow call has used, and asks whether it may go on.
    fn settle(&self, now_ns: u64) -> bool {
        let mut slow = self.slow.lock();
        let thread_ns = thread_ns();
        let since_began_ns = now_ns.saturating_sub(self.began_ns.load(Relaxed));
        if slow.is_slow {
            slow.cpu_ns += thread_ns.saturating_sub(slow.thread_ns);
        } else {
            *slow = Slow {
                is_slow: true,
                cpu_ns: since_began_ns.min(nanoseconds(FIRST_USE_MAX)),
                ..Slow::default()
            };
        }
        let limit_ns = self.limit_ns.load(Relaxed);
        let wall_ns = since_began_ns.saturating_sub(slow.in_pace_ns);
        let wall_limit_ns = limit_ns.saturating_mul(STATEMENT_WALL_FACTOR);
        if slow.cpu_ns > limit_ns || wall_ns > wall_limit_ns {
            self.stop(TIMED_OUT.to_owned());
            return true;
        }
        let used = Used {
            cpu: Duration::from_nanos(slow.cpu_ns),
            wall: Duration::from_nanos(wall_ns),
        };
        let verdict = self.pace.get().map_or(Verdict::Continue, |pace| pace(used));
        let after_ns = self.now_ns();
        slow.in_pace_ns += after_ns.saturating_sub(now_ns);
        slow.thread_ns = self::thread_ns();
        let interval_ns = nanoseconds(PACE_INTERVAL).min(limit_ns);
        self.next_ns.store(after_ns + interval_ns, Relaxed);
        match verdict {
            Verdict::Continue => self.is_stopped.load(Relaxed),
            Verdict::Stop(reason) => {
                self.stop(reason);
                true
            }
        }
    }

    /// Why the current call was stopped, if it was.
    pub fn why_stopped(&self) -> Option<String> {
        if !self.is_stopped.load(Relaxed) {
            return None;
        }
        self.stopped.lock().clone()
    }

    fn stop(&self, reason: String) {
        self.stopped.lock().get_or_insert(reason);
        self.is_stopped.store(true, Relaxed);
    }

    /// Never 0.
    fn now_ns(&self) -> u64 {
        nanoseconds(self.origin.elapsed()).max(1)
    }
}

/// CPU time of this thread.
fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
