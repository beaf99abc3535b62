//! The one WebAssembly engine of the process, and its clock.
//!
//! Instances are created on demand, their memory copied on write from the
//! component's image. Code is interrupted at every tick of the clock, so that an
//! object that computes for long neither holds up its neighbours nor goes on for
//! ever.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine};

use super::bindings::DurableObject;
use super::context::Context;
use super::ticks::{TICK, Ticks};

/// Compiles components and creates instances.
#[derive(Clone)]
pub struct Host {
    pub(super) engine: Engine,
    pub(super) linker: Arc<Linker<Context>>,
    pub(super) ticks: Ticks,
}

impl Host {
    pub fn new() -> Result<Host> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).map_err(anyhow::Error::from)?;

        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        DurableObject::add_to_linker::<_, HasSelf<Context>>(&mut linker, |context| context)?;

        let ticks = Ticks::default();
        let (ticking_engine, counter) = (engine.clone(), ticks.clone());
        std::thread::Builder::new()
            .name("ticks".into())
            .spawn(move || {
                loop {
                    std::thread::sleep(TICK);
                    counter.advance();
                    ticking_engine.increment_epoch();
                }
            })
            .context("cannot start the thread that ticks")?;
        Ok(Host {
            engine,
            linker: Arc::new(linker),
            ticks,
        })
    }
}
