//! The one way out of an object: its output gate, where the object's task, the
//! instance and the committer meet.
//!
//! ```text
//! say(), advance() ─► ready ─ deliver() ─► clients, readers, waits
//! ```
//!
//! Whoever says something or proves a commit only moves output to `ready`; it is
//! delivered outside the lock, by the instance at the end of its turn or by the
//! courier when a commit was proven. Delivering wakes others, and none of them may
//! sit behind the rest of a turn or behind the next sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::body::BodyWriter;
use super::error::ObjectError;
use super::event::{Caller, Reply};
use super::output_gate::OutputGate;
use super::post::Letter;
use super::socket::line::{Said, Speaker};
use crate::storage::{AlarmNews, CommitNumber};

/// Past so many bytes that wait for a sync, the object takes no further event: a
/// disk that hangs must not fill the memory with answers.
const HELD_BYTES_MAX: usize = 8 << 20;

/// Past so many bytes a turn ends, so that they are delivered: a hundred large answers
/// are not all in memory at once.
const READY_BYTES_MAX: usize = 1 << 20;

/// Something that leaves an object.
pub enum Output {
    Reply(Caller, Reply),
    Chunk(BodyWriter, Bytes),
    /// The whole body has been sent.
    End(BodyWriter),
    /// The body breaks off.
    Broken(BodyWriter, ObjectError),
    /// A call of another object.
    Call(Letter),
    /// Something goes to the other end of a WebSocket.
    Said(Arc<Speaker>, Said),
    /// Somebody waits until the writes before are durable.
    Proof(oneshot::Sender<()>),
    /// The index of alarms is to hear what a commit made of the object's.
    Alarm(AlarmNews),
}

pub struct Outlet {
    state: Mutex<State>,
    /// Whether `deliver` has something to do, readable without the lock.
    has_ready: AtomicBool,
    /// Bytes of what was said since the last delivery and may leave.
    ready_bytes: AtomicUsize,
}

enum State {
    Whole(Whole),
    Failed(ObjectError),
}

struct Whole {
    gate: OutputGate<Output>,
    ready: Vec<Output>,
    /// The newest commit that anything was said to reveal.
    newest: CommitNumber,
    /// Somebody delivers at this moment; nobody else may, or output would overtake.
    delivering: bool,
}

impl Default for Outlet {
    fn default() -> Outlet {
        Outlet {
            state: Mutex::new(State::Whole(Whole {
                gate: OutputGate::new(CommitNumber::ZERO),
                ready: Vec::new(),
                newest: CommitNumber::ZERO,
                delivering: false,
            })),
            has_ready: AtomicBool::new(false),
            ready_bytes: AtomicUsize::new(0),
        }
    }
}

impl Outlet {
    /// Lets `output` out as soon as commits up to `commit` are durable, at the next
    /// `deliver`.
    pub fn say(&self, commit: CommitNumber, output: Output) {
        let mut state = self.state.lock();
        match &mut *state {
            State::Whole(whole) => {
                whole.newest = whole.newest.max(commit);
                let commit = output.not_before(commit, whole.newest);
                if whole.gate.admits(commit) {
                    self.ready_bytes
                        .fetch_add(output.bytes(), Ordering::Relaxed);
                    whole.ready.push(output);
                    self.has_ready.store(true, Ordering::Release);
                } else {
                    let bytes = output.bytes();
                    whole.gate.hold(commit, output, bytes);
                }
            }
            State::Failed(error) => {
                let error = error.clone();
                drop(state);
                output.refuse(error);
            }
        }
    }

    /// Commits up to `durable` survive a crash.
    pub fn advance(&self, durable: CommitNumber) {
        if let State::Whole(whole) = &mut *self.state.lock() {
            whole.gate.advance(durable);
            while let Some(output) = whole.gate.release() {
                whole.ready.push(output);
            }
            if !whole.ready.is_empty() {
                self.has_ready.store(true, Ordering::Release);
            }
        }
    }

    /// Gives what may leave to those for whom it is.
    pub fn deliver(&self) {
        if !self.has_ready.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state.lock();
        loop {
            let State::Whole(whole) = &mut *state else {
                return;
            };
            if whole.delivering {
                return;
            }
            self.has_ready.store(false, Ordering::Release);
            self.ready_bytes.store(0, Ordering::Relaxed);
            let ready = std::mem::take(&mut whole.ready);
            if ready.is_empty() {
                return;
            }
            whole.delivering = true;
            drop(state);
            ready.into_iter().for_each(Output::leave);
            state = self.state.lock();
            if let State::Whole(whole) = &mut *state {
                whole.delivering = false;
            }
        }
    }

    /// Should what was said be delivered before more is?
    pub fn is_laden(&self) -> bool {
        self.ready_bytes.load(Ordering::Relaxed) > READY_BYTES_MAX
    }

    /// Does so much wait for a sync that nothing should be added?
    pub fn is_full(&self) -> bool {
        match &*self.state.lock() {
            State::Whole(whole) => whole.gate.bytes() > HELD_BYTES_MAX,
            State::Failed(_) => false,
        }
    }

    /// What may reveal more than `kept` gets `error` instead.
    pub fn abandon(&self, kept: CommitNumber, error: &ObjectError) {
        let abandoned = match &mut *self.state.lock() {
            State::Whole(whole) => whole.gate.abandon(kept),
            State::Failed(_) => Vec::new(),
        };
        refuse_all(abandoned, error);
    }

    /// A commit will never be durable: nothing more leaves.
    pub fn fail(&self, error: ObjectError) {
        let failed = State::Failed(error.clone());
        let before = std::mem::replace(&mut *self.state.lock(), failed);
        if let State::Whole(whole) = before {
            // What is ready reveals only what is durable.
            whole.ready.into_iter().for_each(Output::leave);
            refuse_all(whole.gate.fail(), &error);
        }
    }
}

fn refuse_all(outputs: Vec<Output>, error: &ObjectError) {
    for output in outputs {
        output.refuse(error.clone());
    }
}

impl Output {
    /// The commit that must be durable, given what the same destination got before.
    fn not_before(&self, commit: CommitNumber, newest: CommitNumber) -> CommitNumber {
        match self {
            Output::Chunk(writer, _) | Output::End(writer) | Output::Broken(writer, _) => {
                writer.not_before(commit)
            }
            Output::Reply(..) | Output::Call(_) | Output::Proof(_) | Output::Alarm(_) => commit,
            Output::Said(speaker, _) => speaker.not_before(commit, newest),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Output::Reply(_, Ok(outcome)) => outcome.bytes(),
            Output::Chunk(_, chunk) => chunk.len(),
            Output::Call(letter) => letter.bytes(),
            Output::Reply(_, Err(error)) | Output::Broken(_, error) => error.bytes(),
            Output::End(_) | Output::Proof(_) | Output::Alarm(_) => 0,
            Output::Said(_, said) => said.bytes(),
        }
    }

    fn leave(self) {
        match self {
            Output::Reply(caller, reply) => caller.tell(reply),
            Output::Chunk(writer, chunk) => writer.send(chunk),
            Output::End(writer) => drop(writer),
            Output::Broken(writer, error) => writer.fail(error),
            Output::Call(letter) => letter.send(),
            Output::Said(speaker, said) => speaker.say(said),
            Output::Proof(sender) => drop(sender.send(())),
            Output::Alarm(news) => news.tell(),
        }
    }

    fn refuse(self, error: ObjectError) {
        match self {
            Output::Reply(caller, _) => caller.tell(Err(error)),
            Output::Chunk(writer, _) | Output::End(writer) | Output::Broken(writer, _) => {
                writer.fail(error);
            }
            Output::Call(letter) => letter.event.refuse(error),
            Output::Said(speaker, _) => speaker.break_off(),
            Output::Proof(sender) => drop(sender),
            Output::Alarm(news) => news.retract(),
        }
    }
}
