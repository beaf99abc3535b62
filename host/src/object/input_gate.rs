//! Decides which events may run while a section of an object's code wants to be
//! alone (block-concurrency, a transaction).
//!
//! ```text
//!             enter() ─► 1 section ─► enter() ─► 2 sections …
//! open ──────────┤                        │
//!   ▲            └──────── leave() ◄──────┘
//! ```
//!
//! A wait is stamped when it begins. It may end while every open section is at
//! least as old as its stamp, for then it was begun inside the innermost one.
//! Only a section's own code runs while the section is open, so whatever begins
//! meanwhile belongs to it: waits, and what was given out then for others to call. The
//! constructor is a section as well.
//!
//! Invariants:
//!
//! * No new event enters while a section is open, but one that was made possible within
//!   the innermost.
//! * A wait that began before the innermost section ends after that section.
//! * Sections end innermost first, but the constructor's: what that leaves open goes on.
//!
//! This module decides; it wakes nobody and has no clock.

/// How many sections had been opened when something began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Stamp(pub u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Section {
    number: u64,
    entered_at_ms: u64,
}

#[derive(Debug, Default)]
pub struct InputGate {
    open_sections: Vec<Section>,
    last_number: u64,
}

/// The section named is not the innermost open one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotInnermost;

impl InputGate {
    /// Opens a section inside all that are open; returns its number.
    pub fn enter(&mut self, now_ms: u64) -> u64 {
        self.last_number += 1;
        self.open_sections.push(Section {
            number: self.last_number,
            entered_at_ms: now_ms,
        });
        self.last_number
    }

    pub fn leave(&mut self, number: u64) -> Result<(), NotInnermost> {
        match self.open_sections.last() {
            Some(innermost) if innermost.number == number => {
                self.open_sections.pop();
                Ok(())
            }
            _ => Err(NotInnermost),
        }
    }

    /// Ends a section that may have others within: those go on.
    pub fn leave_any(&mut self, number: u64) {
        self.open_sections
            .retain(|section| section.number != number);
    }

    /// Gives no section a number up to this one. None may be open.
    pub fn go_on_after(&mut self, last: u64) {
        self.last_number = self.last_number.max(last);
    }

    pub fn stamp(&self) -> Stamp {
        Stamp(self.last_number)
    }

    /// May a wait that began at `stamp` end?
    pub fn admits(&self, stamp: Stamp) -> bool {
        self.open_sections
            .last()
            .is_none_or(|innermost| innermost.number <= stamp.0)
    }

    /// The lowest stamp of what may enter; none when anything may, new events too.
    pub fn floor(&self) -> Option<Stamp> {
        self.open_sections
            .last()
            .map(|innermost| Stamp(innermost.number))
    }

    /// When the section that has been open longest was entered.
    pub fn closed_since_ms(&self) -> Option<u64> {
        self.open_sections
            .first()
            .map(|section| section.entered_at_ms)
    }
}

#[cfg(test)]
mod tests {
    //! Scripts of sections and waits.

    use super::*;

    #[test]
    fn an_open_gate_admits_everything() {
        let gate = InputGate::default();
        assert!(gate.floor().is_none() && gate.admits(gate.stamp()));
        assert_eq!(gate.closed_since_ms(), None);
    }

    #[test]
    fn a_section_holds_back_older_waits_but_not_its_own() {
        let mut gate = InputGate::default();
        let before = gate.stamp();
        let section = gate.enter(7);
        let inside = gate.stamp();
        assert!(gate.floor().is_some() && !gate.admits(before) && gate.admits(inside));
        assert_eq!(gate.closed_since_ms(), Some(7));
        gate.leave(section).unwrap();
        assert!(gate.floor().is_none() && gate.admits(before) && gate.admits(inside));
    }

    #[test]
    fn an_inner_section_holds_back_the_outer_ones_waits() {
        let mut gate = InputGate::default();
        let outer = gate.enter(0);
        let outer_wait = gate.stamp();
        let inner = gate.enter(1);
        assert!(!gate.admits(outer_wait) && gate.admits(gate.stamp()));
        assert_eq!(gate.leave(outer), Err(NotInnermost));
        gate.leave(inner).unwrap();
        assert!(gate.admits(outer_wait) && gate.floor().is_some());
        gate.leave(outer).unwrap();
        assert_eq!(gate.leave(outer), Err(NotInnermost));
    }

    #[test]
    fn what_a_constructor_leaves_open_goes_on() {
        let mut gate = InputGate::default();
        let constructor = gate.enter(0);
        let inside = gate.enter(5);
        gate.leave_any(constructor);
        assert!(gate.floor().is_some() && gate.closed_since_ms() == Some(5));
        gate.leave(inside).unwrap();
        assert!(gate.floor().is_none());
    }

    #[test]
    fn what_began_in_a_section_that_has_ended_waits_for_the_next_one() {
        let mut gate = InputGate::default();
        let first = gate.enter(0);
        let left_over = gate.stamp();
        gate.leave(first).unwrap();
        gate.enter(1);
        assert!(!gate.admits(left_over));
    }
}
