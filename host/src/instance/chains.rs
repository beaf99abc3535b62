//! Which event does a call of the guest belong to?
//!
//! The component model knows of each call which task makes it, and so whose callers
//! wait for it. Tasks of events from outside are not kept: nobody waits for those.

use std::collections::HashMap;

use wasmtime::component::{Accessor, ComponentNamedList, GuestTaskId, Lift, Lower, TypedFunc};
use wasmtime::{AsContextMut, StoreContextMut};

use super::context::Context;
use crate::object::chain::Chain;

/// The chains of the events that other objects have sent, by the tasks that handle
/// them. A task's number is used again after its end, so there are never more of
/// them than there were at once.
#[derive(Default)]
pub struct Chains(HashMap<GuestTaskId, Chain>);

impl Chains {
    fn begin(&mut self, task: GuestTaskId, chain: Chain) {
        if !chain.is_empty() {
            self.0.insert(task, chain);
        } else if !self.0.is_empty() {
            self.0.remove(&task);
        }
    }
}

/// Calls a handler for an event with this chain.
pub async fn call<Params, Return>(
    accessor: &Accessor<Context>,
    handler: TypedFunc<Params, Return>,
    chain: Chain,
    params: Params,
) -> wasmtime::Result<Return>
where
    Params: ComponentNamedList + Lower + Send + Sync + 'static,
    Return: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let call = accessor.with(|mut access| -> wasmtime::Result<_> {
        let call = handler.start_call_concurrent(access.as_context_mut(), params)?;
        access.get().chains.begin(call.task(), chain);
        Ok(call)
    })?;
    handler.finish_call_concurrent(accessor, call).await
}

/// The chain of the event that makes the call which has just come in.
pub fn of_caller(mut store: StoreContextMut<Context>) -> wasmtime::Result<Chain> {
    if store.data().chains.0.is_empty() {
        return Ok(Chain::default());
    }
    let root = store.async_call_stack()?.last();
    let chains = &store.data().chains.0;
    Ok(root
        .and_then(|task| chains.get(&task).cloned())
        .unwrap_or_default())
}
