//! From a script to a component: what stands at the top level of a script runs once,
//! when it is built, and what that leaves in memory is what each instance begins with.
//!
//! ```text
//! template (the SDK in its engine) ─ instance ─ begin(script) ─► its memory as a component
//! ```
//!
//! The template's code is compiled once. A component made of it differs from others
//! in data alone, so that little of it is compiled anew.

use std::borrow::Cow;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use wasm_encoder::ComponentSection as _;
use wasmtime::component::{Instance, Lift, Linker, ResourceTable, WasmList};
use wasmtime::{Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use super::component::{World, key};
use super::component_cache::ComponentCache;
use super::engine::Host;
use super::{declared, refused};

/// What the template exports for it: settings and source in, what the script exports
/// out, each as JSON.
const BEGIN: &str = "begin";

/// A top level that computes for longer never ends.
const TIME_MAX: Duration = Duration::from_secs(30);

/// More than any instance may have by default.
const MEMORY_MAX: usize = 512 << 20;

/// A script, and what it is begun in.
#[derive(Clone, Debug)]
pub struct Script {
    pub template: std::path::PathBuf,
    /// For the SDK, as JSON.
    pub settings: String,
    pub source: String,
}

/// What a script left behind.
pub struct Begun {
    pub component: Vec<u8>,
    pub exports: Exports,
}

/// What a script exports.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Exports {
    /// Names of classes of objects.
    pub classes: Vec<String>,
    /// All other names.
    pub others: Vec<String>,
    /// Does its default export answer requests?
    pub gateway: bool,
}

/// The top level of a script threw something.
#[derive(Debug)]
pub struct Threw(pub String);

impl std::fmt::Display for Threw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Threw {}

struct Beginning {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
}

impl WasiView for Beginning {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// What the engine asks for while a template is made, and never after.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut loader = linker.instance("local:init/module-loader")?;
    let refused = || {
        Ok((Err::<String, _>(
            "no modules are loaded any more".to_owned(),
        ),))
    };
    loader.func_wrap("resolve", move |_, (_, _): (String, String)| refused())?;
    loader.func_wrap("load", move |_, (_,): (String,)| refused())
}

/// Runs the top level of a script, for as long as it is wanted.
///
/// Fails with `Threw` when it throws, and when it computes or grows without end.
pub fn begin(
    host: &Host,
    cache: &ComponentCache,
    script: &Script,
    is_wanted: impl Fn() -> bool + Send + Sync + 'static,
) -> Result<Begun> {
    let template = std::fs::read(&script.template)
        .with_context(|| format!("cannot read {}", script.template.display()))?;
    let wizer = Wizer::new();
    let (context, instrumented) = wizer
        .instrument_component(&template)
        .map_err(anyhow::Error::from)?;
    // Nothing of its instance is saved in the way of objects.
    let world = World::Gateway;
    let key = key(host, &instrumented, world);
    let compiled = cache.compiled(host, &instrumented, &key, world)?.component;
    let mut linker = Linker::<Beginning>::new(&host.engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    add_to_linker(&mut linker)?;
    refused::all_but(&[], &compiled, &mut linker)?;
    let mut store = Store::new(
        &host.engine,
        Beginning {
            wasi: WasiCtxBuilder::new().build(),
            table: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(MEMORY_MAX).build(),
        },
    );
    store.limiter(|beginning| &mut beginning.limits);
    store.set_epoch_deadline(1);
    let since = Instant::now();
    store.epoch_deadline_callback(move |_| match since.elapsed() < TIME_MAX {
        true if is_wanted() => Ok(UpdateDeadline::Continue(1)),
        true => Err(wasmtime::Error::msg("nobody wants it any more")),
        false => Err(wasmtime::Error::msg("it computes without end")),
    });
    type Snapshot = wasmtime::Result<Result<(Vec<u8>, String), String>>;
    let snapshot: Snapshot = futures::executor::block_on(async {
        let instance = linker.instantiate_async(&mut store, &compiled).await?;
        let begin = instance
            .get_typed_func::<(&str, &str), (Result<String, String>,)>(&mut store, BEGIN)?;
        let given = (&*script.settings, &*script.source);
        let (said,) = begin.call_async(&mut store, given).await?;
        let said = match said {
            Ok(said) => said,
            Err(thrown) => return Ok(Err(thrown)),
        };
        let mut state = State {
            store: &mut store,
            instance,
        };
        let component = wizer.snapshot_component(&context, &mut state).await?;
        Ok(Ok((component, said)))
    });
    let (mut component, said) = match snapshot {
        Ok(Ok(begun)) => begun,
        Ok(Err(thrown)) => return Err(Threw(thrown).into()),
        Err(error) => {
            let error = anyhow!(error);
            return Err(error.context("the script's top level cannot be run"));
        }
    };
    let exports: Exports = serde_json::from_str(&said).context("the SDK said nonsense")?;
    declare(&mut component, &exports);
    Ok(Begun { component, exports })
}

/// Writes into the component what it has.
fn declare(component: &mut Vec<u8>, exports: &Exports) {
    let mut add = |name: &str, data: &[u8]| {
        let section = wasm_encoder::CustomSection {
            name: Cow::Borrowed(name),
            data: Cow::Borrowed(data),
        };
        section.append_to_component(component);
    };
    add(declared::CLASSES, exports.classes.join("\n").as_bytes());
    if exports.gateway {
        add(declared::GATEWAY, b"");
    }
}

/// Reads the memory of an instance for the snapshot.
struct State<'a> {
    store: &'a mut Store<Beginning>,
    instance: Instance,
}

impl State<'_> {
    async fn call<R: Lift + 'static>(&mut self, interface: &str, name: &str) -> R {
        let index = |store: &mut Store<Beginning>, within, name: &str| {
            let found = self.instance.get_export(store, within, name);
            found.expect("the instrumentation exports it").1
        };
        let interface = index(self.store, None, interface);
        let function = index(self.store, Some(&interface), name);
        let function = self
            .instance
            .get_typed_func::<(), (R,)>(&mut *self.store, function)
            .expect("the instrumentation gave it this type");
        let called = function.call_async(&mut *self.store, ()).await;
        called.expect("it only reads").0
    }
}

impl ComponentInstanceState for State<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        interface: &str,
        name: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        let list: WasmList<u8> = self.call(interface, name).await;
        contents(list.as_le_slice(&*self.store));
    }

    async fn call_func_ret_s32(&mut self, interface: &str, name: &str) -> i32 {
        self.call(interface, name).await
    }

    async fn call_func_ret_s64(&mut self, interface: &str, name: &str) -> i64 {
        self.call(interface, name).await
    }

    async fn call_func_ret_f32(&mut self, interface: &str, name: &str) -> u32 {
        self.call::<f32>(interface, name).await.to_bits()
    }

    async fn call_func_ret_f64(&mut self, interface: &str, name: &str) -> u64 {
        self.call::<f64>(interface, name).await.to_bits()
    }
}

/// Writes a component to a file, aside first, so that nobody reads half of it. Whoever
/// serves it may be another user.
pub fn keep(component: &[u8], file: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let cannot = || format!("cannot write {}", file.display());
    let mut aside = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    std::io::Write::write_all(&mut aside, component).with_context(cannot)?;
    let readable = Permissions::from_mode(0o644);
    aside
        .as_file()
        .set_permissions(readable)
        .with_context(cannot)?;
    aside.persist(file).with_context(cannot)?;
    Ok(())
}
