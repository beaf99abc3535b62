//! Watches a simulated run and says which promise it breaks.
//!
//! It keeps books of its own, so that a fault of what it watches is not its own too.
//! What concerns who enters when is in `order`, what concerns time in `patience`.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::WriteId;
use super::order::Order;
use super::outlet::Output;
use super::patience::Patience;
use super::script::EventId;
use crate::storage::CommitNumber;

pub type TaskId = u64;

#[derive(Default)]
pub struct Checker {
    pub order: Order,
    pub patience: Patience,
    fault: Option<String>,
    /// Tasks of events that sections of others let in.
    let_in: BTreeSet<TaskId>,
    /// Who wrote each write.
    writers: BTreeMap<WriteId, TaskId>,
    on_disk: BTreeSet<WriteId>,
    /// Undone by the object itself.
    taken_back: BTreeSet<WriteId>,
    /// Written in a turn that failed.
    doomed: BTreeSet<WriteId>,
    /// Revealed to somebody.
    revealed: BTreeSet<WriteId>,
    /// Said, and revealing so many commits.
    said: BTreeMap<Output, CommitNumber>,
    answers: BTreeMap<EventId, &'static str>,
    /// Chunks that each reader has got, and whether its body has ended.
    bodies: BTreeMap<EventId, (u64, bool)>,
    proofs: BTreeSet<u64>,
}

impl Checker {
    pub fn fault(&self) -> Option<String> {
        let parts = [&self.order.fault, &self.patience.fault, &self.fault];
        parts.into_iter().flatten().next().cloned()
    }

    pub fn require(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds && self.fault.is_none() {
            self.fault = Some(fault());
        }
    }

    pub fn wrote(&mut self, id: WriteId, task: TaskId) {
        self.writers.insert(id, task);
    }

    /// `task` may run in the section of another, if that lets it.
    pub fn is_let_in(&mut self, task: TaskId) {
        self.let_in.insert(task);
    }

    /// `task` runs; while a section is open only its own code may, and what it lets in.
    pub fn runs(&mut self, task: TaskId) {
        let owner = self.order.innermost_owner();
        let may = owner.is_none_or(|owner| owner == task || self.let_in.contains(&task));
        self.require(may, || {
            format!("task {task} runs inside the section of task {owner:?}")
        });
    }

    /// `task` has undone its own writes.
    pub fn took_back(&mut self, task: TaskId, writes: &[WriteId]) {
        for id in writes {
            let writer = self.writers[id];
            self.require(writer == task, || {
                format!("task {task} undoes write {id} of task {writer}")
            });
            self.taken_back.insert(*id);
        }
    }

    /// The turn that wrote this has failed.
    pub fn doom(&mut self, writes: &[WriteId]) {
        self.doomed.extend(writes);
    }

    /// A commit has happened.
    pub fn committed(&mut self, log: &[WriteId], in_the_middle: bool) {
        self.require(!in_the_middle, || {
            "a turn was committed in its middle".into()
        });
        self.no_doomed(log, "committed");
    }

    /// A sync has really put this on the disk.
    pub fn synced(&mut self, log: &[WriteId]) {
        self.on_disk.extend(log);
    }

    /// The database is opened and holds `log`; `proven` is what it may hold at most
    /// after a failed sync.
    pub fn opened(&mut self, log: &[WriteId]) {
        self.no_doomed(log, "found");
        let lost: Vec<_> = self
            .revealed
            .iter()
            .filter(|id| !log.contains(id))
            .collect();
        let fault = (!lost.is_empty()).then(|| format!("acknowledged writes {lost:?} are lost"));
        self.require(fault.is_none(), || fault.unwrap_or_default());
    }

    /// After a failed sync the object goes on from what is durable and nothing else.
    pub fn recovered(&mut self, log: &[WriteId]) {
        let extra: Vec<_> = log.iter().filter(|id| !self.on_disk.contains(id)).collect();
        let fault = (!extra.is_empty())
            .then(|| format!("after a failed sync writes {extra:?} are there still"));
        self.require(fault.is_none(), || fault.unwrap_or_default());
        self.opened(log);
    }

    /// Whatever was on its way out of a process that has ended is gone.
    pub fn power_lost(&mut self, kept: &[WriteId]) {
        self.said.clear();
        self.on_disk.extend(kept);
    }

    pub fn said(&mut self, output: &Output, commit: CommitNumber) {
        let before = self.said.insert(output.clone(), commit);
        self.require(before.is_none(), || format!("{output:?} is said twice"));
    }

    /// Output reaches its destination, with what its sender had seen.
    pub fn left(&mut self, output: &Output, seen: &[WriteId]) {
        self.said.remove(output);
        for id in seen {
            if self.taken_back.contains(id) {
                continue;
            }
            let is_durable = self.on_disk.contains(id);
            self.require(is_durable, || {
                format!("{output:?} leaves and may reveal write {id}, which is not durable")
            });
            self.revealed.insert(*id);
        }
        match output {
            Output::Reply(event, text) => self.answered(*event, text),
            Output::Chunk(event, number) => self.chunk(*event, *number),
            Output::End(event, chunks) => self.body_ended(*event, Some(*chunks)),
            Output::Broken(event) => self.body_ended(*event, None),
            Output::Proof(wait) => {
                let first = self.proofs.insert(*wait);
                self.require(first, || format!("wait {wait} gets its proof twice"));
            }
        }
    }

    /// Output was replaced by an error.
    pub fn refused(&mut self, output: &Output) {
        self.said.remove(output);
        match output {
            Output::Reply(event, _) => self.answered(*event, "an error"),
            Output::Chunk(event, _) | Output::End(event, _) | Output::Broken(event) => {
                self.body_ended(*event, None);
            }
            Output::Proof(_) => {}
        }
    }

    /// Everything was delivered that commits up to `durable` allow.
    pub fn delivered(&mut self, durable: CommitNumber) {
        let late = self
            .said
            .iter()
            .find(|(_, commit)| **commit <= durable)
            .map(|(output, commit)| {
                format!("{output:?} waits though {commit:?} is durable, as is {durable:?}")
            });
        self.require(late.is_none(), || late.unwrap_or_default());
    }

    /// The outlet has gone, with whatever waits in it for commits that never come.
    pub fn outlet_gone(&mut self) {
        for output in std::mem::take(&mut self.said).into_keys() {
            let is_missed = match output {
                Output::Reply(..) => true,
                Output::Chunk(event, _) | Output::End(event, _) | Output::Broken(event) => {
                    self.bodies.get(&event).is_some_and(|(_, ended)| !ended)
                }
                Output::Proof(_) => false,
            };
            self.require(!is_missed, || {
                format!("{output:?} goes down with its outlet, so that it gets no answer")
            });
        }
    }

    pub fn answered(&mut self, event: EventId, text: &'static str) {
        let before = self.answers.insert(event, text);
        self.require(before.is_none(), || {
            format!("event {event} is answered twice: {before:?}, then {text}")
        });
        if text == "a streamed reply" {
            self.bodies.entry(event).or_default();
        }
    }

    fn chunk(&mut self, event: EventId, number: u64) {
        let has_reply = self.answers.contains_key(&event);
        self.require(has_reply, || {
            format!("a chunk of event {event} comes before its reply")
        });
        let (next, ended) = self.bodies.entry(event).or_default();
        // Nobody reads behind a break.
        let in_order = *ended || *next == number;
        *next = number + 1;
        self.require(in_order, || {
            format!("chunk {number} of event {event} comes out of order")
        });
    }

    fn body_ended(&mut self, event: EventId, chunks: Option<u64>) {
        // It may break before its reply leaves.
        let (next, ended) = self.bodies.entry(event).or_default();
        let whole = *ended || chunks.is_none_or(|chunks| chunks == *next);
        *ended = true;
        self.require(whole, || {
            format!("the body of event {event} looks whole and is not")
        });
    }

    /// The run is over. `excused`: whose callers left, or whose server went away.
    pub fn quiet(&mut self, events: usize, excused: &BTreeSet<EventId>) {
        for event in 0..events {
            let is_answered = self.answers.contains_key(&event) || excused.contains(&event);
            self.require(is_answered, || format!("event {event} gets no answer"));
            let open = self.bodies.get(&event).is_some_and(|(_, ended)| !ended);
            let is_open = open && !excused.contains(&event);
            self.require(!is_open, || format!("the body of event {event} never ends"));
        }
    }

    fn no_doomed(&mut self, log: &[WriteId], how: &str) {
        let doomed = log.iter().find(|id| self.doomed.contains(id)).copied();
        self.require(doomed.is_none(), || {
            format!("write {doomed:?} of a turn that failed is {how}")
        });
    }
}
