//! How much do all connections hold of messages that no object has yet?
//!
//! A peer may begin a message of 32 MiB and never end it, on as many connections as it
//! likes. So what is held of messages is counted for the process, and those that would
//! grow past a part of its memory are given up.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::memory;

/// All of them together may hold this part of the process's memory.
const OF_MEMORY: u64 = 4;

static TOTAL_BYTES: AtomicUsize = AtomicUsize::new(0);

/// What one connection holds.
#[derive(Default)]
pub struct Held {
    bytes: usize,
}

impl Held {
    pub fn set(&mut self, bytes: usize) {
        if bytes != self.bytes {
            TOTAL_BYTES.fetch_add(bytes, Relaxed);
            TOTAL_BYTES.fetch_sub(self.bytes, Relaxed);
            self.bytes = bytes;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Must no large message grow?
pub fn is_too_much() -> bool {
    memory::is_full() || TOTAL_BYTES.load(Relaxed) as u64 > memory::budget() / OF_MEMORY
}
