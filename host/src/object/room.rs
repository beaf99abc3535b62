//! Which idle objects leave when others need their places.
//!
//! ```text
//! an object waits ────── want() ─┐
//!                                ├─► the object idle for longest is rung ─ claim() ─► it leaves
//! an object becomes idle ─ list()┘
//! ```
//!
//! So an object that works all the time, with pauses, stays where others are idle for
//! longer.
//!
//! Objects are listed when they become idle, and once: one that works again stays
//! listed, and is passed over when its turn comes. So an event costs no lock here,
//! and finding an idle object costs a constant time on average.
//!
//! Invariants:
//!
//! * At most as many objects leave as others wait, or as were asked to for their
//!   memory.
//! * Only an object that is idle leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashlink::LinkedHashMap;
use parking_lot::Mutex;

/// An object that may be idle.
pub trait Idler {
    /// Since when it is idle, if it is.
    fn idle_since_ms(&self) -> Option<u64>;
    /// It is not listed any more. `ring`: it should claim and leave.
    fn unlisted(&self, ring: bool);
}

pub struct Room<O> {
    waiting: AtomicUsize,
    leaving: AtomicUsize,
    /// Objects that were rung and have not answered.
    rung: AtomicUsize,
    /// Objects that should leave because memory is tight.
    asked: AtomicUsize,
    /// Objects by their address, with the time since when they were idle when they
    /// were listed.
    idle: Mutex<LinkedHashMap<usize, (u64, Arc<O>)>>,
}

impl<O> Default for Room<O> {
    fn default() -> Room<O> {
        Room {
            waiting: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            rung: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            idle: Mutex::new(LinkedHashMap::new()),
        }
    }
}

/// Somebody waits for a place, until this is dropped.
pub struct Wish<'a, O>(&'a Room<O>);

/// An object leaves for another, until this is dropped.
pub struct Claim<O>(Arc<Room<O>>);

impl<O> Drop for Wish<'_, O> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<O> Drop for Claim<O> {
    fn drop(&mut self) {
        self.0.leaving.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<O: Idler> Room<O> {
    /// Somebody needs a place: rings the object that is idle for longest.
    pub fn want(&self) -> Wish<'_, O> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.ring_one();
        Wish(self)
    }

    /// Lists an object that has become idle. Others may have waited for one.
    pub fn list(&self, since_ms: u64, object: Arc<O>) {
        let key = Arc::as_ptr(&object).addr();
        self.idle.lock().insert(key, (since_ms, object));
        self.ring_if_wanted();
    }

    /// Rings the object that is idle for longest, if more wait than leave.
    pub fn ring_if_wanted(&self) {
        let read = Ordering::Acquire;
        if self.waiting.load(read) > self.leaving.load(read) + self.rung.load(read) {
            self.ring_one();
        }
    }

    /// One that was rung has claimed, or has something to do.
    pub fn answered(&self) {
        self.rung.fetch_sub(1, Ordering::AcqRel);
    }

    /// Forgets an object that has left.
    pub fn unlist(&self, object: &Arc<O>) {
        self.idle.lock().remove(&Arc::as_ptr(object).addr());
    }

    /// Memory is tight: rings so many objects that are idle for longest.
    pub fn clear(&self, objects: usize) {
        self.asked.store(objects, Ordering::Release);
        (0..objects).for_each(|_| self.ring_one());
    }

    /// May an idle object leave, for one that waits or for its memory?
    pub fn claim(self: &Arc<Self>) -> Option<Claim<O>> {
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        let take = |asked: usize| asked.checked_sub(1);
        if self.asked.load(fetch) > 0 && self.asked.fetch_update(set, fetch, take).is_ok() {
            self.leaving.fetch_add(1, set);
            return Some(Claim(self.clone()));
        }
        let waiting = self.waiting.load(Ordering::Acquire);
        if waiting == 0 {
            return None;
        }
        let claimed = self
            .leaving
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |leaving| {
                (leaving < waiting).then_some(leaving + 1)
            });
        claimed.ok().map(|_| Claim(self.clone()))
    }

    /// Rings the object that is idle for longest.
    fn ring_one(&self) {
        let mut idle = self.idle.lock();
        while let Some((key, (listed_ms, object))) = idle.pop_front() {
            match object.idle_since_ms() {
                // It worked and is idle again: others may have been idle for longer.
                Some(since_ms) if since_ms > listed_ms && !idle.is_empty() => {
                    idle.insert(key, (since_ms, object));
                }
                Some(_) => {
                    self.rung.fetch_add(1, Ordering::AcqRel);
                    drop(idle);
                    return object.unlisted(true);
                }
                None => object.unlisted(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Who is rung when somebody waits.

    use std::sync::atomic::{AtomicBool, AtomicU64};

    use super::*;

    #[derive(Default)]
    struct Fake {
        since_ms: AtomicU64,
        busy: AtomicBool,
        rung: AtomicBool,
    }

    impl Idler for Fake {
        fn idle_since_ms(&self) -> Option<u64> {
            let busy = self.busy.load(Ordering::Relaxed);
            (!busy).then(|| self.since_ms.load(Ordering::Relaxed))
        }

        fn unlisted(&self, ring: bool) {
            self.rung.fetch_or(ring, Ordering::Relaxed);
        }
    }

    fn idle(room: &Room<Fake>, since_ms: u64) -> Arc<Fake> {
        let object = Arc::new(Fake {
            since_ms: AtomicU64::new(since_ms),
            ..Fake::default()
        });
        room.list(since_ms, object.clone());
        object
    }

    fn was_rung(object: &Fake) -> bool {
        object.rung.load(Ordering::Relaxed)
    }

    #[test]
    fn the_object_idle_for_longest_is_rung() {
        let room = Arc::new(Room::default());
        let (first, second) = (idle(&room, 1), idle(&room, 2));
        let _wish = room.want();
        assert!(was_rung(&first) && !was_rung(&second));
    }

    #[test]
    fn an_object_that_works_or_has_worked_is_passed_over() {
        let room = Arc::new(Room::default());
        let (busy, recent, old) = (idle(&room, 1), idle(&room, 2), idle(&room, 3));
        busy.busy.store(true, Ordering::Relaxed);
        recent.since_ms.store(9, Ordering::Relaxed);
        let _wish = room.want();
        assert!(!was_rung(&busy) && !was_rung(&recent) && was_rung(&old));
        let _another = room.want();
        assert!(was_rung(&recent));
    }

    #[test]
    fn as_many_leave_for_their_memory_as_were_asked() {
        let room = Arc::new(Room::default());
        let (first, second) = (idle(&room, 1), idle(&room, 2));
        room.clear(1);
        assert!(was_rung(&first) && !was_rung(&second));
        let claim = room.claim();
        assert!(claim.is_some() && room.claim().is_none());
    }

    #[test]
    fn no_more_objects_leave_than_others_wait() {
        let room = Arc::new(Room::<Fake>::default());
        assert!(room.claim().is_none());
        let wish = room.want();
        let claim = room.claim();
        assert!(claim.is_some() && room.claim().is_none());
        drop(claim);
        assert!(room.claim().is_some());
        drop(wish);
        assert!(room.claim().is_none());
    }

    #[test]
    fn who_becomes_idle_leaves_only_if_none_is_idle_for_longer() {
        let room = Arc::new(Room::default());
        let _wish = room.want();
        let first = idle(&room, 1);
        assert!(was_rung(&first), "somebody waited for it");
        let (second, third) = (idle(&room, 2), idle(&room, 3));
        assert!(!was_rung(&second), "as many were rung as wait");
        let _another = room.want();
        assert!(was_rung(&second) && !was_rung(&third));
        // The first one has something to do.
        room.answered();
        let fourth = idle(&room, 4);
        assert!(was_rung(&third) && !was_rung(&fourth));
    }
}
