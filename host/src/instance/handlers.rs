//! What a component exports of the world's handlers.

use wasmtime::component::Instance;
use wasmtime::{Result, Store};

use super::bindings::exports::durable::object::{
    alarm_handler, fetch_handler, lifecycle, rpc_handler, websocket_handler,
};
use super::component::Component;
use super::context::Context;

/// The kinds of events that a component has a handler for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handles {
    pub fetch: bool,
    pub alarm: bool,
    pub rpc: bool,
    pub websocket: bool,
}

/// An event without a handler is answered with an error.
pub struct Handlers {
    pub lifecycle: Option<lifecycle::Guest>,
    pub fetch: Option<fetch_handler::Guest>,
    pub rpc: Option<rpc_handler::Guest>,
    pub alarm: Option<alarm_handler::Guest>,
    pub websocket: Option<websocket_handler::Guest>,
}

impl Handlers {
    pub fn load(
        component: &Component,
        store: &mut Store<Context>,
        instance: &Instance,
    ) -> Result<Handlers> {
        let lifecycle = component.lifecycle.as_ref();
        let fetch = component.fetch.as_ref();
        let rpc = component.rpc.as_ref();
        let alarm = component.alarm.as_ref();
        let websocket = component.websocket.as_ref();
        Ok(Handlers {
            lifecycle: lifecycle
                .map(|indices| indices.load(&mut *store, instance))
                .transpose()?,
            fetch: fetch
                .map(|indices| indices.load(&mut *store, instance))
                .transpose()?,
            rpc: rpc
                .map(|indices| indices.load(&mut *store, instance))
                .transpose()?,
            alarm: alarm
                .map(|indices| indices.load(&mut *store, instance))
                .transpose()?,
            websocket: websocket
                .map(|indices| indices.load(&mut *store, instance))
                .transpose()?,
        })
    }
}
