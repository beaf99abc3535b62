//! `abide dev`: serves an object while it is being written. Whenever its source
//! changes it is built and replaced; data stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use notify_debouncer_full::notify::{EventKind, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, new_debouncer};
use tokio::sync::Notify;

use super::Overrides;
use super::run::{Loader, Running, runtime};
use crate::build;
use crate::config::{ClassConfig, Code, Config, FILE_NAME};
use crate::registry::Registry;

/// Editors write a file in several steps; this long nothing must have changed.
const SETTLE: Duration = Duration::from_millis(200);

/// Folders whose changes are results, not source.
const RESULTS: [&str; 5] = [
    "target",
    "node_modules",
    "abide-data",
    ".git",
    "__pycache__",
];

pub fn dev(path: &Path, overrides: Overrides, cache: &Path) -> Result<()> {
    let mut config = config(path)?;
    overrides.apply(&mut config)?;
    runtime()?.block_on(async {
        let running = Running::start(&config, cache, true).await?;
        for class in &config.classes {
            let rebuild = Rebuild {
                class: class.clone(),
                data: config.data.clone(),
                loader: running.loader.clone(),
                registry: running.registry.clone(),
            };
            tokio::spawn(async move {
                if let Err(error) = rebuild.run().await {
                    tracing::error!("changes are not noticed any more: {error:#}");
                }
            });
        }
        running.until_stopped().await
    })
}

fn config(path: &Path) -> Result<Config> {
    if path.is_file() {
        return Ok(Config::read(path)?);
    }
    if !path.is_dir() {
        bail!(
            "{} does not exist; name an object's source folder or an {FILE_NAME}",
            path.display()
        );
    }
    let file = path.join(FILE_NAME);
    if file.is_file() {
        return Ok(Config::read(&file)?);
    }
    Ok(Config::of_source(&build::class_name(path)?, path))
}

/// Replaces a class's code whenever it changes.
struct Rebuild {
    class: ClassConfig,
    data: PathBuf,
    loader: Loader,
    registry: Arc<Registry>,
}

impl Rebuild {
    async fn run(self) -> Result<()> {
        let (Code::Component(watched) | Code::Source(watched)) = &self.class.code;
        let watched = watched
            .canonicalize()
            .with_context(|| format!("cannot watch {}", watched.display()))?;
        let changed = Arc::new(Notify::new());
        let (notify, root, data) = (changed.clone(), watched.clone(), self.data.clone());
        let mut watcher = new_debouncer(SETTLE, None, move |result: DebounceEventResult| {
            let Ok(events) = result else { return };
            let is_change = |kind: &EventKind| {
                matches!(
                    kind,
                    EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)
                )
            };
            let mut paths = events
                .iter()
                .filter(|event| is_change(&event.kind))
                .flat_map(|event| &event.paths);
            if paths.any(|path| !path.starts_with(&data) && is_source(&root, path)) {
                notify.notify_one();
            }
        })?;
        watcher
            .watch(&watched, RecursiveMode::Recursive)
            .with_context(|| format!("cannot watch {}", watched.display()))?;
        loop {
            changed.notified().await;
            self.replace().await;
        }
    }

    async fn replace(&self) {
        let name = &self.class.name;
        tracing::info!(class = name, "changed; building");
        let component = match self.loader.load(&self.class).await {
            Ok(component) => component,
            Err(error) => return tracing::error!("{error:#}; the old code stays live"),
        };
        let live = self.registry.classes.get(name);
        let live = live.expect("configured classes stay");
        if live.code().1.is_same_as(&component) {
            tracing::info!(class = name, "the change made no difference");
        } else {
            live.replace(component);
            self.registry.ring_all(live);
            tracing::info!(class = name, "the new code is live");
        }
    }
}

fn is_source(root: &Path, path: &Path) -> bool {
    let below = path.strip_prefix(root).unwrap_or(path);
    let is_result = |part: std::path::Component| {
        let name = part.as_os_str();
        RESULTS.iter().any(|result| name == *result)
    };
    let is_log = below.extension() == Some("log".as_ref());
    let is_lock = below.file_name() == Some("Cargo.lock".as_ref());
    !is_log && !is_lock && !below.components().any(is_result)
}
