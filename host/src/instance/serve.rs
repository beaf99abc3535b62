//! The awake life of an instance: takes events as the turnstile lets them in, runs
//! them side by side, and says when and why it ends.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures::future::Either;
use futures::stream::{FuturesUnordered, StreamExt};
use wasmtime::component::{Accessor, TypedFunc};

use super::bindings::durable::object::types::Error;
use super::callers::Callers;
use super::chains;
use super::context::{Context, ObjectParts};
use super::create::Instance;
use super::end::{EndReason, Ended};
use super::event::{self, Running};
use super::fault::{self, Asked};
use super::handlers::Handlers;
use super::turn::{Pace, Steering, drive};
use super::turnstile::Turnstile;
use super::undo::{Reach, undo};
use crate::clock;
use crate::object::admission::Entry;
use crate::object::deadlines::{Deadlines, Verdict};
use crate::object::event::Event;
use crate::object::inbox::{Inbox, Told};
use crate::object::outgoing::Outgoing;
use crate::object::references::Giver;
use crate::object::room::Claim;

/// Events that run in one instance at a time; more wait in the mailbox.
const RUNNING_EVENTS_MAX: usize = 10_000;

/// An instance has left that still works.
pub struct Left {
    /// Another program has changed the data that the instance remembers.
    pub is_stale: bool,
    /// Some when it left for another object that waits for its place.
    pub claim: Option<Claim<Inbox>>,
}

impl Instance {
    /// Runs events until the instance is idle, is told to leave or fails. Events
    /// that are running when it fails get its error.
    pub async fn serve(&mut self, idle_timeout_ms: u64) -> Result<Left, Ended> {
        let handlers = &self.handlers;
        let callers = self.store.data().callers.clone();
        let steering = Steering::of(self.store.data());
        let parts = self.store.data().parts.clone();
        let now_ms = clock::now_ms();
        let starting = self.constructor_since_ms.take();
        let pace = Pace::new(match starting {
            Some(since_ms) => Deadlines::serving_after_start(now_ms, idle_timeout_ms, since_ms),
            None => Deadlines::serving(now_ms, idle_timeout_ms),
        });
        let mut awake = Awake {
            parts: parts.clone(),
            turnstile: self.store.data().turnstile.clone(),
            giver: self.store.data().giver.clone(),
            outgoing: self.store.data().outgoing.clone(),
            pace: &pace,
            quiet: false,
            is_stale: false,
        };
        let work = self.store.run_concurrent(async |accessor| {
            let mut running = FuturesUnordered::new();
            if let (Some(_), Some(lifecycle)) = (starting, &handlers.lifecycle) {
                accessor.with(|mut access| access.get().starts())?;
                running.push(Either::Left(start(accessor, lifecycle.func_start(), &pace)));
            }
            std::future::poll_fn(|cx| {
                pace.came_back(clock::now_ms());
                loop {
                    while let Poll::Ready(Some(ended)) = running.poll_next_unpin(cx) {
                        pace.touched();
                        if let Err(trap) = ended {
                            return Poll::Ready(Err(trap));
                        }
                    }
                    let Some((entry, event)) = awake.admit(running.len()) else {
                        break;
                    };
                    accessor.with(|mut access| access.get().cpu.event());
                    let delivered = deliver(accessor, handlers, &callers, entry, event);
                    running.push(Either::Right(delivered));
                }
                accessor.with(|mut access| access.get().held.forget_released());
                if awake.turnstile.is_taken() {
                    // The poll is repeated once what has entered ran.
                    return Poll::Pending;
                }
                awake.poll_leave(cx, accessor, running.is_empty())
            })
            .await
        });
        let outcome = drive(&steering, &pace, async { work.await? }).await;
        outcome.map_err(|error| {
            let is_decided = self.store.data().end.is_decided();
            let reach = match self.store.data().is_starting() {
                true => Reach::All,
                false => Reach::AsDecided,
            };
            let error = undo(&self.store, &error, reach);
            // Any other end was logged as that was looked at.
            if callers.refuse_all(&parts, &error) && is_decided {
                fault::tell_end(&parts.identity, &error);
            }
            Ended
        })
    }
}

/// Runs the constructor. Other events enter when it has ended, but for those that it made
/// possible itself.
async fn start(
    accessor: &Accessor<Context>,
    start: TypedFunc<(), (Result<(), Error>,)>,
    pace: &Pace,
) -> wasmtime::Result<()> {
    let (chain, end) = accessor.with(|mut access| {
        let context = access.get();
        // Who waits for the first event waits for the constructor.
        let chain = context.parts.inbox.first_chain();
        (chain, context.end.clone())
    });
    match chains::call(accessor, start, chain, ()).await? {
        (Ok(()),) => {
            accessor.with(|mut access| access.get().started());
            pace.started();
            Ok(())
        }
        // Decided at once, so that the turn that failed is not committed.
        (Err(error),) => Err(end.decide(EndReason::of_all(error.into()))),
    }
}

/// Runs one event and lets its answer out. Fails when the instance has come to
/// its end; the caller is then still among the callers.
async fn deliver(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    callers: &Callers,
    entry: Entry,
    event: Event,
) -> wasmtime::Result<()> {
    let asked = match event.caller.is_object() {
        true => Asked::of(&event.happening),
        false => None,
    };
    let caller = callers.add(event.caller);
    let running = Running {
        happening: event.happening,
        chain: event.chain,
        caller,
    };
    let reply = event::handle(accessor, handlers, running).await?;
    accessor.with(|mut access| {
        let parts = &access.get().parts;
        if let (Some(asked), Err(error)) = (asked, &reply) {
            asked.tell(&parts.identity, error);
        }
        let answer = callers.answer(caller, reply);
        let storage = parts.storage.lock();
        let newest = match entry {
            Entry::First => storage.newest_commit(),
            // The transaction that let it in may wait for what it is asked to answer.
            Entry::Within(_) => storage.newest_before_call(),
        };
        drop(storage);
        parts.outlet.say(newest, answer);
    });
    Ok(())
}

/// What an awake instance takes in, and whether it may leave.
struct Awake<'a> {
    parts: ObjectParts,
    turnstile: Arc<Turnstile>,
    giver: Arc<Giver>,
    outgoing: Arc<Outgoing>,
    pace: &'a Pace,
    /// Neither an event nor its background work runs.
    quiet: bool,
    /// Another program has changed the data meanwhile.
    is_stale: bool,
}

impl Awake<'_> {
    /// The next event, if it may enter.
    fn admit(&mut self, running: usize) -> Option<(Entry, Event)> {
        let inbox = &self.parts.inbox;
        let wants = (inbox.has_mail() || self.giver.has_let_go())
            && running < RUNNING_EVENTS_MAX
            && inbox.told() == Told::Nothing
            && !self.pace.is_told()
            && !self.parts.outlet.is_full();
        if !wants || self.notices_change() {
            self.turnstile.no_event();
            return None;
        }
        let inbox = &self.parts.inbox;
        let has_within = |floor| inbox.has_within(floor);
        let entry = self.turnstile.lets_event_in(has_within)?;
        // Should all callers be gone meanwhile, the round passes without an event.
        let event = match entry {
            Entry::First => {
                let release = || self.giver.next_let_go().map(Event::release);
                inbox.pop().or_else(release)?
            }
            Entry::Within(floor) => inbox.pop_within(floor)?,
        };
        self.pace.touched();
        if std::mem::take(&mut self.quiet) {
            inbox.set_busy();
        }
        Some((entry, event))
    }

    /// Whether another program has changed the data while nothing ran. The event is then
    /// for an instance that knows them.
    fn notices_change(&mut self) -> bool {
        if self.quiet && self.parts.storage.lock().notice_change() {
            let object = &self.parts.identity;
            let (class, id) = (&*object.class, object.id);
            tracing::warn!(
                class, %id,
                "somebody has changed the object's database while it rested; it starts anew \
                 with its data"
            );
            self.is_stale = true;
        }
        self.is_stale
    }

    /// Is it time to leave?
    fn poll_leave(
        &mut self,
        cx: &mut TaskContext<'_>,
        accessor: &Accessor<Context>,
        nothing_runs: bool,
    ) -> Poll<wasmtime::Result<Left>> {
        let inbox = &self.parts.inbox;
        let may_wait = !inbox.told().ends();
        let quiet = nothing_runs
            && !(may_wait && self.parts.sockets.has_plain())
            && accessor.poll_no_interesting_tasks(cx).is_ready()
            && accessor.with(|mut access| access.get().poll_bodies_closed(cx).is_ready())
            && self.outgoing.poll_none(cx).is_ready();
        let now_ms = clock::now_ms();
        let quiet = quiet && (self.pace.is_told() || !self.giver.keeps_awake(now_ms));
        let verdict = self
            .pace
            .reached(now_ms, quiet, self.turnstile.closed_since_ms());
        match (quiet, self.quiet) {
            (true, false) => {
                self.parts.storage.lock().close_cursors();
                inbox.set_idle(now_ms);
            }
            (false, true) => inbox.set_busy(),
            _ => {}
        }
        self.quiet = quiet;
        let claim = if quiet { inbox.claim() } else { None };
        let left = |claim| {
            Poll::Ready(Ok(Left {
                is_stale: self.is_stale,
                claim,
            }))
        };
        match verdict {
            _ if self.is_stale => left(claim),
            Verdict::Leave => left(claim),
            Verdict::Rest | Verdict::GoOn { .. } if quiet && inbox.told() == Told::Pause => {
                left(claim)
            }
            Verdict::Rest if claim.is_none() => {
                self.parts.storage.lock().rest();
                self.pace.rested();
                // Now the time counts until it leaves.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ if claim.is_some() => left(claim),
            _ => Poll::Pending,
        }
    }
}
