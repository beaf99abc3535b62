//! How does a guest's component become something that can be instantiated, saved and
//! restored?

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use component_snapshot::runtime::{Accessors, Base};
use component_snapshot::{Manifest, instrument};
use guests::Language;
use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Instance, InstancePre, Linker};
use wasmtime::{Config, Engine, Store, bail};

use crate::bindings::{Object, ObjectIndices};
use crate::object::Host;
use crate::outside::Outside;

/// A guest, instrumented and compiled.
pub struct Guest {
    pub prepared: InstancePre<Host>,
    pub indices: ObjectIndices,
    pub accessors: Accessors,
}

impl Guest {
    /// The guest in a language, built if need be.
    pub fn new(language: Language) -> Result<Guest> {
        let bytes = fs::read(guests::component(language)?)?;
        let instrumented = instrument(&bytes)?;
        let engine = Engine::new(&Config::new()).map_err(anyhow::Error::from)?;
        let component = compiled(&engine, &instrumented.bytes)?;
        Guest::of(&engine, &component, instrumented.manifest).map_err(anyhow::Error::from)
    }

    /// What memory is like before anything has run.
    pub async fn base(&self) -> wasmtime::Result<Base> {
        let (mut store, instance) = self.instantiate(&Outside::new(0)).await?;
        self.accessors.base(&mut store, instance).await
    }

    /// An instance in which nothing has run.
    pub async fn instantiate(
        &self,
        outside: &Outside,
    ) -> wasmtime::Result<(Store<Host>, Instance)> {
        let mut store = Store::new(self.prepared.engine(), Host::new(outside));
        let instance = self.prepared.instantiate_async(&mut store).await?;
        Ok((store, instance))
    }

    fn of(engine: &Engine, component: &Component, manifest: Manifest) -> wasmtime::Result<Guest> {
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        Object::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
        refuse_the_rest(&mut linker, engine, component)?;
        let prepared = linker.instantiate_pre(component)?;
        Ok(Guest {
            indices: ObjectIndices::new(&prepared)?,
            prepared,
            accessors: Accessors::find(component, manifest)?,
        })
    }
}

/// The interfaces of `wit/` that this host has.
const PRESENT: [&str; 4] = ["kv", "state", "timers", "types"];

/// Lets calls of what this host has not trap.
fn refuse_the_rest(
    linker: &mut Linker<Host>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let interface = name.strip_prefix("durable:object/");
        let interface = interface.and_then(|rest| rest.split('@').next());
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            continue;
        };
        if interface.is_none_or(|interface| PRESENT.contains(&interface)) {
            continue;
        }
        let mut absent = linker.instance(name)?;
        for (function, export) in instance.exports(engine) {
            if matches!(export.ty, ComponentItem::ComponentFunc(_)) {
                absent.func_new(function, |_, _, _, _| bail!("these tests do without"))?;
            }
        }
    }
    Ok(())
}

/// Compiling takes a minute for Python, so its result is kept.
fn compiled(engine: &Engine, bytes: &[u8]) -> Result<Component> {
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
    let digest = Sha256::new()
        .chain_update(std::hash::Hasher::finish(&hasher).to_le_bytes())
        .chain_update(bytes)
        .finalize();
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = folder().join(format!("{name}.cwasm"));
    if !kept.exists() {
        let compiled = engine
            .precompile_component(bytes)
            .map_err(anyhow::Error::from)?;
        fs::create_dir_all(folder())?;
        let file = tempfile::NamedTempFile::new_in(folder())?;
        fs::write(file.path(), compiled)?;
        file.persist(&kept)?;
    }
    // SAFETY: the file lies in the build folder, and only this function writes it.
    let component = unsafe { Component::deserialize_file(engine, &kept) };
    component
        .map_err(anyhow::Error::from)
        .with_context(|| format!("cannot load {}", kept.display()))
}

fn folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    workspace.join("target").join("snapshots")
}
