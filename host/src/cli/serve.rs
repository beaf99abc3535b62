//! `abide serve`: what a configuration says, until told to stop.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Overrides;
use super::run::{Running, runtime};
use crate::config::Config;

pub fn serve(config: &Path, overrides: Overrides, cache: &Path) -> Result<()> {
    let mut config = Config::read(config)?;
    overrides.apply(&mut config)?;
    runtime()?.block_on(async {
        let running = Running::start(&config, cache, false).await?;
        running.until_stopped().await
    })
}

impl Overrides {
    /// Puts what the command line says in place of what the configuration says.
    pub fn apply(self, config: &mut Config) -> Result<()> {
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        if let Some(data) = self.data {
            config.data = data;
        }
        config.data = std::path::absolute(&config.data)
            .with_context(|| format!("cannot use data directory {}", config.data.display()))?;
        Ok(())
    }
}
