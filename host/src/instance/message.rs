//! Requests and responses, between the world and the host.

use wasmtime::{AsContextMut, StoreContextMut};

use super::bindings::durable::object::types::{Error, Request, Response};
use super::body;
use super::context::Context;
use crate::object::error::ObjectError;
use crate::object::event;

pub fn request_to_world(
    mut store: impl AsContextMut<Data = Context>,
    request: event::Request,
) -> wasmtime::Result<Request> {
    let upgrade = request
        .upgrade
        .map(|end| store.as_context_mut().data_mut().tokens.came(end));
    Ok(Request {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: body::to_world(store, request.body)?,
        upgrade,
    })
}

/// Fails for the guest alone when its upgrade token cannot be sent.
pub fn request_of_world(
    mut store: impl AsContextMut<Data = Context>,
    request: Request,
) -> wasmtime::Result<Result<event::Request, ObjectError>> {
    let upgrade = match request.upgrade {
        None => None,
        Some(token) => match store.as_context_mut().data_mut().tokens.send(token) {
            Ok(end) => Some(end),
            Err(error) => return Ok(Err(error)),
        },
    };
    Ok(Ok(event::Request {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: body::of_world(store, request.body)?,
        upgrade,
    }))
}

/// What the guest gets in answer to a request that was sent with this token, if any.
pub fn answer_to_world(
    mut store: StoreContextMut<Context>,
    (token, answer): (Option<u64>, Result<event::Response, ObjectError>),
) -> wasmtime::Result<Result<Response, Error>> {
    let status = answer.as_ref().ok().map(|response| response.status);
    let answered = store.data_mut().tokens.answered(token, status);
    match answered.and(answer) {
        Ok(response) => Ok(Ok(response_to_world(store, response)?)),
        Err(error) => Ok(Err(error.into())),
    }
}

fn response_to_world(
    store: impl AsContextMut<Data = Context>,
    response: event::Response,
) -> wasmtime::Result<Response> {
    Ok(Response {
        status: response.status,
        headers: response.headers,
        body: body::to_world(store, response.body)?,
    })
}

pub fn response_of_world(
    store: impl AsContextMut<Data = Context>,
    response: Response,
) -> wasmtime::Result<event::Response> {
    Ok(event::Response {
        status: response.status,
        headers: response.headers,
        body: body::of_world(store, response.body)?,
    })
}
