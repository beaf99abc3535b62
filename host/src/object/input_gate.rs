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
//! meanwhile belongs to it.
//!
//! Invariants:
//!
//! * No new event enters while a section is open.
//! * A wait that began before the innermost section ends after that section.
//! * Sections end innermost first.
//!
//! This module decides; it wakes nobody and has no clock.

/// How many sections had been opened when something began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp(u64);

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

    /// The number of the newest section.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Gives no section a number up to this one. None may be open.
    pub fn go_on_after(&mut self, last: u64) {
        self.last_number = self.last_number.max(last);
    }

    /// May a new event enter?
    pub fn is_open(&self) -> bool {
        self.open_sections.is_empty()
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

    /// The lowest stamp of a wait that may end; none when all may.
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
        assert!(gate.is_open() && gate.admits(gate.stamp()));
        assert_eq!(gate.closed_since_ms(), None);
    }

    #[test]
    fn a_section_holds_back_older_waits_but_not_its_own() {
        let mut gate = InputGate::default();
        let before = gate.stamp();
        let section = gate.enter(7);
        let inside = gate.stamp();
        assert!(!gate.is_open() && !gate.admits(before) && gate.admits(inside));
        assert_eq!(gate.closed_since_ms(), Some(7));
        gate.leave(section).unwrap();
        assert!(gate.is_open() && gate.admits(before) && gate.admits(inside));
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
        assert!(gate.admits(outer_wait) && !gate.is_open());
        gate.leave(outer).unwrap();
        assert_eq!(gate.leave(outer), Err(NotInnermost));
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
