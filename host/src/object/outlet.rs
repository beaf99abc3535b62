//! The one way out of an object: its output gate, where the object's task, the
//! instance and the committer's thread meet.
//!
//! The committer releases output itself, so that a proven write reaches its
//! client without waking the object's task.

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::body::BodyWriter;
use super::error::ObjectError;
use super::event::{Reply, ReplySender};
use super::output_gate::OutputGate;
use crate::storage::CommitNumber;

/// Something that leaves an object.
pub enum Output {
    Reply(ReplySender, Reply),
    Chunk(BodyWriter, Bytes),
    /// The whole body has been sent.
    End(BodyWriter),
    /// Somebody waits until the writes before are durable.
    Proof(oneshot::Sender<()>),
}

pub struct Outlet {
    gate: Mutex<State>,
}

enum State {
    Whole(OutputGate<Output>),
    Failed(ObjectError),
}

impl Default for Outlet {
    fn default() -> Outlet {
        Outlet {
            gate: Mutex::new(State::Whole(OutputGate::new(CommitNumber::ZERO))),
        }
    }
}

impl Outlet {
    /// Lets `output` out as soon as commits up to `commit` are durable.
    pub fn say(&self, commit: CommitNumber, output: Output) {
        let mut state = self.gate.lock();
        match &mut *state {
            State::Whole(gate) => {
                gate.hold(commit, output);
                release(gate);
            }
            State::Failed(error) => output.refuse(error.clone()),
        }
    }

    /// Commits up to `durable` survive a crash.
    pub fn advance(&self, durable: CommitNumber) {
        let mut state = self.gate.lock();
        if let State::Whole(gate) = &mut *state {
            gate.advance(durable);
            release(gate);
        }
    }

    /// What may reveal more than `kept` gets `error` instead.
    pub fn abandon(&self, kept: CommitNumber, error: &ObjectError) {
        let mut state = self.gate.lock();
        if let State::Whole(gate) = &mut *state {
            gate.abandon(kept)
                .into_iter()
                .for_each(|output| output.refuse(error.clone()));
        }
    }

    /// A commit will never be durable: nothing leaves any more.
    pub fn fail(&self, error: ObjectError) {
        let mut state = self.gate.lock();
        if let State::Whole(gate) = std::mem::replace(&mut *state, State::Failed(error.clone())) {
            gate.fail()
                .into_iter()
                .for_each(|output| output.refuse(error.clone()));
        }
    }

    /// The error with which the gate failed, if it has.
    pub fn failure(&self) -> Option<ObjectError> {
        match &*self.gate.lock() {
            State::Whole(_) => None,
            State::Failed(error) => Some(error.clone()),
        }
    }
}

fn release(gate: &mut OutputGate<Output>) {
    while let Some(output) = gate.release() {
        output.leave();
    }
}

impl Output {
    fn leave(self) {
        match self {
            // A caller that is gone needs no answer.
            Output::Reply(sender, reply) => drop(sender.send(reply)),
            Output::Chunk(writer, chunk) => writer.send(chunk),
            Output::End(writer) => drop(writer),
            Output::Proof(sender) => drop(sender.send(())),
        }
    }

    fn refuse(self, error: ObjectError) {
        match self {
            Output::Reply(sender, _) => drop(sender.send(Err(error))),
            Output::Chunk(writer, _) | Output::End(writer) => writer.fail(error),
            Output::Proof(sender) => drop(sender),
        }
    }
}
