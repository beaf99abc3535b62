//! The contract's exports, passed to the object of this instance.
//!
//! Invariant: `OBJECT` is set once, by `start`, before any event is delivered.

use super::Classes;
use super::dispatch::Object;
use crate::bindings::durable::object::types;
use crate::bindings::exports::durable::object::{
    alarm_handler, fetch_handler, lifecycle, rpc_handler, websocket_handler,
};
use crate::host::{self, wire};
use crate::storage::time;
use crate::{AlarmInfo, Close, Error, Message, Result, WebSocket};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

thread_local! {
    static OBJECT: RefCell<Option<Rc<dyn Object>>> = const { RefCell::new(None) };
}

/// The exports of a component with these classes.
pub struct Component<C>(PhantomData<C>);

fn object() -> Result<Rc<dyn Object>> {
    OBJECT
        .with_borrow(Option::clone)
        .ok_or_else(|| Error::new("the object has not been started"))
}

impl<C: Classes> lifecycle::Guest for Component<C> {
    async fn start() -> Result<(), types::Error> {
        let object = C::start(&host::state::class_name()).0.await?;
        OBJECT.set(Some(object));
        Ok(())
    }
}

impl<C: Classes> fetch_handler::Guest for Component<C> {
    async fn fetch(request: types::Request) -> Result<types::Response, types::Error> {
        let response = object()?.fetch(wire::into_request(request)?).await?;
        Ok(wire::response(response))
    }
}

impl<C: Classes> alarm_handler::Guest for Component<C> {
    async fn alarm(info: alarm_handler::AlarmInfo) -> Result<(), types::Error> {
        let info = AlarmInfo {
            retry_count: info.retry_count,
            is_retry: info.is_retry,
            scheduled_time: time(info.scheduled_time),
        };
        Ok(object()?.alarm(info).await?)
    }
}

impl<C: Classes> rpc_handler::Guest for Component<C> {
    async fn call(method: String, arguments: Vec<u8>) -> Result<Vec<u8>, types::Error> {
        Ok(object()?.call(method, arguments).await?)
    }
}

impl<C: Classes> websocket_handler::Guest for Component<C> {
    async fn message(socket: u64, message: Message) -> Result<(), types::Error> {
        let socket = WebSocket(socket);
        Ok(object()?.websocket_message(socket, message).await?)
    }

    async fn close(
        socket: u64,
        code: u16,
        reason: String,
        was_clean: bool,
    ) -> Result<(), types::Error> {
        let close = Close {
            code,
            reason,
            was_clean,
        };
        Ok(object()?.websocket_close(WebSocket(socket), close).await?)
    }

    async fn error(socket: u64, message: String) -> Result<(), types::Error> {
        let socket = WebSocket(socket);
        Ok(object()?.websocket_error(socket, message).await?)
    }
}
