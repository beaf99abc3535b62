//! What one instance's imports work on: the data of its wasmtime store.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::alarm::AlarmRuns;
use super::callers::Callers;
use super::chains::Chains;
use super::cpu::CpuMeter;
use super::end::InstanceEnd;
use super::handlers::Handles;
use super::log::{Channel, GuestLog};
use super::memory::MemoryLimiter;
use super::past::Clock;
use super::standard_streams::StandardStreams;
use super::tokens::Tokens;
use super::turnstile::Turnstile;
use crate::clock;
use crate::environment::Environment;
use crate::limits::Limits;
use crate::object::body::{BodyWatch, BodyWriter};
use crate::object::chain::Section;
use crate::object::id::ClassIds;
use crate::object::identity::Identity;
use crate::object::inbox::Inbox;
use crate::object::outgoing::Outgoing;
use crate::object::outlet::Outlet;
use crate::object::post::Post;
use crate::object::references::{Giver, Held};
use crate::object::socket::sockets::Sockets;
use crate::outbound::{Errands, Outbound};
use crate::storage::{SnapshotFile, Storage, StorageError};
use crate::workers::heavy;

/// Sections that may be open within each other: as many as waits, for each costs the host
/// as much.
const SECTIONS_MAX: usize = 10_000;

/// The parts of an object that its instance works with.
#[derive(Clone)]
pub struct ObjectParts {
    pub identity: Arc<Identity>,
    pub ids: Arc<ClassIds>,
    pub inbox: Arc<Inbox>,
    pub sockets: Arc<Sockets>,
    /// Locked only for the length of a call: one task uses it, but a guest's event
    /// loop borrows it from within.
    pub storage: Arc<Mutex<Storage>>,
    /// Where its memory is kept while it sleeps.
    pub snapshot: SnapshotFile,
    pub outlet: Arc<Outlet>,
    /// The way to other objects.
    pub post: Arc<dyn Post>,
    /// The way to the outside world.
    pub outbound: Arc<Outbound>,
}

pub struct Context {
    pub parts: ObjectParts,
    pub memory: MemoryLimiter,
    pub cpu: Arc<CpuMeter>,
    pub turnstile: Arc<Turnstile>,
    pub end: InstanceEnd,
    pub alarms: Arc<AlarmRuns>,
    /// One clone for each wait that has begun and not ended.
    pub waits: Arc<()>,
    /// Sections of the input gate that belong to open transactions: the
    /// transaction's number and the section's.
    pub transaction_sections: Vec<(u64, u64)>,
    /// The open sections by their numbers, for the calls that are made in them.
    sections: Vec<(u64, Arc<Section>)>,
    /// While the constructor runs: the section that it is.
    starting: Option<u64>,
    pub callers: Arc<Callers>,
    pub chains: Chains,
    pub outgoing: Arc<Outgoing>,
    pub errands: Errands,
    pub giver: Arc<Giver>,
    pub held: Held,
    /// Ends of WebSockets that nobody has accepted yet.
    pub tokens: Tokens,
    pub clock: Clock,
    pub streams: StandardStreams,
    bodies: Bodies,
    wasi: WasiCtx,
    pub table: ResourceTable,
}

/// Streamed responses that were open when somebody last looked.
#[derive(Default)]
struct Bodies {
    watches: Vec<BodyWatch>,
    /// At so many it is worth to look which of them have ended.
    look_at: usize,
}

impl Context {
    pub fn new(
        parts: ObjectParts,
        handles: Handles,
        limits: &Limits,
        environment: &Environment,
    ) -> Context {
        let log = |channel| GuestLog::new(parts.identity.clone(), channel);
        let clock = Clock::default();
        let wasi = WasiCtxBuilder::new()
            .envs(environment.variables())
            .monotonic_clock(clock.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let memory_bytes_max = usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX);
        let cpu = CpuMeter::new(limits.cpu_ms_max);
        let alarm_time_max = Duration::from_millis(limits.alarm_ms_max);
        let alarms = AlarmRuns::new(parts.identity.clone(), handles.alarm, alarm_time_max);
        Context {
            alarms: Arc::new(alarms),
            memory: MemoryLimiter::new(memory_bytes_max, cpu.clone()),
            cpu,
            turnstile: Arc::default(),
            end: InstanceEnd::default(),
            waits: Arc::default(),
            transaction_sections: Vec::new(),
            sections: Vec::new(),
            starting: None,
            callers: Arc::default(),
            chains: Chains::default(),
            outgoing: Arc::default(),
            errands: parts.outbound.errands(),
            giver: Giver::new(parts.identity.clone(), parts.inbox.clone()),
            held: Held::default(),
            tokens: Tokens::default(),
            clock,
            streams: StandardStreams::new(log(Channel::Stdout), log(Channel::Stderr)),
            bodies: Bodies::default(),
            wasi,
            table: ResourceTable::new(),
            parts,
        }
    }

    /// Runs `work` on the database. A failure that broke it ends the instance.
    pub fn storage<T>(
        &mut self,
        work: impl FnOnce(&mut Storage) -> Result<T, StorageError>,
    ) -> wasmtime::Result<Result<T, StorageError>> {
        let mut storage = self.parts.storage.lock();
        let outcome = work(&mut storage);
        self.turnstile.hold_waits(storage.has_written());
        drop(storage);
        heavy::end_statement();
        match outcome {
            Err(StorageError::Broken(message)) => Err(self.end.reset(message)),
            other => Ok(other),
        }
    }

    pub fn enter_section(&mut self) -> wasmtime::Result<u64> {
        if self.sections.len() >= SECTIONS_MAX {
            let message = format!("Durable Object has more than {SECTIONS_MAX} open sections.");
            return Err(self.end.reset(message));
        }
        let number = self.turnstile.enter_section(clock::now_ms());
        self.sections
            .push((number, Section::of(&self.parts.identity)));
        self.gate_has_changed();
        Ok(number)
    }

    pub fn leave_section(&mut self, number: u64) -> wasmtime::Result<()> {
        let is_constructor = self.starting == Some(number);
        if is_constructor || self.turnstile.leave_section(number).is_err() {
            let message = format!("section {number} is not the innermost open one");
            return Err(self.end.reset(message));
        }
        self.sections.pop();
        self.gate_has_changed();
        Ok(())
    }

    /// Whoever calls what was given out has to know what the gate lets in.
    fn gate_has_changed(&self) {
        self.giver.set_floor(self.turnstile.floor());
    }

    /// The constructor begins, which holds back events as a section does.
    pub fn starts(&mut self) -> wasmtime::Result<()> {
        self.starting = Some(self.enter_section()?);
        Ok(())
    }

    /// The constructor has ended. A section that it has left open goes on holding back
    /// the events that its calls must not wait for.
    pub fn started(&mut self) {
        let Some(starting) = self.starting.take() else {
            return;
        };
        self.turnstile.leave_any_section(starting);
        self.gate_has_changed();
        let place = (self.sections.iter()).position(|(number, _)| *number == starting);
        let (_, section) = self.sections.remove(place.expect("it is open"));
        if let (Some(0), Some(next)) = (place, self.sections.first_mut()) {
            next.1 = section;
        }
    }

    pub fn is_starting(&self) -> bool {
        self.starting.is_some()
    }

    /// What holds back other events now, for longest.
    pub fn section(&self) -> Option<&Arc<Section>> {
        self.sections.first().map(|(_, section)| section)
    }

    /// Remembers a response that is being streamed.
    pub fn begin_body(&mut self, writer: &BodyWriter) {
        let bodies = &mut self.bodies;
        if bodies.watches.len() >= bodies.look_at {
            bodies.watches.retain(BodyWatch::is_open);
            bodies.look_at = (2 * bodies.watches.len()).max(16);
        }
        bodies.watches.push(writer.watch());
    }

    /// Ready when no response is being streamed any more.
    pub fn poll_bodies_closed(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let watches = &mut self.bodies.watches;
        watches.retain(|body| body.poll_closed(cx).is_pending());
        match watches.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
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
