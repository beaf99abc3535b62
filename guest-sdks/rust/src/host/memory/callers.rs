//! Who waits for the answers to events, and whether they leave before.

use crate::body::Content;
use crate::testing::executor;
use crate::{Body, Caller};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

thread_local! {
    /// Callers, by the numbers that events know them by.
    static KNOWN: RefCell<HashMap<u64, Weak<Departure>>> = RefCell::default();
}

/// Whether a caller leaves before its answer has left whole.
#[derive(Debug)]
pub struct Departure {
    number: u64,
    has_left: Cell<Option<bool>>,
    /// The body of the answer tells when that has left.
    is_streamed: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Departure {
    pub fn new() -> Rc<Self> {
        let departure = Rc::new(Self {
            number: executor::number(),
            has_left: Cell::default(),
            is_streamed: Cell::default(),
            waiting: RefCell::default(),
        });
        let known = Rc::downgrade(&departure);
        KNOWN.with_borrow_mut(|all| all.insert(departure.number, known));
        departure
    }

    /// Who that is, for the event.
    pub fn caller(&self) -> Caller {
        Caller(self.number)
    }

    /// The first word counts.
    pub fn decide(&self, has_left: bool) {
        if self.has_left.get().is_none() {
            self.has_left.set(Some(has_left));
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }

    /// This is, or is in, the answer.
    pub fn watch(self: &Rc<Self>, body: &Body) {
        if let Content::Stream(reader) = &body.0 {
            self.is_streamed.set(true);
            reader.tell_end_to(self.clone());
        }
    }

    /// The caller has its answer, but for what streams.
    pub fn answered(&self) {
        if !self.is_streamed.get() {
            self.decide(false);
        }
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        // At the end of a thread there may be none to remove it from.
        let _ = KNOWN.try_with(|known| known.borrow_mut().remove(&self.number));
    }
}

/// Ends with whether the caller has left without its answer; at once for one that nobody
/// knows any more.
pub fn left(caller: u64) -> impl Future<Output = bool> + use<> {
    let departure = KNOWN.with_borrow(|known| known.get(&caller)?.upgrade());
    poll_fn(move |cx| {
        let Some(departure) = &departure else {
            return Poll::Ready(false);
        };
        match departure.has_left.get() {
            Some(has_left) => Poll::Ready(has_left),
            None => {
                departure.waiting.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
        }
    })
}
