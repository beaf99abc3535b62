//! Carries output to its destinations when a commit was proven.
//!
//! The committer only says whose output may leave; a task of the runtime delivers
//! it. So no caller, reader or socket is served by the thread that has the next
//! sync to do, however many of them an object has.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::object::outlet::Outlet;
use crate::workers;

/// Objects whose output is delivered before others of the runtime get their turn.
const OUTLETS_PER_TURN: usize = 64;

#[derive(Clone)]
pub struct Courier(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    outlets: Mutex<Vec<Arc<Outlet>>>,
    came: Notify,
}

impl Courier {
    /// Starts the task; it ends with the runtime.
    pub fn start() -> Courier {
        let waiting = Arc::<Waiting>::default();
        let courier = Courier(waiting.clone());
        workers::spawn(async move {
            loop {
                waiting.came.notified().await;
                let outlets = std::mem::take(&mut *waiting.outlets.lock());
                for some in outlets.chunks(OUTLETS_PER_TURN) {
                    some.iter().for_each(|outlet| outlet.deliver());
                    tokio::task::yield_now().await;
                }
            }
        });
        courier
    }

    /// Has the output delivered that may leave.
    pub fn send(&self, outlet: Arc<Outlet>) {
        self.0.outlets.lock().push(outlet);
        self.0.came.notify_one();
    }
}
