//! Syncs the objects of a group by themselves, several at a time.
//!
//! A disk takes many syncs side by side in little more time than one. The thread that
//! asks works too, so that one object costs no change of threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::durable::Job;
use super::vital_thread;
use crate::workers;

/// More gain little on the disks that were tried.
const THREADS_MAX: usize = 16;

#[derive(Default)]
pub struct SyncPool {
    shared: Arc<Shared>,
    /// Started when they are first needed.
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    work: Mutex<Work>,
    arrived: Condvar,
    done: Condvar,
}

#[derive(Default)]
struct Work {
    waiting: VecDeque<Job>,
    unfinished: usize,
    /// See `Job::sync`; the same for a whole group.
    failures: u64,
    closed: bool,
}

impl SyncPool {
    /// Syncs and reports each job; returns when all are reported.
    pub fn run(&mut self, jobs: Vec<Job>, failures: u64) {
        let helpers = jobs.len().saturating_sub(1).min(THREADS_MAX - 1);
        self.start_threads(helpers);
        let mut work = self.shared.work.lock();
        work.failures = failures;
        work.unfinished = jobs.len();
        work.waiting.extend(jobs);
        for _ in 0..helpers {
            self.shared.arrived.notify_one();
        }
        while let Some(job) = work.waiting.pop_front() {
            drop(work);
            sync(job, failures);
            work = self.shared.work.lock();
            work.unfinished -= 1;
        }
        while work.unfinished > 0 {
            self.shared.done.wait(&mut work);
        }
    }

    fn start_threads(&mut self, threads: usize) {
        while self.threads.len() < threads {
            let shared = Arc::clone(&self.shared);
            let work = move || {
                workers::does_short_work();
                shared.work();
            };
            match vital_thread::spawn("committer-sync", work) {
                Ok(thread) => self.threads.push(thread),
                Err(error) => {
                    // Fewer are slower, but sure.
                    tracing::warn!(%error, "cannot start a thread for syncs");
                    return;
                }
            }
        }
    }
}

impl Drop for SyncPool {
    fn drop(&mut self) {
        self.shared.work.lock().closed = true;
        self.shared.arrived.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut work = self.work.lock();
        while !work.closed {
            let Some(job) = work.waiting.pop_front() else {
                self.arrived.wait(&mut work);
                continue;
            };
            let failures = work.failures;
            drop(work);
            sync(job, failures);
            work = self.work.lock();
            work.unfinished -= 1;
            if work.unfinished == 0 {
                self.done.notify_one();
            }
        }
    }
}

fn sync(job: Job, failures: u64) {
    let outcome = job.sync(failures);
    job.finish(outcome);
}
