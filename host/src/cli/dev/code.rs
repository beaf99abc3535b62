//! The code of the classes under `abide dev`: the newest that works, and what is
//! wrong with newer source.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Error, Result};

use crate::build::{Failed, GivenUp};
use crate::cli::run::{Loaded, Loader};
use crate::config::{ClassConfig, Code, Config};
use crate::instance::component::Component;
use crate::life::class::{BuildFailure, Class};

/// What came of the newest attempt to load each source folder and component file.
#[derive(Default)]
pub struct Attempts {
    newest: BTreeMap<Code, Result<Loaded>>,
    /// The classes that the newest component declared, for as long as newer source
    /// does not build.
    declared: BTreeMap<Code, Declared>,
}

/// What a component says that it has.
#[derive(Clone)]
pub struct Declared {
    pub classes: Vec<String>,
    pub gateway: bool,
}

impl Attempts {
    /// Builds and loads the code. False: that was given up, and all is as before.
    pub async fn load(&mut self, code: &Code, config: &Config, loader: &Loader) -> bool {
        let attempt = loader.load_code(code, config.world_of(code)).await;
        let attempt = config.written_of(code).blamed(attempt);
        match &attempt {
            Err(error) if error.is::<GivenUp>() => return false,
            Ok(loaded) => {
                let declared = Declared {
                    classes: loaded.component.classes().to_vec(),
                    gateway: loaded.component.gateway().is_some(),
                };
                self.declared.insert(code.clone(), declared);
            }
            Err(error) => tracing::error!("{error:#}"),
        }
        self.newest.insert(code.clone(), attempt);
        true
    }

    /// No attempts, but what was declared before.
    pub fn forgotten(&self) -> Attempts {
        Attempts {
            newest: BTreeMap::new(),
            declared: self.declared.clone(),
        }
    }

    pub fn of(&self, code: &Code) -> Option<&Result<Loaded>> {
        self.newest.get(code)
    }

    /// What the newest component of this code declares.
    pub fn declared(&self, code: &Code) -> Option<&Declared> {
        self.declared.get(code)
    }
}

/// The code of a class, from one configuration to the next.
#[derive(Clone, Default)]
pub struct Known {
    /// The newest code that works.
    component: Option<Arc<Component>>,
    failure: Option<Arc<BuildFailure>>,
}

impl Known {
    /// Takes the code that `attempts` loaded for the class, or notes why it cannot be
    /// used.
    pub async fn update(&mut self, class: &ClassConfig, attempts: &Attempts) {
        match attempts.of(&class.code) {
            Some(Ok(loaded)) => {
                let checked = async {
                    let component = loaded.of(class)?;
                    component.check_class(&class.name, &class.limits).await?;
                    Ok(component)
                };
                let checked: Result<_> = class.written.blamed(checked.await);
                match checked {
                    Ok(component) => {
                        self.component = Some(component.clone());
                        self.failure = None;
                    }
                    Err(error) => {
                        tracing::error!(class = class.name, "{error:#}");
                        self.fail(&class.name, &error);
                    }
                }
            }
            Some(Err(error)) => self.fail(&class.name, error),
            None if self.component.is_none() => {
                self.failure = Some(Arc::new(BuildFailure {
                    said: "What was being built is given up, for it has changed.".into(),
                    older_answers: false,
                }));
            }
            None => {}
        }
    }

    /// Notes a reason why the newest code cannot be used.
    pub fn fail(&mut self, class: &str, error: &Error) {
        let older_answers = self.component.is_some();
        match older_answers {
            true => tracing::warn!(class, "the older code answers meanwhile"),
            false => tracing::warn!(
                class,
                "nothing answers until that is mended; it is built again when a file of it is saved"
            ),
        }
        let said = error.downcast_ref::<Failed>().map(|failed| &failed.said);
        let said = said.filter(|said| !said.trim().is_empty()).cloned();
        self.failure = Some(Arc::new(BuildFailure {
            said: said.unwrap_or_else(|| format!("{error:#}")),
            older_answers,
        }));
    }

    pub fn component(&self, loader: &Loader) -> Result<Arc<Component>> {
        match &self.component {
            Some(component) => Ok(component.clone()),
            None => loader.nothing(),
        }
    }

    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Is there code that works, be it older?
    pub fn is_there(&self) -> bool {
        self.component.is_some()
    }

    /// Makes it the code of a live class. Says whether that changed its code.
    pub fn put_into(&self, live: &Class) -> bool {
        let replaced = match &self.component {
            Some(component) if !live.code().1.is_same_as(component) => {
                live.replace(component.clone());
                true
            }
            _ => false,
        };
        live.build_failure.store(self.failure.clone());
        replaced
    }
}
