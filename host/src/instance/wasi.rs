//! What a component gets of WASI.
//!
//! All of 0.2: none of its calls lets another event in, so it needs no turnstile;
//! a call that blocks holds up its own object alone, and not for ever. Of 0.3 only
//! the clocks, random numbers and the environment: whatever else of it waits would let code run on
//! past the turnstile and the gates.

use std::time::Duration;

use wasmtime::component::{Accessor, HasData, HasSelf, Linker};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocksCtxView, WasiClocksView};
use wasmtime_wasi::p3::bindings::cli::environment;
use wasmtime_wasi::p3::bindings::clocks::{monotonic_clock, system_clock, types};

use super::context::Context;
use super::standard_streams;
use super::turnstile::Entrance;

/// The clocks that are read and not waited for.
struct Clocks;

impl HasData for Clocks {
    type Data<'a> = WasiClocksCtxView<'a>;
}

pub fn add_to_linker(linker: &mut Linker<Context>) -> anyhow::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    standard_streams::add_to_linker(linker)?;
    linker.allow_shadowing(false);
    wasmtime_wasi::p3::random::add_to_linker(linker)?;
    types::add_to_linker::<_, Clocks>(linker, Context::clocks)?;
    system_clock::add_to_linker::<_, Clocks>(linker, Context::clocks)?;
    environment::add_to_linker::<_, WasiCli>(linker, Context::cli)?;
    monotonic_clock::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)?;
    Ok(())
}

impl monotonic_clock::Host for Context {
    fn now(&mut self) -> wasmtime::Result<monotonic_clock::Mark> {
        monotonic_clock::Host::now(&mut self.clocks())
    }

    fn get_resolution(&mut self) -> wasmtime::Result<types::Duration> {
        monotonic_clock::Host::get_resolution(&mut self.clocks())
    }
}

impl monotonic_clock::HostWithStore<Context> for HasSelf<Context> {
    async fn wait_until(
        accessor: &Accessor<Context, Self>,
        when: monotonic_clock::Mark,
    ) -> wasmtime::Result<()> {
        let now = accessor.with(|mut access| monotonic_clock::Host::now(access.get()))?;
        wait(accessor, when.saturating_sub(now)).await
    }

    async fn wait_for(
        accessor: &Accessor<Context, Self>,
        duration: types::Duration,
    ) -> wasmtime::Result<()> {
        wait(accessor, duration).await
    }
}

/// Waits, then until the turnstile lets the caller go on.
async fn wait(
    accessor: &Accessor<Context, HasSelf<Context>>,
    nanoseconds: u64,
) -> wasmtime::Result<()> {
    let mut entrance = accessor.with(|mut access| Entrance::new(access.get()))?;
    tokio::time::sleep(Duration::from_nanos(nanoseconds)).await;
    std::future::poll_fn(|cx| match entrance.passes(cx) {
        true => std::task::Poll::Ready(Ok(())),
        false => std::task::Poll::Pending,
    })
    .await
}
