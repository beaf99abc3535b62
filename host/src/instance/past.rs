//! What must go on on the host's side when an object wakes with its memory: nothing that
//! it remembers may come to mean something else, and its clock does not go back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use wasmtime_wasi::HostMonotonicClock;

use super::context::Context;
use crate::object::socket::sockets;
use crate::storage::Traces;

/// What an instance has seen of the host, as far as it matters later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// No socket, reference, token, section, cursor or transaction that it knows has a
    /// higher number, nor were there more events.
    last_number: u64,
    last_rowid: i64,
    clock_ns: u64,
}

/// The clock of one instance, which never goes back, also not with its process.
#[derive(Clone, Default)]
pub struct Clock {
    ahead_ns: Arc<AtomicU64>,
}

impl Clock {
    fn now_ns(&self) -> u64 {
        machine_ns() + self.ahead_ns.load(Relaxed)
    }

    fn go_on_after(&self, ns: u64) {
        self.ahead_ns
            .store(ns.saturating_sub(machine_ns()), Relaxed);
    }
}

/// Since the machine was started.
fn machine_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.now_ns()
    }
}

impl Context {
    /// What this instance's memory may be about. Fails when that is something that
    /// ends with the instance; says what.
    pub fn past(&self) -> Result<Past, &'static str> {
        if !self.held.is_empty() {
            return Err("it holds references of other objects");
        }
        if !self.tokens.is_empty() {
            return Err("it has an upgrade token");
        }
        if self.parts.sockets.has_plain() {
            return Err("it has a WebSocket that ends with it");
        }
        let traces = self.parts.storage.lock().traces();
        let traces = traces.ok_or("it has changed the settings of its connection")?;
        let numbers = [
            self.held.last_number(),
            self.tokens.last(),
            self.callers.begun(),
            self.turnstile.stamp().0,
            sockets::last_number(),
            traces.last_number,
        ];
        Ok(Past {
            last_number: numbers.into_iter().max().unwrap_or(0),
            last_rowid: traces.last_rowid,
            clock_ns: self.clock.now_ns(),
        })
    }

    /// Goes on where the instance was whose memory this one gets.
    pub fn go_on_from(&mut self, past: Past) {
        let last_number = past.last_number;
        self.held.go_on_after(last_number);
        self.tokens.go_on_after(last_number);
        self.callers.go_on_after(last_number);
        self.turnstile.go_on_after(last_number);
        sockets::go_on_after(last_number);
        self.parts.storage.lock().go_on_from(Traces {
            last_number,
            last_rowid: past.last_rowid,
        });
        self.clock.go_on_after(past.clock_ns);
    }
}

#[cfg(test)]
mod tests {
    //! A clock that was ahead stays ahead.

    use super::*;

    #[test]
    fn a_clock_does_not_go_back_with_its_machine() {
        let clock = Clock::default();
        let begin_ns = clock.now_ns();
        let earlier_ns = begin_ns + 3_600_000_000_000;
        clock.go_on_after(earlier_ns);
        assert!(clock.now_ns() >= earlier_ns);
        clock.go_on_after(begin_ns);
        assert!((begin_ns..earlier_ns).contains(&clock.now_ns()));
    }
}
