//! How the rest of the process reaches an object's instance: its mailbox, what it
//! was told, and whatever makes it look at both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Context;

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::chain::Chain;
use super::error::ObjectError;
use super::event::{Event, Happening};
use super::firing::Firing;
use super::input_gate::Stamp;
use super::mailbox::{Mailbox, MailboxLimits, Refusal};
use super::room::{Claim, Idler, Room};
use crate::clock;

/// Bodies that wait in one mailbox, and how long the oldest may wait.
const MAILBOX_BYTES_MAX: usize = 32 * 1024 * 1024;
const MAILBOX_AGE_MAX_MS: u64 = 30_000;

const BUSY: u64 = u64::MAX;

/// Why an instance has to leave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Told {
    Nothing,
    /// To stand still for a moment, at rest.
    Pause,
    CodeUpdated,
    ShuttingDown,
}

pub struct Inbox {
    mailbox: Mutex<Mailbox<Event>>,
    waker: AtomicWaker,
    told: AtomicU8,
    /// Who has asked for a pause: hears why there can be none.
    pausing: Mutex<Option<oneshot::Sender<String>>>,
    /// Since when nothing happens to the live instance; `BUSY` while something does.
    idle_since_ms: AtomicU64,
    room: Arc<Room<Inbox>>,
    is_listed: AtomicBool,
    /// Another object waits for this one's place.
    is_rung: AtomicBool,
    has_failed: AtomicBool,
    failure: Mutex<Option<ObjectError>>,
}

impl Inbox {
    pub fn new(mailbox_events_max: usize, room: Arc<Room<Inbox>>) -> Inbox {
        let limits = MailboxLimits {
            events_max: mailbox_events_max,
            bytes_max: MAILBOX_BYTES_MAX,
            age_max_ms: MAILBOX_AGE_MAX_MS,
        };
        Inbox {
            mailbox: Mutex::new(Mailbox::new(limits)),
            waker: AtomicWaker::new(),
            told: AtomicU8::new(Told::Nothing as u8),
            pausing: Mutex::new(None),
            idle_since_ms: AtomicU64::new(BUSY),
            room,
            is_listed: AtomicBool::new(false),
            is_rung: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Gives an event to the object, or gives it back with the reason.
    pub fn push(&self, event: Event) -> Result<(), (Box<Event>, Refusal)> {
        let (bytes, stamp, now_ms) = (event.bytes(), event.stamp(), clock::now_ms());
        let pushed = match event.has_room() {
            true => self.mailbox.lock().push_beside(event, stamp, now_ms),
            false => self.mailbox.lock().push(event, stamp, bytes, now_ms),
        };
        pushed.map_err(|(event, why)| (Box::new(event), why))?;
        self.waker.wake();
        Ok(())
    }

    /// The next event whose caller still waits.
    pub fn pop(&self) -> Option<Event> {
        let mut mailbox = self.mailbox.lock();
        std::iter::from_fn(|| mailbox.pop()).find(|event| !event.caller.is_gone())
    }

    /// The next that a section with this floor lets in.
    pub fn pop_within(&self, floor: Stamp) -> Option<Event> {
        let mut mailbox = self.mailbox.lock();
        std::iter::from_fn(|| mailbox.pop_within(floor)).find(|event| !event.caller.is_gone())
    }

    /// Is there one?
    pub fn has_within(&self, floor: Stamp) -> bool {
        self.mailbox.lock().has_within(floor)
    }

    /// The next event, if it is an alarm.
    pub fn next_alarm(&self) -> Option<Arc<Firing>> {
        match &self.mailbox.lock().first()?.happening {
            Happening::Alarm(firing) => Some(firing.clone()),
            _ => None,
        }
    }

    /// The callers of the next event.
    pub fn first_chain(&self) -> Chain {
        let mailbox = self.mailbox.lock();
        let first = mailbox.first();
        first.map(|event| event.chain.clone()).unwrap_or_default()
    }

    /// Closes the mailbox for good, unless an event waits.
    pub fn close_if_empty(&self) -> bool {
        self.mailbox.lock().close_if_empty()
    }

    pub fn has_mail(&self) -> bool {
        !self.mailbox.lock().is_empty()
    }

    /// The task of `cx` is woken by an event, a failure, or when it is told something.
    pub fn register(&self, cx: &mut Context<'_>) {
        self.waker.register(cx.waker());
    }

    /// Wakes the task.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Tells the live instance to leave.
    pub fn tell(&self, what: Told) {
        self.told.fetch_max(what as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// A new instance begins: it was told nothing but that the server shuts down.
    pub fn begin(&self) {
        let updated = Told::CodeUpdated as u8;
        let nothing = Told::Nothing as u8;
        let _ = self
            .told
            .compare_exchange(updated, nothing, Ordering::AcqRel, Ordering::Acquire);
        self.idle_since_ms.store(BUSY, Ordering::Release);
    }

    /// Has the live instance leave when nothing of it runs, until the pause is over.
    /// `refused` hears why it cannot.
    pub fn pause(&self, refused: oneshot::Sender<String>) {
        *self.pausing.lock() = Some(refused);
        self.tell(Told::Pause);
    }

    /// The instance goes on: it cannot be at rest now.
    pub fn refuse_pause(&self, reason: String) {
        let refused = self.pausing.lock().take();
        self.end_pause();
        if let Some(refused) = refused {
            let _ = refused.send(reason);
        }
    }

    pub fn end_pause(&self) {
        let (pause, nothing) = (Told::Pause as u8, Told::Nothing as u8);
        let _ = self
            .told
            .compare_exchange(pause, nothing, Ordering::AcqRel, Ordering::Acquire);
        self.waker.wake();
    }

    pub fn told(&self) -> Told {
        match self.told.load(Ordering::Acquire) {
            told if told == Told::Pause as u8 => Told::Pause,
            told if told == Told::CodeUpdated as u8 => Told::CodeUpdated,
            told if told == Told::ShuttingDown as u8 => Told::ShuttingDown,
            _ => Told::Nothing,
        }
    }

    /// Something happens to the live instance.
    pub fn set_busy(&self) {
        self.idle_since_ms.store(BUSY, Ordering::Release);
        self.is_not_to_leave();
    }

    /// Nothing happens to the live instance.
    pub fn set_idle(self: &Arc<Self>, now_ms: u64) {
        self.idle_since_ms.store(now_ms, Ordering::Release);
        if self.is_listed.swap(true, Ordering::AcqRel) {
            self.room.ring_if_wanted();
        } else {
            self.room.list(now_ms, self.clone());
        }
    }

    /// Should this idle object leave for another one?
    pub fn claim(self: &Arc<Self>) -> Option<Claim<Inbox>> {
        if !self.is_rung.swap(false, Ordering::AcqRel) {
            return None;
        }
        self.room.answered();
        let claim = self.room.claim();
        if claim.is_none()
            && let Some(since_ms) = self.idle_since_ms()
            && !self.is_listed.swap(true, Ordering::AcqRel)
        {
            self.room.list(since_ms, self.clone());
        }
        claim
    }

    /// It has no place to give, should it have been asked for one; another may have.
    fn is_not_to_leave(&self) {
        if self.is_rung.swap(false, Ordering::AcqRel) {
            self.room.answered();
            self.room.ring_if_wanted();
        }
    }

    /// The instance has gone.
    pub fn end(self: &Arc<Self>) {
        self.idle_since_ms.store(BUSY, Ordering::Release);
        if self.is_listed.swap(false, Ordering::AcqRel) {
            self.room.unlist(self);
        }
        self.is_not_to_leave();
    }

    /// A commit will never be durable: the instance has to go.
    pub fn fail(&self, error: ObjectError) {
        *self.failure.lock() = Some(error);
        self.has_failed.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub fn failure(&self) -> Option<ObjectError> {
        if !self.has_failed.load(Ordering::Acquire) {
            return None;
        }
        self.failure.lock().clone()
    }

    /// The database was put right again.
    pub fn clear_failure(&self) {
        *self.failure.lock() = None;
        self.has_failed.store(false, Ordering::Release);
    }
}

impl Idler for Inbox {
    fn idle_since_ms(&self) -> Option<u64> {
        let since_ms = self.idle_since_ms.load(Ordering::Acquire);
        (since_ms != BUSY).then_some(since_ms)
    }

    fn unlisted(&self, ring: bool) {
        self.is_listed.store(false, Ordering::Release);
        if ring {
            self.is_rung.store(true, Ordering::Release);
            self.waker.wake();
        }
    }
}

impl Told {
    /// Does the instance end, whatever it holds?
    pub fn ends(self) -> bool {
        self >= Told::CodeUpdated
    }

    /// What events are told that did not end in time.
    pub fn message(self) -> Option<&'static str> {
        match self {
            Told::Nothing | Told::Pause => None,
            Told::CodeUpdated => Some("Durable Object reset because its code was updated."),
            Told::ShuttingDown => Some("Durable Object reset because its server is shutting down."),
        }
    }
}
