//! What the process knows of an object whose task runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::class::{Class, Generation};
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
}

impl Handle {
    pub fn new(class: Arc<Class>, sockets: Arc<Sockets>, room: Arc<Room<Inbox>>) -> Handle {
        Handle {
            identity: sockets.identity.clone(),
            inbox: Arc::new(Inbox::new(class.limits.mailbox_events_max, room)),
            sockets,
            class,
            generation: AtomicU64::new(0),
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

    pub fn is_closing(&self) -> bool {
        self.inbox.told() == Told::ShuttingDown
    }
}
