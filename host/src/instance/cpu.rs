//! How much CPU an instance has used, and when it has to let others run.
//!
//! Each poll of an instance is measured: a short one by the clock, one that lasts
//! longer than a tick by the CPU time of its thread, so that an instance does not
//! pay for the time in which its thread was not running.
//!
//! What is used adds up over polls, preemptions and yields. It begins anew with each
//! event, and time in which the instance waits gives back as much.
//!
//! Invariants:
//!
//! * A guest that never waits meets its limit, however often it yields.
//! * A guest that waits as long as it computes never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;
use rustix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

use crate::workers::ticks::{self, TICK};

/// Ticks after which an instance lets others run.
const TICKS_PER_SLICE: u64 = 2;
/// The same, when it has a turn of its own for long work.
const TICKS_PER_HEAVY_SLICE: u64 = 10;

/// No CPU time was read in this poll.
const UNREAD: u64 = u64::MAX;

pub struct CpuMeter {
    origin: Instant,
    ms_max: u64,
    /// Since the last event began, less what was given back.
    used_ns: AtomicU64,
    /// Since the instance was created.
    total_ns: AtomicU64,
    /// Since the instance last waited, or something last entered.
    busy_ns: AtomicU64,
    /// When this poll began, by the clock and in ticks.
    began_ns: AtomicU64,
    began_ticks: AtomicU64,
    slice_ticks: AtomicU64,
    /// The CPU time of the thread when it was last read in this poll.
    thread_ns: AtomicU64,
    /// When the instance began to wait; 0 while it does not.
    waits_since_ns: AtomicU64,
    preempted: AtomicBool,
}

/// The instance computed for too long without waiting.
#[derive(Debug)]
pub struct CpuExhausted {
    pub cpu_ms_max: u64,
}

impl std::fmt::Display for CpuExhausted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Durable Object exceeded its CPU time limit of {} ms and was reset.",
            self.cpu_ms_max
        )
    }
}

impl std::error::Error for CpuExhausted {}

impl CpuMeter {
    pub fn new(ms_max: u64) -> Arc<CpuMeter> {
        Arc::new(CpuMeter {
            origin: Instant::now(),
            ms_max,
            used_ns: AtomicU64::new(0),
            total_ns: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            began_ns: AtomicU64::new(0),
            began_ticks: AtomicU64::new(ticks::now()),
            slice_ticks: AtomicU64::new(TICKS_PER_SLICE),
            thread_ns: AtomicU64::new(UNREAD),
            waits_since_ns: AtomicU64::new(0),
            preempted: AtomicBool::new(false),
        })
    }

    pub fn ms_max(&self) -> u64 {
        self.ms_max
    }

    /// What the instance has used in its whole life.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total_ns.load(Relaxed))
    }

    /// An event begins; it has the whole limit before it.
    pub fn event(&self) {
        self.used_ns.store(0, Relaxed);
    }

    /// A poll begins. `has_turn`: it may last, others have somewhere else to run.
    pub fn begin(&self, has_turn: bool) {
        let now_ns = self.now_ns();
        let waits_since_ns = self.waits_since_ns.swap(0, Relaxed);
        if waits_since_ns > 0 {
            let used_ns = self.used_ns.load(Relaxed);
            let waited_ns = now_ns.saturating_sub(waits_since_ns);
            self.used_ns
                .store(used_ns.saturating_sub(waited_ns), Relaxed);
        }
        let slice_ticks = match has_turn {
            true => TICKS_PER_HEAVY_SLICE,
            false => TICKS_PER_SLICE,
        };
        self.began_ns.store(now_ns, Relaxed);
        self.began_ticks.store(ticks::now(), Relaxed);
        self.slice_ticks.store(slice_ticks, Relaxed);
        self.thread_ns.store(UNREAD, Relaxed);
        self.preempted.store(false, Relaxed);
    }

    /// The poll has ended. `waits`: the instance goes on only when something
    /// happens to it. `took_in`: something new has entered it.
    pub fn end(&self, waits: bool, took_in: bool) {
        let now_ns = self.now_ns();
        self.count(now_ns);
        if waits {
            self.waits_since_ns.store(now_ns.max(1), Relaxed);
        }
        if waits || took_in {
            self.busy_ns.store(0, Relaxed);
        }
    }

    /// Does it go on and on with what it has, though each poll is short?
    pub fn is_restless(&self) -> bool {
        self.busy_ns.load(Relaxed) > TICKS_PER_SLICE * TICK.as_nanos() as u64
    }

    /// Has it still time in this slice?
    pub fn has_time(&self) -> bool {
        let ticks = ticks::now().saturating_sub(self.began_ticks.load(Relaxed));
        ticks < self.slice_ticks.load(Relaxed)
    }

    /// Did the poll end only to let others run, in the middle of the guest's work?
    pub fn is_preempted(&self) -> bool {
        self.preempted.load(Relaxed)
    }

    /// Ends the poll before something that lasts, and goes on when there is a turn for
    /// long work. Who has one goes on at once.
    pub async fn step_aside(&self) {
        if self.slice_ticks.load(Relaxed) == TICKS_PER_HEAVY_SLICE {
            return;
        }
        let mut is_back = false;
        std::future::poll_fn(|cx| {
            if is_back {
                return Poll::Ready(());
            }
            is_back = true;
            self.preempted.store(true, Relaxed);
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Called at a tick while the guest's code runs.
    pub fn tick(&self) -> wasmtime::Result<UpdateDeadline> {
        let ticks = ticks::now().saturating_sub(self.began_ticks.load(Relaxed));
        if ticks == 0 {
            // The tick passed while the instance waited.
            return Ok(UpdateDeadline::Continue(1));
        }
        self.count(self.now_ns());
        if self.used_ns.load(Relaxed) > self.ms_max * 1_000_000 {
            let cpu_ms_max = self.ms_max;
            return Err(CpuExhausted { cpu_ms_max }.into());
        }
        if ticks < self.slice_ticks.load(Relaxed) {
            return Ok(UpdateDeadline::Continue(1));
        }
        self.preempted.store(true, Relaxed);
        Ok(UpdateDeadline::Yield(1))
    }

    /// Adds what was used since it was last counted in this poll.
    fn count(&self, now_ns: u64) {
        let before_ns = self.thread_ns.load(Relaxed);
        let by_clock_ns = now_ns.saturating_sub(self.began_ns.load(Relaxed));
        let long_ns = TICK.as_nanos() as u64;
        let used_ns = if before_ns != UNREAD {
            let thread_ns = thread_ns();
            self.thread_ns.store(thread_ns, Relaxed);
            thread_ns.saturating_sub(before_ns)
        } else if by_clock_ns < long_ns {
            by_clock_ns
        } else {
            // How much of the time until now the thread was running is not known.
            self.thread_ns.store(thread_ns(), Relaxed);
            long_ns
        };
        self.used_ns.fetch_add(used_ns, Relaxed);
        self.total_ns.fetch_add(used_ns, Relaxed);
        self.busy_ns.fetch_add(used_ns, Relaxed);
        self.began_ns.store(now_ns, Relaxed);
    }

    fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}

/// CPU time of this thread.
fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Passes wakes on to a task, and tells whether there was one.
#[derive(Default)]
pub struct Wakes {
    task: AtomicWaker,
    came: AtomicBool,
}

impl Wakes {
    /// From now on the task of `waker` is woken.
    pub fn register(&self, waker: &Waker) {
        self.task.register(waker);
        self.came.store(false, Relaxed);
    }

    /// Was it woken since it was registered?
    pub fn came(&self) -> bool {
        self.came.load(Relaxed)
    }

    /// The same; from now on it counts anew.
    pub fn take(&self) -> bool {
        self.came.swap(false, Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Wakes>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Wakes>) {
        self.came.store(true, Relaxed);
        self.task.wake();
    }
}
