//! Bounds how many objects are live at once.
//!
//! Every live object takes memory mappings, open files and memory. Past what the
//! system has, the process itself would fail; so a first touch beyond the bound
//! waits for a place, and the idlest object leaves early to make one.

use std::fs;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Memory mappings that one live object may need: an instance's memory, tables
/// and stacks, a database's caches.
const MAPPINGS_PER_OBJECT: usize = 8;
/// An object's database, its log, and one descriptor more while it syncs.
const FILES_PER_OBJECT: usize = 4;
/// What the process itself and its connections need.
const FILES_RESERVED: usize = 1_000;
const OBJECTS_MIN: usize = 16;

/// How long a first touch waits for a place, and how often it asks for one.
const WAIT_MAX: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(50);

pub struct Places {
    free: Semaphore,
    objects_max: usize,
}

/// The right to be live; given back when dropped.
pub type Place<'a> = SemaphorePermit<'a>;

impl Places {
    pub fn new(objects_max: usize) -> Places {
        Places {
            free: Semaphore::new(objects_max),
            objects_max,
        }
    }

    pub fn objects_max(&self) -> usize {
        self.objects_max
    }

    /// Takes a place. While there is none, `make_room` is called now and then.
    /// None when no object left in time.
    pub async fn take(&self, make_room: impl Fn()) -> Option<Place<'_>> {
        if let Ok(place) = self.free.try_acquire() {
            return Some(place);
        }
        let mut place = std::pin::pin!(self.free.acquire());
        for _ in 0..WAIT_MAX.as_millis() / RETRY.as_millis() {
            make_room();
            if let Ok(place) = tokio::time::timeout(RETRY, &mut place).await {
                return place.ok();
            }
        }
        None
    }
}

/// As many objects as the system's limits allow.
pub fn live_objects_max() -> usize {
    let mappings = fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(65_530usize);
    // A tenth of the mappings stays with the allocator and the libraries.
    let by_mappings = mappings / 10 * 9 / MAPPINGS_PER_OBJECT;
    let by_files = open_files_max().saturating_sub(FILES_RESERVED) / FILES_PER_OBJECT;
    by_mappings.min(by_files).max(OBJECTS_MIN)
}

/// The process's limit of open files, raised as far as it may raise it itself.
fn open_files_max() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls only read or write the structure given.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return 1_024;
        }
        let raised = libc::rlimit {
            rlim_cur: limit.rlim_max,
            ..limit
        };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) == 0 {
            limit = raised;
        }
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}
