//! Who an object is: its class, its id and, once somebody used it, its name.

use std::sync::{Arc, OnceLock};

use super::id::{NAME_BYTES_SHOWN_MAX, ObjectId, Target};

/// Who an object is.
#[derive(Debug)]
pub struct Identity {
    pub class: Arc<str>,
    pub id: ObjectId,
    name: OnceLock<String>,
}

impl Identity {
    pub fn new(class: Arc<str>, id: ObjectId) -> Identity {
        Identity {
            class,
            id,
            name: OnceLock::new(),
        }
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
