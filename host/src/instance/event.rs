//! One event in an instance: from what happened to the handler's arguments, and
//! from its result to what the caller gets.

use std::sync::Arc;

use wasmtime::AsContextMut;
use wasmtime::component::Accessor;

use super::bindings::durable::object::types::{Error, Payload};
use super::bindings::exports::durable::object::alarm_handler::AlarmInfo;
use super::context::Context;
use super::handlers::Handlers;
use super::{chains, message, payload, socket_event};
use crate::object::chain::Chain;
use crate::object::error::ObjectError;
use crate::object::event::{self, Call, Happening, Outcome, Reply};
use crate::object::firing::Firing;
use crate::object::references::{self, Lent};

use crate::storage::Storage;

const ALARM_TOO_LONG: &str = "Alarm exceeded its allowed execution time";

/// An event, and what its handler is told of who waits for it.
pub struct Running {
    pub happening: Happening,
    pub chain: Chain,
    pub caller: u64,
}

/// Has the handler of this kind of event called. Fails only when the instance has
/// come to its end.
pub async fn handle(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    event: Running,
) -> wasmtime::Result<Reply> {
    let (chain, caller) = (event.chain, event.caller);
    match event.happening {
        Happening::Fetch(request) => fetch(accessor, handlers, request, chain, caller).await,
        Happening::Call(None, call) => call_method(accessor, handlers, call, chain, caller).await,
        Happening::Call(Some(lent), call) => {
            call_reference(accessor, handlers, &lent, call, chain, caller).await
        }
        Happening::Release(number) => release(accessor, handlers, number).await,
        Happening::Alarm(firing) => alarm(accessor, handlers, firing, chain).await,
        Happening::Message(arrival) => socket_event::message(accessor, handlers, arrival).await,
        Happening::Ended(parting) => socket_event::ended(accessor, handlers, parting).await,
    }
}

async fn fetch(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    request: event::Request,
    chain: Chain,
    caller: u64,
) -> wasmtime::Result<Reply> {
    let Some(handler) = &handlers.fetch else {
        return Ok(Err(no_handler("fetch")));
    };
    let request = accessor.with(|access| message::request_to_world(access, request))?;
    let token = request.upgrade;
    let params = (request, caller);
    let (answer,) = chains::call(accessor, handler.func_fetch(), chain, params).await?;
    if let Some(token) = token {
        accessor.with(|mut access| access.get().tokens.forget(token));
    }
    Ok(match answer {
        Ok(response) => {
            let taken = accessor.with(|access| message::response_of_world(access, response));
            Ok(Outcome::Response(taken?))
        }
        Err(error) => Err(error.into()),
    })
}

async fn call_method(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    call: Call,
    chain: Chain,
    caller: u64,
) -> wasmtime::Result<Reply> {
    let Some(handler) = &handlers.rpc else {
        return Ok(Err(no_handler("rpc")));
    };
    let arguments = match arguments_to_world(accessor, call.arguments)? {
        Ok(arguments) => arguments,
        Err(error) => return Ok(Err(error)),
    };
    let params = (call.method, arguments, caller);
    let (result,) = chains::call(accessor, handler.func_call(), chain, params).await?;
    result_of_world(accessor, result)
}

async fn call_reference(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    lent: &Arc<Lent>,
    call: Call,
    chain: Chain,
    caller: u64,
) -> wasmtime::Result<Reply> {
    let number = accessor.with(|mut access| lent.number_of(&access.get().giver));
    let Some(number) = number else {
        // It was reset while the call was on its way.
        return Ok(Err(references::gone()));
    };
    let Some(handler) = &handlers.rpc else {
        return Ok(Err(no_handler("rpc")));
    };
    let arguments = match arguments_to_world(accessor, call.arguments)? {
        Ok(arguments) => arguments,
        Err(error) => return Ok(Err(error)),
    };
    let params = (number, call.method, arguments, caller);
    let (result,) = chains::call(accessor, handler.func_call_reference(), chain, params).await?;
    result_of_world(accessor, result)
}

async fn release(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    number: u64,
) -> wasmtime::Result<Reply> {
    if let Some(handler) = &handlers.rpc {
        handler.call_release(accessor, number).await?;
    }
    Ok(Ok(Outcome::Nothing))
}

/// Runs the alarm's handler, if the object's alarm is due.
async fn alarm(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    firing: Arc<Firing>,
    chain: Chain,
) -> wasmtime::Result<Reply> {
    let runs = accessor.with(|mut access| access.get().alarms.clone());
    let begun = accessor.with(|mut access| {
        let begin = |storage: &mut Storage| runs.begin(storage, firing);
        access.get().storage(begin)
    })?;
    let due = match begun {
        Ok(due) => due,
        Err(error) => return Ok(Err(ObjectError::unavailable(error.to_string()))),
    };
    let (Some(alarm), Some(handler)) = (due, &handlers.alarm) else {
        return Ok(Ok(Outcome::Nothing));
    };
    let info = AlarmInfo {
        retry_count: alarm.retries,
        is_retry: alarm.retries > 0,
        scheduled_time: alarm.time_ms,
    };
    let call = chains::call(accessor, handler.func_alarm(), chain, (info,));
    let (answer,) = tokio::select! {
        answer = call => answer?,
        () = tokio::time::sleep(runs.time_max) => {
            return Err(accessor.with(|mut access| access.get().end.reset(ALARM_TOO_LONG)));
        }
    };
    runs.returned(answer.map_err(Into::into));
    Ok(Ok(Outcome::Nothing))
}

fn no_handler(name: &str) -> ObjectError {
    let message = format!("this class has no {name} handler: its component does not export it");
    ObjectError::type_error(message)
}

fn arguments_to_world(
    accessor: &Accessor<Context>,
    arguments: Option<crate::object::payload::Payload>,
) -> wasmtime::Result<Result<Option<Payload>, ObjectError>> {
    let Some(arguments) = arguments else {
        return Ok(Ok(None));
    };
    let payload = accessor.with(|mut access| payload::to_world(access.as_context_mut(), arguments));
    Ok(payload?.map(Some))
}

fn result_of_world(
    accessor: &Accessor<Context>,
    result: Result<Payload, Error>,
) -> wasmtime::Result<Reply> {
    let payload = match result {
        Ok(payload) => payload,
        Err(error) => return Ok(Err(error.into())),
    };
    let payload = accessor.with(|mut access| payload::of_world(access.as_context_mut(), payload));
    Ok(payload?.map(Outcome::Result))
}
