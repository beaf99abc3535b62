//! The task that owns an object, from the first event to its leaving.
//!
//! ```text
//!             ┌────────────── idle, mail came meanwhile ─────────────┐
//!             ▼                                                      │
//! Asleep ─ wake() ─► Awake ─ Instance::live() ─► leaving ─ close() ──┴─► forgotten
//!             ▲                      │                 with its memory, if that was kept
//!             └── trap, abort, failed commit: reset ──┘
//! ```
//!
//! Invariants:
//!
//! * One task owns an object, its instance and its database.
//! * The instance and the database are closed before the object is forgotten, so
//!   that whoever comes next finds nothing half open.
//! * Memory that was kept is used with exactly the data that it was kept with: it is
//!   given up after a failed sync, when closing fails, and when somebody else has
//!   touched the files.
//! * After a failed sync nothing is read or written before the database was put
//!   back to what is durable.

use std::sync::Arc;

use parking_lot::Mutex;

use super::alarms;
use super::courier::Courier;
use super::handle::Handle;
use super::places::Places;
use super::sleeper::Kept;
use crate::instance::context::ObjectParts;
use crate::instance::create::{Instance, Making};
use crate::instance::end::Ended;
use crate::instance::hibernation::{Life, Terms};
use crate::instance::kept_memory::{Fits, KeptMemory};
use crate::object::error::ObjectError;
use crate::object::id::ClassIds;
use crate::object::outlet::Outlet;
use crate::object::post::Post;
use crate::object::socket::sockets::Which;
use crate::storage::{Committer, DataDir, Durability, Storage, StorageLimits, Verdict};
use crate::workers::{crowd, heavy, watch};

const SYNC_FAILED: &str = "Durable Object was reset and rolled back to its last known good state \
     because its writes could not be made durable.";
const STOPPED: &str = "Durable Object reset because its server has stopped.";
const TOO_MANY_STATEMENTS: &str = "Durable Object was reset because its server is overloaded: too \
     many slow SQL statements run at once.";
const SHUTTING_DOWN: &str = "the server is shutting down";

/// What all objects of the process share.
pub struct Shared {
    pub ids: Arc<ClassIds>,
    pub data: Arc<DataDir>,
    pub committer: Committer,
    pub places: Places,
    pub courier: Courier,
    pub post: Arc<dyn Post>,
}

/// Lives an object's life, until it has nothing to do and is forgotten. `kept`: with
/// what it fell asleep.
pub async fn live(
    shared: Arc<Shared>,
    handle: Arc<Handle>,
    mut kept: Option<Kept>,
    forget: impl Fn(&Handle, &mut Option<Kept>) -> bool,
) {
    let mut opened = None;
    let mut memory = None;
    let mut is_first = true;
    loop {
        if handle.inbox.failure().is_some() {
            memory = None;
        }
        let opening = async {
            let parts = open_parts(&shared, &handle, &mut opened)?;
            match kept.take() {
                Some(kept) => memory = still_fitting(&handle, &parts, kept),
                None if is_first => parts.snapshot.remove_left(),
                None => {}
            }
            let looked = alarms::look(&handle, &parts);
            Ok((parts, looked))
        };
        let (parts, looked) = match crowd::in_turn(opening).await {
            Ok(opened) => opened,
            Err(error) => {
                refuse_waiting(&handle, &error);
                if let Some(fork) = handle.take_fork() {
                    fork.refuse(&error.message);
                }
                (opened, memory) = (None, None);
                if forget(&handle, &mut kept) {
                    return;
                }
                continue;
            }
        };
        is_first = false;
        if let Some(fork) = handle.take_fork() {
            fork.carry_out(&handle.class, &parts, memory.as_ref());
            handle.inbox.end_pause();
        }
        let woken = match (looked, handle.inbox.has_mail()) {
            (Ok(()), true) => wake(&shared, &handle, parts.clone(), &mut memory).await,
            (looked, _) => looked,
        };
        if let Err(error) = woken {
            refuse_waiting(&handle, &error);
        }
        if (handle.inbox.has_mail() || handle.has_fork()) && !handle.is_closing() {
            continue;
        }
        drop(parts);
        if let Some(parts) = opened.take() {
            let closing = async { close(&handle, parts, memory.take()) };
            kept = crowd::in_turn(closing).await;
        }
        if handle.is_closing()
            && refuse_waiting(&handle, &ObjectError::unavailable(SHUTTING_DOWN)) > 0
        {
            // It should have heard of that.
            kept = None;
        }
        if forget(&handle, &mut kept) {
            return;
        }
    }
}

/// The memory, if the database is what it was when the object fell asleep.
fn still_fitting(handle: &Handle, parts: &ObjectParts, kept: Kept) -> Option<KeptMemory> {
    if parts.storage.lock().fits(&kept.imprint) {
        return Some(kept.memory);
    }
    let (class, id) = (&*handle.identity.class, handle.identity.id);
    tracing::warn!(
        class, %id,
        "somebody has changed the object's database while it slept or rested; it starts anew \
         with its data"
    );
    kept.memory.discard(&parts.snapshot);
    None
}

/// Answers every event that waits with an error of the host's own. Says how many.
fn refuse_waiting(handle: &Handle, error: &ObjectError) -> usize {
    let waiting = std::iter::from_fn(|| handle.inbox.pop());
    waiting.map(|event| event.refuse(error.clone())).count()
}

/// The parts that an instance works with: those that are open, or new ones. Puts
/// the database in order first.
fn open_parts(
    shared: &Shared,
    handle: &Arc<Handle>,
    opened: &mut Option<ObjectParts>,
) -> Result<ObjectParts, ObjectError> {
    let unavailable = |cause: String| {
        let (class, id) = (&*handle.identity.class, handle.identity.id);
        tracing::error!(class, %id, cause, "the database cannot be used");
        ObjectError::unavailable("the object's database cannot be used now")
    };
    if handle.inbox.failure().is_some() {
        if let Some(parts) = opened.take() {
            let mut storage = parts.storage.lock();
            let put_right = watch::apart(|| storage.recover_after_failed_sync());
            put_right.map_err(|error| unavailable(error.to_string()))?;
        }
        handle.sockets.drop_all(Which::All);
        handle.inbox.clear_failure();
    }
    if let Some(parts) = opened {
        return Ok(parts.clone());
    }
    let identity = handle.identity.clone();
    let files = shared
        .data
        .object(&handle.class.home.folder, &identity.id.to_string());
    let files = files.map_err(|error| unavailable(format!("{error:#}")))?;
    let outlet = Arc::new(Outlet::default());
    let limits = StorageLimits {
        storage_bytes_max: handle.class.limits.storage_bytes_max,
    };
    let report = report_to(shared, handle, &outlet);
    let snapshot = files.snapshot();
    let mut storage = Storage::new(files, limits, &shared.committer, report);
    storage.set_pace(|_| match heavy::pace() {
        Ok(()) => Verdict::Continue,
        Err(heavy::Stop::Stopping) => Verdict::Stop(STOPPED.into()),
        Err(heavy::Stop::TooMany) => Verdict::Stop(TOO_MANY_STATEMENTS.into()),
    });
    let parts = ObjectParts {
        identity,
        ids: shared.ids.clone(),
        inbox: handle.inbox.clone(),
        sockets: handle.sockets.clone(),
        storage: Arc::new(Mutex::new(storage)),
        snapshot,
        outlet,
        post: shared.post.clone(),
        outbound: handle.class.outbound.clone(),
    };
    Ok(opened.insert(parts).clone())
}

/// What the committer tells of an object's commits goes to its outlet.
fn report_to(
    shared: &Shared,
    handle: &Arc<Handle>,
    outlet: &Arc<Outlet>,
) -> impl Fn(Durability) + Send + Sync + 'static {
    let (outlet, courier) = (outlet.clone(), shared.courier.clone());
    let handle = Arc::downgrade(handle);
    move |what| match what {
        Durability::Durable(commit) => {
            let was_full = outlet.is_full();
            outlet.advance(commit);
            courier.send(outlet.clone());
            if was_full && let Some(handle) = handle.upgrade() {
                handle.inbox.wake();
            }
        }
        Durability::Failed(_, cause) => {
            let error = ObjectError::reset(SYNC_FAILED);
            if let Some(handle) = handle.upgrade() {
                let (class, id) = (&*handle.identity.class, handle.identity.id);
                tracing::error!(class, %id, cause, "writes cannot be made durable; resetting");
                handle.inbox.fail(error.clone());
            }
            outlet.fail(error);
        }
    }
}

/// Wakes the object and lets it work until it leaves or its instance ends. Its memory
/// goes in, and comes out if it was kept. Fails when it cannot be woken now.
async fn wake(
    shared: &Shared,
    handle: &Handle,
    parts: ObjectParts,
    memory: &mut Option<KeptMemory>,
) -> Result<(), ObjectError> {
    let Some(place) = shared.places.take().await else {
        let message = format!(
            "the server has {} live objects, as many as it may have, and none is idle",
            shared.places.objects_max()
        );
        return Err(ObjectError::overloaded(message));
    };
    let class = &handle.class;
    let (generation, component) = class.code();
    handle.runs(generation);
    let outlet = parts.outlet.clone();
    let making = Making {
        component: &component,
        parts,
        limits: &class.limits,
        environment: &class.environment,
    };
    let terms = Terms {
        idle_timeout_ms: class.idle_timeout_ms(),
        keeping: class.keeps_memory(&component),
    };
    let life = async {
        match make(making, memory.take(), terms.keeping).await {
            Ok(instance) => instance.live(terms).await,
            Err(ended) => Life::without_memory(Err(ended)),
        }
    };
    let life = crowd::in_turn(life).await;
    *memory = life.memory;
    handle.inbox.end();
    // What was left of its bodies broke off with the instance.
    outlet.deliver();
    // Whoever waits for the place finds it before another object leaves.
    drop(place);
    drop(life.left);
    Ok(())
}

/// An instance that goes on with its memory, if it has any that fits, or a new one.
async fn make(
    making: Making<'_>,
    memory: Option<KeptMemory>,
    fits: Option<Fits>,
) -> Result<Instance, Ended> {
    if let Some(memory) = memory {
        match fits.is_some_and(|fits| memory.fits(fits)) {
            true => {
                if let Some(instance) = Instance::wake(making.clone(), memory).await {
                    let object = &making.parts.identity;
                    let (class, id) = (&*object.class, object.id);
                    tracing::debug!(class, %id, "wakes with its memory");
                    return Ok(instance);
                }
            }
            // Its code, or what that is told, is another now.
            false => memory.discard(&making.parts.snapshot),
        }
    }
    Instance::create(making).await
}

/// Closes the database. With the memory it can be used only as it is now.
fn close(handle: &Handle, parts: ObjectParts, memory: Option<KeptMemory>) -> Option<Kept> {
    // A second connection to the same database would destroy it.
    let storage = Arc::into_inner(parts.storage).expect("nothing outlives its instance");
    let storage = storage.into_inner();
    let closed = match memory {
        None => promptly(storage, Storage::close).map(|()| None),
        Some(memory) => match promptly(storage, Storage::close_with_imprint) {
            Ok(imprint) => Ok(Some(Kept { memory, imprint })),
            Err(error) => {
                memory.discard(&parts.snapshot);
                Err(error)
            }
        },
    };
    closed.unwrap_or_else(|error| {
        let (class, id) = (&*handle.identity.class, handle.identity.id);
        tracing::warn!(class, %id, %error, "closing the database left work for its next opening");
        None
    })
}

/// Closes a database where that takes no worker from others for long. A thread of its
/// own would cost more than most of them take.
fn promptly<T>(storage: Storage, close: impl FnOnce(Storage) -> T) -> T {
    match storage.closes_at_once() {
        true => close(storage),
        false => watch::apart(|| close(storage)),
    }
}
