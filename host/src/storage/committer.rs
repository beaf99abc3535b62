//! Makes the commits of all objects durable, many at a time.
//!
//! Objects commit without a sync and queue themselves here. One thread takes all
//! that have gathered while it was syncing the ones before: groups form by
//! themselves. Few objects are synced one by one, many by one `syncfs`.
//!
//! Invariants:
//!
//! * An object is in the queue at most once, and in one group at a time.
//! * An object is reported durable only after a sync that began after its commit.
//! * A sync that failed is not tried again on the same descriptor.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::data_dir::DataDir;
use super::disk;
use super::durable::{Durable, Job};

/// Up to so many objects are quicker to sync one by one than by `syncfs`.
const ONE_BY_ONE_MAX: usize = 6;

/// A handle on the committer; its thread ends with the last one.
#[derive(Clone)]
pub struct Committer {
    handle: Arc<Handle>,
}

struct Handle {
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
        let file_system = data.any_file().try_clone()?;
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn({
                let queue = Arc::clone(&queue);
                move || {
                    let mut trusts_syncfs = disk::can_sync_file_systems();
                    while let Some(objects) = queue.take() {
                        sync(&objects, &file_system, &mut trusts_syncfs);
                    }
                }
            })?;
        Ok(Self {
            handle: Arc::new(Handle {
                queue,
                thread: Some(thread),
            }),
        })
    }

    /// Queues an object that has recorded a commit.
    pub(super) fn enqueue(&self, object: Arc<Durable>) {
        let queue = &self.handle.queue;
        queue.waiting.lock().objects.push(object);
        queue.arrived.notify_one();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.waiting.lock().closed = true;
        self.queue.arrived.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the committer has panicked");
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

/// Syncs a group of objects and reports each.
fn sync(objects: &[Arc<Durable>], file_system: &File, trusts_syncfs: &mut bool) {
    let jobs = objects.iter().filter_map(Durable::take);
    let (dirty, clean): (Vec<Job>, Vec<Job>) = jobs.partition(|job| job.dirty);
    for job in clean {
        job.finish(Ok(()));
    }
    let few = dirty.len() <= ONE_BY_ONE_MAX && !dirty.iter().any(|job| job.fresh);
    if dirty.is_empty() {
        return;
    }
    if few || !*trusts_syncfs {
        return sync_one_by_one(dirty);
    }
    match disk::sync_file_system(file_system) {
        Ok(()) => {
            for job in dirty {
                job.finish(Ok(()));
            }
        }
        Err(error) => {
            // It may have lost pages of files that are not in this batch, and would
            // not say so again: from now on every file is asked by itself.
            *trusts_syncfs = false;
            tracing::warn!(%error, objects = dirty.len(), "syncfs failed; syncing one by one");
            sync_one_by_one(dirty);
        }
    }
}

fn sync_one_by_one(jobs: Vec<Job>) {
    for job in jobs {
        let outcome = job.sync();
        job.finish(outcome.map_err(|error| format!("writing to disk failed: {error}")));
    }
}
