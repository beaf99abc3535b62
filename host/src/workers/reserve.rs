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
//! * A worker at a gate keeps no task from being polled: its queue is stolen from,
//!   and it goes there only when no task has yielded to it. That takes that each
//!   task is spawned by `workers::spawn`, which is where polls are counted.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures::task::AtomicWaker;
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use super::{ticks, watch};

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

static RESERVE: Reserve = Reserve {
    state: Mutex::new(State {
        runtime: None,
        stands: 0,
        opens: 0,
        surplus: 0,
        surplus_ticks: 0,
        nudge_ticks: 0,
        stopped: false,
    }),
    opened: Condvar::new(),
};

struct Reserve {
    state: Mutex<State>,
    opened: Condvar,
}

struct State {
    runtime: Option<Handle>,
    /// Workers at a gate, or on their way there.
    stands: usize,
    /// Gates that are open and were not passed yet.
    opens: usize,
    /// Workers that work though nobody is stuck for them.
    surplus: usize,
    surplus_ticks: u32,
    nudge_ticks: u32,
    stopped: bool,
}

/// Sends all reserve workers of a runtime to their gates.
pub(super) fn fill(runtime: Handle) {
    for _ in 0..WORKERS {
        runtime.spawn(stand());
    }
    let mut state = RESERVE.state.lock();
    state.runtime = Some(runtime);
    state.stands = WORKERS;
}

/// A worker is stuck: another takes its place. False when none is left.
pub(super) fn step_in() -> bool {
    let mut state = RESERVE.state.lock();
    if state.surplus > 0 {
        state.surplus -= 1;
        return true;
    }
    if state.stands == 0 {
        return false;
    }
    state.stands -= 1;
    state.opens += 1;
    drop(state);
    RESERVE.opened.notify_one();
    true
}

/// A worker that was stuck is free again.
pub(super) fn release() {
    let mut state = RESERVE.state.lock();
    state.surplus += 1;
    state.surplus_ticks = 0;
}

/// At a tick: sends those to a gate that are not needed. Says whether there is
/// nothing left to do.
pub(super) fn settle() -> bool {
    let mut state = RESERVE.state.lock();
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
    let mut state = RESERVE.state.lock();
    state.stopped = true;
    state.runtime = None;
    drop(state);
    RESERVE.opened.notify_all();
}

/// Takes its worker out of work until a gate opens.
async fn stand() {
    loop {
        alone().await;
        let mut state = RESERVE.state.lock();
        state.nudge_ticks = NUDGE_TICKS;
        ticks::awake();
        while state.opens == 0 && !state.stopped {
            let waited = RESERVE.opened.wait_for(&mut state, CHECK);
            if waited.timed_out() && !ticks::rests() {
                break;
            }
        }
        if state.opens > 0 || state.stopped {
            state.opens = state.opens.saturating_sub(1);
            return;
        }
    }
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
