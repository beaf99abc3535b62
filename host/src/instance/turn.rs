//! Runs an instance turn by turn, and finds out what its end means.

use std::pin::pin;
use std::task::Poll;

use wasmtime::Store;
use wasmtime::component::Accessor;

use super::context::{Context, Death, Surroundings};
use super::limits::CpuExhausted;
use crate::object::error::ObjectError;
use crate::storage::StorageError;

/// What may enter an instance in one turn: enough for commits to be shared, few
/// enough for answers not to wait for long.
const ENTERED_PER_TURN_MAX: usize = 100;

/// Runs `work` in the instance's event loop, turn by turn.
pub async fn run<T>(
    store: &mut Store<Context>,
    work: impl AsyncFnOnce(&Accessor<Context>) -> wasmtime::Result<T>,
) -> Result<T, Death> {
    let context = store.data();
    let (around, burst) = (context.around.clone(), context.burst.clone());
    let (turnstile, fate) = (context.turnstile.clone(), context.fate.clone());
    let outcome = {
        let mut turns = pin!(store.run_concurrent(work));
        std::future::poll_fn(|cx| {
            let mut entered = 0;
            let polled = loop {
                burst.enter();
                let polled = turns.as_mut().poll(cx);
                if polled.is_pending() && burst.is_preempted() {
                    return Poll::Pending;
                }
                entered += 1;
                if polled.is_ready() || !turnstile.reopen() {
                    break polled;
                }
                if entered == ENTERED_PER_TURN_MAX {
                    // The rest is for the next turn, which is to come at once.
                    cx.waker().wake_by_ref();
                    break polled;
                }
            };
            let failed = match &polled {
                Poll::Ready(Err(_) | Ok(Err(_))) => true,
                _ => fate.is_sealed(),
            };
            if !failed && let Err(error) = end_turn(&around) {
                return Poll::Ready(Err(fate.reset(error.to_string())));
            }
            polled.map(|outcome| outcome.and_then(|inner| inner))
        })
        .await
    };
    outcome.map_err(|error| {
        let fate = &store.data().fate;
        if !fate.is_sealed() {
            // What streams still have to say must not look whole.
            fate.seal(Death::of_running(ended(store, &error)));
        }
        let death = fate.get().expect("it was just sealed");
        let mut storage = around.storage.lock();
        storage.rollback_turn();
        around.outlet.abandon(storage.committed(), &death.error);
        death
    })
}

/// Commits what the turn wrote. Its sync is under way when this returns.
fn end_turn(around: &Surroundings) -> Result<(), StorageError> {
    let mut storage = around.storage.lock();
    storage.end_turn()?;
    if storage.checkpoint_due()
        && let Err(error) = tokio::task::block_in_place(|| storage.checkpoint())
    {
        let (class, id) = (&*around.object.class, around.object.id);
        tracing::warn!(class, %id, %error, "cannot fold the log into the database; it grows on");
    }
    Ok(())
}

/// What the callers of an instance are told that ended with `error`.
pub fn ended(store: &Store<Context>, error: &wasmtime::Error) -> ObjectError {
    let context = store.data();
    let object = &context.around.object;
    let (class, id) = (&*object.class, object.id);
    if let Some(exhausted) = error.downcast_ref::<CpuExhausted>() {
        tracing::warn!(class, %id, "{exhausted}");
        return ObjectError::reset(exhausted.to_string());
    }
    let memory = &context.meter;
    if memory.refused() {
        let message = format!(
            "Durable Object exceeded its memory limit of {} bytes and was reset.",
            memory.bytes_max()
        );
        tracing::warn!(class, %id, trap = format!("{error:#}"), "{message}");
        return ObjectError::reset(message);
    }
    tracing::error!(class, %id, trap = format!("{error:#}"), "the instance trapped and was reset");
    let trap = match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    ObjectError::reset(format!("Durable Object trapped and was reset: {trap}"))
}
