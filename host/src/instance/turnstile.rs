//! Where an instance's events and waits ask to enter, see `object::admission`.
//!
//! wasmtime only queues what enters and runs it within the same poll. So after a
//! poll in which something entered, the round ends and the poll is repeated: all of
//! that is one turn, but for waits once something was written: they end in the next.

use std::sync::Arc;
use std::task::{Context as TaskContext, Waker};

use parking_lot::Mutex;

use super::context::Context;
use crate::object::admission::{Admission, Entry, Next, Place};
use crate::object::input_gate::{NotInnermost, Stamp};

/// Waits that an instance may have begun and not ended.
pub const WAITS_MAX: usize = 10_000;

#[derive(Default)]
pub struct Turnstile(Mutex<Admission<Waker>>);

impl Turnstile {
    /// Which event may enter, if any. `has_within` tells whether there is one that a section
    /// with this floor lets in.
    pub fn lets_event_in(&self, has_within: impl FnOnce(Stamp) -> bool) -> Option<Entry> {
        self.0.lock().ask_event(has_within)
    }

    /// There is no event that wants to enter.
    pub fn no_event(&self) {
        self.0.lock().withdraw_event();
    }

    /// Has something entered in this round?
    pub fn is_taken(&self) -> bool {
        self.0.lock().has_entered()
    }

    /// Whether something was written that is not committed: waits end in the next turn
    /// then.
    pub fn hold_waits(&self, has_written: bool) {
        self.0.lock().hold_waits(has_written);
    }

    /// What entered last has run up to its next wait.
    pub fn reopen(&self) -> Reopened {
        let mut admission = self.0.lock();
        match admission.end_round() {
            Next::Nobody => Reopened::Nobody,
            Next::Anybody | Next::Event => Reopened::ThisTurn,
            Next::Wait(waker) => {
                let holds_waits = admission.holds_waits();
                drop(admission);
                waker.wake();
                match holds_waits {
                    true => Reopened::NextTurn,
                    false => Reopened::ThisTurn,
                }
            }
        }
    }

    pub fn enter_section(&self, now_ms: u64) -> u64 {
        self.0.lock().enter_section(now_ms)
    }

    pub fn leave_section(&self, number: u64) -> Result<(), NotInnermost> {
        self.0.lock().leave_section(number)
    }

    /// Ends a section that may have others within.
    pub fn leave_any_section(&self, number: u64) {
        self.0.lock().leave_any_section(number);
    }

    /// How many sections have been opened, which is the number of the newest.
    pub fn stamp(&self) -> Stamp {
        self.0.lock().stamp()
    }

    /// The lowest stamp of what may enter; none when anything may.
    pub fn floor(&self) -> Option<Stamp> {
        self.0.lock().floor()
    }

    /// Gives no section a number up to this one.
    pub fn go_on_after(&self, last: u64) {
        self.0.lock().go_on_after(last);
    }

    /// Since when other events have been held back.
    pub fn closed_since_ms(&self) -> Option<u64> {
        self.0.lock().closed_since_ms()
    }
}

/// For whom, or when, the poll should be repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reopened {
    Nobody,
    ThisTurn,
    NextTurn,
}

/// One wait's way back into its instance.
pub struct Entrance {
    turnstile: Arc<Turnstile>,
    stamp: Stamp,
    place: Option<Place>,
    /// Counts the waits that the guest has begun by a call.
    _count: Option<Arc<()>>,
}

impl Entrance {
    /// For a wait that a call of the guest begins now. Fails when the instance has
    /// too many of them.
    pub fn new(context: &Context) -> wasmtime::Result<Entrance> {
        if Arc::strong_count(&context.waits) > WAITS_MAX {
            let message = format!("Durable Object waits for more than {WAITS_MAX} things at once.");
            return Err(context.end.reset(message));
        }
        let mut entrance = Entrance::of_stream(context);
        entrance._count = Some(context.waits.clone());
        Ok(entrance)
    }

    /// For the read or write of a stream that begins now.
    pub fn of_stream(context: &Context) -> Entrance {
        let turnstile = context.turnstile.clone();
        let stamp = turnstile.stamp();
        Entrance {
            turnstile,
            stamp,
            place: None,
            _count: None,
        }
    }

    /// May the wait end now? If not, it is called.
    pub fn passes(&mut self, cx: &TaskContext<'_>) -> bool {
        let waker = || cx.waker().clone();
        let admission = &mut *self.turnstile.0.lock();
        admission.ask_wait(&mut self.place, self.stamp, waker)
    }

    /// The wait does not want to end for now.
    pub fn withdraw(&mut self) {
        if self.place.is_some() {
            self.turnstile.0.lock().withdraw_wait(&mut self.place);
        }
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.withdraw();
    }
}
