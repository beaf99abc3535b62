//! Does a component fit into the limits of its class?
//!
//! It is instantiated once, as far as that goes without a host: whatever it calls
//! ends the trial. What matters is whether it was refused memory, as each of its
//! instances would be.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use component_snapshot::runtime::{Accessors, Base};
use wasmtime::component::{Component, Linker};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use super::engine::Host;
use super::memory::MemoryMeter;
use crate::limits::Limits;

/// A component that computes for longer before its first event is not judged.
const TRIAL: Duration = Duration::from_secs(1);

/// An instance that nobody will use.
struct Trial {
    meter: MemoryMeter,
    refused: Option<Refused>,
}

#[derive(Clone, Copy)]
enum Refused {
    Memory { bytes: usize },
    Table { entries: usize },
}

/// Fails when instances of `component` could not even come to be.
pub async fn instantiate(
    host: &Host,
    component: &Component,
    saving: Option<&Accessors>,
    limits: &Limits,
) -> Result<()> {
    let bytes_max = usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX);
    let trial = Trial {
        meter: MemoryMeter::new(bytes_max),
        refused: None,
    };
    let mut linker = Linker::new(&host.engine);
    if let Err(error) = linker.define_unknown_imports_as_traps(component) {
        // Its first event will tell.
        tracing::debug!(%error, "a component cannot be tried without a host");
        return Ok(());
    }
    let mut store = Store::new(&host.engine, trial);
    store.limiter(|trial| trial);
    store.set_epoch_deadline(1);
    let begin = Instant::now();
    store.epoch_deadline_callback(move |_| match begin.elapsed() < TRIAL {
        true => Ok(UpdateDeadline::Continue(1)),
        false => Err(wasmtime::Error::msg("the trial took too long")),
    });
    // The clock of the workers stands while they have nothing to do.
    let (over, is_over) = mpsc::channel::<()>();
    let host = host.clone();
    std::thread::spawn(move || {
        if is_over.recv_timeout(TRIAL) == Err(mpsc::RecvTimeoutError::Timeout) {
            host.tick();
        }
    });
    let instantiated = match (
        linker.instantiate_async(&mut store, component).await,
        saving,
    ) {
        // Its start functions do not run by themselves.
        (Ok(instance), Some(accessors)) => {
            let started = accessors.start(&mut store, instance).await;
            started.map(drop)
        }
        (instantiated, _) => instantiated.map(drop),
    };
    drop(over);
    let trial = store.data();
    match (instantiated, trial.refused) {
        (Err(_), Some(Refused::Memory { bytes })) => bail!(
            "an instance needs {} bytes of memory and more before its first event, but \
             memory_bytes_max = {bytes_max}",
            trial.meter.bytes().saturating_add(bytes)
        ),
        (Err(_), Some(Refused::Table { entries })) => bail!(
            "an instance needs a table of {entries} entries and {} bytes of memory before its \
             first event, which is more than memory_bytes_max = {bytes_max} allows",
            trial.meter.bytes()
        ),
        _ => Ok(()),
    }
}

/// What the memories of an instance look like in which nothing has run.
pub async fn base(
    host: &Host,
    component: &Component,
    saving: &Accessors,
) -> wasmtime::Result<Base> {
    let mut linker = Linker::new(&host.engine);
    linker.define_unknown_imports_as_traps(component)?;
    let mut store = Store::new(&host.engine, ());
    // No code of the component runs.
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = linker.instantiate_async(&mut store, component).await?;
    saving.base(&mut store, instance).await
}

impl ResourceLimiter for Trial {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = self.meter.memory_growing(current, desired, maximum)?;
        if !granted {
            let bytes = desired.saturating_sub(current);
            self.refused = Some(Refused::Memory { bytes });
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = self.meter.table_growing(current, desired, maximum)?;
        if !granted {
            self.refused = Some(Refused::Table { entries: desired });
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        self.meter.instances()
    }

    fn tables(&self) -> usize {
        self.meter.tables()
    }

    fn memories(&self) -> usize {
        self.meter.memories()
    }
}
