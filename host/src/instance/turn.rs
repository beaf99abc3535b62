//! Runs an instance turn by turn: gives it its time, commits what a turn wrote, and
//! ends what takes too long.
//!
//! ```text
//! poll ─┬─ rounds: something enters, runs, waits ─► end of the turn: commit, deliver
//!       │                          an alarm was set ─► held until there is notice ─┘
//!       ├─ preempted ─► waits for a turn of its own for long work ─► goes on, apart
//!       └─ a limit has passed ─► the instance ends, whatever it does
//! ```
//!
//! Invariants:
//!
//! * A turn that was only preempted goes on; nothing is committed in its middle.
//! * What an object wrote before it waits is committed before it goes on, whatever
//!   becomes of it then.
//! * Limits of time hold without the instance's help: they are looked at here,
//!   around its event loop.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Waker};

use parking_lot::Mutex;
use tokio::time::{Duration, Instant, Sleep, sleep};

use super::alarm::AlarmRuns;
use super::context::{Context, ObjectParts};
use super::cpu::{CpuMeter, Wakes};
use super::end::{EndReason, InstanceEnd};
use super::turnstile::{Reopened, Turnstile};
use crate::clock;
use crate::object::deadlines::{Deadlines, Verdict};
use crate::object::error::ObjectError;
use crate::object::outlet::Output;
use crate::storage::StorageError;
use crate::workers::{heavy, watch};

/// What may enter an instance in one turn: enough for commits to be shared, few
/// enough for answers not to wait for long.
const ENTERED_PER_TURN_MAX: usize = 100;

/// What is known of the time that an instance takes, shared between its event loop
/// and what goes on around it.
pub struct Pace {
    deadlines: Mutex<Deadlines>,
    /// The instance came back to the host in this poll.
    reached: AtomicBool,
}

impl Pace {
    pub fn new(deadlines: Deadlines) -> Arc<Pace> {
        Arc::new(Pace {
            deadlines: Mutex::new(deadlines),
            reached: AtomicBool::new(false),
        })
    }

    /// The instance has come back to the host, and something may enter.
    pub fn came_back(&self, now_ms: u64) {
        self.deadlines.lock().came_back(now_ms);
    }

    /// The constructor has ended.
    pub fn started(&self) {
        self.deadlines.lock().started();
    }

    /// Something entered.
    pub fn touched(&self) {
        self.deadlines.lock().touched();
    }

    /// The instance came back to the host. Says what has to happen.
    pub fn reached(&self, now_ms: u64, quiet: bool, closed_since_ms: Option<u64>) -> Verdict {
        self.reached.store(true, Ordering::Relaxed);
        let mut deadlines = self.deadlines.lock();
        deadlines.reached(now_ms, quiet);
        deadlines.verdict(now_ms, closed_since_ms)
    }

    /// The instance rests.
    pub fn rested(&self) {
        self.deadlines.lock().rested();
    }

    /// The instance is in the middle of its work, and may be for as long as its CPU
    /// limit lets it.
    fn computes(&self) {
        self.reached.store(true, Ordering::Relaxed);
        self.deadlines.lock().reached(clock::now_ms(), false);
    }

    pub fn is_told(&self) -> bool {
        self.deadlines.lock().is_told()
    }
}

/// Drives `work`, which is the instance's event loop or leads to one.
pub async fn drive<T>(
    parts: &Steering,
    pace: &Pace,
    work: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    let mut work = pin!(work);
    let wakes = Arc::<Wakes>::default();
    let waker = Waker::from(wakes.clone());
    let mut queue: Option<Pin<Box<dyn Future<Output = heavy::Permit> + Send>>> = None;
    let mut timer = Timer::new();
    let mut held = None;
    let outcome = std::future::poll_fn(|cx| {
        parts.object.inbox.register(cx);
        if let Some(error) = parts.object.inbox.failure() {
            let reason = EndReason::of_running(error);
            return Poll::Ready(Err(parts.end.decide(reason)));
        }
        if let Some(polled) = held.take() {
            if parts.must_wait(&polled, cx) {
                held = Some(polled);
                pace.computes();
                return parts.look(pace, &mut timer, cx);
            }
            let polled = parts.end_turn(polled);
            parts.object.outlet.deliver();
            if polled.is_ready() {
                return polled;
            }
        }
        let permit = match &mut queue {
            None => None,
            Some(turn) => match turn.as_mut().poll(cx) {
                Poll::Ready(permit) => {
                    // It goes on only here, however long its turn took to come.
                    pace.computes();
                    Some(permit)
                }
                Poll::Pending => {
                    pace.computes();
                    return parts.look(pace, &mut timer, cx);
                }
            },
        };
        wakes.register(cx.waker());
        let inner = &mut TaskContext::from_waker(&waker);
        let polled = match permit {
            None => parts.turn(&wakes, false, work.as_mut(), inner, cx, &mut held),
            Some(permit) => watch::apart(|| {
                heavy::with(permit, || {
                    parts.turn(&wakes, true, work.as_mut(), inner, cx, &mut held)
                })
            }),
        };
        queue = None;
        if polled.is_pending() && (parts.cpu.is_preempted() || parts.cpu.is_restless()) {
            pace.computes();
            queue = Some(Box::pin(heavy::turn()));
            cx.waker().wake_by_ref();
        }
        parts.object.outlet.deliver();
        match polled {
            Poll::Pending => parts.look(pace, &mut timer, cx),
            ready => ready,
        }
    })
    .await;
    parts.object.outlet.deliver();
    outcome
}

/// The parts of an instance that are needed around its event loop.
pub struct Steering {
    object: ObjectParts,
    cpu: Arc<CpuMeter>,
    turnstile: Arc<Turnstile>,
    alarms: Arc<AlarmRuns>,
    end: InstanceEnd,
}

impl Steering {
    pub fn of(context: &Context) -> Steering {
        Steering {
            object: context.parts.clone(),
            cpu: context.cpu.clone(),
            turnstile: context.turnstile.clone(),
            alarms: context.alarms.clone(),
            end: context.end.clone(),
        }
    }

    /// Polls the event loop for one turn, or a part of one. What came of a turn whose
    /// commit has to wait is `held`.
    fn turn<T>(
        &self,
        wakes: &Wakes,
        has_turn: bool,
        mut work: Pin<&mut impl Future<Output = wasmtime::Result<T>>>,
        inner: &mut TaskContext<'_>,
        outer: &mut TaskContext<'_>,
        held: &mut Option<Poll<wasmtime::Result<T>>>,
    ) -> Poll<wasmtime::Result<T>> {
        self.cpu.begin(has_turn);
        let has_written = self.object.storage.lock().has_written();
        self.turnstile.hold_waits(has_written);
        let (mut entered, mut is_cut) = (0, false);
        let polled = loop {
            let polled = work.as_mut().poll(inner);
            if polled.is_pending() && self.cpu.is_preempted() {
                self.cpu.end(false, entered > 0);
                return Poll::Pending;
            }
            // What enters next would write into the savepoint, and be undone with it.
            if polled.is_ready() || self.object.storage.lock().has_savepoint() {
                break polled;
            }
            let reopened = self.turnstile.reopen();
            if reopened == Reopened::Nobody {
                // A guest that only yields may do so until its slice is over.
                if has_turn && self.cpu.has_time() && wakes.take() {
                    continue;
                }
                break polled;
            }
            entered += 1;
            is_cut = entered == ENTERED_PER_TURN_MAX
                || reopened == Reopened::NextTurn
                || self.object.outlet.is_laden();
            if is_cut {
                // The rest is for the next turn, which is to come at once.
                outer.waker().wake_by_ref();
                break polled;
            }
        };
        let waits = !wakes.came() && !is_cut;
        let polled = match self.must_wait(&polled, outer) {
            true => {
                *held = Some(polled);
                Poll::Pending
            }
            false => self.end_turn(polled),
        };
        self.cpu.end(waits, entered > 0);
        polled
    }

    /// Whether a turn cannot be committed yet; then its task is woken when it can.
    fn must_wait<T>(&self, polled: &Poll<wasmtime::Result<T>>, cx: &mut TaskContext<'_>) -> bool {
        let storage = self.object.storage.lock();
        !self.has_failed(polled) && storage.poll_notice(cx).is_pending()
    }

    fn has_failed<T>(&self, polled: &Poll<wasmtime::Result<T>>) -> bool {
        matches!(polled, Poll::Ready(Err(_))) || self.end.is_decided()
    }

    /// Commits the turn, unless the instance has come to its end.
    fn end_turn<T>(&self, polled: Poll<wasmtime::Result<T>>) -> Poll<wasmtime::Result<T>> {
        if self.has_failed(&polled) {
            return polled;
        }
        match self.commit() {
            Ok(()) => polled,
            Err(error) => Poll::Ready(Err(self.end.reset(error.to_string()))),
        }
    }

    /// Commits what the turn wrote. Its sync is under way when this returns.
    fn commit(&self) -> Result<(), StorageError> {
        let mut storage = self.object.storage.lock();
        let settled = self.alarms.settle(&mut storage);
        let ended = settled.and_then(|()| storage.end_turn());
        let news = ended.and_then(|_| self.alarms.news(&mut storage));
        heavy::end_statement();
        if let Some(news) = news? {
            let committed = storage.committed();
            self.object.outlet.say(committed, Output::Alarm(news));
        }
        if storage.checkpoint_due()
            && let Err(error) = watch::apart(|| storage.checkpoint())
        {
            let (class, id) = (&*self.object.identity.class, self.object.identity.id);
            tracing::warn!(class, %id, %error, "cannot fold the log into the database; it grows on");
        }
        Ok(())
    }

    /// Looks whether the instance has taken too long, and sees to it that somebody
    /// looks again.
    fn look<T>(
        &self,
        pace: &Pace,
        timer: &mut Timer,
        cx: &mut TaskContext<'_>,
    ) -> Poll<wasmtime::Result<T>> {
        let now_ms = clock::now_ms();
        let told = self.object.inbox.told().message();
        let mut deadlines = pace.deadlines.lock();
        if let Some(message) = told {
            deadlines.told(now_ms, message);
        }
        // An instance that is not blocked has come back to the host in this poll.
        if !pace.reached.swap(false, Ordering::Relaxed) {
            deadlines.touched();
        }
        match deadlines.verdict(now_ms, self.turnstile.closed_since_ms()) {
            Verdict::GoOn { until_ms } => {
                timer.set(now_ms, until_ms, cx);
                Poll::Pending
            }
            // The event loop finds out by itself when it is polled.
            Verdict::Leave | Verdict::Rest => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Verdict::Reset {
                message,
                reaches_waiting: true,
            } => Poll::Ready(Err(self.end.reset_all(ObjectError::reset(message)))),
            Verdict::Reset { message, .. } => Poll::Ready(Err(self.end.leave(message))),
        }
    }
}

/// Wakes a task at a time that is set anew only when it comes nearer.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    set_for_ms: Option<u64>,
}

impl Timer {
    fn new() -> Timer {
        Timer {
            sleep: Box::pin(sleep(Duration::ZERO)),
            set_for_ms: None,
        }
    }

    fn set(&mut self, now_ms: u64, until_ms: u64, cx: &mut TaskContext<'_>) {
        let is_near = self
            .set_for_ms
            .is_some_and(|set_ms| set_ms > now_ms && set_ms <= until_ms);
        if is_near || until_ms == u64::MAX {
            return;
        }
        self.set_for_ms = Some(until_ms);
        // Never before the time: whoever looks must find that it has come.
        let left = Duration::from_millis(until_ms - now_ms + 1);
        self.sleep.as_mut().reset(Instant::now() + left);
        if self.sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
