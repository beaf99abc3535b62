//! Holds what an object says until what it wrote is durable.
//!
//! An instance sees its own writes at once. The world must not: a crash could
//! still take them back. So everything that leaves an object waits here, tagged
//! with the newest commit that it may reveal.
//!
//! ```text
//! hold(7) ──► waiting ──► advance(7) ──► release() ──► its destination
//!                ├──────► abandon(6) ────────────────► an error instead
//!                └──────► fail() ────────────────────► an error instead
//! ```
//!
//! Invariants:
//!
//! * Output tagged `n` leaves only after commit `n` is durable.
//! * Output for one destination leaves in the order in which it was held; what goes
//!   to different destinations does not wait for each other.
//! * After a failed sync nothing leaves: `fail` consumes the gate.
//!
//! This module decides and performs no I/O.

use std::collections::BTreeMap;

use crate::storage::CommitNumber;

#[derive(Debug)]
pub struct OutputGate<Output> {
    durable: CommitNumber,
    /// By commit, then in the order in which it was held.
    waiting: BTreeMap<(CommitNumber, u64), Held<Output>>,
    last_number: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Held<Output> {
    output: Output,
    bytes: usize,
}

impl<Output> OutputGate<Output> {
    /// A gate for an object whose commits up to `durable` survive a crash.
    pub fn new(durable: CommitNumber) -> OutputGate<Output> {
        OutputGate {
            durable,
            waiting: BTreeMap::new(),
            last_number: 0,
            bytes: 0,
        }
    }

    /// May output that reveals writes up to `commit` leave at once?
    pub fn admits(&self, commit: CommitNumber) -> bool {
        commit <= self.durable
    }

    /// Takes custody of `output` of so many `bytes`, which may reveal writes up to
    /// `commit`. For one destination `commit` must never go back.
    pub fn hold(&mut self, commit: CommitNumber, output: Output, bytes: usize) {
        self.last_number += 1;
        self.bytes += bytes;
        let held = Held { output, bytes };
        self.waiting.insert((commit, self.last_number), held);
    }

    /// Records that commits up to `durable` survive a crash.
    pub fn advance(&mut self, durable: CommitNumber) {
        self.durable = self.durable.max(durable);
    }

    fn has_released(&self) -> bool {
        let first = self.waiting.first_key_value();
        first.is_some_and(|((commit, _), _)| self.admits(*commit))
    }

    /// The next output that may leave. To be called after `hold` and `advance`.
    pub fn release(&mut self) -> Option<Output> {
        if !self.has_released() {
            return None;
        }
        let (_, held) = self.waiting.pop_first()?;
        self.bytes -= held.bytes;
        Some(held.output)
    }

    /// Gives up what may reveal more than `kept`: those writes were undone.
    pub fn abandon(&mut self, kept: CommitNumber) -> Vec<Output> {
        let abandoned = self.waiting.split_off(&(kept.next(), 0));
        self.bytes -= abandoned.values().map(|held| held.bytes).sum::<usize>();
        abandoned.into_values().map(|held| held.output).collect()
    }

    /// Ends the gate because a commit will never be durable.
    pub fn fail(self) -> Vec<Output> {
        let waiting = self.waiting.into_values();
        waiting.map(|held| held.output).collect()
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    //! Scripts of outputs and commits, each against what may leave when.

    use super::*;

    enum Step {
        /// Commit, output.
        Hold(u64, &'static str),
        Advance(u64),
        Leave(&'static [&'static str]),
        Abandon(u64, &'static [&'static str]),
    }
    use Step::*;

    fn check(steps: impl IntoIterator<Item = Step>, left: &[&str]) {
        let mut gate = OutputGate::new(CommitNumber::ZERO);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Hold(commit, output) => gate.hold(CommitNumber(commit), output, output.len()),
                Advance(durable) => gate.advance(CommitNumber(durable)),
                Leave(expected) => {
                    let got: Vec<_> = std::iter::from_fn(|| gate.release()).collect();
                    assert_eq!(got, expected, "step {number}");
                }
                Abandon(kept, expected) => {
                    assert_eq!(gate.abandon(CommitNumber(kept)), expected, "step {number}");
                }
            }
        }
        let bytes: usize = left.iter().map(|output| output.len()).sum();
        assert_eq!(gate.bytes(), bytes);
        assert_eq!(gate.fail(), left);
    }

    #[test]
    fn output_waits_for_the_commit_that_it_may_reveal() {
        check(
            [
                Hold(1, "a"),
                Hold(2, "b"),
                Leave(&[]),
                Advance(1),
                Leave(&["a"]),
                Advance(2),
                Leave(&["b"]),
            ],
            &[],
        );
    }

    #[test]
    fn output_that_reveals_only_durable_writes_leaves_at_once() {
        check(
            [Advance(3), Hold(3, "a"), Hold(0, "b"), Leave(&["b", "a"])],
            &[],
        );
    }

    #[test]
    fn a_proof_of_an_older_commit_does_not_wait_for_a_newer_chunk() {
        check(
            [
                Advance(1),
                Hold(2, "chunk of an open transaction"),
                Hold(1, "proof"),
                Leave(&["proof"]),
            ],
            &["chunk of an open transaction"],
        );
    }

    #[test]
    fn one_sync_releases_all_that_it_covers_in_order() {
        check(
            [
                Hold(1, "a"),
                Hold(2, "b"),
                Hold(2, "c"),
                Hold(3, "d"),
                Advance(2),
                Leave(&["a", "b", "c"]),
            ],
            &["d"],
        );
    }

    #[test]
    fn a_late_report_of_an_old_sync_changes_nothing() {
        check([Advance(2), Advance(1), Hold(2, "a"), Leave(&["a"])], &[]);
    }

    #[test]
    fn an_undone_turn_takes_only_its_own_output_with_it() {
        check(
            [
                Hold(1, "committed"),
                Hold(2, "undone"),
                Hold(2, "undone too"),
                Abandon(1, &["undone", "undone too"]),
                Hold(2, "next turn"),
                Advance(2),
                Leave(&["committed", "next turn"]),
            ],
            &[],
        );
    }

    #[test]
    fn a_failed_gate_gives_everything_back() {
        check([Hold(1, "a"), Hold(2, "b")], &["a", "b"]);
    }
}
