//! That an object may be about to commit an alarm, made known durably.
//!
//! One task waits for it. Where that cannot wait otherwise, its thread does.

use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use parking_lot::{Condvar, Mutex};

#[derive(Debug, Default)]
pub struct Notice {
    outcome: Mutex<Option<Result<(), String>>>,
    came: Condvar,
    waker: AtomicWaker,
}

impl Notice {
    /// Waits until it is given. Fails when that cannot be.
    pub fn wait(&self) -> Result<(), String> {
        let mut outcome = self.outcome.lock();
        loop {
            match &*outcome {
                Some(outcome) => return outcome.clone(),
                None => self.came.wait(&mut outcome),
            }
        }
    }

    /// Ready when there is nothing to wait for any more.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        match &*self.outcome.lock() {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        }
    }

    pub(super) fn finish(&self, outcome: Result<(), String>) {
        *self.outcome.lock() = Some(outcome);
        self.came.notify_all();
        self.waker.wake();
    }

    /// Whether it could not be given.
    pub(super) fn has_failed(&self) -> bool {
        matches!(&*self.outcome.lock(), Some(Err(_)))
    }
}
