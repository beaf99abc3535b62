//! From a component's bytes to something that can be instantiated: compiled once,
//! kept in a cache on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest, Sha256};
use wasmtime::component::{Component as Compiled, InstancePre};

use super::bindings::exports::durable::object::{
    alarm_handler, fetch_handler, lifecycle, rpc_handler, websocket_handler,
};
use super::context::Context;
use super::engine::Host;

/// A component ready to be instantiated.
pub struct Component {
    pub(super) host: Host,
    key: String,
    pub(super) prepared: InstancePre<Context>,
    pub(super) lifecycle: Option<lifecycle::GuestIndices>,
    pub(super) fetch: Option<fetch_handler::GuestIndices>,
}

/// Where compiled components are kept between runs.
pub struct ComponentCache {
    dir: PathBuf,
}

impl ComponentCache {
    /// A cache in `dir`, which is created when something is first kept there.
    pub fn new(dir: PathBuf) -> ComponentCache {
        ComponentCache { dir }
    }

    /// Reads the component in `file` and compiles it, unless the cache has it.
    ///
    /// Fails when the file cannot be read, is not a component, imports something
    /// that the world `durable:object/durable-object` does not have, or exports
    /// none of its handlers.
    pub fn load(&self, host: &Host, file: &Path) -> Result<Arc<Component>> {
        let shown = file.display();
        let bytes = fs::read(file).with_context(|| format!("cannot read component {shown}"))?;
        if !bytes.starts_with(b"\0asm") {
            bail!("{shown} is not a WebAssembly component; build one with `abide build`");
        }
        if bytes.get(4..8) == Some(&[1, 0, 0, 0]) {
            bail!(
                "{shown} is a WebAssembly module, not a component; build one with `abide build`, \
                 or wrap it with `wasm-tools component new`"
            );
        }
        let key = key(host, &bytes);
        let compiled = self
            .compiled(host, &bytes, &key)
            .with_context(|| format!("{shown} is not a valid component"))?;
        let prepared = host.linker.instantiate_pre(&compiled).map_err(|error| {
            let world = "durable:object/durable-object@0.1.0";
            let context =
                format!("{shown} is a component of another world: it needs what {world} lacks");
            anyhow::Error::from(error).context(context)
        })?;
        let component = Component {
            host: host.clone(),
            key,
            lifecycle: lifecycle::GuestIndices::new(&prepared).ok(),
            fetch: fetch_handler::GuestIndices::new(&prepared).ok(),
            prepared,
        };
        component.check(file)?;
        Ok(Arc::new(component))
    }

    fn compiled(&self, host: &Host, bytes: &[u8], key: &str) -> Result<Compiled> {
        let kept = self.dir.join(format!("{key}.cwasm"));
        if kept.exists() {
            // SAFETY: only this function writes to the cache, under a name that
            // covers the component and the engine's configuration.
            match unsafe { Compiled::deserialize_file(&host.engine, &kept) } {
                Ok(compiled) => return Ok(compiled),
                Err(error) => tracing::warn!(
                    file = %kept.display(), %error, "a cached component is of no use; compiling anew"
                ),
            }
        }
        tracing::info!(bytes = bytes.len(), "compiling a component, once");
        let compiled = Compiled::from_binary(&host.engine, bytes).map_err(anyhow::Error::from)?;
        if let Err(error) = self.keep(&kept, &compiled) {
            let error = format!("{error:#}");
            tracing::warn!(file = %kept.display(), error, "cannot keep the compiled component");
        }
        Ok(compiled)
    }

    fn keep(&self, kept: &Path, compiled: &Compiled) -> Result<()> {
        fs::create_dir_all(&self.dir)?;
        // Written aside and renamed, so that no other process reads half of it.
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        std::io::Write::write_all(
            &mut file,
            &compiled.serialize().map_err(anyhow::Error::from)?,
        )?;
        file.persist(kept)?;
        Ok(())
    }
}

/// What a compiled component depends on: its bytes and the engine.
fn key(host: &Host, bytes: &[u8]) -> String {
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
    let compatibility = host.engine.precompile_compatibility_hash();
    std::hash::Hash::hash(&compatibility, &mut feed);
    let digest = feed.0.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Component {
    #[cfg(test)]
    pub fn empty() -> Arc<Component> {
        let host = Host::new().expect("an engine starts");
        let compiled = Compiled::from_binary(&host.engine, b"\0asm\x0d\0\x01\0");
        let prepared = host
            .linker
            .instantiate_pre(&compiled.expect("the smallest component"));
        Arc::new(Component {
            host,
            key: String::new(),
            prepared: prepared.expect("it imports nothing"),
            lifecycle: None,
            fetch: None,
        })
    }

    /// Were both made from the same bytes?
    pub fn is_same_as(&self, other: &Component) -> bool {
        self.key == other.key
    }

    fn check(&self, file: &Path) -> Result<()> {
        let prepared = &self.prepared;
        let handles_something = self.fetch.is_some()
            || alarm_handler::GuestIndices::new(prepared).is_ok()
            || rpc_handler::GuestIndices::new(prepared).is_ok()
            || websocket_handler::GuestIndices::new(prepared).is_ok();
        if !handles_something {
            bail!(
                "{} is a component of another world: it exports no handler of \
                 durable:object@0.1.0, for example fetch-handler",
                file.display()
            );
        }
        Ok(())
    }
}
