//! A socket between its two ends.
//!
//! What an object says waits in the queue of the other end until that is read; what
//! is brought to an object goes into its mailbox. So a connection needs one queue,
//! and one task that reads it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures::task::AtomicWaker;
use parking_lot::Mutex;

use super::bounds::{MESSAGE_OVERHEAD_BYTES, Share, UNREAD_BYTES_MAX};
use super::sockets::Sockets;
use super::{Close, Ending, Message};
use crate::memory;
use crate::object::identity::Identity;
use crate::storage::CommitNumber;

/// Something that an object says to the other end.
#[derive(Debug)]
pub enum Said {
    Message(Message),
    Close(Close),
}

/// What is to be heard at an end.
#[derive(Debug)]
pub enum Heard {
    Said(Said),
    /// More was said than may wait. It is gone.
    TooMuch,
    /// Nothing more will be said.
    Nothing,
}

/// Who has an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holder {
    /// It may still be passed on.
    Nobody,
    Object,
    Connection,
}

/// An end that no object has. Dropped, it ends the socket.
pub struct End {
    line: Arc<Line>,
    side: usize,
    /// Waits until the object has room.
    waiting: Option<Pin<Box<dyn Future<Output = Share> + Send>>>,
}

/// What an object's end reads, where the other end is an object's too.
pub(super) struct Inlet {
    line: Arc<Line>,
    side: usize,
}

/// An object's way to say something to the other end. With the last one nothing
/// more will be said.
pub struct Speaker {
    line: Arc<Line>,
    side: usize,
    /// The newest commit that what was said may reveal.
    newest_commit: AtomicU64,
}

struct Line {
    halves: Mutex<[Half; 2]>,
    readers: [AtomicWaker; 2],
}

/// What belongs to one end.
struct Half {
    holder: Holder,
    /// The object that has it, and the socket's number there.
    owner: Option<(Arc<Sockets>, u64)>,
    /// What the other end has said.
    queue: VecDeque<Said>,
    /// What the other end has said or is about to say.
    unread_bytes: usize,
    too_much: bool,
    /// How the socket ended at this end, until the other end's object is told.
    ending: Option<Ending>,
    is_gone: bool,
}

impl Half {
    fn new() -> Half {
        Half {
            holder: Holder::Nobody,
            owner: None,
            queue: VecDeque::new(),
            unread_bytes: 0,
            too_much: false,
            ending: None,
            is_gone: false,
        }
    }
}

/// A new socket: two ends that nobody has.
pub fn line() -> (End, End) {
    let line = Arc::new(Line {
        halves: Mutex::new([Half::new(), Half::new()]),
        readers: [AtomicWaker::new(), AtomicWaker::new()],
    });
    let end = |side| End {
        line: line.clone(),
        side,
        waiting: None,
    };
    (end(0), end(1))
}

impl Line {
    fn poll_next(&self, side: usize, cx: &mut Context<'_>) -> Poll<Heard> {
        self.readers[side].register(cx.waker());
        let halves = &mut *self.halves.lock();
        let (own, other) = (side, 1 - side);
        let other_is_gone = halves[other].is_gone;
        let half = &mut halves[own];
        if half.too_much {
            return Poll::Ready(Heard::TooMuch);
        }
        match half.queue.pop_front() {
            Some(said) => {
                half.unread_bytes = half.unread_bytes.saturating_sub(said.bytes());
                if half.queue.is_empty() {
                    // Most sockets are quiet for long.
                    half.queue = VecDeque::new();
                }
                Poll::Ready(Heard::Said(said))
            }
            None if other_is_gone || half.is_gone => Poll::Ready(Heard::Nothing),
            None => Poll::Pending,
        }
    }

    /// Nothing more comes from this end.
    fn leave(&self, side: usize) {
        let half = &mut self.halves.lock()[side];
        half.is_gone = true;
        half.queue = VecDeque::new();
        self.readers.iter().for_each(AtomicWaker::wake);
    }

    fn owner(&self, side: usize) -> Option<(Arc<Sockets>, u64)> {
        self.halves.lock()[side].owner.clone()
    }
}

impl End {
    /// A connection holds this end from now on.
    pub fn connect(&self) {
        self.line.halves.lock()[self.side].holder = Holder::Connection;
    }

    /// Has somebody taken the other end?
    pub fn is_answered(&self) -> bool {
        self.line.halves.lock()[1 - self.side].holder != Holder::Nobody
    }

    /// The object that has the other end.
    pub fn peer(&self) -> Option<Arc<Identity>> {
        let (sockets, _) = self.line.owner(1 - self.side)?;
        Some(sockets.identity.clone())
    }

    /// What the other end says next.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        self.line.poll_next(self.side, cx)
    }

    /// Brings a message to the object that has the other end, once that has room.
    /// False when no object will hear it.
    pub fn poll_bring(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<bool> {
        let other = 1 - self.side;
        self.line.readers[self.side].register(cx.waker());
        let (sockets, number) = {
            let halves = self.line.halves.lock();
            match &halves[other] {
                half if half.is_gone => return Poll::Ready(false),
                Half {
                    owner: Some(owner), ..
                } => owner.clone(),
                Half {
                    holder: Holder::Nobody,
                    ..
                } => return Poll::Pending,
                _ => return Poll::Ready(false),
            }
        };
        let whole = message.as_ref().expect("there is a message to bring");
        if sockets.answers(number, whole) {
            *message = None;
            return Poll::Ready(true);
        }
        let share = match &mut self.waiting {
            None => sockets.room.try_take(whole.bytes()),
            Some(_) => None,
        };
        let share = match share {
            Some(share) => share,
            None => {
                let take = || Box::pin(sockets.room.take(whole.bytes())) as Pin<Box<_>>;
                let waiting = self.waiting.get_or_insert_with(take);
                ready!(waiting.as_mut().poll(cx))
            }
        };
        self.waiting = None;
        let message = message.take().expect("it was looked at above");
        sockets.bring(number, message, share);
        Poll::Ready(true)
    }

    /// The socket ends here: nothing is brought any more. The other end may still
    /// say something.
    pub fn end(&mut self, ending: Ending) {
        let other = 1 - self.side;
        let owner = {
            let halves = &mut *self.line.halves.lock();
            if halves[self.side].ending.is_some() {
                return;
            }
            halves[self.side].ending = Some(ending.clone());
            halves[other].owner.clone()
        };
        if let Some((sockets, number)) = owner {
            sockets.ended(number, ending);
        }
    }

    /// The end becomes an object's. Gives the way to the other end and, where that
    /// will be an object's too, what is to be read here.
    pub(super) fn accept(self) -> (Arc<Speaker>, Option<Inlet>) {
        let other = 1 - self.side;
        let halves = &mut *self.line.halves.lock();
        halves[self.side].holder = Holder::Object;
        let speaker = Speaker {
            line: self.line.clone(),
            side: self.side,
            newest_commit: AtomicU64::new(0),
        };
        let inlet = (halves[other].holder != Holder::Connection).then(|| Inlet {
            line: self.line.clone(),
            side: self.side,
        });
        (Arc::new(speaker), inlet)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.line.halves.lock()[self.side].holder == Holder::Object {
            // Its speakers speak for it.
            return;
        }
        self.end(Ending::dropped());
        self.line.leave(self.side);
    }
}

impl Inlet {
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        self.line.poll_next(self.side, cx)
    }
}

impl Speaker {
    /// From now on this object hears what is brought from the other end. Gives how
    /// the socket has already ended there, if so.
    pub(super) fn belongs_to(&self, sockets: &Arc<Sockets>, number: u64) -> Option<Ending> {
        let halves = &mut *self.line.halves.lock();
        halves[self.side].owner = Some((sockets.clone(), number));
        self.line.readers[1 - self.side].wake();
        halves[1 - self.side].ending.clone()
    }

    /// The object hears nothing more.
    pub(super) fn belongs_to_nobody(&self) {
        let owner = self.line.halves.lock()[self.side].owner.take();
        self.line.readers[1 - self.side].wake();
        drop(owner);
    }

    /// Counts what will be said. If it is too much, nothing more will be.
    pub fn claim(&self, said: &Said) {
        let half = &mut self.line.halves.lock()[1 - self.side];
        let bytes = half.unread_bytes + said.bytes();
        let fits = bytes <= UNREAD_BYTES_MAX && !memory::is_full();
        if half.unread_bytes > 0 && !fits {
            half.too_much = true;
            half.queue = VecDeque::new();
            self.line.readers[1 - self.side].wake();
        }
        half.unread_bytes = bytes;
    }

    /// Says what was claimed.
    pub fn say(&self, said: Said) {
        let half = &mut self.line.halves.lock()[1 - self.side];
        if !half.too_much && !half.is_gone {
            half.queue.push_back(said);
        }
        self.line.readers[1 - self.side].wake();
    }

    /// What was claimed is not said: the socket breaks rather than lack it.
    pub fn break_off(&self) {
        self.line.leave(self.side);
    }

    /// The commit that the next output to the other end waits for, so that none
    /// overtakes another. `newest` is the newest that anything waits for.
    pub fn not_before(&self, commit: CommitNumber, newest: CommitNumber) -> CommitNumber {
        // Commits are numbered anew when the object wakes, and sockets outlive that.
        let before = match self.newest_commit.load(Ordering::Acquire) {
            earlier if earlier > newest.0 => 0,
            before => before,
        };
        let commit = before.max(commit.0);
        self.newest_commit.store(commit, Ordering::Release);
        CommitNumber(commit)
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.line.leave(self.side);
    }
}

impl Said {
    /// What it takes while it waits.
    pub fn bytes(&self) -> usize {
        MESSAGE_OVERHEAD_BYTES
            + match self {
                Said::Message(message) => message.bytes(),
                Said::Close(close) => close.reason.len(),
            }
    }
}
