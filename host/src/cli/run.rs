//! A server from its configuration: everything is put together here, in the
//! order in which it can fail, and taken apart again.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::admin::Door;
use crate::build::{self, Built, Failed, Made, Workshop};
use crate::config::{ClassConfig, Code, Config, GATEWAY};
use crate::instance::component::{Component, World};
use crate::instance::component_cache::ComponentCache;
use crate::instance::engine::Host;
use crate::instance::script::{self, Exports, Threw};
use crate::life::class::{Class, Classes};
use crate::life::places::Places;
use crate::life::registry::Registry;
use crate::limits::ServerLimits;
use crate::outbound::Reach;
use crate::router::{DefaultRoute, Router};
use crate::server::{self, Listener, RedirectConfig, Role, Server, Tls, TlsConfig};
use crate::storage::classes::{self, Home, Vanished, Wanted};
use crate::storage::{Committer, DataDir};
use crate::{memory, workers};

/// In place of a home for the gateway, which has no data; no class has this one.
const NO_HOME: &str = "gateway.0";

/// How long objects have for events that came before the end, most of them in a moment.
const HEARING_MAX: Duration = Duration::from_secs(2);

/// How long to wait between looks at whether all objects have left.
const LEAVING_POLL: Duration = Duration::from_millis(10);

/// How often to say how many have not.
const LEAVING_REPORT: Duration = Duration::from_secs(1);

/// Runs `work` on the threads that serve. When it ends, the process may: whatever
/// still runs then is given up.
pub fn on_workers<T>(purpose: Purpose, work: impl AsyncFnOnce(Host) -> Result<T>) -> Result<T> {
    let host = match purpose {
        Purpose::Serving => Host::new()?,
        Purpose::Developing => Host::for_edits()?,
    };
    let clock = host.clone();
    let runtime = workers::start(move || clock.tick())?;
    let done = runtime.block_on(work(host));
    workers::stop(runtime);
    done
}

/// Tells the person at the terminal something; nobody may be there.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "abide: {line}");
}

/// Turns a class's configuration into code.
#[derive(Clone)]
pub struct Loader {
    host: Host,
    workshop: Workshop,
}

/// The code of a class, and the files it was made from.
pub struct Loaded {
    world: World,
    pub file: PathBuf,
    pub component: Arc<Component>,
    pub sources: Vec<PathBuf>,
}

impl Loader {
    pub fn new(host: Host, workshop: Workshop) -> Loader {
        Loader { host, workshop }
    }

    pub fn cache(&self) -> &Path {
        &self.workshop.cache
    }

    /// Loads the code of the classes, and of the gateway. A Worker that turns out to
    /// have none is served without.
    pub async fn load_all(&self, config: &mut Config) -> Result<Vec<Arc<Component>>> {
        let mut loaded = BTreeMap::new();
        for class in config.all_code() {
            let code = &class.code;
            if !loaded.contains_key(code) {
                let one = self.load_code(code, config.world_of(code)).await;
                let one = class.written.blamed(one.with_context(|| called(class)))?;
                loaded.insert(code.clone(), one);
            }
        }
        if let Some(gateway) = &config.gateway
            && matches!(gateway.code, Code::Worker(_))
            // Who asks for a gateway gets one, or an error: it may guard the objects.
            && !gateway.written.is_written()
            && loaded[&gateway.code].component.gateway().is_none()
        {
            config.without_gateway();
        }
        let mut components = Vec::new();
        for class in config.all_code() {
            let component = loaded[&class.code].of(class);
            let component = class
                .written
                .blamed(component.with_context(|| called(class)))?;
            let checked = component.check_class(&class.name, &class.limits).await;
            let checked = checked.with_context(|| shown(&class.code));
            class
                .written
                .blamed(checked.with_context(|| called(class)))?;
            components.push(component.clone());
        }
        Ok(components)
    }

    /// Builds the source if it is one, and loads its component, for whichever class.
    pub async fn load_code(&self, code: &Code, world: World) -> Result<Loaded> {
        let (loader, code) = (self.clone(), code.clone());
        let before = self.workshop.tools.times_given_up();
        let tools = self.workshop.tools.clone();
        let is_wanted = move || tools.are_wanted_since(before);
        let loaded = tokio::task::spawn_blocking(move || {
            let cache = ComponentCache::new(loader.cache().join("components"));
            let load = |file: &Path| Component::load(&loader.host, &cache, file, world);
            match &code {
                Code::Component(file) => Ok(Loaded {
                    world,
                    component: load(file)?,
                    file: file.clone(),
                    sources: Vec::new(),
                }),
                Code::Source(source) => {
                    let built = build::build(source, &loader.workshop)?;
                    let loaded = loader.finish(built, world, &cache, load, is_wanted, |_| Ok(()));
                    loaded.with_context(|| build::hint(source))
                }
                Code::Worker(worker) => {
                    let built = build::build_worker(worker, &loader.workshop)?;
                    let begun = |exports: &_| build::check_exports(worker, exports);
                    loader.finish(built, world, &cache, load, is_wanted, begun)
                }
            }
        });
        let loaded = loaded.await.context("loading a component failed")?;
        // Compiling is not interrupted.
        self.workshop.tools.check_wanted_since(before)?;
        loaded
    }

    /// Ends what is being built; who waits for it gets `GivenUp`.
    pub fn give_up(&self) {
        self.workshop.tools.give_up();
    }

    /// Loads what was built.
    fn finish(
        &self,
        built: Built,
        world: World,
        cache: &ComponentCache,
        load: impl Fn(&Path) -> Result<Arc<Component>>,
        is_wanted: impl Fn() -> bool + Send + Sync + 'static,
        check: impl Fn(&Exports) -> Result<()>,
    ) -> Result<Loaded> {
        let file = match built.made {
            Made::Component(file) => file,
            Made::Script { script, file } => {
                let begun = script::begin(&self.host, cache, &script, is_wanted);
                let begun = begun.map_err(|error| match error.downcast::<Threw>() {
                    Ok(threw) => Failed::at_top_level(threw.0).into(),
                    Err(error) => error,
                })?;
                check(&begun.exports)?;
                script::keep(&begun.component, &file)?;
                file
            }
        };
        Ok(Loaded {
            world,
            component: load(&file)?,
            file,
            sources: built.sources,
        })
    }

    /// The code of a class that has none yet.
    pub fn nothing(&self) -> Result<Arc<Component>> {
        Component::nothing(&self.host)
    }
}

impl Loaded {
    /// The part of the code that is this class's, or the gateway's.
    pub fn of(&self, class: &ClassConfig) -> Result<&Arc<Component>> {
        match (&class.code, &*class.name) {
            (code, GATEWAY) if self.world == World::Object => {
                self.component.gateway().with_context(|| {
                    let path = code.path().display();
                    format!("{path} has no default export with fetch(), which would be the gateway")
                })
            }
            _ => Ok(&self.component),
        }
    }
}

fn called(class: &ClassConfig) -> String {
    match &*class.name {
        GATEWAY => "the gateway".into(),
        name => format!("class {name:?}"),
    }
}

fn shown(code: &Code) -> String {
    code.path().display().to_string()
}

/// What a server is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Whoever asks. Nothing may be lost or given away by a slip.
    Serving,
    /// Whoever writes the code, and wants to see what goes wrong.
    Developing,
}

/// The address and the data directory of a server. A server that is replaced leaves
/// them to the next.
pub struct Premises {
    purpose: Purpose,
    listen: String,
    listener: TcpListener,
    secure: Option<Secure>,
    data_path: PathBuf,
    data: Arc<DataDir>,
    committer: Committer,
}

/// How a server speaks TLS, and the address at which it sends clients on to it.
struct Secure {
    config: TlsConfig,
    tls: Arc<Tls>,
    redirect: Option<TcpListener>,
}

impl Premises {
    pub async fn take(config: &Config, purpose: Purpose) -> Result<Premises> {
        let listener = listener(config).await?;
        let secure = secure(config, None).await?;
        let (data, committer) = data(config)?;
        classes::check(&data, &purpose.wants(config))?;
        Ok(Premises {
            purpose,
            listen: config.listen.clone(),
            listener,
            secure,
            data_path: config.data.clone(),
            data,
            committer,
        })
    }

    /// The premises for another configuration. What it does not change is kept.
    pub async fn renewed(&self, config: &Config) -> Result<Premises> {
        check_budget(config)?;
        let listener = match config.listen == self.listen {
            true => self.listener.try_clone()?,
            false => listener(config).await?,
        };
        let secure = secure(config, self.secure.as_ref()).await?;
        let (data, committer) = match config.data == self.data_path {
            true => (self.data.clone(), self.committer.clone()),
            false => data(config)?,
        };
        classes::check(&data, &self.purpose.wants(config))?;
        Ok(Premises {
            purpose: self.purpose,
            listen: config.listen.clone(),
            listener,
            secure,
            data_path: config.data.clone(),
            data,
            committer,
        })
    }

    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// What a client types to come here.
    fn url(&self) -> Result<String> {
        let scheme = match self.secure {
            Some(_) => "https",
            None => "http",
        };
        Ok(format!("{scheme}://{}", self.address()?))
    }

    /// The listeners of a server; the premises keep theirs.
    fn listeners(&self) -> Result<Vec<Listener>> {
        let listener = |tcp: &TcpListener, role| {
            let tcp = tokio::net::TcpListener::from_std(tcp.try_clone()?)?;
            anyhow::Ok(Listener { tcp, role })
        };
        let Some(secure) = &self.secure else {
            return Ok(vec![listener(&self.listener, Role::Plain)?]);
        };
        let mut listeners = vec![listener(&self.listener, Role::Tls(secure.tls.clone()))?];
        if let Some(redirect) = &secure.redirect {
            let port = self.address()?.port();
            listeners.push(listener(redirect, Role::Redirect { port })?);
        }
        Ok(listeners)
    }

    /// Tells clients that what `path` has is being built, until it is dropped.
    pub async fn tell_being_built(&self, limits: &ServerLimits, path: &Path) {
        match self.listeners().and_then(|it| Ok((it, self.url()?))) {
            Ok((listeners, url)) => {
                let what = path.display().to_string();
                tracing::info!("building {what}; {url} says so until that is done");
                server::tell_being_built(listeners, limits, &what).await;
            }
            Err(error) => tracing::warn!("nobody is told what is being built: {error:#}"),
        }
        std::future::pending().await
    }

    /// Tells where the server is and where its things are.
    pub fn announce(&self, cache: &Path) -> Result<()> {
        say(&format!("listening on {}", self.url()?));
        let (data, cache) = (self.data.path().display(), cache.display());
        say(&format!("data in {data}, cache in {cache}"));
        Ok(())
    }
}

/// Where clients find what is served, and what whoever configured it should know.
fn tell_addresses(config: &Config, url: &str) {
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    if config.gateway.is_some() {
        tracing::info!("serving {url}/… through the gateway");
    }
    for ClassConfig { name, .. } in &config.classes {
        match config.default_route {
            true => tracing::info!(class = name, "serving {url}/{name}/<name>"),
            false => tracing::info!(class = name, "serving"),
        }
    }
}

impl Purpose {
    fn wants(self, config: &Config) -> Wanted<'_> {
        Wanted {
            classes: config.classes.iter().map(|class| &*class.name).collect(),
            migrations: &config.migrations,
            confirmed: &config.confirmed,
            vanished: match self {
                Purpose::Serving => Vanished::Refused,
                Purpose::Developing => Vanished::Kept,
            },
            end: &config.whereabouts.end,
        }
    }
}

/// Fails when the process would refuse everything.
fn check_budget(config: &Config) -> Result<()> {
    let checked = memory::check_budget(config.server.process_memory_bytes_max);
    config.whereabouts.process_memory_bytes_max.blamed(checked)
}

async fn listener(config: &Config) -> Result<TcpListener> {
    let bound = server::bind(&config.listen, "--listen HOST:PORT").await;
    Ok(config.whereabouts.listen.blamed(bound)?.into_std()?)
}

fn data(config: &Config) -> Result<(Arc<DataDir>, Committer)> {
    let opened = DataDir::open(&config.data).and_then(|data| {
        let committer = Committer::start(&data)?;
        Ok((data, committer))
    });
    config.whereabouts.data.blamed(opened)
}

/// What the configuration says of TLS. An address that it had before is kept.
async fn secure(config: &Config, before: Option<&Secure>) -> Result<Option<Secure>> {
    let Some(config) = &config.tls else {
        return Ok(None);
    };
    let before = before.filter(|before| before.config.redirect == config.redirect);
    let redirect = match (&config.redirect, before.map(|it| &it.redirect)) {
        (_, Some(Some(redirect))) => Some(redirect.try_clone()?),
        (Some(RedirectConfig { from, written }), _) => {
            let bound = server::bind(from, "redirect_from").await;
            Some(written.blamed(bound)?.into_std()?)
        }
        (None, _) => None,
    };
    Ok(Some(Secure {
        tls: Arc::new(Tls::load(config)?),
        redirect,
        config: config.clone(),
    }))
}

/// Objects that are idle get so long to close their databases in any case.
const LEAVING_MIN: Duration = Duration::from_millis(500);

/// A server that is ready: its port is bound, its classes are loaded.
pub struct Running {
    pub registry: Arc<Registry>,
    server: Server,
    listeners: Vec<Listener>,
    _door: Door,
    grace: Duration,
}

impl Running {
    /// Puts together what `config` says, whose classes and gateway have this code. Their data are
    /// put in order first; no other server may have objects of them.
    pub fn new(
        config: &Config,
        premises: &Premises,
        code: impl IntoIterator<Item = Arc<Component>>,
    ) -> Result<Running> {
        let url = premises.url()?;
        let purpose = premises.purpose;
        let homes = classes::settle(&premises.data, &purpose.wants(config))?;
        let set_up = |class: &ClassConfig, component| {
            let name = &class.name;
            let limits = class.limits.clone();
            let reach = Reach {
                allowed: class.outbound.clone(),
                assets: config.assets.clone().filter(|_| {
                    let of_gateway = config.gateway.as_ref().map(|it| &it.code);
                    matches!(class.code, Code::Worker(_))
                        && of_gateway.is_none_or(|code| *code == class.code)
                }),
            };
            let environment = class.environment.clone();
            let home = homes.get(name).cloned();
            let home = home.unwrap_or_else(|| Home::of(NO_HOME));
            let hibernate = class.hibernate;
            Class::new(name, home, limits, environment, reach, hibernate, component)
        };
        let mut code = code.into_iter();
        let classes = config.classes.iter().zip(code.by_ref());
        let classes = Classes::new(classes.map(|(class, code)| set_up(class, code)));
        let gateway = config.gateway.iter().zip(code);
        let gateway = gateway.map(|(gateway, code)| set_up(gateway, code)).next();
        let classes = Arc::new(classes.behind(gateway));
        tell_addresses(config, &url);
        let default_route = match config.default_route {
            true => DefaultRoute::Open,
            false => DefaultRoute::Closed,
        };
        let router = Router::new(classes.clone(), &config.routes, default_route)?;
        let (data, committer) = (premises.data.clone(), premises.committer.clone());
        check_budget(config)?;
        memory::set_budget(config.server.process_memory_bytes_max);
        let places = Places::new(config.server.connections_max);
        let places = config.whereabouts.connections_max.blamed(places)?;
        let registry = Registry::new(classes, places, data.clone(), committer);
        let server = Server::new(
            registry.clone(),
            router,
            config.server.clone(),
            config.show_errors.unwrap_or(purpose == Purpose::Developing),
            config.assets.clone(),
        );
        let door = Door::open(&data, &registry);
        Ok(Running {
            registry,
            server,
            listeners: premises.listeners()?,
            _door: door,
            grace: Duration::from_millis(config.server.shutdown_grace_ms),
        })
    }

    /// Serves until `stop`, then lets requests end and objects leave.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let (registry, grace) = (self.registry.clone(), self.grace);
        let told_at = OnceLock::new();
        registry.run_alarms();
        registry.sweep();
        let stop = async {
            stop.await;
            told_at.get_or_init(Instant::now);
            let (objects, grace_ms) = (registry.live_objects(), grace.as_millis() as u64);
            tracing::info!(
                objects,
                grace_ms,
                "stopping; waiting for requests to end and objects to leave"
            );
            registry.say_farewell().await;
        };
        self.server.run(self.listeners, stop).await;
        // The ends of WebSockets are on their way to their objects.
        let heard = async {
            while self.registry.has_mail() {
                tokio::time::sleep(LEAVING_POLL).await;
            }
        };
        let _ = tokio::time::timeout(HEARING_MAX, heard).await;
        self.registry.close();
        // The grace is for requests and objects together.
        let passed = told_at.get().map_or(Duration::ZERO, Instant::elapsed);
        let rest = self.grace.saturating_sub(passed).max(LEAVING_MIN);
        if tokio::time::timeout(rest, left(&self.registry))
            .await
            .is_err()
        {
            // Nothing is lost: what was acknowledged is durable already.
            let objects = self.registry.live_objects();
            tracing::warn!(objects, "some objects did not end their work in time");
        }
        let registry = self.registry.clone();
        let _ = tokio::task::spawn_blocking(move || registry.leave_roll()).await;
    }
}

/// Returns when all objects have left. Says now and then how many are still here.
pub async fn left(registry: &Registry) {
    let mut told_at = Instant::now();
    loop {
        let objects = registry.live_objects();
        if objects == 0 {
            return;
        }
        if told_at.elapsed() >= LEAVING_REPORT {
            told_at = Instant::now();
            tracing::info!(objects, "objects are falling asleep");
        }
        tokio::time::sleep(LEAVING_POLL).await;
    }
}
