//! What do the events of this instance know of each other?
//!
//! Which are in flight, how many that were at most while one of them waited, and
//! which wait to be released by another.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

thread_local! {
    /// How often the constructor ran.
    pub static STARTED: Cell<u32> = const { Cell::new(0) };
    /// How the last body ended that was read.
    pub static READ: RefCell<String> = RefCell::new("none".into());
    static IN_FLIGHT: Cell<u32> = const { Cell::new(0) };
    /// For each event that watches, the most that were in flight since.
    static PEAKS: RefCell<Vec<Rc<Cell<u32>>>> = const { RefCell::new(Vec::new()) };
    /// How often `release` was called.
    static RELEASES: Cell<u64> = const { Cell::new(0) };
    static WAITING: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// One event, in flight until it is dropped.
pub struct Event;

impl Event {
    pub fn begin() -> Event {
        let now = IN_FLIGHT.get() + 1;
        IN_FLIGHT.set(now);
        PEAKS.with_borrow(|peaks| {
            for peak in peaks {
                peak.set(peak.get().max(now));
            }
        });
        Event
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        IN_FLIGHT.set(IN_FLIGHT.get() - 1);
    }
}

/// The most events that were in flight while `wait` went on.
pub async fn peak_during(wait: impl IntoFuture) -> u32 {
    let peak = Rc::new(Cell::new(IN_FLIGHT.get()));
    PEAKS.with_borrow_mut(|peaks| peaks.push(peak.clone()));
    let _ = wait.await;
    PEAKS.with_borrow_mut(|peaks| peaks.retain(|other| !Rc::ptr_eq(other, &peak)));
    peak.get()
}

/// Waits for the next call of `release`, which another event makes.
pub async fn released() {
    let before = RELEASES.get();
    poll_fn(|context| {
        if RELEASES.get() != before {
            return Poll::Ready(());
        }
        WAITING.with_borrow_mut(|waiting| waiting.push(context.waker().clone()));
        Poll::Pending
    })
    .await;
}

/// Lets every event go on that waits for `released`.
pub fn release() {
    RELEASES.set(RELEASES.get() + 1);
    for waker in WAITING.take() {
        waker.wake();
    }
}
