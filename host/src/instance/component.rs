//! From a component's bytes to something that can be instantiated: checked, so that
//! what can never work is refused before anything is served.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use component_snapshot::runtime::{Accessors, Base};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component as Compiled, ComponentNamedList, InstancePre, Lift, Lower};

use super::bindings::exports::durable::object::{
    alarm_handler, fetch_handler, lifecycle, rpc_handler, websocket_handler,
};
use super::component_cache::ComponentCache;
use super::context::Context;
use super::engine::{GIVEN_TO_GATEWAYS, Host};
use super::handlers::Handles;
use super::{declared, refused, trial};
use crate::limits::Limits;
use crate::regular_file;

const VERSION: &str = "0.1.0";
pub(super) const PACKAGE: &str = "durable:object@0.1.0";
const ANOTHER_WORLD: &str = "a component of another world";

/// Which of the worlds of `wit/` a component is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum World {
    Object,
    /// Stands before objects and is none.
    Gateway,
}

/// A component ready to be instantiated.
pub struct Component {
    pub(super) host: Host,
    key: String,
    classes: Vec<String>,
    /// Made of the same code, what stands before its objects.
    gateway: Option<Arc<Component>>,
    handles: Handles,
    /// How its instances are saved, or why they cannot be.
    pub(super) saving: Result<Arc<Accessors>, String>,
    base: OnceCell<Base>,
    pub(super) prepared: InstancePre<Context>,
    /// Where it lies in the cache, which keeps it as long as this is open.
    _in_use: Option<File>,
    pub(super) lifecycle: Option<lifecycle::GuestIndices>,
    pub(super) fetch: Option<fetch_handler::GuestIndices>,
    pub(super) rpc: Option<rpc_handler::GuestIndices>,
    pub(super) alarm: Option<alarm_handler::GuestIndices>,
    pub(super) websocket: Option<websocket_handler::GuestIndices>,
}

impl Component {
    /// Reads the component in `file` and compiles it, unless the cache has it.
    ///
    /// Fails when the file cannot be read, is not a component, imports something
    /// that its world does not have, exports none of its handlers, or exports one of
    /// another type.
    pub fn load(
        host: &Host,
        cache: &ComponentCache,
        file: &Path,
        world: World,
    ) -> Result<Arc<Component>> {
        let shown = file.display();
        let bytes =
            regular_file::read(file).with_context(|| format!("cannot read component {shown}"))?;
        if !bytes.starts_with(b"\0asm") {
            bail!("{shown} is not a WebAssembly component; build one with `abide build`");
        }
        if bytes.get(4..8) == Some(&[1, 0, 0, 0]) {
            bail!(
                "{shown} is a WebAssembly module, not a component; build one with `abide build`, \
                 or wrap it with `wasm-tools component new`"
            );
        }
        let key = key(host, &bytes, world);
        let compiled = cache
            .compiled(host, &bytes, &key, world)
            .with_context(|| format!("{shown} is not a valid component"))?;
        let in_use = compiled.in_use;
        let (compiled, saving) = (compiled.component, compiled.saving.map(Arc::new));
        let is_gateway = world == World::Object && declared::is_gateway(&bytes);
        let gateway = is_gateway.then(|| Component::gateway_of(host, &compiled, &saving, &key));
        let gateway = gateway
            .transpose()
            .with_context(|| format!("{shown} is no gateway"))?;
        let prepared = host.linker(world).instantiate_pre(&compiled);
        let prepared = prepared.map_err(|error| {
            let name = world.name();
            let context = format!("{shown} is {ANOTHER_WORLD}: it needs what {name} lacks");
            anyhow::Error::from(error).context(context)
        })?;
        let handles = check_exports(&compiled).and_then(|handles| world.narrow(handles));
        let handles = handles.with_context(|| format!("{shown} is {ANOTHER_WORLD}"))?;
        // What only objects have.
        let (lifecycle, alarm, websocket) = match world {
            World::Object => (
                lifecycle::GuestIndices::new(&prepared).ok(),
                alarm_handler::GuestIndices::new(&prepared).ok(),
                websocket_handler::GuestIndices::new(&prepared).ok(),
            ),
            World::Gateway => (None, None, None),
        };
        let component = Component {
            host: host.clone(),
            key,
            classes: match world {
                World::Object => declared::classes(&bytes),
                World::Gateway => Vec::new(),
            },
            gateway,
            handles,
            saving,
            base: OnceCell::new(),
            _in_use: in_use,
            lifecycle,
            fetch: fetch_handler::GuestIndices::new(&prepared).ok(),
            rpc: rpc_handler::GuestIndices::new(&prepared).ok(),
            alarm,
            websocket,
            prepared,
        };
        Ok(Arc::new(component))
    }

    /// The same code before its objects. What only objects may call ends such an
    /// instance.
    fn gateway_of(
        host: &Host,
        compiled: &Compiled,
        saving: &Result<Arc<Accessors>, String>,
        key: &str,
    ) -> Result<Arc<Component>> {
        let mut linker = host.linker(World::Gateway).clone();
        refused::all_but(&GIVEN_TO_GATEWAYS, compiled, &mut linker)?;
        let prepared = linker
            .instantiate_pre(compiled)
            .map_err(anyhow::Error::from)?;
        let handles = World::Gateway.narrow(check_exports(compiled)?)?;
        Ok(Arc::new(Component {
            host: host.clone(),
            key: key.into(),
            classes: Vec::new(),
            gateway: None,
            handles,
            saving: saving.clone(),
            base: OnceCell::new(),
            _in_use: None,
            lifecycle: None,
            fetch: fetch_handler::GuestIndices::new(&prepared).ok(),
            rpc: rpc_handler::GuestIndices::new(&prepared).ok(),
            alarm: None,
            websocket: None,
            prepared,
        }))
    }

    /// What of its code stands before its objects.
    pub fn gateway(&self) -> Option<&Arc<Component>> {
        self.gateway.as_ref()
    }

    /// The code of a class that has none yet: nothing. `Class` keeps events from it.
    pub fn nothing(host: &Host) -> Result<Arc<Component>> {
        let compiled = Compiled::from_binary(&host.engine, b"\0asm\x0d\0\x01\0")?;
        let prepared = host.linker(World::Object).instantiate_pre(&compiled)?;
        Ok(Arc::new(Component {
            host: host.clone(),
            key: String::new(),
            classes: Vec::new(),
            gateway: None,
            handles: Handles::default(),
            saving: Err("there is no code".into()),
            base: OnceCell::new(),
            _in_use: None,
            prepared,
            lifecycle: None,
            fetch: None,
            rpc: None,
            alarm: None,
            websocket: None,
        }))
    }

    /// The classes that the component says it has. None: it takes any name.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The kinds of events that it has a handler for.
    pub fn handles(&self) -> Handles {
        self.handles
    }

    /// Why the memory of its instances cannot be kept, if that is so.
    pub fn forgets(&self) -> Option<&str> {
        self.saving.as_ref().err().map(String::as_str)
    }

    /// Can objects of this class and these limits run this component at all?
    pub async fn check_class(&self, class: &str, limits: &Limits) -> Result<()> {
        if !self.classes.is_empty() && !self.classes.iter().any(|name| name == class) {
            bail!(
                "the component has no class {class:?}, only {}; name the class as the component \
                 does",
                self.classes.join(", ")
            );
        }
        let saving = self.saving.as_deref().ok();
        trial::instantiate(&self.host, self.prepared.component(), saving, limits).await
    }

    #[cfg(test)]
    pub fn empty() -> Arc<Component> {
        let host = Host::new().expect("an engine starts");
        Component::nothing(&host).expect("the smallest component")
    }

    /// What memories look like in which nothing has run, to compare others with. Made
    /// when it is needed first.
    pub(super) async fn base(&self, saving: &Accessors) -> wasmtime::Result<&Base> {
        let make = || trial::base(&self.host, self.prepared.component(), saving);
        self.base.get_or_try_init(make).await
    }

    /// Is it more than `nothing`?
    pub fn has_code(&self) -> bool {
        !self.key.is_empty()
    }

    /// A digest of the bytes, and of what makes them run.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Were both made from the same bytes?
    pub fn is_same_as(&self, other: &Component) -> bool {
        self.key == other.key
    }
}

impl World {
    fn name(self) -> &'static str {
        match self {
            World::Object => "durable:object/durable-object@0.1.0",
            World::Gateway => "durable:object/gateway@0.1.0",
        }
    }

    /// What of the handlers is asked for in this world. Fails when that is nothing.
    fn narrow(self, handles: Handles) -> Result<Handles> {
        match self {
            World::Object => Ok(handles),
            World::Gateway if !handles.fetch => {
                bail!("a gateway exports fetch-handler of {PACKAGE}")
            }
            World::Gateway => Ok(Handles {
                fetch: true,
                rpc: handles.rpc,
                ..Handles::default()
            }),
        }
    }
}

/// What the component has handlers for. Fails when that is nothing, or when it
/// exports one that is not as the world has it: each of its events would fail.
fn check_exports(compiled: &Compiled) -> Result<Handles> {
    type Handled<T> = (Result<T, alarm_handler::Error>,);
    type Arguments = Option<rpc_handler::Payload>;
    type Answer = rpc_handler::Payload;
    let interface = |name| Interface::find(compiled, name);
    if let Some(lifecycle) = interface("lifecycle")? {
        // It handles nothing by itself.
        lifecycle.check::<(), Handled<()>>("start")?;
    }
    let fetch = interface("fetch-handler")?;
    if let Some(handler) = &fetch {
        handler
            .check::<(fetch_handler::Request, u64), Handled<fetch_handler::Response>>("fetch")?;
    }
    let alarm = interface("alarm-handler")?;
    if let Some(handler) = &alarm {
        handler.check::<(alarm_handler::AlarmInfo,), Handled<()>>("alarm")?;
    }
    let rpc = interface("rpc-handler")?;
    if let Some(handler) = &rpc {
        handler.check::<(String, Arguments, u64), Handled<Answer>>("call")?;
        handler.check::<(u64, String, Arguments, u64), Handled<Answer>>("call-reference")?;
        handler.check::<(u64,), ()>("release")?;
    }
    let websocket = interface("websocket-handler")?;
    if let Some(handler) = &websocket {
        handler.check::<(u64, websocket_handler::SocketMessage), Handled<()>>("message")?;
        handler.check::<(u64, u16, String, bool), Handled<()>>("close")?;
        handler.check::<(u64, String), Handled<()>>("error")?;
    }
    let handles = Handles {
        fetch: fetch.is_some(),
        alarm: alarm.is_some(),
        rpc: rpc.is_some(),
        websocket: websocket.is_some(),
    };
    if handles == Handles::default() {
        bail!("it exports no handler of {PACKAGE}, for example fetch-handler");
    }
    Ok(handles)
}

/// An interface of the world that a component exports.
struct Interface<'a> {
    compiled: &'a Compiled,
    path: String,
    exported: ComponentInstance,
}

impl Interface<'_> {
    fn find<'a>(compiled: &'a Compiled, name: &str) -> Result<Option<Interface<'a>>> {
        let path = format!("durable:object/{name}@{VERSION}");
        let whole = compiled.component_type();
        match whole.get_export(compiled.engine(), &path).map(|it| it.ty) {
            None => Ok(None),
            Some(ComponentItem::ComponentInstance(exported)) => Ok(Some(Interface {
                compiled,
                path,
                exported,
            })),
            Some(_) => bail!("its export {path} is not an interface"),
        }
    }

    /// Has it the function with these types?
    fn check<Params, Return>(&self, name: &str) -> Result<()>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        let path = &self.path;
        let exported = self.exported.get_export(self.compiled.engine(), name);
        let Some(ComponentItem::ComponentFunc(function)) = exported.map(|it| it.ty) else {
            bail!("its export {path} has no function {name:?}");
        };
        // Wasmtime calls this when it looks a function up in an instance.
        let whole = self.compiled.component_type();
        let fits = function.typecheck::<Params, Return>(&whole.instance_type());
        fits.map_err(anyhow::Error::from).with_context(|| {
            format!("the types of its function {name:?} in {path} are not those of the world")
        })
    }
}

/// What a compiled component depends on: its bytes, the engine and what was done to
/// it before.
pub(super) fn key(host: &Host, bytes: &[u8], world: World) -> String {
    struct Feed(Sha256);
    impl std::hash::Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0 // Only what was fed counts.
        }
    }
    let mut feed = Feed(Sha256::new());
    feed.0.update(bytes);
    feed.0.update([u8::from(world == World::Object)]);
    feed.0.update(component_snapshot::VERSION.to_le_bytes());
    let compatibility = host.engine.precompile_compatibility_hash();
    std::hash::Hash::hash(&compatibility, &mut feed);
    let digest = feed.0.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
