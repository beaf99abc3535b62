//! Lets one thing at a time into the instance: an event, or the end of a wait.
//!
//! What enters runs up to its next wait before anything else may enter, for it
//! may close the input gate behind itself. wasmtime only queues what enters and
//! runs it within the same poll. So after a poll in which something entered, the
//! turnstile opens again and the poll is repeated: all of that is one turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

#[derive(Default)]
pub struct Turnstile {
    taken: AtomicBool,
    held_back: Mutex<Vec<Waker>>,
}

impl Turnstile {
    /// Has something entered in this poll?
    pub fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }

    /// May something enter now? If not, `waker` is told when to ask again.
    pub fn pass(&self, waker: &Waker) -> bool {
        if !self.taken.swap(true, Ordering::Relaxed) {
            return true;
        }
        self.held_back.lock().push(waker.clone());
        false
    }

    /// What entered last has run up to its next wait. Says whether there was any.
    pub fn reopen(&self) -> bool {
        if !self.taken.swap(false, Ordering::Relaxed) {
            return false;
        }
        self.held_back.lock().drain(..).for_each(Waker::wake);
        true
    }
}
