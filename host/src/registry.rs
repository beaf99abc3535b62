//! Finds the one task of an object, and starts it when there is none.
//!
//! Invariants:
//!
//! * At most one task, and so at most one live instance, per class and id.
//! * A task that leaves closes its mailbox and is forgotten in one step, so that
//!   no event is lost between an object's leaving and its return.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;

use crate::class::{Class, Classes};
use crate::object::error::ObjectError;
use crate::object::event::Event;
use crate::object::handle::Handle;
use crate::object::id::{ObjectId, Target};
use crate::object::identity::Identity;
use crate::object::life::{self, Home};
use crate::object::mailbox::Refusal;
use crate::places::{Places, live_objects_max};
use crate::storage::{Committer, DataDir};

/// The objects to which something happens, or happened just now.
type Objects = DashMap<(Arc<str>, ObjectId), Arc<Handle>>;

pub struct Registry {
    pub classes: Arc<Classes>,
    home: Arc<Home>,
    objects: Arc<Objects>,
    closing: Arc<AtomicBool>,
}

impl Registry {
    pub fn new(classes: Arc<Classes>, data: Arc<DataDir>, committer: Committer) -> Arc<Registry> {
        let objects = Arc::<Objects>::default();
        let home = Home {
            ids: Arc::new(classes.ids()),
            data,
            committer,
            places: Places::new(live_objects_max()),
            make_room: {
                let objects = objects.clone();
                Box::new(move || make_room(&objects))
            },
        };
        Arc::new(Registry {
            classes,
            home: Arc::new(home),
            objects,
            closing: Arc::default(),
        })
    }

    /// Gives an event to an object, which is woken if it sleeps. An event that
    /// the object cannot take is answered at once.
    pub fn send(&self, class: &Arc<Class>, target: &Target, mut event: Event) {
        let id = match target {
            Target::Id(id) => *id,
            Target::Name(name) => class.ids.from_name(name),
        };
        loop {
            if self.closing.load(Ordering::Acquire) {
                let message = "the server is shutting down";
                return event.refuse(ObjectError::unavailable(message));
            }
            let handle = self.handle(class, id, target);
            match handle.push(event) {
                Ok(()) => return,
                Err((returned, Refusal::Closed)) => event = returned,
                Err((refused, why)) => {
                    return refused.refuse(ObjectError::overloaded(why.message()));
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
        let entry = self.objects.entry(key).or_insert_with(|| {
            let identity = Arc::new(Identity::new(class.name.clone(), id));
            identity.addressed_as(target);
            let handle = Arc::new(Handle::new(identity, class.clone(), self.closing.clone()));
            let objects = self.objects.clone();
            let forget = move |handle: &Handle| forget(&objects, handle);
            tokio::spawn(life::live(self.home.clone(), handle.clone(), forget));
            handle
        });
        entry.clone()
    }

    pub fn live_objects(&self) -> usize {
        self.objects.len()
    }

    /// Lets no event in any more and tells all instances to leave.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.objects.iter().for_each(|handle| handle.ring());
    }

    /// Makes instances of replaced code leave, also those that nothing happens to.
    pub fn ring_all(&self, class: &Class) {
        let of_class = self
            .objects
            .iter()
            .filter(|handle| handle.class.name == class.name);
        of_class.for_each(|handle| handle.ring());
    }
}

/// Forgets an object whose mailbox is empty; from then on it takes no event. Says
/// whether it is forgotten.
fn forget(objects: &Objects, handle: &Handle) -> bool {
    let key = (handle.identity.class.clone(), handle.identity.id);
    let forgotten = objects.remove_if(&key, |_, handle| handle.close_if_empty());
    forgotten.is_some()
}

/// Asks the idlest object to leave.
fn make_room(objects: &Objects) {
    let idle = objects.iter().filter_map(|handle| {
        let since_ms = handle.idle_since_ms()?;
        Some((since_ms, handle.clone()))
    });
    if let Some((_, idlest)) = idle.min_by_key(|(since_ms, _)| *since_ms) {
        idlest.give_up_place();
    }
}
