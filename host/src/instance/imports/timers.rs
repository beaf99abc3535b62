//! `timers`: time.

use std::time::Duration;

use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, HasSelf};

use crate::instance::bindings::durable::object::timers::{Host, HostWithStore};
use crate::instance::context::Context;
use crate::instance::wait::wait;

impl Host for Context {}

impl HostWithStore<Context> for HasSelf<Context> {
    fn sleep(access: Access<'_, Context, Self>, duration_ms: u64) -> Result<FutureReader<u64>> {
        let sleep = tokio::time::sleep(Duration::from_millis(duration_ms));
        wait(access, async move {
            sleep.await;
            Ok(duration_ms)
        })
    }
}
