//! A model of an object's outlet around its real output gate.

use std::collections::BTreeMap;

use super::Mutant;
use super::checker::Checker;
use super::disk::WriteId;
use super::script::EventId;
use crate::object::output_gate::OutputGate;
use crate::storage::CommitNumber;

/// So many outputs that wait for a sync keep further events out.
const HELD_MAX: usize = 6;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Output {
    /// To a caller, and what it is told.
    Reply(EventId, &'static str),
    Chunk(EventId, u64),
    /// The body has ended, after so many chunks.
    End(EventId, u64),
    Broken(EventId),
    /// To a wait.
    Proof(u64),
}

/// Output, and all that its sender had seen.
#[derive(Debug)]
struct Sent {
    output: Output,
    seen: Vec<WriteId>,
}

pub struct Outlet {
    /// None when a commit will never be durable.
    gate: Option<OutputGate<Sent>>,
    ready: Vec<Sent>,
    durable: CommitNumber,
    /// The newest commit that each body may have revealed.
    bodies: BTreeMap<EventId, CommitNumber>,
    mutant: Option<Mutant>,
    newest: CommitNumber,
}

impl Outlet {
    pub fn new(mutant: Option<Mutant>) -> Outlet {
        Outlet {
            gate: Some(OutputGate::new(CommitNumber::ZERO)),
            ready: Vec::new(),
            durable: CommitNumber::ZERO,
            bodies: BTreeMap::new(),
            mutant,
            newest: CommitNumber::ZERO,
        }
    }

    fn not_before(&mut self, output: &Output, commit: CommitNumber) -> CommitNumber {
        self.newest = self.newest.max(commit);
        match output {
            Output::Chunk(event, _) | Output::End(event, _) | Output::Broken(event) => {
                let newest = self.bodies.entry(*event).or_default();
                *newest = commit.max(*newest);
                *newest
            }
            Output::Proof(_) if self.mutant == Some(Mutant::ProofWaitsBehindChunk) => self.newest,
            _ => commit,
        }
    }

    pub fn say(
        &mut self,
        checker: &mut Checker,
        commit: CommitNumber,
        output: Output,
        seen: &[WriteId],
    ) {
        let needed = commit;
        let commit = self.not_before(&output, commit);
        let sent = Sent {
            output,
            seen: seen.to_vec(),
        };
        let Some(gate) = &mut self.gate else {
            return self.refuse(checker, vec![sent]);
        };
        let is_body = !matches!(sent.output, Output::Reply(..) | Output::Proof(_));
        checker.said(&sent.output, if is_body { commit } else { needed });
        if gate.admits(commit) || self.mutant == Some(Mutant::ReleasesBeforeDurable) {
            self.ready.push(sent);
        } else {
            gate.hold(commit, sent, 1);
        }
    }

    pub fn advance(&mut self, durable: CommitNumber) {
        let Some(gate) = &mut self.gate else { return };
        self.durable = self.durable.max(durable);
        gate.advance(durable);
        while let Some(sent) = gate.release() {
            self.ready.push(sent);
        }
    }

    /// Returns the waits that have got their proofs.
    pub fn deliver(&mut self, checker: &mut Checker) -> Vec<u64> {
        let mut proven = Vec::new();
        for sent in std::mem::take(&mut self.ready) {
            checker.left(&sent.output, &sent.seen);
            if self.mutant == Some(Mutant::SaysTwice) {
                checker.left(&sent.output, &sent.seen);
            }
            if let Output::Proof(wait) = sent.output {
                proven.push(wait);
            }
        }
        if self.gate.is_some() {
            checker.delivered(self.durable);
        }
        proven
    }

    pub fn is_full(&self) -> bool {
        self.gate
            .as_ref()
            .is_some_and(|gate| gate.bytes() > HELD_MAX)
    }

    pub fn abandon(&mut self, checker: &mut Checker, kept: CommitNumber) {
        let Some(gate) = &mut self.gate else { return };
        let abandoned = gate.abandon(kept);
        if self.mutant != Some(Mutant::LosesUndoneReplies) {
            self.refuse(checker, abandoned);
        }
    }

    pub fn fail(&mut self, checker: &mut Checker) -> Vec<u64> {
        let proven = self.deliver(checker);
        if let Some(gate) = self.gate.take() {
            self.refuse(checker, gate.fail());
        }
        proven
    }

    fn refuse(&self, checker: &mut Checker, outputs: Vec<Sent>) {
        for sent in outputs {
            checker.refused(&sent.output);
        }
    }
}
