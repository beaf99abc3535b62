//! Bounds how many objects are live at once.
//!
//! Every live object takes memory mappings, open files, address space and memory.
//! Past what the system has, the process itself would fail; so a first touch beyond
//! the bound waits for a place, and the object idle for longest leaves early to make
//! one.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::descriptors;
use crate::object::inbox::Inbox;
use crate::object::room::Room;

/// Memory mappings that one live object may need: an instance's memory, tables
/// and stacks, a database's caches.
const MAPPINGS_PER_OBJECT: usize = 8;
/// An object's database, its log, and one descriptor more while it syncs.
const FILES_PER_OBJECT: usize = 4;
/// A linear memory of 4 GiB with its guard pages; a component may have several.
const ADDRESSES_PER_OBJECT: usize = 5 << 30;
/// What a process has of addresses on the machines that this runs on.
const ADDRESSES: usize = 1 << 47;
/// With fewer, objects would only wait for each other.
const OBJECTS_MIN: usize = 16;

/// How long a first touch waits for a place.
const WAIT_MAX: Duration = Duration::from_secs(10);

pub struct Places {
    pub room: Arc<Room<Inbox>>,
    free: Semaphore,
    objects_max: usize,
}

/// The right to be live; given back when dropped.
pub type Place<'a> = SemaphorePermit<'a>;

impl Places {
    /// As many places as the system has, beside so many connections.
    pub fn new(connections_max: usize) -> Result<Places> {
        let objects_max = live_objects_max(connections_max)?;
        Ok(Places {
            room: Arc::default(),
            free: Semaphore::new(objects_max),
            objects_max,
        })
    }

    pub fn objects_max(&self) -> usize {
        self.objects_max
    }

    /// Takes a place, in the order of asking. None when no object left in time.
    pub async fn take(&self) -> Option<Place<'_>> {
        if let Ok(place) = self.free.try_acquire() {
            return Some(place);
        }
        let _wish = self.room.want();
        let place = tokio::time::timeout(WAIT_MAX, self.free.acquire()).await;
        place.ok()?.ok()
    }
}

/// As many objects as the system's limits allow, beside so many connections.
///
/// Fails when that is next to none.
fn live_objects_max(connections_max: usize) -> Result<usize> {
    let mappings = fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(65_530usize);
    // A tenth stays with the allocator and the libraries.
    let by_mappings = mappings / 10 * 9 / MAPPINGS_PER_OBJECT;
    let by_addresses = ADDRESSES / 10 * 9 / ADDRESSES_PER_OBJECT;
    let by_files = descriptors::for_objects(connections_max) / FILES_PER_OBJECT;
    if by_files < OBJECTS_MIN {
        bail!(
            "this process may have {} open files, which leaves room for {by_files} live objects \
             beside {connections_max} connections; raise the limit (ulimit -n), or allow fewer \
             connections with connections_max in [server]",
            descriptors::open_files_max()
        );
    }
    Ok(by_mappings.min(by_addresses).min(by_files))
}
