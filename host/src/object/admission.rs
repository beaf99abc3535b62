//! Decides what enters an instance next: an event, or the end of a wait.
//!
//! One thing enters at a time, and runs up to its next wait before anything else
//! may enter, for it may close the input gate behind itself. One such step is a
//! **round**:
//!
//! ```text
//! ask_wait(), ask_event() ─► enters, or gets a place in the queue
//! end_round() ─► calls the first in the queue that the gate admits:
//!                the next round is its own, or, if it does not come, anybody's
//! ```
//!
//! Invariants:
//!
//! * At most one thing enters in a round.
//! * Nothing enters that the input gate holds back. Of events, an open section lets in
//!   those that were made possible within it, as if they were waits of it.
//! * Who asked earlier enters earlier, among those whom the gate admits. What began
//!   before a section was opened counts as earlier than what began after.
//! * Whoever can enter is called within as many rounds as others were before it.
//! * At most one event goes before a wait that had ended when the event came.
//! * While waits are held, none of them ends; they keep their order.
//!
//! A section that opens or ends moves nobody in the queue, so letting n waits go
//! costs n rounds and no more. This module decides; it wakes nobody and has no clock.

use std::collections::BTreeMap;

use super::input_gate::{InputGate, NotInnermost, Stamp};

/// A place in the queue: earlier stamps first, then earlier tickets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    stamp: Stamp,
    ticket: u64,
}

/// The queue of one instance. `W` is what wakes a wait.
#[derive(Debug)]
pub struct Admission<W> {
    gate: InputGate,
    entered: bool,
    called: Option<Place>,
    holds_waits: bool,
    waits: BTreeMap<Place, W>,
    /// The first event of the mailbox, if it has asked.
    event: Option<Place>,
    /// The first that was made possible within an open section, if it has asked.
    within: Option<Place>,
    last_ticket: u64,
}

/// Which event may enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The first of the mailbox.
    First,
    /// The first that a section with this floor lets in.
    Within(Stamp),
}

/// What `end_round` found.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<W> {
    /// Nobody can enter.
    Nobody,
    /// The event that has asked.
    Event,
    /// The wait that this wakes.
    Wait(W),
    /// Nobody is called, but somebody has entered and others may want to.
    Anybody,
}

impl<W> Default for Admission<W> {
    fn default() -> Admission<W> {
        Admission {
            gate: InputGate::default(),
            entered: false,
            called: None,
            holds_waits: false,
            waits: BTreeMap::new(),
            event: None,
            within: None,
            last_ticket: 0,
        }
    }
}

impl<W> Admission<W> {
    /// May a wait that began at `stamp` end now? If not, it keeps its place until
    /// it asks again or withdraws.
    pub fn ask_wait(
        &mut self,
        place: &mut Option<Place>,
        stamp: Stamp,
        waker: impl FnOnce() -> W,
    ) -> bool {
        let own = *place.get_or_insert_with(|| self.new_place(stamp));
        if !self.holds_waits && self.gate.admits(stamp) && self.lets_in(own) {
            self.enter();
            self.waits.remove(&own);
            *place = None;
            return true;
        }
        self.waits.insert(own, waker());
        false
    }

    /// Whether no wait may end from now on.
    pub fn hold_waits(&mut self, holds: bool) {
        self.holds_waits = holds;
    }

    pub fn holds_waits(&self) -> bool {
        self.holds_waits
    }

    /// A wait does not want to end any more.
    pub fn withdraw_wait(&mut self, place: &mut Option<Place>) {
        if let Some(place) = place.take() {
            self.waits.remove(&place);
            self.forget_call(place);
        }
    }

    /// May the next event of the mailbox enter now? `has_within` tells whether there is one
    /// that a section with this floor lets in.
    ///
    /// Events are asked for before the waits of the same poll are. So in a round that
    /// is taken an event gets no place: waits that ended before it came go first. Nor does
    /// one of a section go before waits that ended before it asked, however early that was
    /// given out by which it came: else the holder could keep them from ending.
    pub fn ask_event(&mut self, has_within: impl FnOnce(Stamp) -> bool) -> Option<Entry> {
        if self.entered {
            return None;
        }
        let own = match self.event {
            Some(place) => place,
            None => {
                let place = self.new_place(self.gate.stamp());
                *self.event.insert(place)
            }
        };
        let Some(floor) = self.gate.floor() else {
            self.withdraw_within();
            return self.lets_in(own).then(|| {
                self.enter();
                self.event = None;
                Entry::First
            });
        };
        if !has_within(floor) {
            self.withdraw_within();
            return None;
        }
        let own = match self.within {
            Some(place) if place.stamp >= floor => place,
            _ => {
                self.withdraw_within();
                let place = self.new_place(self.gate.stamp());
                *self.within.insert(place)
            }
        };
        self.lets_in(own).then(|| {
            self.enter();
            self.within = None;
            Entry::Within(floor)
        })
    }

    /// There is no event any more.
    pub fn withdraw_event(&mut self) {
        if let Some(place) = self.event.take() {
            self.forget_call(place);
        }
        self.withdraw_within();
    }

    fn withdraw_within(&mut self) {
        if let Some(place) = self.within.take() {
            self.forget_call(place);
        }
    }

    /// Has something entered in this round?
    pub fn has_entered(&self) -> bool {
        self.entered
    }

    /// What entered has run up to its next wait. Calls the next.
    pub fn end_round(&mut self) -> Next<W> {
        let entered = std::mem::take(&mut self.entered);
        // Who was called and did not come is forgotten; if it lives, it asks anew.
        if let Some(absent) = self.called.take() {
            self.event.take_if(|place| *place == absent);
            self.within.take_if(|place| *place == absent);
        }
        match self.first() {
            None if entered => Next::Anybody,
            None => Next::Nobody,
            Some(place) => {
                self.called = Some(place);
                match self.waits.remove(&place) {
                    Some(waker) => Next::Wait(waker),
                    None => Next::Event,
                }
            }
        }
    }

    pub fn enter_section(&mut self, now_ms: u64) -> u64 {
        self.gate.enter(now_ms)
    }

    pub fn leave_any_section(&mut self, number: u64) {
        self.gate.leave_any(number);
    }

    pub fn go_on_after(&mut self, last: u64) {
        self.gate.go_on_after(last);
    }

    pub fn leave_section(&mut self, number: u64) -> Result<(), NotInnermost> {
        self.gate.leave(number)
    }

    pub fn stamp(&self) -> Stamp {
        self.gate.stamp()
    }

    /// The lowest stamp of what may enter; none when anything may.
    pub fn floor(&self) -> Option<Stamp> {
        self.gate.floor()
    }

    /// Since when other events have been held back.
    pub fn closed_since_ms(&self) -> Option<u64> {
        self.gate.closed_since_ms()
    }

    fn new_place(&mut self, stamp: Stamp) -> Place {
        self.last_ticket += 1;
        Place {
            stamp,
            ticket: self.last_ticket,
        }
    }

    /// May who has this place, and whom the gate admits, enter? Nobody need have been
    /// called: what entered long ago may have gone on and ended a section just now.
    fn lets_in(&self, place: Place) -> bool {
        let is_next = match self.called {
            Some(called) => place == called,
            None => self.first().is_none_or(|first| place <= first),
        };
        !self.entered && is_next
    }

    fn enter(&mut self) {
        self.entered = true;
        self.called = None;
    }

    fn forget_call(&mut self, place: Place) {
        if self.called == Some(place) {
            self.called = None;
        }
    }

    /// The first in the queue that the gate admits.
    fn first(&self) -> Option<Place> {
        match self.gate.floor() {
            None => {
                let wait = self.waits.keys().next().copied();
                wait.into_iter().chain(self.event).min()
            }
            Some(stamp) => {
                let lowest = Place { stamp, ticket: 0 };
                let wait = self.waits.range(lowest..).next().map(|(place, _)| *place);
                let within = self.within.filter(|place| *place >= lowest);
                wait.into_iter().chain(within).min()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Scripts of asking and rounds; waits are known by a letter.

    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Script {
        admission: Admission<&'static str>,
        waits: HashMap<&'static str, (Stamp, Option<Place>)>,
    }

    impl Script {
        fn begin(&mut self, wait: &'static str) {
            let stamp = self.admission.stamp();
            self.waits.insert(wait, (stamp, None));
        }

        fn ask(&mut self, wait: &'static str) -> bool {
            let (stamp, place) = self.waits.get_mut(wait).expect("it has begun");
            self.admission.ask_wait(place, *stamp, || wait)
        }

        fn ask_event(&mut self) -> bool {
            self.admission.ask_event(|_| false) == Some(Entry::First)
        }

        /// For an event that was made possible when so many sections had been opened.
        fn ask_within(&mut self, stamp: Stamp) -> bool {
            let has_within = |floor| stamp >= floor;
            matches!(self.admission.ask_event(has_within), Some(Entry::Within(_)))
        }

        fn withdraw(&mut self, wait: &'static str) {
            let (_, place) = self.waits.get_mut(wait).expect("it has begun");
            self.admission.withdraw_wait(place);
        }
    }

    fn with_waits(waits: &[&'static str]) -> Script {
        let mut script = Script::default();
        waits.iter().for_each(|wait| script.begin(wait));
        script
    }

    #[test]
    fn one_thing_enters_in_a_round() {
        let mut script = with_waits(&["a", "b"]);
        assert!(script.ask("a") && !script.ask("b") && !script.ask_event());
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
        assert!(!script.ask_event() && script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Event);
        assert!(script.ask_event());
        assert_eq!(script.admission.end_round(), Next::Anybody);
        assert_eq!(script.admission.end_round(), Next::Nobody);
    }

    #[test]
    fn a_wait_that_asked_first_goes_before_the_next_event() {
        let mut script = with_waits(&["a"]);
        assert!(script.ask_event() && !script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Wait("a"));
        assert!(!script.ask_event(), "the round is the wait's own");
        assert!(script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Event);
    }

    #[test]
    fn one_event_goes_before_a_wait_that_had_ended_and_no_second() {
        let mut script = with_waits(&["a"]);
        assert!(script.ask_event() && !script.ask_event());
        assert!(!script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Wait("a"));
        assert!(!script.ask_event() && script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Event);
    }

    #[test]
    fn an_event_that_asked_first_goes_before_a_later_wait() {
        let mut script = with_waits(&["a", "b", "c"]);
        assert!(script.ask("a") && !script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
        assert!(!script.ask_event() && script.ask("b") && !script.ask("c"));
        assert_eq!(script.admission.end_round(), Next::Event);
    }

    #[test]
    fn who_is_called_and_does_not_come_holds_up_nobody() {
        let mut script = with_waits(&["a", "b", "c"]);
        assert!(script.ask("a") && !script.ask("b") && !script.ask("c"));
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
        assert_eq!(script.admission.end_round(), Next::Wait("c"));
        assert!(!script.ask("b") && script.ask("c"));
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
    }

    #[test]
    fn a_called_wait_that_is_dropped_frees_its_round() {
        let mut script = with_waits(&["a", "b", "c"]);
        assert!(script.ask("a") && !script.ask("b") && !script.ask("c"));
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
        script.withdraw("b");
        assert!(script.ask("c"));
        assert_eq!(script.admission.end_round(), Next::Anybody);
        assert_eq!(script.admission.end_round(), Next::Nobody);
    }

    #[test]
    fn a_section_holds_back_events_and_older_waits_and_lets_them_go_in_order() {
        let mut script = with_waits(&["a", "b"]);
        let section = script.admission.enter_section(0);
        script.begin("inside");
        assert!(!script.ask("a") && !script.ask("b") && !script.ask_event());
        assert_eq!(script.admission.end_round(), Next::Nobody);
        assert!(script.ask("inside"));
        script.admission.leave_section(section).unwrap();
        assert_eq!(script.admission.end_round(), Next::Wait("a"));
        assert!(script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
        assert!(script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Event);
    }

    #[test]
    fn an_event_of_a_section_enters_it_in_turn_with_its_waits() {
        let mut script = with_waits(&["outside"]);
        let before = script.admission.stamp();
        let section = script.admission.enter_section(0);
        let inside = script.admission.stamp();
        script.begin("a");
        script.begin("b");
        assert!(!script.ask_within(before) && !script.ask("outside"));
        assert!(script.ask("a") && !script.ask_within(inside) && !script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
        assert!(!script.ask_within(inside) && script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Event);
        assert!(script.ask_within(inside));
        script.admission.leave_section(section).unwrap();
        assert_eq!(script.admission.end_round(), Next::Wait("outside"));
    }

    #[test]
    fn events_of_an_outer_section_let_its_later_waits_end() {
        let mut script = Script::default();
        script.admission.enter_section(0);
        let outer = script.admission.stamp();
        let inner = script.admission.enter_section(0);
        script.admission.leave_section(inner).unwrap();
        script.begin("a");
        assert!(script.ask_within(outer) && !script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Wait("a"));
        assert!(!script.ask_within(outer) && script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Event);
    }

    #[test]
    fn an_event_of_an_outer_section_waits_for_the_inner_one() {
        let mut script = Script::default();
        script.admission.enter_section(0);
        let outer = script.admission.stamp();
        let inner = script.admission.enter_section(0);
        assert!(!script.ask_within(outer));
        assert_eq!(script.admission.end_round(), Next::Nobody);
        script.admission.leave_section(inner).unwrap();
        assert!(script.ask_within(outer));
    }

    #[test]
    fn an_event_of_a_section_that_was_called_and_is_gone_holds_up_nobody() {
        let mut script = Script::default();
        script.admission.enter_section(0);
        let stamp = script.admission.stamp();
        script.begin("a");
        script.begin("b");
        assert!(script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Anybody);
        assert!(script.ask_within(stamp));
        assert!(!script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
        assert!(!script.ask_within(stamp) && script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Event);
        script.begin("c");
        assert!(!script.ask_event() && script.ask("c"));
    }

    #[test]
    fn a_section_opened_after_the_call_keeps_the_called_out() {
        let mut script = with_waits(&["a", "b"]);
        assert!(script.ask("a") && !script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
        script.admission.enter_section(0);
        assert!(!script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Nobody);
    }

    #[test]
    fn a_section_that_ends_between_rounds_lets_nobody_overtake() {
        let mut script = with_waits(&["a", "b"]);
        let section = script.admission.enter_section(0);
        assert!(!script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Nobody);
        script.admission.leave_section(section).unwrap();
        assert!(!script.ask("b") && !script.ask_event());
        assert_eq!(script.admission.end_round(), Next::Wait("a"));
    }

    #[test]
    fn a_wait_that_enters_uncalled_has_no_place_any_more() {
        let mut script = with_waits(&["a"]);
        let section = script.admission.enter_section(0);
        assert!(!script.ask("a"));
        script.admission.leave_section(section).unwrap();
        assert!(script.ask("a"));
        assert_eq!(script.admission.end_round(), Next::Anybody);
    }

    #[test]
    fn an_event_that_went_away_is_not_called() {
        let mut script = with_waits(&["a", "b"]);
        assert!(script.ask("a") && !script.ask("b"));
        assert_eq!(script.admission.end_round(), Next::Wait("b"));
        assert!(!script.ask_event() && script.ask("b"));
        script.admission.withdraw_event();
        assert_eq!(script.admission.end_round(), Next::Anybody);
    }
}
