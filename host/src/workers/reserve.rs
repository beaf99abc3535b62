//! Workers that stand still until others are stuck.
//!
//! tokio cannot be given workers while it runs. So it gets some in reserve from the
//! beginning, and each of them is kept busy by a task that does nothing but wait at
//! a gate. When a worker is stuck, a gate opens: its worker steals the stuck one's
//! tasks and serves sockets and timers in its place. Some time after a stuck worker
//! has come free, one of them is sent to a gate again.
//!
//! Invariants:
//!
//! * Of the workers that stand, the same go first each time: what the allocator keeps for
//!   a thread is then kept for few.
//! * A worker at a gate keeps no task from being polled: its queue is stolen from,
//!   and it goes there only when no task has yielded to it. That takes that each
//!   task is spawned by `workers::spawn`, which is where polls are counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures::task::AtomicWaker;
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use super::{ticks, watch};
use crate::memory;

/// Workers in reserve. Each is a thread, some 20 KB while it stands still; more
/// than these are stuck only where the disk itself is.
pub const WORKERS: usize = 64;

/// How long a worker goes on after it is not needed any more; most often another
/// is stuck before that.
const LINGER_TICKS: u32 = 50;

/// A worker that goes to a gate leaves its queue to whoever looks for work next. So
/// many ticks long somebody is made to look.
const NUDGE_TICKS: u32 = 3;

/// While there is work, how often a worker at a gate sees whether it owes anything to
/// anybody after all.
const CHECK: Duration = Duration::from_secs(1);

static RESERVE: Mutex<State> = Mutex::new(State {
    runtime: None,
    stands: 0,
    gates: BTreeMap::new(),
    opens: 0,
    surplus: 0,
    surplus_ticks: 0,
    nudge_ticks: 0,
    stopped: false,
});

struct State {
    runtime: Option<Handle>,
    /// Workers at a gate, or on their way there.
    stands: usize,
    /// The gates at which workers stand, by the numbers of these.
    gates: BTreeMap<usize, Arc<Gate>>,
    /// So many of those that are on their way may pass.
    opens: usize,
    /// Workers that work though nobody is stuck for them.
    surplus: usize,
    surplus_ticks: u32,
    nudge_ticks: u32,
    stopped: bool,
}

/// Where one worker stands.
#[derive(Default)]
struct Gate {
    is_open: AtomicBool,
    opened: Condvar,
}

/// Sends all reserve workers of a runtime to their gates.
pub(super) fn fill(runtime: Handle) {
    for _ in 0..WORKERS {
        runtime.spawn(stand());
    }
    let mut state = RESERVE.lock();
    state.runtime = Some(runtime);
    state.stands = WORKERS;
}

/// A worker is stuck: another takes its place. False when none is left.
pub(super) fn step_in() -> bool {
    let mut state = RESERVE.lock();
    if state.surplus > 0 {
        state.surplus -= 1;
        return true;
    }
    if state.stands == 0 {
        return false;
    }
    state.stands -= 1;
    match state.gates.pop_first() {
        Some((_, gate)) => gate.open(),
        None => state.opens += 1,
    }
    true
}

/// A worker that was stuck is free again.
pub(super) fn release() {
    let mut state = RESERVE.lock();
    state.surplus += 1;
    state.surplus_ticks = 0;
}

/// At a tick: sends those to a gate that are not needed. Says whether there is
/// nothing left to do.
pub(super) fn settle() -> bool {
    let mut state = RESERVE.lock();
    let Some(runtime) = state.runtime.clone() else {
        return true;
    };
    if state.surplus > 0 {
        state.surplus_ticks += 1;
        if state.surplus_ticks > LINGER_TICKS && !state.stopped {
            let leave = std::mem::take(&mut state.surplus);
            state.stands += leave;
            state.nudge_ticks = NUDGE_TICKS;
            for _ in 0..leave {
                runtime.spawn(stand());
            }
        }
    } else if state.nudge_ticks > 0 {
        state.nudge_ticks -= 1;
        runtime.spawn(async {});
    }
    state.surplus == 0 && state.nudge_ticks == 0
}

/// Lets all workers go, so that the runtime can end.
pub(super) fn stop() {
    let mut state = RESERVE.lock();
    state.stopped = true;
    state.runtime = None;
    for gate in std::mem::take(&mut state.gates).into_values() {
        gate.open();
    }
}

impl Gate {
    /// Called while the state is locked.
    fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
        self.opened.notify_one();
    }
}

/// Takes its worker out of work until a gate opens.
async fn stand() {
    loop {
        alone().await;
        memory::forget_thread();
        let mut state = RESERVE.lock();
        state.nudge_ticks = NUDGE_TICKS;
        ticks::awake();
        if state.opens > 0 || state.stopped {
            state.opens = state.opens.saturating_sub(1);
            return;
        }
        let gate = Arc::<Gate>::default();
        state.gates.insert(own_number(), gate.clone());
        while !gate.is_open.load(Ordering::Relaxed) {
            let waited = gate.opened.wait_for(&mut state, CHECK);
            if waited.timed_out() && !ticks::rests() {
                break;
            }
        }
        if gate.is_open.load(Ordering::Relaxed) {
            return;
        }
        state.gates.remove(&own_number());
    }
}

/// The number of this thread among those that have ever stood.
fn own_number() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = LAST.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|number| *number)
}

/// Waits for a moment in which its worker owes nothing to another task.
///
/// A task that yields is remembered by its worker until that next looks at sockets
/// and timers, and by nobody else: standing still with one in mind would stop it.
/// So this yields too, and then sees whether another task was polled since it, and
/// with it all that had yielded, was remembered.
async fn alone() {
    loop {
        let remembered = Arc::<Remembered>::default();
        let mut yielding = Box::pin(tokio::task::yield_now());
        std::future::poll_fn(|cx| {
            remembered.task.register(cx.waker());
            let waker = Waker::from(remembered.clone());
            yielding.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await;
        if *remembered.at.lock() == Some(watch::position()) {
            return;
        }
    }
}

/// Where its worker was when it remembered the tasks that had yielded.
#[derive(Default)]
struct Remembered {
    task: AtomicWaker,
    at: Mutex<Option<watch::Position>>,
}

impl Wake for Remembered {
    fn wake(self: Arc<Remembered>) {
        *self.at.lock() = Some(watch::position());
        self.task.wake();
    }
}
