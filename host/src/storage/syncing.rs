//! How a group of commits becomes durable on this machine's disk.
//!
//! One object is synced by itself. Of more, either each is, several at a time, or all
//! are by one sync of the file system, whichever takes less time here: `sync_costs`.
//!
//! Invariants:
//!
//! * A sync that failed is not tried again on the same descriptor.
//! * After a sync of the file system has failed, none proves anything of an object
//!   that was there then, before that object was synced by itself.
//! * What cannot be found at its path any more is not durable, whatever a sync says.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::data_dir::DataDir;
use super::disk;
use super::durable::Job;
use super::sync_costs::{SyncCosts, Way};
use super::sync_pool::SyncPool;

/// How many syncs of the whole file system have failed.
#[derive(Clone, Debug, Default)]
pub struct Failures(Arc<AtomicU64>);

impl Failures {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

pub struct Syncing {
    data: Arc<DataDir>,
    file_system: File,
    failures: Failures,
    costs: SyncCosts,
    pool: SyncPool,
}

impl Syncing {
    pub fn new(data: &Arc<DataDir>, failures: Failures) -> io::Result<Self> {
        Ok(Self {
            data: Arc::clone(data),
            file_system: data.open_for_syncfs()?,
            failures,
            costs: SyncCosts::default(),
            pool: SyncPool::default(),
        })
    }

    /// Makes a group durable and reports each object of it. Blocks.
    pub fn make_durable(&mut self, jobs: Vec<Job>) {
        if let Err(error) = self.data.require_found() {
            for job in jobs {
                job.finish(Err(io::Error::new(error.kind(), error.to_string())));
            }
            return;
        }
        let syncs = jobs.iter().map(Job::syncs).sum();
        let way = match self.costs.choose(syncs) {
            Way::FileSystem if disk::can_sync_file_systems() => Way::FileSystem,
            _ => Way::Files,
        };
        let begun = Instant::now();
        match way {
            Way::Files => self.sync_files(jobs),
            Way::FileSystem => self.sync_file_system(jobs),
        }
        let took_us = begun.elapsed().as_secs_f64() * 1e6;
        self.costs.measured(syncs, way, took_us);
    }

    fn sync_files(&mut self, jobs: Vec<Job>) {
        let failures = self.failures.count();
        self.pool.run(jobs, failures);
    }

    fn sync_file_system(&mut self, jobs: Vec<Job>) {
        let failures = self.failures.count();
        let (together, alone): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .partition(|job| job.trusts_syncfs(failures));
        self.sync_files(alone);
        match disk::sync_file_system(&self.file_system) {
            Ok(()) => {
                for job in together {
                    let found = job.require_found();
                    job.finish(found);
                }
            }
            Err(error) => {
                self.failures.0.fetch_add(1, Ordering::AcqRel);
                let objects = together.len();
                tracing::warn!(%error, objects, "syncfs failed; syncing each file by itself");
                self.sync_files(together);
            }
        }
    }
}
