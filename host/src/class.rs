//! A class: the code and the limits that its objects share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::instance::component::Component;
use crate::object::id::IdMaker;

/// What an object of a class may use. Defaults are in `config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// An object leaves memory when nothing happened for so long.
    pub idle_timeout_ms: u64,
    pub memory_bytes_max: u64,
    /// Between two waits.
    pub cpu_ms_max: u64,
    pub storage_bytes_max: u64,
    /// Events that wait for an object.
    pub mailbox_events_max: usize,
}

/// Counts how often a class's code was replaced; begins at 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Generation(pub u64);

pub struct Class {
    pub name: Arc<str>,
    pub ids: IdMaker,
    pub limits: Limits,
    component: ArcSwap<Component>,
    generation: AtomicU64,
}

impl Class {
    pub fn new(name: &str, limits: Limits, component: Arc<Component>) -> Class {
        Class {
            name: name.into(),
            ids: IdMaker::new(name),
            limits,
            component: ArcSwap::new(component),
            generation: AtomicU64::new(1),
        }
    }

    /// Replaces the code. A live instance of the old code takes no further event.
    pub fn replace(&self, component: Arc<Component>) {
        self.component.store(component);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// The code to run now, and its generation or an older one: an instance that
    /// raced with `replace` leaves once more at its first event.
    pub fn code(&self) -> (Generation, Arc<Component>) {
        let generation = self.generation();
        (generation, self.component.load_full())
    }
}

/// The classes of a server, by name.
pub struct Classes {
    by_name: BTreeMap<Arc<str>, Arc<Class>>,
}

impl Classes {
    pub fn new(classes: impl IntoIterator<Item = Class>) -> Classes {
        let classes = classes.into_iter();
        Classes {
            by_name: classes
                .map(|class| (class.name.clone(), Arc::new(class)))
                .collect(),
        }
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Class>> {
        self.by_name.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Class>> {
        self.by_name.values()
    }
}

/// A class whose code does nothing.
#[cfg(test)]
pub fn of_name_only(name: &str) -> Class {
    let limits = Limits {
        idle_timeout_ms: 1,
        memory_bytes_max: 1,
        cpu_ms_max: 1,
        storage_bytes_max: 1,
        mailbox_events_max: 1,
    };
    Class::new(name, limits, Component::empty())
}
