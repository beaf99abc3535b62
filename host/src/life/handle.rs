//! What the process knows of an object whose task runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::class::{Class, Generation};
use super::fork::Fork;
use crate::object::identity::Identity;
use crate::object::inbox::{Inbox, Told};
use crate::object::room::Room;
use crate::object::socket::sockets::Sockets;

pub struct Handle {
    pub identity: Arc<Identity>,
    pub class: Arc<Class>,
    pub inbox: Arc<Inbox>,
    pub sockets: Arc<Sockets>,
    /// The generation of the class's code that the live instance runs.
    generation: AtomicU64,
    /// What is to be done when the object is at rest.
    fork: Mutex<Option<Fork>>,
}

impl Handle {
    pub fn new(class: Arc<Class>, sockets: Arc<Sockets>, room: Arc<Room<Inbox>>) -> Handle {
        Handle {
            identity: sockets.identity.clone(),
            inbox: Arc::new(Inbox::new(class.limits.mailbox_events_max, room)),
            sockets,
            class,
            generation: AtomicU64::new(0),
            fork: Mutex::new(None),
        }
    }

    /// An instance of this generation of the class's code begins its life.
    pub fn runs(&self, generation: Generation) {
        self.inbox.begin();
        self.generation.store(generation.0, Ordering::SeqCst);
        // The code may have been replaced before anybody could see this instance.
        self.look_at_code();
    }

    /// Tells the live instance to leave if its code was replaced.
    pub fn look_at_code(&self) {
        if self.class.generation().0 != self.generation.load(Ordering::SeqCst) {
            self.inbox.tell(Told::CodeUpdated);
        }
    }

    /// Has the object copied as soon as it is at rest. False when that is under way
    /// already.
    pub fn order(&self, fork: Fork) -> bool {
        let mut ordered = self.fork.lock();
        let is_first = ordered.is_none();
        if is_first {
            *ordered = Some(fork);
        }
        is_first
    }

    pub fn take_fork(&self) -> Option<Fork> {
        self.fork.lock().take()
    }

    pub fn has_fork(&self) -> bool {
        self.fork.lock().is_some()
    }

    pub fn is_closing(&self) -> bool {
        self.inbox.told() == Told::ShuttingDown
    }
}
