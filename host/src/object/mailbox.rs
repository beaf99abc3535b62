//! Keeps the events that wait for an object, and refuses what is too much.
//!
//! ```text
//! push() ──► waiting ──► pop() ──► the instance
//!    └─────► an Overload at once: too many, too much data, or waiting too long
//! ```
//!
//! Invariants:
//!
//! * Events leave in the order in which they came.
//! * A refused event was never in the mailbox.
//! * A closed mailbox holds nothing and takes nothing.
//!
//! This module decides; it has no lock and no clock.

use std::collections::VecDeque;

/// What a mailbox holds at most.
#[derive(Clone, Copy, Debug)]
pub struct MailboxLimits {
    pub events_max: usize,
    /// Bytes of bodies that have been read already.
    pub bytes_max: usize,
    /// While the oldest event waits longer than this, no other is taken.
    pub age_max_ms: u64,
}

/// Why an event was refused; the texts are part of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    TooMany,
    TooMuchData,
    TooOld,
    /// The object has left; a fresh mailbox takes the event.
    Closed,
}

#[derive(Debug)]
struct Waiting<E> {
    event: E,
    /// None: there is room for it elsewhere.
    bytes: Option<usize>,
    since_ms: u64,
}

#[derive(Debug)]
pub struct Mailbox<E> {
    waiting: VecDeque<Waiting<E>>,
    bytes: usize,
    /// How many events wait that have room elsewhere.
    beside: usize,
    limits: MailboxLimits,
    closed: bool,
}

impl<E> Mailbox<E> {
    pub fn new(limits: MailboxLimits) -> Mailbox<E> {
        Mailbox {
            waiting: VecDeque::new(),
            bytes: 0,
            beside: 0,
            limits,
            closed: false,
        }
    }

    /// Takes an event that brings `bytes` of data, or gives it back.
    pub fn push(&mut self, event: E, bytes: usize, now_ms: u64) -> Result<(), (E, Refusal)> {
        let refusal = if self.closed {
            Some(Refusal::Closed)
        } else if self.counted() >= self.limits.events_max {
            Some(Refusal::TooMany)
        } else if self.counted() > 0 && self.bytes + bytes > self.limits.bytes_max {
            Some(Refusal::TooMuchData)
        } else if self.oldest_age_ms(now_ms) > self.limits.age_max_ms {
            Some(Refusal::TooOld)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return Err((event, refusal));
        }
        self.bytes += bytes;
        self.waiting.push_back(Waiting {
            event,
            bytes: Some(bytes),
            since_ms: now_ms,
        });
        Ok(())
    }

    /// Takes an event for which there is room elsewhere; only a closed mailbox gives
    /// it back.
    pub fn push_beside(&mut self, event: E, now_ms: u64) -> Result<(), (E, Refusal)> {
        if self.closed {
            return Err((event, Refusal::Closed));
        }
        self.beside += 1;
        self.waiting.push_back(Waiting {
            event,
            bytes: None,
            since_ms: now_ms,
        });
        Ok(())
    }

    /// The event that has waited longest.
    pub fn pop(&mut self) -> Option<E> {
        let first = self.waiting.pop_front()?;
        match first.bytes {
            Some(bytes) => self.bytes -= bytes,
            None => self.beside -= 1,
        }
        Some(first.event)
    }

    /// The same, which stays.
    pub fn first(&self) -> Option<&E> {
        self.waiting.front().map(|first| &first.event)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Closes the mailbox, unless an event waits. Says whether it is closed.
    pub fn close_if_empty(&mut self) -> bool {
        self.closed |= self.waiting.is_empty();
        self.closed
    }

    fn counted(&self) -> usize {
        self.waiting.len() - self.beside
    }

    fn oldest_age_ms(&self, now_ms: u64) -> u64 {
        self.waiting
            .front()
            .map_or(0, |oldest| now_ms.saturating_sub(oldest.since_ms))
    }
}

impl Refusal {
    pub fn message(self) -> &'static str {
        match self {
            Refusal::TooMany => "Durable Object is overloaded. Too many requests queued.",
            Refusal::TooMuchData => "Durable Object is overloaded. Too much data queued.",
            Refusal::TooOld => "Durable Object is overloaded. Requests queued for too long.",
            Refusal::Closed => "Durable Object has left its instance; try again.",
        }
    }
}

#[cfg(test)]
mod tests {
    //! Scripts of pushes and pops, each against what must come of them.

    use super::*;

    const LIMITS: MailboxLimits = MailboxLimits {
        events_max: 3,
        bytes_max: 100,
        age_max_ms: 1000,
    };

    enum Step {
        /// Event, bytes, time, what comes of it.
        Push(u32, usize, u64, Result<(), Refusal>),
        /// An event that has room elsewhere.
        Beside(u32),
        Pop(Option<u32>),
        Close(bool),
    }
    use Step::*;

    fn check(steps: impl IntoIterator<Item = Step>) {
        let mut mailbox = Mailbox::new(LIMITS);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Push(event, bytes, now_ms, expected) => {
                    let got = mailbox.push(event, bytes, now_ms).map_err(|(_, why)| why);
                    assert_eq!(got, expected, "step {number}");
                }
                Beside(event) => mailbox.push_beside(event, 0).expect("it is open"),
                Pop(expected) => assert_eq!(mailbox.pop(), expected, "step {number}"),
                Close(expected) => assert_eq!(mailbox.close_if_empty(), expected, "step {number}"),
            }
        }
    }

    #[test]
    fn events_leave_in_the_order_in_which_they_came() {
        check([
            Push(1, 0, 0, Ok(())),
            Push(2, 0, 0, Ok(())),
            Pop(Some(1)),
            Push(3, 0, 0, Ok(())),
            Pop(Some(2)),
            Pop(Some(3)),
            Pop(None),
        ]);
    }

    #[test]
    fn too_many_events_are_refused_until_one_leaves() {
        check([
            Push(1, 0, 0, Ok(())),
            Push(2, 0, 0, Ok(())),
            Push(3, 0, 0, Ok(())),
            Push(4, 0, 0, Err(Refusal::TooMany)),
            Pop(Some(1)),
            Push(5, 0, 0, Ok(())),
        ]);
    }

    #[test]
    fn what_has_room_elsewhere_keeps_its_place_and_takes_none() {
        check([
            Beside(1),
            Push(2, 500, 0, Ok(())),
            Beside(3),
            Push(4, 0, 0, Err(Refusal::TooMuchData)),
            Pop(Some(1)),
            Pop(Some(2)),
            Push(5, 0, 0, Ok(())),
            Pop(Some(3)),
            Pop(Some(5)),
            Close(true),
        ]);
    }

    #[test]
    fn too_much_data_is_refused_but_a_single_event_never() {
        check([
            Push(1, 500, 0, Ok(())),
            Push(2, 1, 0, Err(Refusal::TooMuchData)),
            Pop(Some(1)),
            Push(3, 60, 0, Ok(())),
            Push(4, 41, 0, Err(Refusal::TooMuchData)),
            Push(5, 40, 0, Ok(())),
        ]);
    }

    #[test]
    fn nothing_joins_a_queue_that_does_not_move() {
        check([
            Push(1, 0, 0, Ok(())),
            Push(2, 0, 1000, Ok(())),
            Push(3, 0, 1001, Err(Refusal::TooOld)),
            Pop(Some(1)),
            Push(4, 0, 1001, Ok(())),
        ]);
    }

    #[test]
    fn a_mailbox_closes_only_when_nothing_waits() {
        check([
            Push(1, 0, 0, Ok(())),
            Close(false),
            Pop(Some(1)),
            Close(true),
            Push(2, 0, 0, Err(Refusal::Closed)),
        ]);
    }
}
