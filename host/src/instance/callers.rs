//! Who waits for the events of an instance, and what becomes of them.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use parking_lot::Mutex;
use slab::Slab;

use super::context::ObjectParts;
use crate::object::departure::{Departure, Fate, Watch};
use crate::object::error::ObjectError;
use crate::object::event::{Caller, Reply};
use crate::object::outlet::Output;

/// The number of a caller: its place, and above it how often one was taken, so that it
/// stays below 2^53 and JavaScript has it exactly.
/// So a number of long ago stands for nobody.
const PLACE_BITS: u32 = 21;

#[derive(Default)]
pub struct Callers(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: Slab<Waits>,
    begun: u64,
    /// Answers that are still streamed, by their callers.
    streamed: Vec<(u64, Arc<Departure>)>,
    /// At so many it is worth to look which of them have ended.
    look_at: usize,
}

struct Waits {
    number: u64,
    caller: Caller,
    departure: Option<Arc<Departure>>,
}

impl State {
    fn get(&mut self, number: u64) -> Option<&mut Waits> {
        let waits = self.waiting.get_mut(place(number))?;
        (waits.number == number).then_some(waits)
    }

    fn remember(&mut self, number: u64, departure: Arc<Departure>) {
        if self.streamed.len() >= self.look_at {
            self.streamed
                .retain(|(_, departure)| departure.fate().is_none());
            self.look_at = (2 * self.streamed.len()).max(16);
        }
        self.streamed.push((number, departure));
    }
}

fn place(number: u64) -> usize {
    (number & ((1 << PLACE_BITS) - 1)) as usize
}

impl Callers {
    /// An event begins; says by which number its caller is known.
    pub fn add(&self, caller: Caller) -> u64 {
        let state = &mut *self.0.lock();
        state.begun += 1;
        let entry = state.waiting.vacant_entry();
        let number = state.begun << PLACE_BITS | entry.key() as u64;
        entry.insert(Waits {
            number,
            caller,
            departure: None,
        });
        number
    }

    /// How many events have begun.
    pub fn begun(&self) -> u64 {
        self.0.lock().begun
    }

    /// Counts on from there, if that is more.
    pub fn go_on_after(&self, begun: u64) {
        let state = &mut *self.0.lock();
        state.begun = state.begun.max(begun);
    }

    /// The event has ended with `reply`, which is to be said.
    pub fn answer(&self, number: u64, reply: Reply) -> Output {
        let state = &mut *self.0.lock();
        let mut waits = state.waiting.remove(place(number));
        let is_streamed = reply.as_ref().is_ok_and(|outcome| outcome.is_streamed());
        if is_streamed {
            let departure = waits.departure.get_or_insert_default().clone();
            waits.caller.watch(&departure);
            state.remember(number, departure);
        } else if let Some(departure) = &waits.departure {
            waits.caller.watch(departure);
        }
        Output::Reply(waits.caller, reply)
    }

    /// The error may speak of what was written, so it takes the way of all output. Are there
    /// objects among those who hear it?
    pub fn refuse_all(&self, parts: &ObjectParts, error: &ObjectError) -> bool {
        let committed = parts.storage.lock().committed();
        let mut objects_hear = false;
        for waits in self.0.lock().waiting.drain() {
            objects_hear |= waits.caller.is_object();
            let refusal = Output::Reply(waits.caller, Err(error.clone()));
            parts.outlet.say(committed, refusal);
        }
        parts.outlet.deliver();
        objects_hear
    }

    /// To wait until a caller leaves; none when it has its answer.
    pub fn watch(&self, number: u64) -> Option<Watch> {
        let state = &mut *self.0.lock();
        let departure = match state.get(number) {
            Some(waits) => waits.departure.get_or_insert_default(),
            None => {
                let mut streamed = state.streamed.iter();
                &streamed.find(|(streamed, _)| *streamed == number)?.1
            }
        };
        Some(departure.watch())
    }

    /// Looks whether the caller of a running event has left, for all who wait.
    fn look(&self, number: u64, departure: &Arc<Departure>) {
        let waker = Waker::from(departure.clone());
        let mut state = self.0.lock();
        let Some(waits) = state.get(number) else {
            return;
        };
        let polled = waits.caller.poll_gone(&mut TaskContext::from_waker(&waker));
        drop(state);
        if polled.is_ready() {
            departure.decide(Fate::Gone);
        }
    }

    /// Ends with whether the caller has left without its answer.
    pub async fn left(self: Arc<Self>, number: u64) -> bool {
        let Some(watch) = self.watch(number) else {
            return false;
        };
        let fate = std::future::poll_fn(|cx| match watch.poll(cx) {
            Poll::Pending => {
                self.look(number, watch.departure());
                watch.poll(cx)
            }
            ready => ready,
        });
        fate.await == Fate::Gone
    }
}
