//! The contract's exports, passed to the object of this instance, or to its gateway.
//!
//! Invariants:
//!
//! * `OBJECT` is set once, by `start`, before any event is delivered.
//! * A gateway is not started: an instance that gets a request before is one.

use super::dispatch::{Front, Happened, Object, WebSocketEvent};
use super::{Classes, panics};
use crate::bindings::alarm::exports::durable::object::alarm_handler;
use crate::bindings::calls::exports::durable::object::rpc_handler;
use crate::bindings::durable::object::types;
use crate::bindings::exports::durable::object::lifecycle;
use crate::bindings::fetch::exports::durable::object::fetch_handler;
use crate::bindings::web_sockets::exports::durable::object::websocket_handler;
use crate::host::{self, wire};
use crate::rpc::{self, Call};
use crate::storage::time;
use crate::transaction::order;
use crate::{AlarmInfo, Caller, Close, Error, Message, Result, WebSocket};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

thread_local! {
    static OBJECT: RefCell<Option<Rc<dyn Object>>> = const { RefCell::new(None) };
    static GATEWAY: RefCell<Option<Rc<dyn Front>>> = const { RefCell::new(None) };
}

/// The exports of a component with these classes.
pub struct Component<C>(PhantomData<C>);

fn object() -> Result<Rc<dyn Object>> {
    OBJECT
        .with_borrow(Option::clone)
        .ok_or_else(|| Error::new("the object has not been started"))
}

/// The gateway of this instance, which begins with its first request.
fn gateway<C: Classes>() -> Result<Rc<dyn Front>> {
    if let Some(gateway) = GATEWAY.with_borrow(Option::clone) {
        return Ok(gateway);
    }
    panics::print();
    let gateway = C::gateway()?;
    GATEWAY.set(Some(gateway.clone()));
    Ok(gateway)
}

impl<C: Classes> lifecycle::Guest for Component<C> {
    async fn start() -> Result<(), types::Error> {
        panics::tell();
        let object = C::start(&host::state::class_name()).0.await?;
        OBJECT.set(Some(object));
        Ok(())
    }
}

impl<C: Classes> fetch_handler::Guest for Component<C> {
    async fn fetch(
        request: types::Request,
        caller: types::Caller,
    ) -> Result<types::Response, types::Error> {
        let mut request = wire::into_request(request)?;
        request.extensions_mut().insert(Caller(caller));
        let answer = match OBJECT.with_borrow(Option::clone) {
            Some(object) => object.fetch(request),
            None => gateway::<C>()?.fetch(request),
        };
        Ok(wire::response(answer.await?))
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
    async fn call(
        method: String,
        arguments: Option<types::Payload>,
        caller: types::Caller,
    ) -> Result<types::Payload, types::Error> {
        let call = Call::new(method, arguments.map(wire::into_payload), Caller(caller));
        Ok(wire::payload(object()?.call(call).await?))
    }

    async fn call_reference(
        mine: u64,
        method: String,
        arguments: Option<types::Payload>,
        caller: types::Caller,
    ) -> Result<types::Payload, types::Error> {
        let call = Call::new(method, arguments.map(wire::into_payload), Caller(caller));
        let answer = order::let_in(rpc::call_mine(mine, call)).await?;
        Ok(wire::payload(answer))
    }

    async fn release(mine: u64) {
        rpc::release_mine(mine);
    }
}

impl<C: Classes> websocket_handler::Guest for Component<C> {
    async fn message(socket: u64, message: Message) -> Result<(), types::Error> {
        web_socket(socket, Happened::Message(message)).await
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
        web_socket(socket, Happened::Close(close)).await
    }

    async fn error(socket: u64, message: String) -> Result<(), types::Error> {
        web_socket(socket, Happened::Error(message)).await
    }
}

async fn web_socket(socket: u64, what: Happened) -> Result<(), types::Error> {
    let socket = WebSocket(socket);
    let handled = object()?.web_socket(WebSocketEvent { socket, what });
    Ok(order::let_in(handled).await?)
}
