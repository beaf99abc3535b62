//! Lets one thing at a time into the instance: an event, or the end of a wait.
//!
//! What enters runs up to its next wait before anything else may enter, for it
//! may close the input gate behind itself. wasmtime only queues what enters and
//! runs it within the same poll; so after each poll the turnstile opens again,
//! and the poll is repeated while somebody waits. All of that is one turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

#[derive(Default)]
pub struct Turnstile {
    taken: AtomicBool,
    somebody_waits: AtomicBool,
    held_back: Mutex<Vec<Waker>>,
}

impl Turnstile {
    /// May something enter now? If not, `waker` is told when to ask again; who
    /// gives none asks in every poll.
    pub fn pass(&self, waker: Option<&Waker>) -> bool {
        if !self.taken.swap(true, Ordering::Relaxed) {
            return true;
        }
        self.somebody_waits.store(true, Ordering::Relaxed);
        self.held_back.lock().extend(waker.cloned());
        false
    }

    /// What entered last has run up to its next wait. Says whether somebody waits.
    pub fn reopen(&self) -> bool {
        self.taken.store(false, Ordering::Relaxed);
        if !self.somebody_waits.swap(false, Ordering::Relaxed) {
            return false;
        }
        self.held_back.lock().drain(..).for_each(Waker::wake);
        true
    }
}
