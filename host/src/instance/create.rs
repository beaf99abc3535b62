//! How an instance comes to be: instantiated, then started.

use wasmtime::Store;
use wasmtime::component::Accessor;

use super::component::Component;
use super::context::{Context, Death, Surroundings};
use super::handlers::Handlers;
use super::limits::Burst;
use super::turn::{ended, run};
use crate::limits::Limits;
use crate::object::error::ObjectError;

/// An object's code, in memory and ready to run.
pub struct Instance {
    pub(super) store: Store<Context>,
    pub(super) handlers: Handlers,
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
