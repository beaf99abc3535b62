//! All of wasmtime: an object's code as a running instance.
//!
//! ```text
//! Component ─create()─► Instance ─start()─► started ─serve()─► Departure
//!                          any of them may end in an ObjectError: the instance is gone
//! ```
//!
//! One poll of the instance's event loop is a **turn**. Whatever ran in it, be it
//! one event or five, shares one commit when the poll ends, and what it says
//! waits for that commit in the output gate.
//!
//! Invariants:
//!
//! * A turn that was only preempted goes on; nothing is committed in its middle.
//! * A trap or an abort undoes its whole turn; the events in it get errors.
//! * An instance that trapped is never entered again.

mod bindings;
mod body;
pub mod component;
mod context;
pub mod engine;
mod event;
mod imports;
mod limits;
mod log;
mod serve;
mod wait;

use std::pin::pin;
use std::task::Poll;

use wasmtime::Store;
use wasmtime::component::Accessor;

use self::bindings::exports::durable::object::{fetch_handler, lifecycle};
use self::component::Component;
use self::context::Context;
pub use self::context::{Death, Surroundings};
use self::limits::{Burst, CpuExhausted};
pub use self::serve::Departure;
use crate::class::Limits;
use crate::object::ObjectError;
use crate::storage::StorageError;

/// An object's code, in memory and ready to run.
pub struct Instance {
    store: Store<Context>,
    handlers: Handlers,
}

/// What the component exports; an event without a handler is answered with an
/// error.
struct Handlers {
    lifecycle: Option<lifecycle::Guest>,
    fetch: Option<fetch_handler::Guest>,
}

impl Instance {
    /// Instantiates `component` in an empty memory. None of its handlers runs.
    pub async fn create(
        component: &Component,
        around: Surroundings,
        limits: &Limits,
    ) -> Result<Instance, ObjectError> {
        let host = &component.host;
        let burst = Burst::new(host.ticks.clone(), limits.cpu_ms_max);
        let memory_bytes_max = usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX);
        let context = Context::new(around, memory_bytes_max, burst.clone());
        let mut store = Store::new(&host.engine, context);
        store.limiter(|context| &mut context.meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| store.data().burst.tick());

        burst.enter();
        let created = async {
            let instance = component.prepared.instantiate_async(&mut store).await?;
            let lifecycle = component.lifecycle.as_ref();
            let fetch = component.fetch.as_ref();
            wasmtime::Result::Ok(Handlers {
                lifecycle: lifecycle
                    .map(|indices| indices.load(&mut store, &instance))
                    .transpose()?,
                fetch: fetch
                    .map(|indices| indices.load(&mut store, &instance))
                    .transpose()?,
            })
        };
        match created.await {
            Ok(handlers) => Ok(Instance { store, handlers }),
            Err(error) => Err(ended(&store, &error)),
        }
    }

    /// Runs the constructor. When it fails, its turn is undone, and whoever waits
    /// for the instance gets the error.
    pub async fn start(&mut self) -> Result<(), Death> {
        let Some(lifecycle) = &self.handlers.lifecycle else {
            return Ok(());
        };
        let fate = self.store.data().fate.clone();
        let start = async |accessor: &Accessor<Context>| match lifecycle.call_start(accessor).await
        {
            Ok(Ok(())) => Ok(()),
            // Sealed at once, so that the turn that failed is not committed.
            Ok(Err(error)) => Err(fate.seal(Death::of_running(error.into()))),
            Err(trap) => Err(trap),
        };
        let started = run(&mut self.store, start).await;
        started.map_err(|death| Death::of_all(death.error))
    }
}

/// Runs `work` in the instance's event loop, turn by turn.
async fn run<T>(
    store: &mut Store<Context>,
    work: impl AsyncFnOnce(&Accessor<Context>) -> wasmtime::Result<T>,
) -> Result<T, Death> {
    let context = store.data();
    let (around, burst, fate) = (
        context.around.clone(),
        context.burst.clone(),
        context.fate.clone(),
    );
    let outcome = {
        let mut turns = pin!(store.run_concurrent(work));
        std::future::poll_fn(|cx| {
            burst.enter();
            let polled = turns.as_mut().poll(cx);
            if polled.is_pending() && burst.is_preempted() {
                return Poll::Pending;
            }
            let failed = match &polled {
                Poll::Ready(Err(_) | Ok(Err(_))) => true,
                _ => fate.is_sealed(),
            };
            if !failed && let Err(error) = end_turn(&around) {
                return Poll::Ready(Err(fate.reset(error.to_string())));
            }
            polled.map(|outcome| outcome.and_then(|inner| inner))
        })
        .await
    };
    outcome.map_err(|error| {
        let fate = &store.data().fate;
        if !fate.is_sealed() {
            // What streams still have to say must not look whole.
            fate.seal(Death::of_running(ended(store, &error)));
        }
        let death = fate.get().expect("it was just sealed");
        let mut storage = around.storage.lock();
        storage.rollback_turn();
        around.outlet.abandon(storage.committed(), &death.error);
        death
    })
}

/// Commits what the turn wrote. Its sync is under way when this returns.
fn end_turn(around: &Surroundings) -> Result<(), StorageError> {
    let mut storage = around.storage.lock();
    storage.end_turn()?;
    if storage.checkpoint_due()
        && let Err(error) = tokio::task::block_in_place(|| storage.checkpoint())
    {
        let (class, id) = (&*around.object.class, around.object.id);
        tracing::warn!(class, %id, %error, "cannot fold the log into the database; it grows on");
    }
    Ok(())
}

/// What the callers of an instance are told that ended with `error`.
fn ended(store: &Store<Context>, error: &wasmtime::Error) -> ObjectError {
    let context = store.data();
    let object = &context.around.object;
    let (class, id) = (&*object.class, object.id);
    if let Some(exhausted) = error.downcast_ref::<CpuExhausted>() {
        tracing::warn!(class, %id, "{exhausted}");
        return ObjectError::reset(exhausted.to_string());
    }
    let memory = &context.meter;
    if memory.refused() {
        let message = format!(
            "Durable Object exceeded its memory limit of {} bytes and was reset.",
            memory.bytes_max()
        );
        tracing::warn!(class, %id, trap = format!("{error:#}"), "{message}");
        return ObjectError::reset(message);
    }
    tracing::error!(class, %id, trap = format!("{error:#}"), "the instance trapped and was reset");
    let trap = match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    ObjectError::reset(format!("Durable Object trapped and was reset: {trap}"))
}
