//! Finds the one task of an object, and starts it when there is none.
//!
//! Invariants:
//!
//! * At most one task, and so at most one live instance, per class and id.
//! * An object's sockets are in its handle, or in `asleep` while it has none. Its kept
//!   memory is with its task, or in `asleep` too.
//! * A task that leaves closes its mailbox and is forgotten in one step, so that
//!   no event is lost between an object's leaving and its return.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::bail;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::{Notify, oneshot};

use super::alarms;
use super::class::{Class, Classes};
use super::courier::Courier;
use super::fork::Fork;
use super::handle::Handle;
use super::leftovers;
use super::places::Places;
use super::roll;
use super::sleeper::{Kept, SLEEPERS_MAX, Sleeper};
use super::task::{self, Shared};
use crate::object::error::ObjectError;
use crate::object::event::Event;
use crate::object::id::{ObjectId, Target};
use crate::object::identity::Identity;
use crate::object::inbox::Told;
use crate::object::mailbox::Refusal;
use crate::object::post::Post;
use crate::object::socket::sockets::Sockets;
use crate::storage::{AlarmIndex, Committer, DataDir, ObjectFiles};
use crate::{clock, memory, workers};

/// How often memory is looked at: in between, a machine's cores can fill some
/// hundred megabytes.
const MEMORY_LOOK: Duration = Duration::from_millis(50);
const MEMORY_LOOK_AT_REST: Duration = Duration::from_secs(1);
/// How many idle objects leave after such a look, when memory is tight.
const LEAVE_AT_ONCE: usize = 64;

/// So many that have talked are kept without a look at them.
const TALKERS_FEW: usize = 100;

const CLOSING: &str = "the server is shutting down";

/// The objects to which something happens, or happened just now.
type Objects = DashMap<Key, Arc<Handle>>;
/// What is kept of the others.
pub type Asleep = DashMap<Key, Sleeper>;
pub type Key = (Arc<str>, ObjectId);

/// Objects that have no task, and have used up some of what may be logged about them:
/// one that fails again and again is forgotten each time.
#[derive(Default)]
struct Talkers {
    identities: DashMap<Key, Arc<Identity>>,
    /// At so many it is worth to look which of them may be forgotten.
    look_at: AtomicUsize,
}

impl Talkers {
    fn of(&self, key: &Key) -> Arc<Identity> {
        let known = self.identities.remove(key).map(|(_, identity)| identity);
        known.unwrap_or_else(|| Arc::new(Identity::new(key.0.clone(), key.1)))
    }

    fn keep(&self, key: &Key, identity: &Arc<Identity>) {
        let now_ms = clock::now_ms();
        if identity.is_quiet(now_ms) {
            return;
        }
        self.identities.insert(key.clone(), identity.clone());
        if self.identities.len() > self.look_at.load(Ordering::Relaxed) {
            self.identities
                .retain(|_, identity| !identity.is_quiet(now_ms));
            let look_at = 2 * self.identities.len() + TALKERS_FEW;
            self.look_at.store(look_at, Ordering::Relaxed);
        }
    }
}

pub struct Registry {
    pub classes: Arc<Classes>,
    shared: Arc<Shared>,
    objects: Arc<Objects>,
    asleep: Arc<Asleep>,
    talkers: Arc<Talkers>,
    closing: AtomicBool,
    closed: Notify,
}

impl Registry {
    pub fn new(
        classes: Arc<Classes>,
        places: Places,
        data: Arc<DataDir>,
        committer: Committer,
    ) -> Arc<Registry> {
        let registry = Arc::new_cyclic(|registry: &Weak<Registry>| {
            let shared = Shared {
                ids: Arc::new(classes.ids()),
                data,
                committer,
                places,
                courier: Courier::start(),
                post: Arc::new(PostOffice(registry.clone())),
            };
            Registry {
                asleep: Arc::new(roll::call(&shared, &classes)),
                classes,
                shared: Arc::new(shared),
                objects: Arc::default(),
                talkers: Arc::default(),
                closing: AtomicBool::new(false),
                closed: Notify::new(),
            }
        });
        workers::spawn(keep_memory(Arc::downgrade(&registry)));
        registry
    }

    /// Gives an event to an object, which is woken if it sleeps, and tells who that
    /// is. An event that the object cannot take is answered at once.
    pub fn send(
        &self,
        class: &Arc<Class>,
        target: &Target,
        mut event: Event,
    ) -> Option<Arc<Identity>> {
        let id = match target {
            Target::Id(id) => *id,
            Target::Name(name) => class.ids.of_name(name),
        };
        if memory::is_full() && !event.has_room() {
            event.refuse(ObjectError::overloaded(memory::FULL));
            return None;
        }
        loop {
            if self.closing.load(Ordering::Acquire) {
                event.refuse(ObjectError::unavailable(CLOSING));
                return None;
            }
            let handle = self.handle(class, id, target);
            event = match event.unless_waited_for_by(&handle.identity) {
                Some(event) => event,
                None => return Some(handle.identity.clone()),
            };
            match handle.inbox.push(event) {
                Ok(()) => return Some(handle.identity.clone()),
                Err((returned, Refusal::Closed)) => event = *returned,
                Err((refused, why)) => {
                    refused.refuse(ObjectError::overloaded(why.message()));
                    return Some(handle.identity.clone());
                }
            }
        }
    }

    fn handle(&self, class: &Arc<Class>, id: ObjectId, target: &Target) -> Arc<Handle> {
        let key = (class.name.clone(), id);
        if let Some(handle) = self.objects.get(&key) {
            handle.identity.addressed_as(target);
            return handle.clone();
        }
        let entry = self.objects.entry(key.clone()).or_insert_with(|| {
            let (sockets, kept) = match self.asleep.remove(&key) {
                Some((_, sleeper)) => (sleeper.sockets, sleeper.kept),
                None => (self.no_sockets(&key), None),
            };
            let handle = self.new_handle(class, sockets, target);
            self.begin(&handle, kept);
            handle
        });
        entry.clone()
    }

    /// Where the sockets of an object will be that has none.
    fn no_sockets(&self, key: &Key) -> Arc<Sockets> {
        let identity = self.talkers.of(key);
        Arc::new(Sockets::new(identity, self.shared.post.clone()))
    }

    fn new_handle(
        &self,
        class: &Arc<Class>,
        sockets: Arc<Sockets>,
        target: &Target,
    ) -> Arc<Handle> {
        let room = self.shared.places.room.clone();
        let handle = Arc::new(Handle::new(class.clone(), sockets, room));
        handle.identity.addressed_as(target);
        handle
    }

    /// Starts the task of an object.
    pub(super) fn begin(&self, handle: &Arc<Handle>, kept: Option<Kept>) {
        let (objects, asleep) = (self.objects.clone(), self.asleep.clone());
        let talkers = self.talkers.clone();
        let forget = move |handle: &Handle, kept: &mut Option<Kept>| {
            forget(&objects, &asleep, &talkers, handle, kept)
        };
        let life = task::live(self.shared.clone(), handle.clone(), kept, forget);
        workers::spawn(life);
    }

    /// The files of an object.
    pub(super) fn files(&self, class: &Class, id: ObjectId) -> anyhow::Result<ObjectFiles> {
        self.shared.data.object(&class.home.folder, &id.to_string())
    }

    /// Does the process know this object, awake or asleep?
    pub(super) fn knows(&self, class: &Class, id: ObjectId) -> bool {
        let key = (class.name.clone(), id);
        self.objects.contains_key(&key) || self.asleep.contains_key(&key)
    }

    /// The handle of an object that is yet to be made: its events wait, until `begin`
    /// starts its task. None when there is such an object already.
    pub(super) fn reserve(
        &self,
        class: &Arc<Class>,
        id: ObjectId,
        target: &Target,
        exists: impl FnOnce() -> anyhow::Result<bool>,
    ) -> anyhow::Result<Option<Arc<Handle>>> {
        let key = (class.name.clone(), id);
        let Entry::Vacant(place) = self.objects.entry(key.clone()) else {
            return Ok(None);
        };
        if self.asleep.contains_key(&key) || exists()? {
            return Ok(None);
        }
        let handle = self.new_handle(class, self.no_sockets(&key), target);
        place.insert(handle.clone());
        Ok(Some(handle))
    }

    /// Has an object's task copy the object when it is at rest. `refuse` hears why it
    /// cannot be.
    pub(super) fn order_fork(
        &self,
        class: &Arc<Class>,
        id: ObjectId,
        target: &Target,
        fork: Fork,
        refuse: oneshot::Sender<String>,
    ) -> anyhow::Result<Arc<Handle>> {
        let key = (class.name.clone(), id);
        loop {
            if self.closing.load(Ordering::Acquire) {
                bail!(CLOSING);
            }
            self.handle(class, id, target);
            // As long as this is held, the object is not forgotten.
            if let Some(handle) = self.objects.get(&key) {
                if !handle.order(fork) {
                    bail!("the object is being copied already; try again when that is done");
                }
                handle.inbox.pause(refuse);
                return Ok(handle.clone());
            }
        }
    }

    /// Does what an object does at its first event, without one. False when nothing had
    /// to be done.
    pub(super) fn touch(&self, class: &Arc<Class>, id: ObjectId) -> bool {
        let is_first = !self.knows(class, id);
        if is_first {
            self.handle(class, id, &Target::Id(id));
        }
        is_first
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Removes what a killed server has left, beside what is served.
    pub fn sweep(self: &Arc<Self>) {
        leftovers::start(self, &self.shared.data);
    }

    /// Has objects woken by their alarms, until the registry closes.
    pub fn run_alarms(self: &Arc<Self>) {
        // The other half of the places is for requests.
        let busy_max = self.shared.places.objects_max() / 2;
        alarms::start(self, &self.shared.data, busy_max);
    }

    /// When which object's alarm is due.
    pub fn alarms(&self) -> &AlarmIndex {
        self.shared.committer.alarms()
    }

    pub fn live_objects(&self) -> usize {
        self.objects.len()
    }

    /// Ends the WebSockets that objects have opened to others.
    pub async fn say_farewell(&self) {
        let outbound = self.classes.all_code().map(|class| class.outbound.stop());
        futures::future::join_all(outbound).await;
    }

    /// Is there an event that its object has not begun with?
    pub fn has_mail(&self) -> bool {
        self.objects.iter().any(|handle| handle.inbox.has_mail())
    }

    /// Lets no event in any more and tells all instances to leave.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.closed.notify_waiters();
        let objects = self.objects.iter();
        objects.for_each(|handle| handle.inbox.tell(Told::ShuttingDown));
    }

    /// Leaves those who sleep to the next server of the data. To be called when it is
    /// closed and all have left, or have had their time. Blocks.
    pub fn leave_roll(&self) {
        roll::leave(&self.shared, &self.classes, &self.asleep);
    }

    /// Returns when it closes.
    pub async fn closed(&self) {
        let mut closed = pin!(self.closed.notified());
        // From here on it hears of it.
        closed.as_mut().enable();
        if !self.closing.load(Ordering::Acquire) {
            closed.await;
        }
    }

    /// Makes instances of replaced code leave, also those that nothing happens to.
    pub fn replaced(&self, class: &Class) {
        let objects = self.objects.iter();
        objects
            .filter(|handle| handle.class.name == class.name)
            .for_each(|handle| handle.look_at_code());
    }
}

/// How objects reach others.
struct PostOffice(Weak<Registry>);

impl Post for PostOffice {
    fn send(&self, class: &str, target: &Target, event: Event) {
        let Some(registry) = self.0.upgrade() else {
            return event.refuse(ObjectError::unavailable(CLOSING));
        };
        match registry.classes.get(class) {
            Some(class) if class.has_code() => drop(registry.send(class, target, event)),
            Some(class) => {
                let message = format!("class {:?} cannot be built", class.name);
                event.refuse(ObjectError::unavailable(message));
            }
            None => {
                let message = format!("no class {class:?} is configured");
                event.refuse(ObjectError::type_error(message));
            }
        }
    }
}

/// Looks at the memory of the process while objects live.
async fn keep_memory(registry: Weak<Registry>) {
    loop {
        let Some(registry) = registry.upgrade() else {
            return;
        };
        let wait = match registry.live_objects() {
            0 => MEMORY_LOOK_AT_REST,
            _ => MEMORY_LOOK,
        };
        if memory::look() >= memory::Level::Tight {
            registry.shared.places.room.clear(LEAVE_AT_ONCE);
        }
        drop(registry);
        tokio::time::sleep(wait).await;
    }
}

/// Forgets an object whose mailbox is empty, but for its sockets and its memory; from
/// then on it takes no event. Says whether it is forgotten.
fn forget(
    objects: &Objects,
    asleep: &Asleep,
    talkers: &Talkers,
    handle: &Handle,
    kept: &mut Option<Kept>,
) -> bool {
    let key = (handle.identity.class.clone(), handle.identity.id);
    if kept.is_some() && asleep.len() >= SLEEPERS_MAX {
        *kept = None;
    }
    let keeps = kept.is_some();
    let forgotten = objects.remove_if(&key, |key, handle| {
        let has_more = handle.has_fork() && !handle.is_closing();
        if has_more || !handle.inbox.close_if_empty() {
            return false;
        }
        if kept.is_some() || !handle.sockets.is_empty() {
            let sleeper = Sleeper {
                sockets: handle.sockets.clone(),
                kept: kept.take(),
            };
            asleep.insert(key.clone(), sleeper);
        } else {
            talkers.keep(key, &handle.identity);
        }
        true
    });
    if let (Some(((class, id), _)), true) = (&forgotten, keeps) {
        tracing::debug!(class = &**class, %id, "sleeps with its memory");
    }
    forgotten.is_some()
}
