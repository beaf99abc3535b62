//! What happens on a WebSocket, in an instance. Nobody waits for what its handlers
//! return.

use std::time::Duration;

use wasmtime::component::Accessor;

use super::bindings::durable::object::types::Error;
use super::bindings::durable::object::websockets::Message as WorldMessage;
use super::context::Context;
use super::handlers::Handlers;
use crate::clock;
use crate::object::error::ObjectError;
use crate::object::event::{Outcome, Reply};
use crate::object::log_budget::shortened;
use crate::object::socket::event::{Arrival, Parting};
use crate::object::socket::{Ending, Message};

/// A class that does not want to know of messages need not.
pub async fn message(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    arrival: Arrival,
) -> wasmtime::Result<Reply> {
    if let (Some((socket, message)), Some(handler)) = (arrival.take(), &handlers.websocket) {
        let message = match message {
            Message::Text(text) => WorldMessage::Text(text),
            Message::Binary(bytes) => WorldMessage::Binary(bytes),
        };
        let call = handler.call_message(accessor, socket, message);
        wait(accessor, socket, call).await?;
    }
    Ok(Ok(Outcome::Nothing))
}

/// The socket is gone when this ends, however it does.
pub async fn ended(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    mut parting: Parting,
) -> wasmtime::Result<Reply> {
    let socket = parting.number;
    match (parting.take(), &handlers.websocket) {
        (
            Some(Ending::Closed {
                code,
                reason,
                was_clean,
            }),
            Some(handler),
        ) => {
            let call = handler.call_close(accessor, socket, code, reason, was_clean);
            wait(accessor, socket, call).await?;
        }
        (Some(Ending::Failed { message }), Some(handler)) => {
            let call = handler.call_error(accessor, socket, message);
            wait(accessor, socket, call).await?;
        }
        _ => {}
    }
    Ok(Ok(Outcome::Nothing))
}

/// Waits for a handler, as long as the object wants. What is left of it then is work
/// in the background.
async fn wait(
    accessor: &Accessor<Context>,
    socket: u64,
    call: impl Future<Output = wasmtime::Result<Result<(), Error>>>,
) -> wasmtime::Result<()> {
    let limit_ms = accessor.with(|mut access| access.get().parts.sockets.event_timeout_ms());
    let ended = match limit_ms {
        None => call.await?,
        Some(ms) => match tokio::time::timeout(Duration::from_millis(ms.into()), call).await {
            Ok(ended) => ended?,
            Err(_) => {
                let fault = format!("it ran for longer than the event timeout of {ms} ms");
                tell(accessor, socket, &fault);
                Ok(())
            }
        },
    };
    if let Err(error) = ended {
        tell(accessor, socket, &ObjectError::from(error).to_string());
    }
    Ok(())
}

fn tell(accessor: &Accessor<Context>, socket: u64, fault: &str) {
    accessor.with(|mut access| {
        let object = &access.get().parts.identity;
        let fault = &*shortened(fault);
        if object.prints.take(fault.len(), clock::now_ms()).is_some() {
            let (class, id) = (&*object.class, object.id);
            tracing::warn!(class, %id, socket, "the handler of a WebSocket failed: {fault}");
        }
    });
}
