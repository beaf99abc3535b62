//! Lets few of the long polls compute at a time, in turn.
//!
//! Threads are given a share of the CPU each. If every object that computes for
//! long had a thread of its own, short work would get the smaller a share the more
//! of them there are. So whoever computes for longer than a tick needs a permit,
//! there are as many as cores, and after a slice it goes to the next in the queue.

use std::cell::RefCell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{cores, preemption, reserve, watch};

/// How long one computes before it is the next one's turn. Long enough for the
/// change of threads not to count.
pub const SLICE: Duration = Duration::from_millis(10);

/// Statements that may be under way past their first millisecond. Each keeps a
/// thread while it waits for its turn, and the reserve must not run out of them.
const STATEMENTS_MAX: usize = reserve::WORKERS - 8;

static PERMITS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));
static WAITING: AtomicUsize = AtomicUsize::new(0);
static STATEMENTS: AtomicUsize = AtomicUsize::new(0);
static STOPPED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static OWN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// The right to compute for a slice, in use on this thread.
struct Turn {
    _permit: SemaphorePermit<'static>,
    since: Instant,
    is_statement: bool,
}

impl Turn {
    fn begin(permit: Permit, is_statement: bool) -> Turn {
        preemption::long();
        Turn {
            _permit: permit.0,
            since: Instant::now(),
            is_statement,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        preemption::short();
    }
}

/// Why a statement must stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The process ends.
    Stopping,
    /// Too many are under way.
    TooMany,
}

/// Waits for a turn, in order.
pub async fn turn() -> Permit {
    WAITING.fetch_add(1, Ordering::Relaxed);
    let waiting = scopeguard(|| {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    });
    let permit = PERMITS.acquire().await.expect("it is never closed");
    drop(waiting);
    Permit(permit)
}

/// A turn that has come, not yet used.
pub struct Permit(SemaphorePermit<'static>);

/// Computes for the length of a slice.
pub fn with<T>(permit: Permit, work: impl FnOnce() -> T) -> T {
    let turn = Turn::begin(permit, false);
    OWN.with(|own| *own.borrow_mut() = Some(turn));
    let done = work();
    give_back();
    done
}

/// A statement has run for long, and asks whether to go on. Blocks until it is its
/// turn. `end_statement` must be called when the statement has ended.
pub fn pace() -> Result<(), Stop> {
    if STOPPED.load(Ordering::Relaxed) {
        return Err(Stop::Stopping);
    }
    let own = OWN.with(RefCell::take);
    let is_statement = match own {
        Some(turn) if turn.since.elapsed() < SLICE || WAITING.load(Ordering::Relaxed) == 0 => {
            OWN.with(|own| *own.borrow_mut() = Some(turn));
            return Ok(());
        }
        // The turn is given back; to the end of the queue.
        Some(turn) => turn.is_statement,
        None => false,
    };
    if !is_statement && STATEMENTS.fetch_add(1, Ordering::AcqRel) >= STATEMENTS_MAX {
        STATEMENTS.fetch_sub(1, Ordering::AcqRel);
        return Err(Stop::TooMany);
    }
    // Not as a worker: who got the turn that was given back may be next in this
    // worker's own queue. And without a budget: a task that has used its own up would
    // be remembered by this worker, and by nobody else.
    let wait = || futures::executor::block_on(tokio::task::unconstrained(turn()));
    let permit = watch::apart(wait);
    watch::begin();
    let turn = Turn::begin(permit, true);
    OWN.with(|own| *own.borrow_mut() = Some(turn));
    Ok(())
}

/// The statement has ended, if there was one that asked.
pub fn end_statement() {
    OWN.with(|own| {
        if own.borrow().as_ref().is_some_and(|turn| turn.is_statement) {
            own.take();
            STATEMENTS.fetch_sub(1, Ordering::AcqRel);
        }
    });
}

/// Whatever of this thread had a turn has ended.
pub(super) fn give_back() {
    if let Some(turn) = OWN.with(RefCell::take)
        && turn.is_statement
    {
        STATEMENTS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Stops all statements.
pub(super) fn stop() {
    STOPPED.store(true, Ordering::Relaxed);
}

/// Runs `end` when it is dropped.
fn scopeguard<F: FnOnce()>(end: F) -> impl Drop {
    struct Guard<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for Guard<F> {
        fn drop(&mut self) {
            self.0.take().expect("it is dropped once")();
        }
    }
    Guard(Some(end))
}
