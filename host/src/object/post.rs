//! The way of a call from one object to another.

use std::sync::Arc;

use super::error::ObjectError;
use super::event::Event;
use super::id::Target;
use super::mailbox::Refusal;
use super::references::{self, Lent};
use crate::memory;

/// Finds objects. The registry is above all of this and is reached by it alone.
pub trait Post: Send + Sync {
    /// Gives an event to an object, which is woken if it sleeps. An event that it
    /// cannot take is answered at once.
    fn send(&self, class: &str, target: &Target, event: Event);
}

/// An event for another object, on its way out of one.
pub struct Letter {
    pub to: Recipient,
    pub event: Event,
}

pub enum Recipient {
    Object {
        post: Arc<dyn Post>,
        class: String,
        target: Target,
    },
    /// The instance that gave something out.
    Giver(Arc<Lent>),
}

impl Letter {
    /// Bytes that it keeps in memory while it waits.
    pub fn bytes(&self) -> usize {
        self.to.bytes() + self.event.bytes()
    }

    /// Sends it, unless nobody waits for its answer any more.
    pub fn send(self) {
        let event = self.event;
        if event.caller.is_gone() {
            return;
        }
        match self.to {
            Recipient::Object {
                post,
                class,
                target,
            } => post.send(&class, &target, event),
            Recipient::Giver(lent) => send_to_giver(&lent, event),
        }
    }
}

impl Recipient {
    /// Bytes of its address.
    pub fn bytes(&self) -> usize {
        match self {
            Recipient::Object {
                target: Target::Name(name),
                ..
            } => name.len(),
            Recipient::Object { .. } | Recipient::Giver(_) => 0,
        }
    }
}

fn send_to_giver(lent: &Lent, event: Event) {
    if memory::is_full() {
        return event.refuse(ObjectError::overloaded(memory::FULL));
    }
    let giver = match lent.giver() {
        Ok(giver) => giver,
        Err(error) => return event.refuse(error),
    };
    let event = match giver.lets_in(event.stamp()) {
        true => Some(event),
        false => event.unless_waited_for_by(&giver.object),
    };
    let Some(event) = event else {
        return;
    };
    match giver.inbox.push(event) {
        Ok(()) => {}
        Err((event, Refusal::Closed)) => event.refuse(references::gone()),
        Err((event, why)) => event.refuse(ObjectError::overloaded(why.message())),
    }
}
