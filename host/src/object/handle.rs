//! How the rest of the process reaches an object: its mailbox, and a bell that
//! wakes its task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use futures::task::AtomicWaker;
use parking_lot::Mutex;

use super::error::ObjectError;
use super::event::Event;
use super::identity::Identity;
use super::mailbox::{Mailbox, MailboxLimits, Refusal};
use crate::class::{Class, Generation};
use crate::clock;

const CODE_UPDATED: &str = "Durable Object reset because its code was updated.";
const SHUTTING_DOWN: &str = "Durable Object reset because its server is shutting down.";
const PLACE_WANTED: &str = "Durable Object reset because its server has too many live objects.";

/// Bodies that wait in one mailbox, and how long the oldest may wait.
const MAILBOX_BYTES_MAX: usize = 32 * 1024 * 1024;
const MAILBOX_AGE_MAX_MS: u64 = 30_000;

const BUSY: u64 = u64::MAX;

pub struct Handle {
    pub identity: Arc<Identity>,
    pub class: Arc<Class>,
    mailbox: Mutex<Mailbox<Event>>,
    bell: AtomicWaker,
    /// The generation of the class's code that the live instance runs.
    generation: AtomicU64,
    closing: Arc<AtomicBool>,
    /// Since when nothing happens to the live instance; `BUSY` while something does.
    idle_since_ms: AtomicU64,
    /// Another object needs this one's place.
    place_wanted: AtomicBool,
    is_broken: AtomicBool,
    failure: Mutex<Option<ObjectError>>,
}

impl Handle {
    /// `closing` is set when the whole process shuts down.
    pub fn new(identity: Arc<Identity>, class: Arc<Class>, closing: Arc<AtomicBool>) -> Handle {
        let limits = MailboxLimits {
            events_max: class.limits.mailbox_events_max,
            bytes_max: MAILBOX_BYTES_MAX,
            age_max_ms: MAILBOX_AGE_MAX_MS,
        };
        Handle {
            identity,
            class,
            mailbox: Mutex::new(Mailbox::new(limits)),
            bell: AtomicWaker::new(),
            generation: AtomicU64::new(0),
            closing,
            idle_since_ms: AtomicU64::new(BUSY),
            place_wanted: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Gives an event to the object, or gives it back with the reason.
    #[expect(
        clippy::result_large_err,
        reason = "the event is moved once either way"
    )]
    pub fn push(&self, event: Event) -> Result<(), (Event, Refusal)> {
        let bytes = event.bytes();
        self.mailbox.lock().push(event, bytes, clock::now_ms())?;
        self.bell.wake();
        Ok(())
    }

    pub fn pop(&self) -> Option<Event> {
        self.mailbox.lock().pop()
    }

    /// Answers every event that waits with `error`.
    pub fn refuse_waiting(&self, error: &ObjectError) {
        while let Some(event) = self.pop() {
            event.refuse(error.clone());
        }
    }

    /// Closes the mailbox for good, unless an event waits.
    pub fn close_if_empty(&self) -> bool {
        self.mailbox.lock().close_if_empty()
    }

    pub fn has_mail(&self) -> bool {
        !self.mailbox.lock().is_empty()
    }

    /// The bell rings for an event, a failure, or when it is time to leave.
    pub fn listen(&self, cx: &mut Context<'_>) {
        self.bell.register(cx.waker());
    }

    pub fn ring(&self) {
        self.bell.wake();
    }

    /// An instance of this generation of the class's code begins its life.
    pub fn runs(&self, generation: Generation) {
        self.generation.store(generation.0, Ordering::Release);
        self.place_wanted.store(false, Ordering::Release);
        self.set_idle(false);
    }

    pub fn set_idle(&self, idle: bool) {
        let since_ms = if idle { clock::now_ms() } else { BUSY };
        self.idle_since_ms.store(since_ms, Ordering::Release);
    }

    /// Since when the live instance is idle, if it is and may be asked to leave.
    pub fn idle_since_ms(&self) -> Option<u64> {
        let since_ms = self.idle_since_ms.load(Ordering::Acquire);
        (since_ms != BUSY && !self.place_wanted.load(Ordering::Acquire)).then_some(since_ms)
    }

    /// Asks the instance to leave because another object needs its place.
    pub fn give_up_place(&self) {
        self.place_wanted.store(true, Ordering::Release);
        self.bell.wake();
    }

    /// Why the live instance has to leave, if it has to.
    pub fn told_to_leave(&self) -> Option<&'static str> {
        if self.closing.load(Ordering::Acquire) {
            Some(SHUTTING_DOWN)
        } else if self.class.generation().0 != self.generation.load(Ordering::Acquire) {
            Some(CODE_UPDATED)
        } else if self.place_wanted.load(Ordering::Acquire) {
            Some(PLACE_WANTED)
        } else {
            None
        }
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// A commit will never be durable: the instance has to go.
    pub fn fail(&self, error: ObjectError) {
        *self.failure.lock() = Some(error);
        self.is_broken.store(true, Ordering::Release);
        self.bell.wake();
    }

    pub fn broken(&self) -> Option<ObjectError> {
        if !self.is_broken.load(Ordering::Acquire) {
            return None;
        }
        self.failure.lock().clone()
    }

    /// The database was put right again.
    pub fn mend(&self) {
        *self.failure.lock() = None;
        self.is_broken.store(false, Ordering::Release);
    }

    pub fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.class.limits.idle_timeout_ms)
    }
}
