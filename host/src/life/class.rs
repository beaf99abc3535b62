//! A class: the code, the limits and the environment that its objects share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::gateway::Gateway;
use crate::environment::Environment;
use crate::instance::component::Component;
use crate::instance::hibernation::Hibernate;
use crate::instance::kept_memory::Fits;
use crate::limits::Limits;
use crate::object::id::{ClassIds, IdMaker};
use crate::outbound::{Outbound, Reach};
use crate::storage::classes::Home;

/// Counts how often a class's code was replaced; begins at 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Generation(pub u64);

/// Why the newest source of a class is not its code.
#[derive(Debug)]
pub struct BuildFailure {
    /// What the compiler said, for whoever writes the source.
    pub said: String,
    /// Does older code answer meanwhile? Otherwise nothing can.
    pub older_answers: bool,
}

pub struct Class {
    pub name: Arc<str>,
    /// Where its data is; stays when the class is renamed.
    pub home: Home,
    pub ids: IdMaker,
    pub limits: Limits,
    hibernate: Hibernate,
    /// The way of its objects to the outside world.
    pub outbound: Arc<Outbound>,
    pub environment: Environment,
    component: ArcSwap<Component>,
    generation: AtomicU64,
    /// Only `abide dev` sets it.
    pub build_failure: ArcSwapOption<BuildFailure>,
}

impl Class {
    pub fn new(
        name: &str,
        home: Home,
        limits: Limits,
        environment: Environment,
        reach: Reach,
        hibernate: Hibernate,
        component: Arc<Component>,
    ) -> Class {
        let shared: Arc<str> = name.into();
        let class = Class {
            outbound: Outbound::new(shared.clone(), reach),
            name: shared,
            ids: IdMaker::new(&home.key),
            home,
            limits,
            environment,
            component: ArcSwap::new(component),
            generation: AtomicU64::new(1),
            hibernate,
            build_failure: ArcSwapOption::empty(),
        };
        class.tell_if_forgetful();
        class
    }

    /// What memory of an instance of this code fits, if it is kept.
    pub fn keeps_memory(&self, component: &Component) -> Option<Fits> {
        let keeps = self.hibernate == Hibernate::KeepMemory && component.forgets().is_none();
        keeps.then(|| Fits::of(component, &self.name, &self.environment))
    }

    /// How long its objects are idle before they leave.
    pub fn idle_timeout_ms(&self) -> u64 {
        let configured = self.limits.idle_timeout_ms;
        configured.unwrap_or_else(|| match self.component.load().forgets() {
            Some(_) => Hibernate::DropMemory.idle_timeout_ms(),
            None => self.hibernate.idle_timeout_ms(),
        })
    }

    fn tell_if_forgetful(&self) {
        let component = self.component.load();
        if let (Hibernate::KeepMemory, true, Some(reason)) =
            (self.hibernate, component.has_code(), component.forgets())
        {
            let class = &*self.name;
            tracing::warn!(
                class,
                reason,
                "objects of this class lose their memory whenever they are idle; with \
                 hibernate = \"drop-memory\" that is no surprise to anybody"
            );
        }
    }

    /// Can its objects answer? Those of a source that never built cannot.
    pub fn has_code(&self) -> bool {
        let failure = self.build_failure.load();
        failure.as_ref().is_none_or(|failure| failure.older_answers)
    }

    /// Replaces the code. A live instance of the old code takes no further event.
    pub fn replace(&self, component: Arc<Component>) {
        self.component.store(component);
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.tell_if_forgetful();
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

/// The classes of a server, by name, and what stands before them.
pub struct Classes {
    by_name: BTreeMap<Arc<str>, Arc<Class>>,
    pub gateway: Option<Arc<Gateway>>,
}

impl Classes {
    pub fn new(classes: impl IntoIterator<Item = Class>) -> Classes {
        let classes = classes.into_iter();
        Classes {
            by_name: classes
                .map(|class| (class.name.clone(), Arc::new(class)))
                .collect(),
            gateway: None,
        }
    }

    /// The same classes behind a gateway, if there is one.
    pub fn behind(self, gateway: Option<Class>) -> Classes {
        let gateway = gateway.map(Gateway::new);
        Classes { gateway, ..self }
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

    /// Everything that has code: the gateway too.
    pub fn all_code(&self) -> impl Iterator<Item = &Arc<Class>> {
        let gateway = self.gateway.iter().map(|gateway| &gateway.class);
        self.iter().chain(gateway)
    }

    /// The class whose data lies in this folder.
    pub fn of_folder(&self, folder: &str) -> Option<&Arc<Class>> {
        self.iter().find(|class| class.home.folder == folder)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Class>> {
        self.by_name.values()
    }
}

/// A class whose code does nothing.
#[cfg(test)]
pub fn of_name_only(name: &str) -> Class {
    let (limits, environment) = (Limits::default(), Environment::default());
    let (reach, component) = (Reach::default(), Component::empty());
    Class::new(
        name,
        Home::of(name),
        limits,
        environment,
        reach,
        Hibernate::DropMemory,
        component,
    )
}
