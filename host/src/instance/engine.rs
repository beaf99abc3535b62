//! The one WebAssembly engine of the process.
//!
//! Instances are created on demand, their memory copied on write from the
//! component's image. Code is interrupted at every tick of the clock, so that an
//! object that computes for long neither holds up its neighbours nor goes on for
//! ever.

use std::sync::Arc;

use anyhow::Result;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine};

use super::bindings::DurableObject;
use super::bindings::durable::object::{callers, http, stubs, timers, types};
use super::component::World;
use super::context::Context;
use super::function_cache::FunctionCache;
use super::{script, wasi};

/// The stack of an instance, as much as is touched of it. An interpreter takes some
/// hundred bytes of it for each call of the language that it runs, and more in its own
/// memory; with this much that memory is what ends first.
const STACK_BYTES: usize = 8 << 20;

/// What of it is the host's, SQLite included.
const HOST_STACK_BYTES: usize = 1 << 20;

/// Compiles components and creates instances.
#[derive(Clone)]
pub struct Host {
    pub(super) engine: Engine,
    /// What components may import in each world.
    of_objects: Arc<Linker<Context>>,
    of_gateways: Arc<Linker<Context>>,
}

impl Host {
    pub fn new() -> Result<Host> {
        Host::of(Config::new())
    }

    /// One that compiles again and again what changes little.
    pub fn for_edits() -> Result<Host> {
        let mut config = Config::new();
        config
            .enable_incremental_compilation(Arc::new(FunctionCache::default()))
            .map_err(anyhow::Error::from)?;
        Host::of(config)
    }

    fn of(mut config: Config) -> Result<Host> {
        config.epoch_interruption(true);
        config.async_stack_size(STACK_BYTES);
        config.max_wasm_stack(STACK_BYTES - HOST_STACK_BYTES);
        let engine = Engine::new(&config).map_err(anyhow::Error::from)?;

        let mut objects = Linker::new(&engine);
        wasi::add_to_linker(&mut objects)?;
        script::add_to_linker(&mut objects)?;
        DurableObject::add_to_linker::<_, HasSelf<Context>>(&mut objects, |context| context)?;
        let mut gateways = Linker::new(&engine);
        wasi::add_to_linker(&mut gateways)?;
        script::add_to_linker(&mut gateways)?;
        add_gateway_to_linker(&mut gateways)?;
        Ok(Host {
            engine,
            of_objects: Arc::new(objects),
            of_gateways: Arc::new(gateways),
        })
    }

    pub(super) fn linker(&self, world: World) -> &Linker<Context> {
        match world {
            World::Object => &self.of_objects,
            World::Gateway => &self.of_gateways,
        }
    }

    /// A tick of the clock: running code stops and looks whether it may go on.
    pub fn tick(&self) {
        self.engine.increment_epoch();
    }
}

/// The interfaces of the next function.
pub const GIVEN_TO_GATEWAYS: [&str; 5] = ["types", "callers", "stubs", "http", "timers"];

/// What the world `gateway` imports: nothing that an object's identity or data is
/// needed for.
fn add_gateway_to_linker(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)?;
    callers::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)?;
    stubs::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)?;
    http::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)?;
    timers::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)
}
