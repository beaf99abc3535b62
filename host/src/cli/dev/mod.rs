//! `abide dev`: serves objects while they are being written. Whenever their source
//! or the configuration changes, what changed is built and replaced; data stays.
//!
//! ```text
//! Served ─open()─► serving ─┬─ a class's source changed: built, its code replaced
//!   ▲                       ├─ another configuration: prepared ─► the old server ends ─┐
//!   │                       └─ told to stop ─► the end                                 │
//!   └────────────────────────── the new Served, on the same address and data ──────────┘
//! ```
//!
//! What cannot be built or read changes nothing: what was served before is served.

mod code;
mod look;
mod plan;
mod sources;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use tokio::sync::oneshot;

use self::code::{Attempts, Known};
use self::plan::Plan;
use self::sources::{CONFIG_GROUP, Sources};
use self::watch::Watch;
use super::Overrides;
use super::run::{Loader, Premises, Purpose, Running, left, on_workers};
use super::stop::Stop;
use crate::build::{Profile, Tools, Workshop};
use crate::config::wrangler;
use crate::config::{Code, Config};
use crate::life::registry::Registry;
use crate::outbound::assets::files_of_rules;
use crate::workers;

pub fn dev(path: &Path, overrides: Overrides, cache: &Path) -> Result<()> {
    let tools = Tools::default();
    let stop = Stop::listen(tools.clone())?;
    let workshop = Workshop::new(tools, Profile::Dev, cache);
    let path = std::path::absolute(path)?;
    on_workers(Purpose::Developing, async |host| {
        let dev = Dev {
            path,
            overrides,
            loader: Loader::new(host, workshop),
        };
        let mut served = tokio::select! {
            biased;
            _ = stop.told() => return Ok(()),
            first = dev.first() => first?,
        };
        while let Some(next) = dev.serve(served, &stop).await? {
            served = next;
        }
        tracing::info!("stopped");
        Ok(())
    })
}

/// What stays the same from one configuration to the next.
struct Dev {
    path: PathBuf,
    overrides: Overrides,
    loader: Loader,
}

/// Everything about one configuration.
struct Served {
    plan: Plan,
    config: Config,
    premises: Premises,
    sources: Sources,
    /// By the name of the class.
    known: BTreeMap<String, Known>,
}

impl Dev {
    /// What is served first. Its address, data and configuration must be in order;
    /// its source need not.
    async fn first(&self) -> Result<Served> {
        let plan = Plan::of(&self.path)?;
        let environment = self.overrides.env.as_deref();
        let mut config = plan.first_config(environment)?;
        self.overrides.apply(&mut config)?;
        let premises = Premises::take(&config, Purpose::Developing).await?;
        let mut sources = self.sources(Attempts::default(), &config);
        tokio::select! {
            biased;
            () = premises.tell_being_built(&config.server, &self.path) => {}
            () = sources.load_all(&config, &self.loader) => {}
        }
        // A component knows best which classes it has; they have one code. A newer file
        // may name another.
        if !sources.is_outdated() {
            config = self.config(&plan, &sources.attempts).unwrap_or(config);
        }
        let served = Served {
            plan,
            known: self
                .known(&config, &sources.attempts, BTreeMap::new())
                .await,
            config,
            premises,
            sources,
        };
        served.premises.announce(self.loader.cache())?;
        Ok(served)
    }

    fn config(&self, plan: &Plan, attempts: &Attempts) -> Result<Config> {
        let environment = self.overrides.env.as_deref();
        let mut config = plan.config(environment, attempts)?;
        self.overrides.apply(&mut config)?;
        Ok(config)
    }

    /// The code of its classes, watched as the configuration is.
    fn sources(&self, attempts: Attempts, config: &Config) -> Sources {
        let codes = config.codes();
        let mut configuration = plan::files(&self.path, self.overrides.env.as_deref());
        let assets = config.assets.iter();
        configuration.extend(assets.flat_map(|it| files_of_rules(&it.directory)));
        let folders = codes.iter().filter_map(|code| match code {
            Code::Worker(worker) => Some(&worker.folder),
            _ => None,
        });
        configuration.extend(folders.flat_map(|folder| wrangler::files(folder)));
        let of_code = codes.iter().map(|code| match code {
            Code::Component(path) | Code::Source(path) => vec![path.clone()],
            Code::Worker(worker) => vec![worker.watched.clone()],
        });
        let groups = std::iter::once(configuration).chain(of_code).collect();
        let skipped = vec![config.data.clone(), self.loader.cache().into()];
        Sources::new(attempts, codes, Watch::new(groups, skipped))
    }

    /// The code of each class of `config`, where `before` is what was known before.
    async fn known(
        &self,
        config: &Config,
        attempts: &Attempts,
        mut before: BTreeMap<String, Known>,
    ) -> BTreeMap<String, Known> {
        let mut known = BTreeMap::new();
        for class in config.all_code() {
            let mut of_class = before.remove(&class.name).unwrap_or_default();
            of_class.update(class, attempts).await;
            known.insert(class.name.clone(), of_class);
        }
        known
    }

    /// Serves until there is something else to serve, which is returned, or until
    /// told to stop.
    async fn serve(&self, served: Served, stop: &Stop) -> Result<Option<Served>> {
        let code = served.config.all_code().map(|class| {
            let known = &served.known[&class.name];
            known.component(&self.loader)
        });
        let code: Vec<_> = code.collect::<Result<_>>()?;
        let running = Running::new(&served.config, &served.premises, code)?;
        let registry = running.registry.clone();
        served.put_into(&registry);
        let (halt, halted) = oneshot::channel::<()>();
        let serving = workers::spawn(running.serve(async {
            let _ = halted.await;
        }));
        let next = tokio::select! {
            biased;
            _ = stop.told() => None,
            next = self.until_other(served, &registry) => Some(next),
        };
        match next {
            Some(_) => tracing::info!("another configuration; starting anew"),
            None => tracing::info!("Ctrl-C again ends at once"),
        }
        let _ = halt.send(());
        serving.await?;
        let Some(next) = next else {
            return Ok(None);
        };
        // Two servers must not have one object.
        tokio::select! {
            biased;
            _ = stop.told() => return Ok(None),
            () = left(&registry) => {}
        }
        next.premises.announce(self.loader.cache())?;
        Ok(Some(next))
    }

    /// Replaces code that changed, until the configuration is another: then returns
    /// what is to be served instead, ready.
    async fn until_other(&self, mut served: Served, registry: &Registry) -> Served {
        loop {
            let changed = served.sources.changed().await;
            // Another configuration may say what is to be built instead.
            let is_other = changed.contains(&CONFIG_GROUP) && self.has_other(&served);
            for group in &changed {
                if *group == CONFIG_GROUP || is_other {
                    continue;
                }
                let code = &served.sources.codes[group - 1];
                let (path, meanwhile) = (code.path().display(), served.meanwhile(code));
                tracing::info!(%path, "changed; building, {meanwhile} answers until that is done");
                served
                    .sources
                    .load(*group, &served.config, &self.loader)
                    .await;
            }
            served.sources.watch_sources();
            let plan = served.plan.next(&self.path);
            let config = plan.and_then(|plan| {
                let config = self.config(&plan, &served.sources.attempts)?;
                Ok((plan, config))
            });
            match config {
                Ok((plan, config)) if config != served.config => {
                    match self.prepare(plan, config, &mut served).await {
                        Ok(next) if next.sources.is_outdated() => served.sources.look_again(),
                        Ok(next) => return next,
                        Err(error) => served.refuse(&error, registry),
                    }
                }
                Ok((plan, config)) => {
                    // Its lines may have moved.
                    (served.plan, served.config) = (plan, config);
                    served.update(&changed).await;
                    if !served.put_into(registry) && !served.has_failed() {
                        tracing::info!("the code that answers is the same as before");
                    }
                }
                Err(error) => served.refuse(&error, registry),
            }
        }
    }

    /// Does the file say something else than what is served?
    fn has_other(&self, served: &Served) -> bool {
        let config = served.plan.next(&self.path);
        let config = config.and_then(|plan| self.config(&plan, &served.sources.attempts));
        config.is_ok_and(|config| config != served.config)
    }

    /// Prepares everything of another configuration that can fail.
    async fn prepare(&self, plan: Plan, config: Config, served: &mut Served) -> Result<Served> {
        let premises = served.premises.renewed(&config).await?;
        // Watched before it is loaded, so that no change is missed.
        let mut sources = self.sources(served.sources.attempts.forgotten(), &config);
        sources.load_all(&config, &self.loader).await;
        // What it declares may not be what the one before it did.
        let config = self.config(&plan, &sources.attempts).unwrap_or(config);
        let attempts = &sources.attempts;
        let known = self.known(&config, attempts, served.known.clone()).await;
        Ok(Served {
            plan,
            config,
            premises,
            sources,
            known,
        })
    }
}

impl Served {
    /// Takes the newest code of the classes that these groups are about.
    async fn update(&mut self, changed: &BTreeSet<usize>) {
        for class in self.config.all_code() {
            let group = self.sources.group_of(&class.code);
            let concerns = |it: &usize| *it == CONFIG_GROUP || Some(*it) == group;
            if changed.iter().any(concerns)
                && let Some(known) = self.known.get_mut(&class.name)
            {
                known.update(class, &self.sources.attempts).await;
            }
        }
    }

    /// Is there newer source that cannot be used?
    fn has_failed(&self) -> bool {
        self.known.values().any(Known::has_failed)
    }

    /// What answers while this code is built.
    fn meanwhile(&self, code: &Code) -> &'static str {
        let mut classes = self.config.all_code().filter(|it| it.code == *code);
        match classes.any(|class| self.known[&class.name].is_there()) {
            true => "the older code",
            false => "nothing",
        }
    }

    /// Makes what is known the code of the live classes. Says whether any has other
    /// code than before.
    fn put_into(&self, registry: &Registry) -> bool {
        let mut replaced = false;
        for class in registry.classes.all_code() {
            let Some(known) = self.known.get(&*class.name) else {
                continue;
            };
            if known.put_into(class) {
                registry.replaced(class);
                tracing::info!(class = &*class.name, "the new code is live");
                replaced = true;
            }
        }
        replaced
    }

    /// Goes on with what was served before.
    fn refuse(&mut self, error: &Error, registry: &Registry) {
        tracing::error!("{error:#}; the older configuration stays");
        for (class, known) in &mut self.known {
            known.fail(class, error);
        }
        self.put_into(registry);
    }
}
