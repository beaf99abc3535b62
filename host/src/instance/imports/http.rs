//! `http`: not served yet; every call says so.

use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, HasSelf};

use super::types::not_served;
use crate::instance::bindings::durable::object::http::{
    Error, Host, HostWithStore, Request, Response,
};
use crate::instance::context::Context;
use crate::instance::wait::wait;

impl Host for Context {}

impl HostWithStore<Context> for HasSelf<Context> {
    fn fetch(
        access: Access<'_, Context, Self>,
        _request: Request,
    ) -> Result<FutureReader<std::result::Result<Response, Error>>> {
        wait(access, async { Ok(Err(not_served("http"))) })
    }
}
