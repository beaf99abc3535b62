//! The clock by which instances are interrupted and polls are watched.
//!
//! It stands still while no object is polled, so that a server at rest costs no
//! CPU; the first poll starts it again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;

use super::{preemption, reserve, watch};

/// One tick. A guest that computes for longer lets others run; a shorter one would
/// cost more than it gives.
pub const TICK: Duration = Duration::from_millis(1);

/// So many ticks without a poll, and the clock stops.
const TICKS_TO_REST: u32 = 100;

static NOW: AtomicU64 = AtomicU64::new(0);
static RESTS: AtomicBool = AtomicBool::new(false);
static CLOCK: Mutex<Option<Thread>> = Mutex::new(None);

/// Ticks since the process began, not counting those at rest.
pub fn now() -> u64 {
    NOW.load(Ordering::Relaxed)
}

/// Does the clock stand still?
pub(super) fn rests() -> bool {
    RESTS.load(Ordering::Relaxed)
}

/// Something is about to happen.
pub(super) fn awake() {
    if RESTS.load(Ordering::Relaxed)
        && RESTS.swap(false, Ordering::AcqRel)
        && let Some(clock) = &*CLOCK.lock()
    {
        clock.unpark();
    }
}

pub(super) fn start(on_tick: impl Fn() + Send + 'static) -> Result<()> {
    let run = move || {
        preemption::short();
        let mut idle_ticks = 0;
        loop {
            std::thread::sleep(TICK);
            NOW.fetch_add(1, Ordering::Relaxed);
            on_tick();
            let polled = watch::look();
            let settled = reserve::settle();
            idle_ticks = if polled || !settled {
                0
            } else {
                idle_ticks + 1
            };
            if idle_ticks < TICKS_TO_REST {
                continue;
            }
            idle_ticks = 0;
            RESTS.store(true, Ordering::SeqCst);
            // A poll that began before it could see the flag is seen here.
            if watch::look() {
                RESTS.store(false, Ordering::SeqCst);
                continue;
            }
            while RESTS.load(Ordering::Acquire) {
                std::thread::park();
            }
        }
    };
    let thread = std::thread::Builder::new().name("ticks".into()).spawn(run);
    let thread = thread.context("cannot start the thread that ticks")?;
    *CLOCK.lock() = Some(thread.thread().clone());
    Ok(())
}
