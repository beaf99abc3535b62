//! How an instance comes to be: instantiated, so that it can start, or made what another one
//! was when its object fell asleep.

use std::sync::Arc;

use component_snapshot::runtime::{Accessors, Awake, Restoring};
use wasmtime::Store;

use super::component::Component;
use super::context::{Context, ObjectParts};
use super::end::Ended;
use super::handlers::Handlers;
use super::kept_memory::KeptMemory;
use super::memory::give_back;
use super::standard_streams::Again;
use super::turn::{Pace, Steering, drive};
use super::undo::{Reach, undo};
use crate::clock;
use crate::environment::Environment;
use crate::limits::Limits;
use crate::object::deadlines::Deadlines;

/// An object's code, in memory and ready to run.
pub struct Instance {
    pub(super) component: Arc<Component>,
    pub(super) store: Store<Context>,
    pub(super) handlers: Handlers,
    /// Its constructor has still to run; since when it may.
    pub(super) constructor_since_ms: Option<u64>,
    /// Some: it can be saved.
    pub(super) awake: Option<Awake>,
}

/// What all instances of an object are made of.
#[derive(Clone)]
pub struct Making<'a> {
    pub component: &'a Arc<Component>,
    pub parts: ObjectParts,
    pub limits: &'a Limits,
    pub environment: &'a Environment,
}

impl Instance {
    /// Instantiates the component in an empty memory; its constructor is what it does
    /// first. When this fails, its turn is undone, and whoever waits for the instance gets
    /// the error.
    pub async fn create(making: Making<'_>) -> Result<Instance, Ended> {
        let mut store = making.store();
        let component = making.component;
        let steering = Steering::of(store.data());
        let begun_ms = clock::now_ms();
        let pace = Pace::new(Deadlines::starting(begun_ms));
        // A core module's own start functions may already do all that an object does.
        let made = drive(&steering, &pace, async {
            let instance = component.prepared.instantiate_async(&mut store).await?;
            store.data_mut().memory.is_made();
            let awake = match &component.saving {
                Ok(accessors) => Some(accessors.start(&mut store, instance).await?),
                Err(_) => None,
            };
            let handlers = Handlers::load(component, &mut store, &instance)?;
            Ok((handlers, awake))
        });
        match made.await {
            Ok((handlers, awake)) => Ok(Instance {
                constructor_since_ms: handlers.lifecycle.is_some().then_some(begun_ms),
                component: component.clone(),
                store,
                handlers,
                awake,
            }),
            Err(error) => {
                undo(&store, &error, Reach::All);
                store.data().parts.outlet.deliver();
                give_back(store).await;
                Err(Ended)
            }
        }
    }

    /// An instance that goes on where the one was whose memory this is. None, with a
    /// line in the log, when that cannot be: nothing has run then.
    pub async fn wake(making: Making<'_>, memory: KeptMemory) -> Option<Instance> {
        let object = making.parts.identity.clone();
        let woken = match &making.component.saving {
            Ok(accessors) => restore(making, accessors, memory).await,
            Err(reason) => Err(anyhow::anyhow!("{reason}")),
        };
        let (class, id) = (&*object.class, object.id);
        woken
            .inspect_err(|error| {
                let error = format!("{error:#}");
                tracing::warn!(
                    class, %id, error,
                    "the object cannot go on from its memory, and starts anew with its data"
                );
            })
            .ok()
    }
}

impl Making<'_> {
    fn store(&self) -> Store<Context> {
        let Making {
            component,
            parts,
            limits,
            environment,
        } = self;
        let context = Context::new(parts.clone(), component.handles(), limits, environment);
        let mut store = Store::new(&component.host.engine, context);
        store.limiter_async(|context| &mut context.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| store.data().cpu.tick());
        store
    }
}

async fn restore(
    making: Making<'_>,
    accessors: &Accessors,
    memory: KeptMemory,
) -> anyhow::Result<Instance> {
    let past = memory.past;
    let snapshot = memory.take(&making.parts.snapshot)?;
    let mut store = making.store();
    store.data_mut().go_on_from(past);
    let component = making.component;
    let steering = Steering::of(store.data());
    let pace = Pace::new(Deadlines::starting(clock::now_ms()));
    let (handlers, awake) = drive(&steering, &pace, async {
        let instance = component.prepared.instantiate_async(&mut store).await?;
        let (again, how) = (&mut Again, Restoring::default());
        let awake = accessors.restore(&mut store, instance, &snapshot, again, how);
        let awake = awake.await?;
        Ok((Handlers::load(component, &mut store, &instance)?, awake))
    })
    .await?;
    store.data_mut().memory.is_made();
    Ok(Instance {
        component: component.clone(),
        store,
        handlers,
        constructor_since_ms: None,
        awake: Some(awake),
    })
}
