//! What do the events of one instance know of each other?
//!
//! Everything runs on one thread, and events interleave only at an await; nothing
//! here is borrowed across one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use serde_json::Value as Json;

thread_local! {
    pub static NOTES: RefCell<HashMap<String, Json>> = RefCell::default();
    pub static START_RESULTS: RefCell<Vec<Json>> = const { RefCell::new(Vec::new()) };
    static SIGNALS: RefCell<HashMap<String, u64>> = RefCell::default();
    static WAITING: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

pub fn signal(name: &str) {
    SIGNALS.with_borrow_mut(|signals| *signals.entry(name.into()).or_default() += 1);
    for waker in WAITING.take() {
        waker.wake();
    }
}

/// Until so many signals of this name were given.
pub async fn signalled(name: &str, times: u64) {
    poll_fn(|context| {
        if SIGNALS.with_borrow(|signals| signals.get(name).copied().unwrap_or(0)) >= times {
            return Poll::Ready(());
        }
        WAITING.with_borrow_mut(|waiting| waiting.push(context.waker().clone()));
        Poll::Pending
    })
    .await;
}
