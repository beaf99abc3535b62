//! One event in an instance: from what happened to the handler's arguments, and
//! from its result to what the caller gets.

use bytes::Bytes;
use wasmtime::component::{Accessor, StreamReader};

use super::bindings::durable::object::types::{Body, Error, Request, Response};
use super::body::{Incoming, Outgoing};
use super::context::Context;
use super::handlers::Handlers;
use crate::object::body;
use crate::object::error::ObjectError;
use crate::object::event::{self, RequestBody, ResponseBody};

/// Answers one request. Fails only when the instance has come to its end.
pub async fn fetch(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    request: event::Request,
) -> wasmtime::Result<event::Reply> {
    let Some(handler) = &handlers.fetch else {
        let message = "this class has no fetch handler: its component does not export it";
        return Ok(Err(ObjectError::exception("TypeError", message)));
    };
    let request = to_world(accessor, request)?;
    let answer = handler.call_fetch(accessor, request).await?;
    from_world(accessor, answer)
}

fn to_world(accessor: &Accessor<Context>, request: event::Request) -> wasmtime::Result<Request> {
    let body = match request.body {
        RequestBody::Empty => Body::Empty,
        RequestBody::Bytes(bytes) => Body::Bytes(bytes.into()),
        RequestBody::Stream(source) => Body::Stream(
            accessor.with(|mut access| StreamReader::new(&mut access, Incoming::new(source)))?,
        ),
    };
    Ok(Request {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body,
        upgrade: None,
    })
}

fn from_world(
    accessor: &Accessor<Context>,
    answer: Result<Response, Error>,
) -> wasmtime::Result<event::Reply> {
    let response = match answer {
        Ok(response) => response,
        Err(error) => return Ok(Err(error.into())),
    };
    let body = match response.body {
        Body::Empty => ResponseBody::Bytes(Bytes::new()),
        Body::Bytes(bytes) => ResponseBody::Bytes(bytes.into()),
        Body::Stream(stream) => {
            let (writer, reader) = body::body();
            accessor.with(|mut access| {
                let outgoing = Outgoing::new(writer, access.get());
                stream.pipe(&mut access, outgoing)
            })?;
            ResponseBody::Stream(reader)
        }
    };
    Ok(Ok(event::Response {
        status: response.status,
        headers: response.headers,
        body,
    }))
}
