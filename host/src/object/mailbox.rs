//! Keeps the events that wait for an object, and refuses what is too much.
//!
//! ```text
//! push() ─┬► waiting ──► pop() ──► the instance
//!         ├► within ───► pop(), or pop_within() while a section is open
//!         └► an Overload at once: too many, too much data, or waiting too long
//! ```
//!
//! An event that was made possible within a section may enter that section, before those
//! that it holds back: so such events are kept by their stamp as well.
//!
//! Invariants:
//!
//! * Events leave by `pop` in the order in which they came, and those of one stamp in any
//!   case.
//! * A refused event was never in the mailbox.
//! * A closed mailbox holds nothing and takes nothing.
//!
//! This module decides; it has no lock and no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::input_gate::Stamp;

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
    /// Who came earlier has a lower one.
    ticket: u64,
}

#[derive(Debug)]
pub struct Mailbox<E> {
    /// What no section lets in.
    waiting: VecDeque<Waiting<E>>,
    /// What a section may let in, by its ticket.
    within: BTreeMap<u64, (Stamp, Waiting<E>)>,
    /// The stamps and tickets of the latter.
    stamps: BTreeSet<(Stamp, u64)>,
    last_ticket: u64,
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
            within: BTreeMap::new(),
            stamps: BTreeSet::new(),
            last_ticket: 0,
            bytes: 0,
            beside: 0,
            limits,
            closed: false,
        }
    }

    /// Takes an event that brings `bytes` of data, or gives it back. `stamp`: when that was
    /// given out by which it has come; the least one if it comes from outside.
    pub fn push(
        &mut self,
        event: E,
        stamp: Stamp,
        bytes: usize,
        now_ms: u64,
    ) -> Result<(), (E, Refusal)> {
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
        self.keep(event, stamp, Some(bytes), now_ms);
        Ok(())
    }

    /// Takes an event for which there is room elsewhere; only a closed mailbox gives
    /// it back.
    pub fn push_beside(&mut self, event: E, stamp: Stamp, now_ms: u64) -> Result<(), (E, Refusal)> {
        if self.closed {
            return Err((event, Refusal::Closed));
        }
        self.beside += 1;
        self.keep(event, stamp, None, now_ms);
        Ok(())
    }

    fn keep(&mut self, event: E, stamp: Stamp, bytes: Option<usize>, since_ms: u64) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        let waiting = Waiting {
            event,
            bytes,
            since_ms,
            ticket,
        };
        if stamp == Stamp::default() {
            self.waiting.push_back(waiting);
        } else {
            self.within.insert(ticket, (stamp, waiting));
            self.stamps.insert((stamp, ticket));
        }
    }

    /// The event that has waited longest.
    pub fn pop(&mut self) -> Option<E> {
        let first = match self.is_within_first() {
            true => {
                let (ticket, (stamp, first)) = self.within.pop_first()?;
                self.stamps.remove(&(stamp, ticket));
                first
            }
            false => self.waiting.pop_front()?,
        };
        Some(self.gone(first))
    }

    /// Of the events that a section lets in with this floor, the first.
    pub fn pop_within(&mut self, floor: Stamp) -> Option<E> {
        let first = *self.stamps.range((floor, 0)..).next()?;
        self.stamps.remove(&first);
        let (_, first) = self.within.remove(&first.1)?;
        Some(self.gone(first))
    }

    /// Is there one?
    pub fn has_within(&self, floor: Stamp) -> bool {
        self.stamps.range((floor, 0)..).next().is_some()
    }

    /// The event that has waited longest, which stays.
    pub fn first(&self) -> Option<&E> {
        self.oldest().map(|first| &first.event)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.within.is_empty()
    }

    /// Closes the mailbox, unless an event waits. Says whether it is closed.
    pub fn close_if_empty(&mut self) -> bool {
        self.closed |= self.is_empty();
        self.closed
    }

    fn counted(&self) -> usize {
        self.waiting.len() + self.within.len() - self.beside
    }

    fn is_within_first(&self) -> bool {
        let within = self.within.first_key_value().map(|(ticket, _)| *ticket);
        let waiting = self.waiting.front().map(|first| first.ticket);
        within.is_some_and(|within| waiting.is_none_or(|waiting| within < waiting))
    }

    fn oldest(&self) -> Option<&Waiting<E>> {
        match self.is_within_first() {
            true => self.within.first_key_value().map(|(_, (_, first))| first),
            false => self.waiting.front(),
        }
    }

    fn oldest_age_ms(&self, now_ms: u64) -> u64 {
        let oldest = self.oldest();
        oldest.map_or(0, |oldest| now_ms.saturating_sub(oldest.since_ms))
    }

    fn gone(&mut self, waited: Waiting<E>) -> E {
        match waited.bytes {
            Some(bytes) => self.bytes -= bytes,
            None => self.beside -= 1,
        }
        waited.event
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
        /// One that comes by what was given out with this stamp.
        Within(u32, u64, Result<(), Refusal>),
        Pop(Option<u32>),
        /// What a section with this floor lets in.
        PopWithin(u64, Option<u32>),
        Close(bool),
    }
    use Step::*;

    fn check(steps: impl IntoIterator<Item = Step>) {
        let mut mailbox = Mailbox::new(LIMITS);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Push(event, bytes, now_ms, expected) => {
                    let got = mailbox.push(event, Stamp::default(), bytes, now_ms);
                    assert_eq!(got.map_err(|(_, why)| why), expected, "step {number}");
                }
                Beside(event) => mailbox
                    .push_beside(event, Stamp::default(), 0)
                    .expect("it is open"),
                Within(event, stamp, expected) => {
                    let got = mailbox.push(event, Stamp(stamp), 10, 0);
                    assert_eq!(got.map_err(|(_, why)| why), expected, "step {number}");
                }
                Pop(expected) => assert_eq!(mailbox.pop(), expected, "step {number}"),
                PopWithin(floor, expected) => {
                    let has = mailbox.has_within(Stamp(floor));
                    assert_eq!(has, expected.is_some(), "step {number}");
                    let got = mailbox.pop_within(Stamp(floor));
                    assert_eq!(got, expected, "step {number}");
                }
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
    fn a_section_lets_in_what_was_given_out_in_it_before_what_came_earlier() {
        check([
            Push(1, 0, 0, Ok(())),
            Within(2, 3, Ok(())),
            PopWithin(4, None),
            PopWithin(3, Some(2)),
            PopWithin(3, None),
            Pop(Some(1)),
            Pop(None),
            Close(true),
        ]);
    }

    #[test]
    fn an_open_gate_lets_all_in_as_they_came_and_all_are_counted() {
        check([
            Within(1, 9, Ok(())),
            Push(2, 0, 0, Ok(())),
            Within(3, 5, Ok(())),
            Within(4, 5, Err(Refusal::TooMany)),
            Close(false),
            Pop(Some(1)),
            Push(5, 90, 0, Ok(())),
            Pop(Some(2)),
            Within(6, 1, Err(Refusal::TooMuchData)),
            Pop(Some(3)),
            Within(6, 1, Ok(())),
            PopWithin(1, Some(6)),
            Pop(Some(5)),
            Pop(None),
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
