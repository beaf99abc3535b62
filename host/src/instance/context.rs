//! What one instance's imports work on: the data of its wasmtime store.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use parking_lot::Mutex;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::limits::{Burst, MemoryMeter};
use super::log::{Channel, GuestLog};
use super::turnstile::Turnstile;
use crate::clock;
use crate::object::body::BodyWatch;
use crate::object::error::ObjectError;
use crate::object::id::ClassIds;
use crate::object::identity::Identity;
use crate::object::input_gate::{InputGate, Stamp};
use crate::object::outlet::Outlet;
use crate::storage::{Storage, StorageError};

/// Waits that an instance may have begun and not ended.
pub const WAITS_MAX: usize = 10_000;

/// The parts of an object that its instance works with.
#[derive(Clone)]
pub struct Surroundings {
    pub object: Arc<Identity>,
    pub ids: Arc<ClassIds>,
    pub storage: Arc<Mutex<Storage>>,
    pub outlet: Arc<Outlet>,
}

pub struct Context {
    pub around: Surroundings,
    pub meter: MemoryMeter,
    pub burst: Arc<Burst>,
    pub turnstile: Arc<Turnstile>,
    pub fate: Fate,
    /// One clone for each wait that has begun and not ended.
    pub waits: Arc<()>,
    /// Sections of the input gate that belong to open transactions: the
    /// transaction's number and the section's.
    pub transaction_sections: Vec<(u64, u64)>,
    /// Streamed responses that were open when somebody last looked.
    pub bodies: Vec<BodyWatch>,
    gate: InputGate,
    held_back: Vec<Waker>,
    wasi: WasiCtx,
    table: ResourceTable,
}

/// Why an instance came to its end.
#[derive(Clone, Debug)]
pub struct Death {
    pub error: ObjectError,
    /// Do the events that wait in the mailbox get the error too, and not only
    /// those that were running?
    pub reaches_waiting: bool,
}

/// Why the instance ends, once somebody has decided it. The first reason counts.
#[derive(Clone, Default)]
pub struct Fate(Arc<Mutex<Option<Death>>>);

/// Ends the instance. The reason is in its fate.
#[derive(Debug)]
pub struct Doomed;

impl std::fmt::Display for Doomed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the instance was reset")
    }
}

impl std::error::Error for Doomed {}

impl Death {
    /// A death that only the running events notice.
    pub fn of_running(error: ObjectError) -> Death {
        Death {
            error,
            reaches_waiting: false,
        }
    }

    pub fn of_all(error: ObjectError) -> Death {
        Death {
            error,
            reaches_waiting: true,
        }
    }
}

impl Fate {
    /// Decides that the instance ends, and returns what is to be raised.
    pub fn seal(&self, death: Death) -> wasmtime::Error {
        self.0.lock().get_or_insert(death);
        Doomed.into()
    }

    /// Ends the instance and the events that run in it.
    pub fn reset(&self, message: impl Into<String>) -> wasmtime::Error {
        self.seal(Death::of_running(ObjectError::reset(message)))
    }

    /// Ends the instance, the events that run in it and those that wait for it.
    pub fn reset_all(&self, message: impl Into<String>) -> wasmtime::Error {
        self.seal(Death::of_all(ObjectError::reset(message)))
    }

    pub fn get(&self) -> Option<Death> {
        self.0.lock().clone()
    }

    pub fn is_sealed(&self) -> bool {
        self.0.lock().is_some()
    }
}

impl Context {
    pub fn new(around: Surroundings, memory_bytes_max: usize, burst: Arc<Burst>) -> Context {
        let log = |channel| GuestLog::new(around.object.clone(), channel);
        let wasi = WasiCtxBuilder::new()
            .stdout(log(Channel::Stdout))
            .stderr(log(Channel::Stderr))
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        Context {
            meter: MemoryMeter::new(memory_bytes_max),
            burst,
            turnstile: Arc::default(),
            fate: Fate::default(),
            waits: Arc::default(),
            transaction_sections: Vec::new(),
            bodies: Vec::new(),
            gate: InputGate::default(),
            held_back: Vec::new(),
            wasi,
            table: ResourceTable::new(),
            around,
        }
    }

    /// Runs `work` on the database. A failure that broke it ends the instance.
    pub fn storage<T>(
        &mut self,
        work: impl FnOnce(&mut Storage) -> Result<T, StorageError>,
    ) -> wasmtime::Result<Result<T, StorageError>> {
        let mut storage = self.around.storage.lock();
        let outcome = if storage.is_slow() {
            // Its statements take long: let the other objects of this thread go on.
            tokio::task::block_in_place(|| work(&mut storage))
        } else {
            work(&mut storage)
        };
        match outcome {
            Err(StorageError::Broken(message)) => Err(self.fate.reset(message)),
            other => Ok(other),
        }
    }

    pub fn enter_section(&mut self) -> u64 {
        self.gate.enter(clock::now_ms())
    }

    pub fn leave_section(&mut self, number: u64) -> wasmtime::Result<()> {
        if self.gate.leave(number).is_err() {
            return Err(wasmtime::format_err!(
                "section {number} is not the innermost open one"
            ));
        }
        self.held_back.drain(..).for_each(Waker::wake);
        Ok(())
    }

    pub fn stamp(&self) -> Stamp {
        self.gate.stamp()
    }

    /// May a wait that began at `stamp` end now? If not, `waker` is told when to
    /// ask again.
    pub fn admits(&mut self, stamp: Stamp, waker: &Waker) -> bool {
        if !self.gate.admits(stamp) {
            self.held_back.push(waker.clone());
            return false;
        }
        self.turnstile.pass(waker)
    }

    /// May a new event enter now? If not, `waker` is told when to ask again.
    pub fn lets_in(&mut self, waker: &Waker) -> bool {
        let open = self.gate.is_open();
        if !open && !self.held_back.iter().any(|other| other.will_wake(waker)) {
            self.held_back.push(waker.clone());
        }
        open
    }

    /// Ready when no response is being streamed any more.
    pub fn poll_bodies_closed(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.bodies.retain(|body| body.poll_closed(cx).is_pending());
        if self.bodies.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Since when other events have been held back.
    pub fn closed_since_ms(&self) -> Option<u64> {
        self.gate.closed_since_ms()
    }
}

impl WasiView for Context {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
