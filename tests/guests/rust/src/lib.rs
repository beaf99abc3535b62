//! The test object in Rust, on raw bindings; its routes are listed in ../../src/lib.rs.
//!
//! Everything runs on one thread, and events interleave only at an await. So
//! what events share lies in thread locals and is never borrowed across one.

wit_bindgen::generate!({ path: "../../../wit", world: "durable-object" });

mod events;
mod routes;

use exports::durable::object::{
    alarm_handler, fetch_handler, lifecycle, rpc_handler, websocket_handler,
};

use durable::object::types::{Caller, Error, ErrorFlags, Payload, Request, Response};

struct Object;

impl lifecycle::Guest for Object {
    async fn start() -> Result<(), Error> {
        events::STARTED.set(events::STARTED.get() + 1);
        Ok(())
    }
}

impl fetch_handler::Guest for Object {
    async fn fetch(request: Request, _: Caller) -> Result<Response, Error> {
        let _event = events::Event::begin();
        routes::answer(request).await
    }
}

impl alarm_handler::Guest for Object {
    async fn alarm(_: alarm_handler::AlarmInfo) -> Result<(), Error> {
        Ok(())
    }
}

impl rpc_handler::Guest for Object {
    async fn call(method: String, _: Option<Payload>, _: Caller) -> Result<Payload, Error> {
        Err(error(format!(
            "The RPC receiver does not implement the method \"{method}\"."
        )))
    }

    async fn call_reference(
        _: u64,
        method: String,
        arguments: Option<Payload>,
        caller: Caller,
    ) -> Result<Payload, Error> {
        Self::call(method, arguments, caller).await
    }

    async fn release(_: u64) {}
}

impl websocket_handler::Guest for Object {
    async fn message(
        _: websocket_handler::Socket,
        _: websocket_handler::SocketMessage,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn close(_: websocket_handler::Socket, _: u16, _: String, _: bool) -> Result<(), Error> {
        Ok(())
    }

    async fn error(_: websocket_handler::Socket, _: String) -> Result<(), Error> {
        Ok(())
    }
}

fn error(message: impl Into<String>) -> Error {
    Error {
        name: "Error".into(),
        message: message.into(),
        flags: ErrorFlags::empty(),
        details: None,
    }
}

export!(Object);
