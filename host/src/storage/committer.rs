//! Makes the commits of all objects durable, many at a time.
//!
//! Objects commit without a sync and queue themselves here. One thread takes all
//! that have gathered while it was making the ones before durable: groups form by
//! themselves. How a group becomes durable is not known here, see `syncing`.
//!
//! Invariants:
//!
//! * An object is in the queue at most once, and in one group at a time.
//! * An object is reported durable only after a sync that began after its commit.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::alarm_index::AlarmIndex;
use super::data_dir::DataDir;
use super::durable::{Durable, Job};
use super::folding::Folding;
use super::syncing::{Failures, Syncing};
use super::vital_thread;
use crate::workers;

/// A handle on the threads that make writes durable; they end with the last one.
#[derive(Clone)]
pub struct Committer {
    handle: Arc<Handle>,
}

struct Handle {
    // Ends first: it waits for commits.
    folding: Folding,
    thread: CommitterThread,
    failures: Failures,
    alarms: AlarmIndex,
}

struct CommitterThread {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    objects: Vec<Arc<Durable>>,
    closed: bool,
}

impl Committer {
    /// Starts the committer of a data directory.
    pub fn start(data: &Arc<DataDir>) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let failures = Failures::default();
        let mut syncing = Syncing::new(data, failures.clone())?;
        let thread = vital_thread::spawn("committer", {
            let queue = Arc::clone(&queue);
            move || {
                workers::does_short_work();
                while let Some(objects) = queue.take() {
                    commit(&objects, &mut syncing);
                }
            }
        })?;
        Ok(Self {
            handle: Arc::new(Handle {
                folding: Folding::start(data)?,
                thread: CommitterThread {
                    queue,
                    thread: Some(thread),
                },
                failures,
                alarms: AlarmIndex::start(data)?,
            }),
        })
    }

    /// Queues an object that has recorded a commit.
    pub(super) fn enqueue(&self, object: Arc<Durable>) {
        let queue = &self.handle.thread.queue;
        queue.waiting.lock().objects.push(object);
        queue.arrived.notify_one();
    }

    /// What is done for objects that were closed.
    pub(super) fn folding(&self) -> &Folding {
        &self.handle.folding
    }

    /// Folds the logs of all objects that sleep, as far as there is time. Blocks.
    pub fn fold_now(&self) {
        self.handle.folding.fold_now();
    }

    /// When which object's alarm is due.
    pub fn alarms(&self) -> &AlarmIndex {
        &self.handle.alarms
    }

    /// How many syncs of the whole file system have failed.
    pub(super) fn failures(&self) -> u64 {
        self.handle.failures.count()
    }
}

impl Drop for CommitterThread {
    fn drop(&mut self) {
        self.queue.waiting.lock().closed = true;
        self.queue.arrived.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It has not panicked, or there would be no process.
            let _ = thread.join();
        }
    }
}

impl Queue {
    /// Waits for objects and takes all of them; none when there will be no more.
    fn take(&self) -> Option<Vec<Arc<Durable>>> {
        let mut waiting = self.waiting.lock();
        while waiting.objects.is_empty() {
            if waiting.closed {
                return None;
            }
            self.arrived.wait(&mut waiting);
        }
        Some(std::mem::take(&mut waiting.objects))
    }
}

/// Makes a group of objects durable and reports each.
fn commit(objects: &[Arc<Durable>], syncing: &mut Syncing) {
    let jobs = objects.iter().filter_map(Durable::take);
    let (dirty, clean): (Vec<Job>, Vec<Job>) = jobs.partition(|job| job.dirty);
    for job in clean {
        job.finish(Ok(()));
    }
    if !dirty.is_empty() {
        syncing.make_durable(dirty);
    }
}
