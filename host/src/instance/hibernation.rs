//! How long an instance lives, and how it falls asleep with its memory.
//!
//! ```text
//! create() ─► live(): serve() ─┬─ idle, or told to leave ─► save() ─► KeptMemory
//!    ▲ wakes    ▲              │                              │
//!    │          └── not at rest yet: it stays awake ◄─────────┤
//!    │                         │                              └─ not at rest for long
//!    └─ KeptMemory             └─ a trap, a reset ─► nothing ◄┘
//! ```
//!
//! An instance is saved when nothing of it runs, and it has nothing that ends with it.
//! Nothing of it can run between `serve` and `save`, so that its memory is that of the
//! newest commit.

use component_snapshot::runtime::{NotNow, Saving, Snapshot, Unsaved};

use super::create::Instance;
use super::end::Ended;
use super::kept_memory::{Fits, KeptMemory};
use super::memory::give_back;
use super::serve::Left;
use super::standard_streams::Again;
use super::turn::{Pace, Steering, drive};
use super::undo::{Reach, undo};
use crate::clock;
use crate::object::deadlines::Deadlines;
use crate::object::inbox::Told;
use crate::workers::crowd;

/// What becomes of the memory of an object's instance when the object is idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hibernate {
    /// It is kept, and the next event finds it as it was.
    KeepMemory,
    /// It is given up; the constructor runs before the next event.
    DropMemory,
}

impl Hibernate {
    /// How long an object is idle before it leaves, where the configuration says
    /// nothing.
    pub fn idle_timeout_ms(self) -> u64 {
        match self {
            // Nothing is lost, and sleeping and waking take less than a thousandth of
            // that time, Python's two milliseconds aside. Less makes answers slower
            // where objects are visited again and again, more only holds memory.
            Hibernate::KeepMemory => 1_000,
            // As on Cloudflare, where idle objects leave after about as long.
            Hibernate::DropMemory => 10_000,
        }
    }
}

/// How long an instance that cannot be saved stays awake for that. As long as one
/// whose memory is not kept.
const UNSAVED_MS_MAX: u64 = 10_000;
/// How long it waits between two attempts, at first and at most.
const ATTEMPT_MS: (u64, u64) = (50, 1_000);
/// What the host does for streams needs some polls to end.
const POLLS_MAX: usize = 100;

/// When and how an instance falls asleep.
pub struct Terms {
    pub idle_timeout_ms: u64,
    /// Some: its memory is kept, and fits whatever this says.
    pub keeping: Option<Fits>,
}

/// How the life of an instance ended.
pub struct Life {
    /// To be dropped when the instance's place is free.
    pub left: Result<Left, Ended>,
    pub memory: Option<KeptMemory>,
}

impl Instance {
    /// Runs events until the instance leaves, and keeps its memory if it can.
    pub async fn live(mut self, terms: Terms) -> Life {
        let life = self.serve_and_sleep(terms).await;
        give_back(self.store).await;
        life
    }

    async fn serve_and_sleep(&mut self, terms: Terms) -> Life {
        let mut refusals = Refusals::default();
        let inbox = self.store.data().parts.inbox.clone();
        loop {
            // Nobody is to count on its place yet.
            inbox.set_busy();
            let begun = self.store.data().callers.begun();
            let idle_ms = refusals.wait_ms().unwrap_or(terms.idle_timeout_ms);
            let served = self.serve(idle_ms).await;
            if self.store.data().callers.begun() > begun {
                refusals = Refusals::default();
            }
            let (Ok(left), Some(fits)) = (&served, terms.keeping) else {
                if served.is_ok() {
                    self.part();
                }
                return Life::without_memory(served);
            };
            if left.is_stale {
                self.part();
                return Life::without_memory(served);
            }
            let must_go = left.claim.is_some() || inbox.told().ends();
            let pauses = inbox.told() == Told::Pause;
            let has_work = || inbox.has_mail() && !must_go && !pauses;
            if has_work() {
                continue;
            }
            if inbox.told() == Told::CodeUpdated {
                self.part();
                return Life::without_memory(served);
            }
            let sleeping = async {
                // Mail may have come while others had their turn.
                match has_work() {
                    true => None,
                    false => Some(self.sleep(fits).await),
                }
            };
            let Some(slept) = crowd::in_turn(sleeping).await else {
                continue;
            };
            match slept {
                Ok(memory) => {
                    let memory = Some(memory);
                    return Life {
                        left: served,
                        memory,
                    };
                }
                Err(Awake::Ended(ended)) => return Life::without_memory(Err(ended)),
                Err(Awake::NotNow(reason)) if !must_go && pauses => inbox.refuse_pause(reason),
                Err(Awake::NotNow(_)) if !must_go && refusals.add(clock::now_ms()) => {}
                Err(Awake::NotNow(reason)) => {
                    let object = &self.store.data().parts.identity;
                    let (class, id) = (&*object.class, object.id);
                    tracing::info!(
                        class, %id,
                        "the object's memory is not kept: {reason}"
                    );
                    self.part();
                    return Life::without_memory(served);
                }
            }
        }
    }

    /// Ends what an orderly end of the instance ends.
    fn part(&self) {
        self.store.data().parts.sockets.close_plain();
    }

    /// Saves the instance and keeps what was saved.
    async fn sleep(&mut self, fits: Fits) -> Result<KeptMemory, Awake> {
        let past = self.store.data().past();
        let past = past.map_err(|reason| Awake::NotNow(reason.into()))?;
        let snapshot = self.save().await?;
        let file = &self.store.data().parts.snapshot;
        let kept = KeptMemory::keep(&snapshot, fits, past, file);
        kept.map_err(|error| Awake::NotNow(format!("{error:#}")))
    }

    async fn save(&mut self) -> Result<Snapshot, Awake> {
        let (Ok(accessors), Some(awake)) = (&self.component.saving, &self.awake) else {
            return Err(Awake::NotNow("its component cannot be saved".into()));
        };
        let steering = Steering::of(self.store.data());
        let pace = Pace::new(Deadlines::starting(clock::now_ms()));
        let store = &mut self.store;
        let saved = drive(&steering, &pace, async {
            let mut compare_with = None;
            for _ in 0..POLLS_MAX {
                let saving = Saving {
                    compare_with,
                    ..Saving::default()
                };
                let saved = accessors.save(&mut *store, awake, &mut Again, saving).await;
                match saved {
                    Err(Unsaved::NotNow(NotNow::Busy)) => {
                        let poll = async |_: &_| tokio::task::yield_now().await;
                        store.run_concurrent(poll).await?;
                    }
                    // An old kernel, or one that is asked through something else.
                    Err(Unsaved::NotNow(NotNow::Pages(_))) if compare_with.is_none() => {
                        compare_with = Some(self.component.base(accessors).await?);
                    }
                    saved => return Ok(saved),
                }
            }
            Ok(Err(Unsaved::NotNow(NotNow::Busy)))
        });
        let error = match saved.await {
            Ok(Ok(snapshot)) => return Ok(snapshot),
            Ok(Err(Unsaved::NotNow(reason))) => return Err(Awake::NotNow(reason.to_string())),
            Ok(Err(Unsaved::Broken(error))) | Err(error) => error,
        };
        undo(&self.store, &error, Reach::AsDecided);
        self.store.data().parts.outlet.deliver();
        Err(Awake::Ended(Ended))
    }
}

impl Life {
    pub fn without_memory(left: Result<Left, Ended>) -> Life {
        Life { left, memory: None }
    }
}

/// Why an instance does not sleep.
enum Awake {
    /// It goes on as it was.
    NotNow(String),
    Ended(Ended),
}

/// How often an instance was not saved since it last had something to do.
#[derive(Default)]
struct Refusals {
    since_ms: Option<u64>,
    count: u32,
}

impl Refusals {
    /// Counts one. False when it was enough.
    fn add(&mut self, now_ms: u64) -> bool {
        self.count += 1;
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        now_ms - since_ms < UNSAVED_MS_MAX
    }

    /// How long to wait until the next attempt, if it is not the first.
    fn wait_ms(&self) -> Option<u64> {
        let doublings = self.count.checked_sub(1)?;
        let (at_first_ms, at_most_ms) = ATTEMPT_MS;
        Some((at_first_ms << doublings.min(10)).min(at_most_ms))
    }
}

#[cfg(test)]
mod tests {
    //! An instance that cannot be saved is tried again, and not for ever.

    use super::*;

    #[test]
    fn attempts_become_rarer_and_end() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.wait_ms(), None);
        let (mut now_ms, mut waits) = (0, Vec::new());
        while refusals.add(now_ms) {
            let wait_ms = refusals.wait_ms().unwrap();
            waits.push(wait_ms);
            now_ms += wait_ms;
        }
        assert_eq!(waits[..6], [50, 100, 200, 400, 800, 1_000]);
        assert!((UNSAVED_MS_MAX..UNSAVED_MS_MAX + 1_000).contains(&now_ms));
    }
}
