//! A class: the code and the limits that its objects share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::instance::component::Component;
use crate::limits::Limits;
use crate::object::id::{ClassIds, IdMaker};

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

    /// What makes and checks the ids of each class.
    pub fn ids(&self) -> ClassIds {
        let classes = self.iter();
        classes
            .map(|class| (class.name.clone(), class.ids.clone()))
            .collect()
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
    Class::new(name, Limits::default(), Component::empty())
}
