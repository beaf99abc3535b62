//! The threads that objects run on, and how none of them is missed.
//!
//! Objects, connections and timers share the workers of one tokio runtime, one for
//! each core. An object that computes or waits for the disk within one poll keeps
//! its worker from everybody else, and no limit on what it does can be so small
//! that this would not be noticed. So:
//!
//! ```text
//! watch      sees a poll that lasts, and has a reserve worker take the stuck one's place
//! reserve    workers that stand still until then
//! heavy      lets few of the long polls compute at a time, in turn
//! crowd      lets few of those work at a time who come in crowds
//! preemption tells the system which threads must not wait for others
//! ticks      the clock of all this, and of preemption
//! ```
//!
//! Invariants:
//!
//! * As many workers as there are cores are free for short work, at any time, but
//!   for one tick and as long as the reserve lasts.
//! * While nothing runs nothing ticks.

pub mod crowd;
pub mod heavy;
mod preemption;
mod reserve;
pub mod ticks;
pub mod watch;

use std::num::NonZeroUsize;

use anyhow::{Context as _, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use self::watch::Watched;

/// How many tasks a worker polls before it looks at sockets and timers: each of
/// these polls may be as long as a tick.
const POLLS_BETWEEN_LOOKS: u32 = 16;

/// The process's runtime. `on_tick` is called at every tick.
pub fn start(on_tick: impl Fn() + Send + 'static) -> Result<Runtime> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .worker_threads(cores() + reserve::WORKERS)
        .event_interval(POLLS_BETWEEN_LOOKS)
        .on_thread_start(preemption::short)
        .build()
        .context("cannot start the threads that serve")?;
    reserve::fill(runtime.handle().clone());
    ticks::start(on_tick)?;
    Ok(runtime)
}

/// Spawns a task. All tasks of the process are spawned here, so that the polls of
/// each are seen.
pub fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(Watched::new(task))
}

/// This thread is none of the workers, does short work alone, and others wait for it.
pub fn does_short_work() {
    preemption::short();
}

/// Ends the threads beside the runtime, before the process ends. The runtime's own are left
/// alone: to detach one that is about to end is a race in glibc, at times a fatal one.
pub fn stop(runtime: Runtime) {
    heavy::stop();
    reserve::stop();
    std::mem::forget(runtime);
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, NonZeroUsize::get)
}
