//! Holds what an object says until what it wrote is durable.
//!
//! An instance sees its own writes at once. The world must not: a crash could
//! still take them back. So everything that leaves an object waits here, tagged
//! with the newest commit that it may reveal.
//!
//! ```text
//! hold(7) ──► waiting ──► advance(7) ──► release() ──► the client
//!                ├──────► abandon(6) ────────────────► an error instead
//!                └──────► fail() ────────────────────► an error instead
//! ```
//!
//! Invariants:
//!
//! * Output tagged `n` leaves only after commit `n` is durable.
//! * Output leaves in the order in which it was held.
//! * After a failed sync nothing leaves: `fail` consumes the gate.
//!
//! This module decides and performs no I/O.

use std::collections::VecDeque;

use crate::storage::CommitNumber;

#[derive(Debug)]
pub struct OutputGate<Output> {
    durable: CommitNumber,
    waiting: VecDeque<(CommitNumber, Output)>,
}

impl<Output> OutputGate<Output> {
    /// A gate for an object whose commits up to `durable` survive a crash.
    pub fn new(durable: CommitNumber) -> OutputGate<Output> {
        OutputGate {
            durable,
            waiting: VecDeque::new(),
        }
    }

    /// Takes custody of `output`, which may reveal writes up to `commit`.
    pub fn hold(&mut self, commit: CommitNumber, output: Output) {
        // A reply that wrote nothing still waits for the replies before it.
        let newest = self.waiting.back().map_or(commit, |(held, _)| *held);
        self.waiting.push_back((commit.max(newest), output));
    }

    /// Records that commits up to `durable` survive a crash.
    pub fn advance(&mut self, durable: CommitNumber) {
        self.durable = self.durable.max(durable);
    }

    /// The next output that may leave. To be called after `hold` and `advance`.
    pub fn release(&mut self) -> Option<Output> {
        self.waiting
            .pop_front_if(|(commit, _)| *commit <= self.durable)
            .map(|(_, output)| output)
    }

    /// Gives up what may reveal more than `kept`: those writes were undone.
    pub fn abandon(&mut self, kept: CommitNumber) -> Vec<Output> {
        // Tags never decrease along the queue.
        let first = self.waiting.partition_point(|(commit, _)| *commit <= kept);
        self.waiting
            .drain(first..)
            .map(|(_, output)| output)
            .collect()
    }

    /// Ends the gate because a commit will never be durable.
    pub fn fail(self) -> Vec<Output> {
        self.waiting.into_iter().map(|(_, output)| output).collect()
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
                Hold(commit, output) => gate.hold(CommitNumber(commit), output),
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
            [Advance(3), Hold(3, "a"), Hold(0, "b"), Leave(&["a", "b"])],
            &[],
        );
    }

    #[test]
    fn a_reply_that_wrote_nothing_waits_behind_an_unproven_write() {
        check(
            [
                Hold(1, "wrote"),
                Hold(0, "read"),
                Leave(&[]),
                Advance(1),
                Leave(&["wrote", "read"]),
            ],
            &[],
        );
    }

    #[test]
    fn one_sync_releases_all_that_it_covers_in_order() {
        check(
            [
                Hold(1, "a"),
                Hold(2, "b"),
                Hold(3, "c"),
                Advance(2),
                Leave(&["a", "b"]),
            ],
            &["c"],
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
