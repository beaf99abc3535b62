//! The awake life of an instance: takes events as the input gate lets them in,
//! runs them side by side, and says when and why it ends.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use futures::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use slab::Slab;
use tokio::time::{Duration, Instant, Sleep, sleep, sleep_until};
use wasmtime::component::Accessor;

use super::context::{Context, Death, Fate};
use super::create::Instance;
use super::event;
use super::handlers::Handlers;
use super::turn::run;
use crate::clock;
use crate::object::error::ObjectError;
use crate::object::event::{Event, ReplySender};
use crate::object::handle::Handle;
use crate::object::outlet::Output;

/// Events that run in one instance at a time; more wait in the mailbox.
const RUNNING_EVENTS_MAX: usize = 10_000;

/// How long code may hold back other events.
const SECTION_MS_MAX: u64 = 30_000;
const SECTION_TOO_LONG: &str = "A call to blockConcurrencyWhile() in a Durable Object waited for \
     too long. The call was canceled and the Durable Object was reset.";
const SECTION_LEFT_OPEN: &str = "The Durable Object was reset: it held back other events, by \
     blockConcurrencyWhile() or a transaction, and nothing was left that could end that.";

/// How long events may go on after their instance was told to leave.
const LEAVING_MS_MAX: u64 = 5_000;

/// Why an instance leaves that still works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Departure {
    /// Nothing happened for the idle time-out.
    Idle,
    /// It was told to.
    Told,
}

impl Instance {
    /// Runs events until the instance is idle, is told to leave or fails. Events
    /// that are running when it fails get its error.
    pub async fn serve(&mut self, handle: &Handle) -> Result<Departure, Death> {
        let handlers = &self.handlers;
        let callers = Callers::default();
        let turnstile = self.store.data().turnstile.clone();
        let outcome = run(&mut self.store, async |accessor| {
            let mut awake = Awake::new(handle);
            let mut running = FuturesUnordered::new();
            std::future::poll_fn(|cx| {
                loop {
                    while let Poll::Ready(Some(ended)) = running.poll_next_unpin(cx) {
                        awake.touched = Instant::now();
                        if let Err(trap) = ended {
                            return Poll::Ready(Err(trap));
                        }
                    }
                    if turnstile.is_taken() {
                        // The poll is repeated once what has entered ran.
                        return Poll::Pending;
                    }
                    match awake.poll_admit(cx, accessor, running.len()) {
                        Poll::Ready(Ok(event)) => {
                            running.push(deliver(accessor, handlers, &callers, event));
                        }
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => break,
                    }
                }
                awake.poll_leave(cx, accessor, running.is_empty())
            })
            .await
        })
        .await;
        if let Err(death) = &outcome {
            callers.refuse_all(&death.error);
        }
        outcome
    }
}

/// Runs one event and lets its answer out. Fails when the instance has come to
/// its end; the caller is then still among the callers.
async fn deliver(
    accessor: &Accessor<Context>,
    handlers: &Handlers,
    callers: &Callers,
    event: Event,
) -> wasmtime::Result<()> {
    match event {
        Event::Fetch(request, sender) => {
            let caller = callers.add(sender);
            let reply = event::fetch(accessor, handlers, request).await?;
            let sender = callers.remove(caller);
            accessor.with(|mut access| {
                let around = &access.get().around;
                let newest = around.storage.lock().newest_commit();
                around.outlet.say(newest, Output::Reply(sender, reply));
            });
        }
    }
    Ok(())
}

/// Who waits for the events that are running.
#[derive(Default)]
struct Callers(Mutex<Slab<ReplySender>>);

impl Callers {
    fn add(&self, sender: ReplySender) -> usize {
        self.0.lock().insert(sender)
    }

    fn remove(&self, caller: usize) -> ReplySender {
        self.0.lock().remove(caller)
    }

    fn refuse_all(&self, error: &ObjectError) {
        for sender in self.0.lock().drain() {
            // A caller that is gone needs no answer.
            let _ = sender.send(Err(error.clone()));
        }
    }
}

/// The clocks of an awake instance.
struct Awake<'a> {
    handle: &'a Handle,
    touched: Instant,
    /// Neither an event nor its background work runs.
    quiet: bool,
    idle: Pin<Box<Sleep>>,
    /// Runs while a section holds back other events.
    section: Option<Pin<Box<Sleep>>>,
    /// Runs once the instance was told to leave, with what its events are told.
    leaving: Option<(Pin<Box<Sleep>>, &'static str)>,
}

impl<'a> Awake<'a> {
    fn new(handle: &'a Handle) -> Awake<'a> {
        Awake {
            handle,
            touched: Instant::now(),
            quiet: false,
            idle: Box::pin(sleep(handle.idle_timeout())),
            section: None,
            leaving: None,
        }
    }

    /// The next event that may enter.
    fn poll_admit(
        &mut self,
        cx: &mut TaskContext<'_>,
        accessor: &Accessor<Context>,
        running: usize,
    ) -> Poll<wasmtime::Result<Event>> {
        self.handle.listen(cx);
        if let Some(error) = self.handle.broken() {
            return Poll::Ready(Err(fate(accessor).seal(Death::of_running(error))));
        }
        let told = self.handle.told_to_leave();
        if let (None, Some(message)) = (&self.leaving, told) {
            let limit = Duration::from_millis(LEAVING_MS_MAX);
            self.leaving = Some((Box::pin(sleep(limit)), message));
        }
        if self.leaving.is_some() || running >= RUNNING_EVENTS_MAX || !self.handle.has_mail() {
            return Poll::Pending;
        }
        let enters = accessor.with(|mut access| {
            let context = access.get();
            context.lets_in(cx.waker()) && context.turnstile.pass(cx.waker())
        });
        let Some(event) = enters.then(|| self.handle.pop()).flatten() else {
            return Poll::Pending;
        };
        self.touched = Instant::now();
        Poll::Ready(Ok(event))
    }

    /// Is it time to leave?
    fn poll_leave(
        &mut self,
        cx: &mut TaskContext<'_>,
        accessor: &Accessor<Context>,
        nothing_runs: bool,
    ) -> Poll<wasmtime::Result<Departure>> {
        let quiet = nothing_runs
            && accessor.poll_no_interesting_tasks(cx).is_ready()
            && accessor.with(|mut access| access.get().poll_bodies_closed(cx).is_ready());
        if quiet != self.quiet {
            self.quiet = quiet;
            self.handle.set_idle(quiet);
            if quiet {
                accessor.with(|mut access| access.get().around.storage.lock().close_cursors());
            }
        }
        if let Poll::Ready(message) = self.poll_section(cx, accessor, quiet) {
            return Poll::Ready(Err(fate(accessor).reset_all(message)));
        }
        if let Some((limit, message)) = &mut self.leaving {
            if quiet {
                return Poll::Ready(Ok(Departure::Told));
            }
            let ended = limit.as_mut().poll(cx);
            return ended.map(|()| Err(fate(accessor).reset(*message)));
        }
        while quiet && self.idle.as_mut().poll(cx).is_ready() {
            let end = self.touched + self.handle.idle_timeout();
            if end <= Instant::now() {
                return Poll::Ready(Ok(Departure::Idle));
            }
            self.idle = Box::pin(sleep_until(end));
        }
        Poll::Pending
    }

    /// Has a section held back other events for too long, or for ever?
    fn poll_section(
        &mut self,
        cx: &mut TaskContext<'_>,
        accessor: &Accessor<Context>,
        quiet: bool,
    ) -> Poll<&'static str> {
        let closed_since_ms = accessor.with(|mut access| access.get().closed_since_ms());
        let Some(since_ms) = closed_since_ms else {
            self.section = None;
            return Poll::Pending;
        };
        if quiet {
            return Poll::Ready(SECTION_LEFT_OPEN);
        }
        let section = self.section.get_or_insert_with(|| {
            let passed_ms = clock::now_ms().saturating_sub(since_ms);
            let left_ms = SECTION_MS_MAX.saturating_sub(passed_ms);
            Box::pin(sleep(Duration::from_millis(left_ms)))
        });
        section.as_mut().poll(cx).map(|()| SECTION_TOO_LONG)
    }
}

fn fate(accessor: &Accessor<Context>) -> Fate {
    accessor.with(|mut access| access.get().fate.clone())
}
