//! Sees polls that last: each thread notes when it begins and ends to poll an
//! object, and at every tick somebody looks at the notes.
//!
//! ```text
//! idle ─ begin() ─► running ─ look() twice ─► covered: a reserve worker stands in
//!   ▲                  └──── end() ────┐            │
//!   └──────────────────────────────────┴── end() ◄──┘ the reserve worker may go again
//! ```

use std::cell::OnceCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::{crowd, heavy, preemption, reserve, ticks};

/// Bits of a note; above them, the number of the poll.
const RUNNING: u64 = 1;
const COVERED: u64 = 2;
/// It is this thread's turn in the crowd.
const TURN: u64 = 4;
const ONE_POLL: u64 = 8;

static NOTES: Mutex<Vec<Arc<Note>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: OnceCell<Listed> = const { OnceCell::new() };
}

struct Note {
    thread: preemption::Thread,
    state: AtomicU64,
    /// The state when somebody last looked.
    seen: AtomicU64,
}

/// The note of a thread, listed until the thread ends.
struct Listed(Arc<Note>);

impl Listed {
    fn new() -> Listed {
        let note = Arc::new(Note {
            thread: preemption::this_thread(),
            state: AtomicU64::new(0),
            seen: AtomicU64::new(0),
        });
        NOTES.lock().push(note.clone());
        Listed(note)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        NOTES.lock().retain(|note| !Arc::ptr_eq(note, &self.0));
    }
}

/// A future whose polls are watched.
pub(super) struct Watched<F>(Pin<Box<F>>);

impl<F> Watched<F> {
    pub(super) fn new(future: F) -> Watched<F> {
        Watched(Box::pin(future))
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        begin();
        let polled = self.0.as_mut().poll(cx);
        // Whatever it computed for long, its turn ends with the poll at the latest.
        heavy::give_back();
        end();
        polled
    }
}

/// The thread works on a poll, as a worker or not.
pub(super) fn begin() {
    with_note(|note| {
        let number = note.state.load(Ordering::Relaxed) & !(RUNNING | COVERED);
        let next = number.wrapping_add(ONE_POLL) | RUNNING;
        note.state.store(next, Ordering::Release);
    });
    ticks::awake();
}

/// The poll has ended, or its thread is no worker any more.
fn end() {
    with_note(|note| {
        let ended = !(RUNNING | COVERED | TURN);
        let before = note.state.fetch_and(ended, Ordering::AcqRel);
        if before & COVERED != 0 {
            preemption::short();
            reserve::release();
        }
        if before & TURN != 0 {
            crowd::next();
        }
    });
}

/// It is this thread's turn in the crowd, until `end_turn` or until its poll lasts.
pub(super) fn begin_turn() {
    with_note(|note| {
        note.state.fetch_or(TURN, Ordering::AcqRel);
    });
}

pub(super) fn end_turn() {
    with_note(|note| {
        if note.state.fetch_and(!TURN, Ordering::AcqRel) & TURN != 0 {
            crowd::next();
        }
    });
}

/// Runs `work`, which is known to last, while another thread does this worker's
/// other work. To be called from within a watched poll.
pub fn apart<T>(work: impl FnOnce() -> T) -> T {
    end();
    tokio::task::block_in_place(work)
}

/// Looks at all notes. Says whether anything was polled since the last look.
pub(super) fn look() -> bool {
    let mut polled = false;
    for note in &*NOTES.lock() {
        let state = note.state.load(Ordering::Acquire);
        let seen = note.seen.swap(state, Ordering::Relaxed);
        polled |= state != seen || state & RUNNING != 0;
        let lasts = state == seen && state & (RUNNING | COVERED) == RUNNING;
        if lasts && reserve::step_in() {
            let covered = (state | COVERED) & !TURN;
            note.seen.store(covered, Ordering::Relaxed);
            // Whatever it does, it is not short: memory, for example, that is filled or
            // given back.
            preemption::long_of(note.thread);
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let marked = note
                .state
                .compare_exchange(state, covered, success, failure);
            match marked {
                Ok(_) if state & TURN != 0 => crowd::next(),
                Ok(_) => {}
                // It has ended just now.
                Err(_) => {
                    preemption::short_of(note.thread);
                    reserve::release();
                }
            }
        }
    }
    polled
}

/// A thread, and how many polls it has begun.
pub(super) type Position = (usize, u64);

pub(super) fn position() -> Position {
    let mut position = (0, 0);
    with_note(|note| {
        let state = note.state.load(Ordering::Relaxed);
        position = (std::ptr::from_ref(note).addr(), state);
    });
    position
}

fn with_note(work: impl FnOnce(&Note)) {
    // A thread that is ending is not watched any more.
    let _ = OWN.try_with(|own| work(&own.get_or_init(Listed::new).0));
}
