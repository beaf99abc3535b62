//! What method calls carry, between the world and the host.

use wasmtime::{AsContextMut, StoreContextMut};

use super::bindings::durable::object::types::{Payload as WorldPayload, Reference};
use super::body;
use super::context::Context;
use crate::object::error::ObjectError;
use crate::object::payload::{self, Payload};

/// Gives a payload to the guest. Fails, to be told to the sender, when it has no
/// room for the references.
pub fn to_world(
    mut store: StoreContextMut<Context>,
    payload: Payload,
) -> wasmtime::Result<Result<WorldPayload, ObjectError>> {
    let context = store.data_mut();
    if let Err(error) = context.held.has_room(payload.references.len()) {
        return Ok(Err(error));
    }
    let references = payload.references.into_iter();
    let references = references.map(|lent| match lent.number_of(&context.giver) {
        Some(number) => Reference::Mine(number),
        None => Reference::Theirs(context.held.keep(lent)),
    });
    let references = references.collect();
    let streams = payload.streams.into_iter();
    let streams = streams.map(|source| body::stream_to_world(&mut store, source));
    Ok(Ok(WorldPayload {
        data: payload.data.into(),
        references,
        streams: streams.collect::<wasmtime::Result<_>>()?,
    }))
}

/// Takes a payload from the guest. Fails, to be told to the guest, when it is more than
/// may pass.
pub fn of_world(
    mut store: StoreContextMut<Context>,
    payload: WorldPayload,
) -> wasmtime::Result<Result<Payload, ObjectError>> {
    let checked = payload::check(
        payload.data.len(),
        payload.references.len(),
        payload.streams.len(),
    );
    // Also of one that is refused: whoever writes them must not wait for ever.
    let streams = payload.streams.into_iter();
    let streams = streams.map(|stream| body::stream_of_world(&mut store, stream));
    let streams = streams.collect::<wasmtime::Result<_>>()?;
    let context = store.as_context_mut();
    let context = context.data();
    let stamp = context.turnstile.stamp();
    let references = payload.references.into_iter();
    let references = references.map(|reference| match reference {
        Reference::Mine(number) => context.giver.give(number, stamp),
        Reference::Theirs(number) => context.held.get(number).cloned(),
    });
    Ok(checked.and_then(|()| {
        Ok(Payload {
            data: payload.data.into(),
            references: references.collect::<Result<_, _>>()?,
            streams,
        })
    }))
}
