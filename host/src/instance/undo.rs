//! What is left to do when an instance came to its end: its turn is undone, and those
//! whom that reaches hear of it.

use wasmtime::Store;

use super::alarm::Fault;
use super::context::Context;
use super::cpu::CpuExhausted;
use super::end::EndReason;
use crate::object::error::ObjectError;
use crate::object::log_budget::shortened;
use crate::object::outlet::Output;
use crate::object::socket::sockets::Which;
use crate::storage::CommitNumber;
use crate::workers::heavy;

/// Undoes the turn in which the instance came to its end by `error`, and answers
/// those whom the end reaches that have not entered. Says what the others are told.
pub fn undo(store: &Store<Context>, error: &wasmtime::Error, reach: Reach) -> ObjectError {
    let context = store.data();
    if !context.end.is_decided() {
        // What streams still have to say must not look whole.
        let reason = EndReason::of_running(what_ended(store, error));
        context.end.decide(reason);
    }
    let reason = context.end.reason().expect("it was just decided");
    let parts = &context.parts;
    // Before anybody hears of the end: who asks again then is not meant.
    let mut waiting = Vec::new();
    if reason.reaches_waiting || reach == Reach::All {
        waiting.extend(std::iter::from_fn(|| parts.inbox.pop()));
    }
    let committed = {
        let mut storage = parts.storage.lock();
        storage.rollback_turn();
        storage.committed()
    };
    parts.outlet.abandon(committed, &reason.error);
    let committed = settle_alarm(context, &reason.error);
    match reason.keeps_sockets {
        true => parts.sockets.close_plain(),
        false => parts.sockets.drop_all(Which::All),
    }
    // The error may speak of what was written, so it takes the way of all output.
    for event in waiting {
        let refusal = event.refusal(reason.error.clone());
        parts.outlet.say(committed, refusal);
    }
    reason.error
}

/// Commits what becomes of an alarm whose handler ran in the instance that ended, and
/// has the index hear how the object's alarm stands. Returns the newest commit.
fn settle_alarm(context: &Context, error: &ObjectError) -> CommitNumber {
    let parts = &context.parts;
    let mut storage = parts.storage.lock();
    let told = parts.inbox.told().ends();
    let fault = match told || parts.inbox.failure().is_some() || storage.is_broken() {
        true => Fault::Host,
        false => Fault::Object,
    };
    context.alarms.cut_short(&mut storage, fault, error);
    let news = context.alarms.news(&mut storage);
    heavy::end_statement();
    let committed = storage.committed();
    match news {
        Ok(None) => {}
        Ok(Some(news)) => parts.outlet.say(committed, Output::Alarm(news)),
        Err(_) => storage.look_at_alarm_soon(),
    }
    committed
}

/// Whom the end of an instance reaches of those that wait for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Those that its reason says.
    AsDecided,
    All,
}

/// What the callers of an instance are told that ended with `error`.
fn what_ended(store: &Store<Context>, error: &wasmtime::Error) -> ObjectError {
    let context = store.data();
    let object = &context.parts.identity;
    let (class, id) = (&*object.class, object.id);
    let shown = format!("{error:#}");
    let trap = &*shortened(&shown);
    let may_tell = object.may_tell(trap.len());
    if let Some(exhausted) = error.downcast_ref::<CpuExhausted>() {
        if may_tell {
            tracing::warn!(class, %id, "{exhausted}");
        }
        return ObjectError::reset(exhausted.to_string());
    }
    let memory = &context.memory.meter;
    if memory.refused() {
        let message = format!(
            "Durable Object exceeded its memory limit of {} bytes and was reset.",
            memory.bytes_max()
        );
        if may_tell {
            tracing::warn!(class, %id, trap, "{message}");
        }
        return ObjectError::reset(message);
    }
    if may_tell {
        tracing::error!(class, %id, trap, "the instance trapped and was reset");
    }
    let trap = match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    ObjectError::reset(format!("Durable Object trapped and was reset: {trap}"))
}
