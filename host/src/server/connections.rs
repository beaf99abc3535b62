//! Which connections are open, and is there room for one more?
//!
//! Past the limit, the connection that has been silent for longest makes room: its
//! client can open another, and one that says nothing must not keep others out. If
//! all of them are busy, the new one is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use slab::Slab;

use super::unsent::{Unsent, UnsentTotal};
use super::vigil::{Order, Times, Vigil, now_ms};
use crate::limits::ServerLimits;

/// How often the log tells of a limit that is reached again and again.
const TELL_EVERY_MS: u64 = 60_000;

/// How often, and how soon, to look whether those that were told to leave are gone.
const LEAVING_LOOKS: usize = 100;
const LEAVING_LOOK: Duration = Duration::from_millis(2);

pub struct Connections {
    open: Mutex<Slab<Arc<Vigil>>>,
    count_max: usize,
    times: Times,
    unsent_bytes_max: usize,
    unsent: Arc<UnsentTotal>,
    told_ms: AtomicU64,
}

/// An open connection's entry; taken out when dropped.
pub struct Entry {
    connections: Arc<Connections>,
    key: usize,
    pub vigil: Arc<Vigil>,
}

/// What becomes of a new connection.
enum Admission {
    Entered(Entry),
    /// All are busy.
    Full,
    /// Others are about to leave for it.
    OthersLeave,
}

/// What the open connections have to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Work {
    pub connections: usize,
    pub requests: usize,
}

impl Connections {
    pub fn new(limits: &ServerLimits) -> Arc<Connections> {
        Arc::new(Connections {
            open: Mutex::default(),
            count_max: limits.connections_max,
            times: Times::of(limits),
            unsent_bytes_max: limits.connection_unsent_bytes_max,
            unsent: Arc::new(UnsentTotal::new(limits.unsent_bytes_max)),
            told_ms: AtomicU64::new(0),
        })
    }

    /// Enters a new connection, once there is room; none if there will be none.
    pub async fn admit(self: &Arc<Connections>) -> Option<Entry> {
        for _ in 0..LEAVING_LOOKS {
            match self.try_admit() {
                Admission::Entered(entry) => return Some(entry),
                Admission::Full => return None,
                Admission::OthersLeave => tokio::time::sleep(LEAVING_LOOK).await,
            }
        }
        None
    }

    fn try_admit(self: &Arc<Connections>) -> Admission {
        let mut open = self.open.lock();
        if open.len() >= self.count_max {
            // One that leaves is gone in a moment. No more than one in eight may
            // be on their way out, or a flood would pass the limit.
            if open.len() >= self.count_max + self.count_max.div_ceil(8) {
                return Admission::OthersLeave;
            }
            let has_room = make_room(&open);
            self.tell(has_room);
            if !has_room {
                return Admission::Full;
            }
        }
        let unsent = Unsent::new(self.unsent_bytes_max, self.unsent.clone());
        let vigil = Arc::new(Vigil::new(self.times, Arc::new(unsent)));
        Admission::Entered(Entry {
            connections: self.clone(),
            key: open.insert(vigil.clone()),
            vigil,
        })
    }

    /// Closes the connection that is silent for longest; false if none is.
    pub fn make_room(&self) -> bool {
        make_room(&self.open.lock())
    }

    /// Lets requests that have begun end, and nothing begin.
    pub fn finish(&self) {
        let open = self.open.lock();
        open.iter()
            .for_each(|(_, vigil)| vigil.order(Order::Finish));
    }

    pub fn work(&self) -> Work {
        let open = self.open.lock();
        Work {
            connections: open.len(),
            requests: open.iter().map(|(_, vigil)| vigil.requests()).sum(),
        }
    }

    fn tell(&self, has_room: bool) {
        let told_ms = self.told_ms.load(Ordering::Relaxed);
        if told_ms != 0 && now_ms() < told_ms + TELL_EVERY_MS {
            return;
        }
        self.told_ms.store(now_ms(), Ordering::Relaxed);
        let count_max = self.count_max;
        match has_room {
            true => tracing::warn!(
                "{count_max} connections are open (connections_max): the ones that are silent \
                 for longest are closed for new ones"
            ),
            false => tracing::warn!(
                "{count_max} connections are open (connections_max) and busy: new ones are refused"
            ),
        }
    }
}

fn make_room(open: &Slab<Arc<Vigil>>) -> bool {
    let silent = open.iter().filter_map(|(_, vigil)| {
        let since_ms = vigil.silent_since_ms()?;
        (!vigil.is_leaving()).then_some((since_ms, vigil))
    });
    match silent.min_by_key(|(since_ms, _)| *since_ms) {
        Some((_, vigil)) => {
            vigil.order(Order::Leave);
            true
        }
        None => false,
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.open.lock().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    //! There is room up to the limit, and past it only in place of the silent.

    use hyper::{Method, Version};

    use super::*;

    fn connections(count_max: usize) -> Arc<Connections> {
        Connections::new(&ServerLimits {
            connections_max: count_max,
            ..ServerLimits::default()
        })
    }

    fn enter(connections: &Arc<Connections>) -> Option<Entry> {
        match connections.try_admit() {
            Admission::Entered(entry) => Some(entry),
            Admission::Full | Admission::OthersLeave => None,
        }
    }

    #[test]
    fn a_silent_connection_makes_room_and_a_busy_one_does_not() {
        let connections = connections(2);
        let one = enter(&connections).unwrap();
        let two = enter(&connections).unwrap();
        let begin = |entry: &Entry| entry.vigil.begin(Version::HTTP_11, &Method::GET);
        let (busy, busy_too) = (begin(&one), begin(&two));
        assert!(matches!(connections.try_admit(), Admission::Full));
        assert_eq!(connections.work().requests, 2);
        drop(busy_too);
        let three = enter(&connections).expect("room is made");
        assert!(two.vigil.is_leaving() && !one.vigil.is_leaving());
        drop((busy, one, two, three));
        assert_eq!(connections.work().connections, 0);
    }

    #[test]
    fn a_flood_does_not_pass_the_limit() {
        let connections = connections(80);
        let entered: Vec<_> = (0..1_000).filter_map(|_| enter(&connections)).collect();
        assert_eq!(entered.len(), 90);
        let leaving = entered.iter().filter(|entry| entry.vigil.is_leaving());
        assert_eq!(leaving.count(), 10, "no more than make room");
    }
}
