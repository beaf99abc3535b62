//! `abide serve`: what a configuration says, until told to stop.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};

use super::Overrides;
use super::run::{Loader, Premises, Purpose, Running, on_workers};
use super::stop::Stop;
use crate::build::{Profile, Tools, Workshop};
use crate::config::wrangler::{self, Asked};
use crate::config::{Config, FILE_NAME, listen_address};
use crate::instance::engine::Host;
use crate::written::Written;

pub fn serve(file: Option<&Path>, overrides: &Overrides, cache: &Path) -> Result<()> {
    let mut config = read(file, overrides.env.as_deref())?;
    overrides.apply(&mut config)?;
    let tools = Tools::default();
    let stop = Stop::listen(tools.clone())?;
    let workshop = Workshop::new(tools, Profile::Release, cache);
    on_workers(Purpose::Serving, async |host| {
        let running = tokio::select! {
            biased;
            _ = stop.told() => return Ok(()),
            running = start(host, config, workshop) => running?,
        };
        let stopped = async {
            stop.told().await;
            tracing::info!("Ctrl-C again ends at once");
        };
        running.serve(stopped).await;
        tracing::info!("stopped");
        Ok(())
    })
}

/// The configuration that is named, or the one that lies here.
fn read(named: Option<&Path>, environment: Option<&str>) -> Result<Config> {
    let here = Path::new(".");
    let own = Path::new(FILE_NAME);
    let file = match named {
        Some(file) if file.is_dir() => bail!(
            "{} is a folder; name the {FILE_NAME} or wrangler.jsonc in it",
            file.display()
        ),
        Some(file) => file.to_owned(),
        None if own.exists() => own.into(),
        None => wrangler::find(here).unwrap_or_else(|| own.into()),
    };
    if wrangler::is_one(&file) {
        let asked = Asked {
            environment,
            developing: false,
            process: &|name| std::env::var_os(name),
        };
        return Ok(wrangler::read(&file, &asked)?);
    }
    no_environment(environment, &file)?;
    Ok(Config::read(&file, false)?)
}

/// Only a wrangler file has environments.
pub fn no_environment(environment: Option<&str>, file: &Path) -> Result<()> {
    match environment {
        Some(name) => bail!(
            "--env {name}: {} has no environments; those are of a wrangler file",
            file.display()
        ),
        None => Ok(()),
    }
}

/// Prepares everything that can fail before the first request.
async fn start(host: Host, mut config: Config, workshop: Workshop) -> Result<Running> {
    let premises = Premises::take(&config, Purpose::Serving).await?;
    let loader = Loader::new(host, workshop);
    let code = loader.load_all(&mut config).await?;
    let running = Running::new(&config, &premises, code)?;
    premises.announce(loader.cache())?;
    Ok(running)
}

impl Overrides {
    /// Puts what the command line says in place of what the configuration says.
    pub fn apply(&self, config: &mut Config) -> Result<()> {
        if let Some(listen) = &self.listen {
            config.listen = listen_address(listen).map_err(|why| anyhow!("--listen: {why}"))?;
            config.whereabouts.listen = Written::at("--listen");
        }
        if let Some(data) = &self.data {
            config.data = data.clone();
            config.whereabouts.data = Written::at("--data");
        }
        for class in &self.confirm_delete {
            let mut migrations = config.migrations.iter();
            if !migrations.any(|it| it.changes.deleted_classes.contains(class)) {
                bail!("--confirm-delete: no migration deletes class {class:?}");
            }
        }
        config.confirmed = self.confirm_delete.clone();
        config.data = std::path::absolute(&config.data)
            .with_context(|| format!("cannot use data directory {}", config.data.display()))?;
        let assets = config.assets.as_mut();
        config
            .notes
            .extend(assets.and_then(|assets| assets.leave_out(&config.data)));
        Ok(())
    }
}
