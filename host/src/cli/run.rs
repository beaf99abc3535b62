//! A server from its configuration: everything is put together here, in the
//! order in which it can fail, and taken apart again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::build;
use crate::class::{Class, Classes};
use crate::config::{ClassConfig, Code, Config};
use crate::instance::component::{Component, ComponentCache};
use crate::instance::engine::Host;
use crate::registry::Registry;
use crate::router::Router;
use crate::server::{self, Server};
use crate::storage::{Committer, DataDir};

/// How long to wait between looks at whether all objects have left.
const LEAVING_POLL: Duration = Duration::from_millis(10);

/// A server that is ready: its port is bound, its classes are loaded.
pub struct Running {
    pub registry: Arc<Registry>,
    pub loader: Loader,
    server: Server,
    listener: TcpListener,
    grace: Duration,
}

/// Turns a class's configuration into code.
#[derive(Clone)]
pub struct Loader {
    host: Host,
    cache: PathBuf,
}

pub fn runtime() -> Result<Runtime> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the threads that serve")
}

impl Running {
    /// Prepares everything that can fail before the first request.
    pub async fn start(config: &Config, cache: &Path, shows_errors: bool) -> Result<Running> {
        let listener = server::bind(&config.listen).await?;
        let data = DataDir::open(&config.data)?;
        let committer = Committer::start(&data)?;
        let loader = Loader {
            host: Host::new()?,
            cache: cache.into(),
        };
        let mut classes = Vec::new();
        for class in &config.classes {
            let component = loader.load(class).await?;
            classes.push(Class::new(&class.name, class.limits.clone(), component));
        }
        let classes = Arc::new(Classes::new(classes));
        let router = Router::new(classes.clone(), &config.routes)?;
        let registry = Registry::new(classes, data, committer);
        let server = Server {
            registry: registry.clone(),
            router,
            limits: config.server.clone(),
            shows_errors: config.show_errors.unwrap_or(shows_errors),
        };
        Ok(Running {
            registry,
            loader,
            server,
            listener,
            grace: Duration::from_millis(config.server.shutdown_grace_ms),
        })
    }

    /// Serves until SIGTERM or Ctrl-C, then lets requests end and objects leave.
    pub async fn until_stopped(self) -> Result<()> {
        let address = self.listener.local_addr()?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
        };
        for class in self.registry.classes.iter() {
            tracing::info!(
                class = &*class.name,
                "serving http://{address}/{}/<name>",
                class.name
            );
        }
        println!("abide: listening on http://{address}");
        self.server.run(self.listener, stop).await;
        self.registry.close();
        let leaving = async {
            while self.registry.live_objects() > 0 {
                tokio::time::sleep(LEAVING_POLL).await;
            }
        };
        if tokio::time::timeout(self.grace, leaving).await.is_err() {
            // Nothing is lost: what was acknowledged is durable already.
            let objects = self.registry.live_objects();
            tracing::warn!(objects, "some objects did not end their work in time");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

impl Loader {
    /// Builds the class's source if it has one, and loads its component.
    pub async fn load(&self, class: &ClassConfig) -> Result<Arc<Component>> {
        let (loader, code) = (self.clone(), class.code.clone());
        let loaded = tokio::task::spawn_blocking(move || {
            let file = match &code {
                Code::Component(file) => file.clone(),
                Code::Source(source) => build::build(source, &loader.cache)?,
            };
            ComponentCache::new(loader.cache.join("components")).load(&loader.host, &file)
        });
        let loaded = loaded.await.context("loading a component failed")?;
        loaded.with_context(|| format!("class {:?}", class.name))
    }
}
