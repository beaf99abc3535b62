//! The code of one configuration: watched, and built when it changed. What is being
//! built of older source is given up.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::code::Attempts;
use super::watch::Watch;
use crate::cli::run::Loader;
use crate::config::{Code, Config};

/// The group that is the configuration; those of the codes follow.
pub const CONFIG_GROUP: usize = 0;

/// What is built of older source is given up at once for newer source. The next may go on
/// for so long, and each further one for twice as long: a build that writes files
/// itself would never end.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct Sources {
    pub attempts: Attempts,
    pub codes: Vec<Code>,
    watch: Watch,
    /// Groups that changed while something was built.
    newer: BTreeSet<usize>,
}

impl Sources {
    pub fn new(attempts: Attempts, codes: Vec<Code>, watch: Watch) -> Sources {
        Sources {
            attempts,
            codes,
            watch,
            newer: BTreeSet::new(),
        }
    }

    pub fn group_of(&self, code: &Code) -> Option<usize> {
        let at = self.codes.iter().position(|it| it == code);
        at.map(|at| at + 1)
    }

    /// Waits for changes: which groups are others than when they were last loaded?
    pub async fn changed(&mut self) -> BTreeSet<usize> {
        if self.newer.is_empty() {
            self.newer.extend(self.watch.changed().await);
        }
        std::mem::take(&mut self.newer)
    }

    /// Is there a newer configuration than what this was loaded for?
    pub fn is_outdated(&self) -> bool {
        self.newer.contains(&CONFIG_GROUP)
    }

    /// Has the configuration read again.
    pub fn look_again(&mut self) {
        self.newer.insert(CONFIG_GROUP);
    }

    /// Builds and loads all that the configuration names.
    pub async fn load_all(&mut self, config: &Config, loader: &Loader) {
        for group in 1..=self.codes.len() {
            self.load(group, config, loader).await;
        }
        self.watch_sources();
    }

    /// Builds and loads what one group is about.
    pub async fn load(&mut self, group: usize, config: &Config, loader: &Loader) {
        let mut patience = Duration::ZERO;
        while !self.load_within(patience, group, config, loader).await {
            if self.is_outdated() {
                // Which may say what is to be built instead.
                self.newer.insert(group);
                return;
            }
            self.newer.remove(&group);
            patience = PATIENCE.max(patience * 2);
        }
    }

    /// False: it was given up.
    async fn load_within(
        &mut self,
        patience: Duration,
        group: usize,
        config: &Config,
        loader: &Loader,
    ) -> bool {
        let code = self.codes[group - 1].clone();
        let patient_until = Instant::now() + patience;
        let loading = self.attempts.load(&code, config, loader);
        tokio::pin!(loading);
        loop {
            let is_old = self.newer.contains(&group) || self.newer.contains(&CONFIG_GROUP);
            tokio::select! {
                biased;
                done = &mut loading => return done,
                () = sleep_until(patient_until), if is_old => {
                    tracing::info!("changed meanwhile; what is being built is given up");
                    loader.give_up();
                    return loading.await;
                }
                changed = self.watch.changed() => self.newer.extend(changed),
            }
        }
    }

    /// Watches what the code was made from, too.
    pub fn watch_sources(&mut self) {
        for (at, code) in self.codes.iter().enumerate() {
            if let Some(Ok(loaded)) = self.attempts.of(code) {
                self.watch.add(at + 1, &loaded.sources);
            }
        }
    }
}
