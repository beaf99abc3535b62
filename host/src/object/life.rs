//! The task that owns an object, from the first event to its leaving.
//!
//! ```text
//!             ┌────────────── idle, mail came meanwhile ─────────────┐
//!             ▼                                                      │
//! Asleep ─ wake() ─► Awake ─ Instance::serve() ─► leaving ─ sleep() ─┴─► forgotten
//!             ▲                      │
//!             └── trap, abort, failed commit: reset ──┘
//! ```
//!
//! Invariants:
//!
//! * One task owns an object, its instance and its database.
//! * The instance and the database are closed before the object is forgotten, so
//!   that whoever comes next finds nothing half open.
//! * After a failed sync nothing is read or written before the database was put
//!   back to what is durable.

use std::sync::Arc;

use parking_lot::Mutex;

use super::error::ObjectError;
use super::handle::Handle;
use super::id::ClassIds;
use super::outlet::Outlet;
use crate::instance::context::{Death, Surroundings};
use crate::instance::create::Instance;
use crate::places::Places;
use crate::storage::{Committer, DataDir, Durability, Storage, StorageLimits};

const SYNC_FAILED: &str = "Durable Object was reset and rolled back to its last known good state \
     because its writes could not be made durable.";

/// What all objects of the process share.
pub struct Home {
    pub ids: Arc<ClassIds>,
    pub data: Arc<DataDir>,
    pub committer: Committer,
    pub places: Places,
    /// Asks the idlest object to leave.
    pub make_room: Box<dyn Fn() + Send + Sync>,
}

/// Lives an object's life, until it has nothing to do and is forgotten.
pub async fn live(home: Arc<Home>, handle: Arc<Handle>, forget: impl Fn(&Handle) -> bool) {
    let mut rooms = None;
    loop {
        let around = match furnish(&home, &handle, &mut rooms) {
            Ok(around) => around,
            Err(error) => {
                handle.refuse_waiting(&error);
                rooms = None;
                if forget(&handle) {
                    return;
                }
                continue;
            }
        };
        if let Err(death) = wake(&home, &handle, around).await
            && death.reaches_waiting
        {
            handle.refuse_waiting(&death.error);
        }
        if handle.has_mail() && !handle.is_closing() {
            continue;
        }
        if let Some(around) = rooms.take() {
            close(&handle, around);
        }
        if handle.is_closing() {
            handle.refuse_waiting(&ObjectError::unavailable("the server is shutting down"));
        }
        if forget(&handle) {
            return;
        }
    }
}

/// Sees to it that the object has a database in order and a way out.
fn furnish(
    home: &Home,
    handle: &Arc<Handle>,
    rooms: &mut Option<Surroundings>,
) -> Result<Surroundings, ObjectError> {
    let unavailable = |cause: String| {
        let (class, id) = (&*handle.identity.class, handle.identity.id);
        tracing::error!(class, %id, cause, "the database cannot be used");
        ObjectError::unavailable("the object's database cannot be used now")
    };
    if handle.broken().is_some() {
        if let Some(around) = rooms.take() {
            let mut storage = around.storage.lock();
            let put_right = tokio::task::block_in_place(|| storage.recover_after_failed_sync());
            put_right.map_err(|error| unavailable(error.to_string()))?;
        }
        handle.mend();
    }
    if let Some(around) = rooms {
        return Ok(around.clone());
    }
    let identity = handle.identity.clone();
    let files = home.data.object(&identity.class, &identity.id.to_string());
    let files = files.map_err(|error| unavailable(format!("{error:#}")))?;
    let outlet = Arc::new(Outlet::default());
    let limits = StorageLimits {
        storage_bytes_max: handle.class.limits.storage_bytes_max,
    };
    let report = {
        let (outlet, handle) = (outlet.clone(), Arc::downgrade(handle));
        move |what| match what {
            Durability::Durable(commit) => outlet.advance(commit),
            Durability::Failed(_, cause) => {
                let error = ObjectError::reset(SYNC_FAILED);
                if let Some(handle) = handle.upgrade() {
                    let (class, id) = (&*handle.identity.class, handle.identity.id);
                    tracing::error!(class, %id, cause, "writes cannot be made durable; resetting");
                    handle.fail(error.clone());
                }
                outlet.fail(error);
            }
        }
    };
    let storage = Storage::new(files, limits, &home.committer, report);
    let around = Surroundings {
        object: identity,
        ids: home.ids.clone(),
        storage: Arc::new(Mutex::new(storage)),
        outlet,
    };
    *rooms = Some(around.clone());
    Ok(around)
}

/// Wakes the object and lets it work until it leaves or dies.
async fn wake(home: &Home, handle: &Handle, around: Surroundings) -> Result<(), Death> {
    let Some(_place) = home.places.take(&home.make_room).await else {
        let message = format!(
            "the server has {} live objects, as many as it may have, and none is idle",
            home.places.objects_max()
        );
        return Err(Death::of_all(ObjectError::overloaded(message)));
    };
    let (generation, component) = handle.class.code();
    handle.runs(generation);
    let mut instance = Instance::create(&component, around, &handle.class.limits)
        .await
        .map_err(Death::of_all)?;
    instance.start().await?;
    let departure = instance.serve(handle).await;
    handle.set_idle(false);
    departure.map(drop)
}

fn close(handle: &Handle, around: Surroundings) {
    let Some(storage) = Arc::into_inner(around.storage) else {
        debug_assert!(false, "something outlived its instance");
        return;
    };
    if let Err(error) = tokio::task::block_in_place(|| storage.into_inner().close()) {
        let (class, id) = (&*handle.identity.class, handle.identity.id);
        tracing::warn!(class, %id, %error, "closing the database left work for its next opening");
    }
}
