//! `callers`: who waits for an answer.

use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, HasSelf};

use crate::instance::bindings::durable::object::callers::{Host, HostWithStore};
use crate::instance::context::Context;
use crate::instance::wait::wait;

impl Host for Context {}

impl HostWithStore<Context> for HasSelf<Context> {
    fn left(mut access: Access<'_, Context, Self>, caller: u64) -> Result<FutureReader<bool>> {
        let left = access.get().callers.clone().left(caller);
        wait(access, async move { Ok(left.await) })
    }
}
