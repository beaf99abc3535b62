//! When is which object's alarm due? Answered without opening their databases.
//!
//! The truth is in each object's own database. The index may be behind it or ahead
//! of it, and whoever acts on it looks there first. What must not happen is that an
//! alarm is committed and nobody ever looks. So an object gives **notice** before it
//! commits an alarm: its row is `uncertain` then, durably, and after a crash the object
//! is looked at. When its commits are durable, it tells how its alarm stands; when it
//! has been silent for a while after that, its row is certain again.
//!
//! ```text
//! give_notice() ─► uncertain, durably ─► the object commits ─► durable ─► tell(): due
//!                       ▲                                                   │
//!                       │ taken when it is due: due()                       │ silent
//!                       └───────────────────────── certain ◄────────────────┘
//! ```
//!
//! An object without an alarm comes nowhere near; one that sets its alarm again and
//! again gives notice once, and the syncs of many notices are one.
//!
//! Invariants:
//!
//! * An object has a mark from its first change on until all it changed was told.
//! * A row becomes certain only when its object has no mark any more.
//! * Of what is told of an object the newest counts.

mod keeper;
mod notice;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use super::data_dir::DataDir;
use super::vital_thread;
use crate::clock;

pub use notice::Notice;

/// How long an object must be silent before its row is certain: objects that set
/// their alarm with every request give notice once in this time.
const SILENT: Duration = Duration::from_secs(10);

/// How soon an object is looked at whose commit was lost.
const SOON_MS: i64 = 1_000;

/// Which object: the folder of its class and its id, as its files are named. Both stay
/// when the class is renamed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    pub folder: Arc<str>,
    pub id: Arc<str>,
}

/// Orders the changes of alarms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// An object at which it is time to look.
#[derive(Debug)]
pub struct DueAlarm {
    pub object: ObjectName,
    /// How often that failed before.
    pub failures: u32,
    taken: Ticket,
}

/// A handle on the index; its thread ends with the last one.
#[derive(Clone)]
pub struct AlarmIndex(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    data: Arc<DataDir>,
    state: Mutex<State>,
    changed: Condvar,
    /// The index was made anew.
    renewed: Notify,
}

#[derive(Default)]
struct State {
    /// What is to be written.
    changes: HashMap<ObjectName, Change>,
    marks: HashMap<ObjectName, Mark>,
    last_ticket: u64,
    request: Option<Request>,
    scanned: HashSet<String>,
    /// Folders that were scanned and when, to be written.
    newly_scanned: Vec<(String, Ticket)>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Change {
    notice: Option<Arc<Notice>>,
    due: Option<Due>,
}

/// When to look at an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    At(i64),
    Never,
    /// It could not be looked at.
    Again {
        due_ms: i64,
        failures: u32,
    },
}

/// An object whose alarm has changed, or is being looked at.
#[derive(Debug)]
struct Mark {
    /// The first change.
    began: Ticket,
    /// The newest change.
    changed: Ticket,
    /// The newest change that was told.
    told: Ticket,
    since: Instant,
    /// The notice that was given; it holds until the mark is gone.
    notice: Option<Arc<Notice>>,
}

/// Somebody waits for alarms to be due.
struct Request {
    max: usize,
    reply: oneshot::Sender<Vec<DueAlarm>>,
}

impl AlarmIndex {
    /// Starts the index of a data directory.
    pub fn start(data: &Arc<DataDir>) -> io::Result<AlarmIndex> {
        let shared = Arc::new(Shared {
            data: Arc::clone(data),
            state: Mutex::default(),
            changed: Condvar::new(),
            renewed: Notify::new(),
        });
        let keeper = keeper::Keeper::open(Arc::clone(&shared));
        let thread = vital_thread::spawn("alarms", move || keeper.keep())?;
        Ok(AlarmIndex(Arc::new(Handle {
            shared,
            thread: Some(thread),
        })))
    }

    /// The object is about to commit an alarm. It must wait for the notice first.
    pub fn give_notice(&self, object: &ObjectName) -> (Ticket, Arc<Notice>) {
        let mut state = self.0.shared.state.lock();
        let ticket = state.touch(object);
        let state = &mut *state;
        let mark = state.marks.get_mut(object).expect("it was just touched");
        if let Some(notice) = &mark.notice
            && !notice.has_failed()
        {
            return (ticket, notice.clone());
        }
        let notice = mark.notice.insert(Arc::default()).clone();
        state.changes.entry(object.clone()).or_default().notice = Some(notice.clone());
        self.0.shared.changed.notify_one();
        (ticket, notice)
    }

    /// The object's alarm changes in another way than that one is set.
    pub fn touch(&self, object: &ObjectName) -> Ticket {
        self.0.shared.state.lock().touch(object)
    }

    /// As of this change, which is durable, the object's alarm is due then, or never.
    pub fn tell(&self, object: &ObjectName, ticket: Ticket, due_ms: Option<i64>) {
        let mut state = self.0.shared.state.lock();
        if let Some(mark) = state.marks.get_mut(object) {
            if mark.told > ticket {
                return;
            }
            mark.told = ticket;
            mark.since = Instant::now();
        }
        let due = due_ms.map_or(Due::Never, Due::At);
        state.changes.entry(object.clone()).or_default().due = Some(due);
        self.0.shared.changed.notify_one();
    }

    /// The object must be looked at, but not so soon that a disk that fails has it
    /// looked at all the time.
    pub fn look_soon(&self, object: &ObjectName) {
        let soon_ms = clock::wall_ms() + SOON_MS;
        let mut state = self.0.shared.state.lock();
        let change = state.changes.entry(object.clone()).or_default();
        change.due.get_or_insert(Due::At(soon_ms));
        self.0.shared.changed.notify_one();
    }

    /// The object could not be looked at; it is due again then.
    pub fn look_again(&self, alarm: &DueAlarm, due_ms: i64) {
        let mut state = self.0.shared.state.lock();
        if let Some(mark) = state.marks.get(&alarm.object) {
            if mark.told >= alarm.taken {
                return;
            }
            if mark.changed == alarm.taken {
                state.marks.remove(&alarm.object);
            }
        }
        let again = Due::Again {
            due_ms,
            failures: alarm.failures.saturating_add(1),
        };
        state.changes.entry(alarm.object.clone()).or_default().due = Some(again);
        self.0.shared.changed.notify_one();
    }

    /// Nobody can look at the object before the next start: its class is not served.
    pub fn shelve(&self, alarm: &DueAlarm) {
        let mut state = self.0.shared.state.lock();
        let mark = state.marks.get(&alarm.object);
        if mark.is_some_and(|mark| mark.changed == alarm.taken) {
            state.marks.remove(&alarm.object);
        }
    }

    /// Waits until it is time to look at some objects, and takes up to `max` of them.
    /// One caller at a time.
    pub async fn due(&self, max: usize) -> Vec<DueAlarm> {
        let (reply, due) = oneshot::channel();
        self.0.shared.state.lock().request = Some(Request { max, reply });
        self.0.shared.changed.notify_one();
        // The thread lives as long as this handle.
        due.await.unwrap_or_default()
    }

    /// An object that is looked at out of turn.
    pub fn out_of_turn(&self, object: ObjectName) -> DueAlarm {
        let taken = self.touch(&object);
        DueAlarm {
            object,
            failures: 0,
            taken,
        }
    }

    /// The object is gone.
    pub fn forget(&self, alarm: &DueAlarm) {
        self.tell(&alarm.object, alarm.taken, None);
    }

    /// Whether every object of the folder that has an alarm is known.
    pub fn is_scanned(&self, folder: &str) -> bool {
        self.0.shared.state.lock().scanned.contains(folder)
    }

    /// All objects of the folder were looked at.
    pub fn set_scanned(&self, folder: &str) {
        let mut state = self.0.shared.state.lock();
        state.scanned.insert(folder.to_owned());
        let now = Ticket(state.last_ticket);
        state.newly_scanned.push((folder.to_owned(), now));
        self.0.shared.changed.notify_one();
    }

    /// Returns when the index was made anew, so that nothing is scanned any more.
    pub async fn renewed(&self) {
        self.0.shared.renewed.notified().await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It has not panicked, or there would be no process.
            let _ = thread.join();
        }
    }
}

impl State {
    fn touch(&mut self, object: &ObjectName) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let now = Instant::now();
        match self.marks.get_mut(object) {
            Some(mark) => {
                mark.changed = ticket;
                mark.since = now;
            }
            None => {
                let mark = Mark {
                    began: ticket,
                    changed: ticket,
                    told: Ticket::default(),
                    since: now,
                    notice: None,
                };
                self.marks.insert(object.clone(), mark);
            }
        }
        ticket
    }

    /// Takes the folders whose objects have told how their alarms stand since they were
    /// looked at.
    fn take_scanned(&mut self) -> Vec<String> {
        let marks = &self.marks;
        let all_told = |scanned: &Ticket| {
            marks.values().all(|mark| {
                let told = mark.told == mark.changed || mark.told >= *scanned;
                told || mark.began > *scanned
            })
        };
        let told = self
            .newly_scanned
            .extract_if(.., |(_, when)| all_told(when));
        told.map(|(folder, _)| folder).collect()
    }

    /// Takes the marks of objects that have told everything and were silent for
    /// `silent` since.
    fn take_certain(&mut self, silent: Duration) -> Vec<ObjectName> {
        let is_certain = |mark: &Mark| mark.told == mark.changed && mark.since.elapsed() >= silent;
        let certain = self
            .marks
            .extract_if(|object, mark| is_certain(mark) && !self.changes.contains_key(object));
        certain.map(|(object, _)| object).collect()
    }
}
