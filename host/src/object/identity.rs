//! Who an object is: its class, its id and, once somebody used it, its name.

use std::sync::{Arc, OnceLock};

use super::id::{NAME_BYTES_SHOWN_MAX, ObjectId, Target};
use super::log_budget::LogBudget;
use crate::clock;

/// Who an object is.
#[derive(Debug)]
pub struct Identity {
    pub class: Arc<str>,
    pub id: ObjectId,
    name: OnceLock<String>,
    /// What the object itself prints.
    pub prints: LogBudget,
    /// What is logged about its answers and its instances.
    pub faults: LogBudget,
}

impl Identity {
    pub fn new(class: Arc<str>, id: ObjectId) -> Identity {
        Identity {
            class,
            id,
            name: OnceLock::new(),
            prints: LogBudget::default(),
            faults: LogBudget::default(),
        }
    }

    /// May the log have a line of so many bytes about the object? Tells how many it
    /// did not have before.
    pub fn may_tell(&self, bytes: usize) -> bool {
        let Some(dropped) = self.faults.take(bytes, clock::now_ms()) else {
            return false;
        };
        if dropped > 0 {
            let (class, id) = (&*self.class, self.id);
            tracing::warn!(class, %id, dropped, "{dropped} lines about this object were dropped");
        }
        true
    }

    /// Has so little been logged about the object that it may begin anew?
    pub fn is_quiet(&self, now_ms: u64) -> bool {
        self.prints.is_whole(now_ms) && self.faults.is_whole(now_ms)
    }

    pub fn is_same_as(&self, other: &Identity) -> bool {
        self.id == other.id && self.class == other.class
    }

    /// The name by which the object was addressed.
    pub fn name(&self) -> Option<&str> {
        self.name.get().map(String::as_str)
    }

    /// Remembers the name, if it was addressed by one that it may see.
    pub fn addressed_as(&self, target: &Target) {
        if let Target::Name(name) = target
            && name.len() <= NAME_BYTES_SHOWN_MAX
        {
            self.name.get_or_init(|| name.clone());
        }
    }
}
