//! What a request or response carries, and the way of what an object streams:
//! instance → output gate → server, or another object.
//!
//! Chunks that wait in the gate or for the client count against a credit, and
//! the instance's writer waits when it is used up. So a client that does not read
//! stops the object's stream, not the server's memory.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::task::AtomicWaker;
use tokio::sync::mpsc;

use super::error::ObjectError;
use crate::storage::CommitNumber;

/// What may be on its way in one body before its writer waits. Large enough to
/// keep a fast connection busy, small enough for thousands of them.
const UNREAD_BYTES_MAX: usize = 256 * 1024;

/// The content of a request or response.
pub enum Body {
    /// All of it: small, and already here.
    Bytes(Bytes),
    Stream(BodySource),
}

/// Chunks as they come. An error is the last thing that comes: the body broke off.
/// A size hint of none says that it has come to its end.
pub type BodySource = Pin<Box<dyn Stream<Item = Result<Bytes, ObjectError>> + Send>>;

/// The instance's end.
#[derive(Clone)]
pub struct BodyWriter {
    chunks: mpsc::UnboundedSender<Result<Bytes, ObjectError>>,
    credit: Arc<Credit>,
}

/// The reader's end.
pub struct BodyReader {
    chunks: mpsc::UnboundedReceiver<Result<Bytes, ObjectError>>,
    credit: Arc<Credit>,
}

#[derive(Default)]
struct Credit {
    unread_bytes: AtomicUsize,
    /// The newest commit that what was said into the body may reveal.
    newest_commit: AtomicU64,
    reader_is_gone: AtomicBool,
    writer_is_gone: AtomicBool,
    writer: AtomicWaker,
    watcher: AtomicWaker,
}

/// Tells whether a body is still under way.
pub struct BodyWatch {
    credit: Arc<Credit>,
}

/// Nothing is taken any more: the reader is gone, or the body has ended.
pub struct Over;

pub fn body() -> (BodyWriter, BodyReader) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let credit = Arc::new(Credit::default());
    let writer = BodyWriter {
        chunks: sender,
        credit: credit.clone(),
    };
    let reader = BodyReader {
        chunks: receiver,
        credit,
    };
    (writer, reader)
}

impl BodyWriter {
    /// Waits until another chunk may be taken from the instance.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let ready = || {
            let credit = &self.credit;
            let ends = [&credit.reader_is_gone, &credit.writer_is_gone];
            if ends.iter().any(|gone| gone.load(Ordering::Acquire)) {
                Poll::Ready(Err(Over))
            } else if self.credit.unread_bytes.load(Ordering::Acquire) < UNREAD_BYTES_MAX {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        };
        match ready() {
            Poll::Pending => {
                self.credit.writer.register(cx.waker());
                ready()
            }
            answer => answer,
        }
    }

    /// Counts a chunk that was taken from the instance and will be sent.
    pub fn take(&self, bytes: usize) {
        self.credit.unread_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// The commit that the next output of this body waits for, so that none
    /// overtakes another.
    pub fn not_before(&self, commit: CommitNumber) -> CommitNumber {
        let newest = &self.credit.newest_commit;
        let before = newest.fetch_max(commit.0, Ordering::AcqRel);
        CommitNumber(before.max(commit.0))
    }

    /// The instance has ended the body; what it wrote may still be on its way.
    pub fn close(&self) {
        self.credit.writer_is_gone.store(true, Ordering::Release);
        self.credit.writer.wake();
        self.credit.watcher.wake();
    }

    pub fn watch(&self) -> BodyWatch {
        BodyWatch {
            credit: self.credit.clone(),
        }
    }

    pub fn send(&self, chunk: Bytes) {
        // A reader that is gone is noticed by `poll_ready`.
        let _ = self.chunks.send(Ok(chunk));
    }

    /// Ends the body so that the client sees that it is not whole.
    pub fn fail(&self, error: ObjectError) {
        let _ = self.chunks.send(Err(error));
    }
}

impl BodyWatch {
    pub fn is_open(&self) -> bool {
        let ends = [&self.credit.reader_is_gone, &self.credit.writer_is_gone];
        !ends.iter().any(|gone| gone.load(Ordering::Acquire))
    }

    /// Ready when the instance has ended the body, or its client is gone.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.credit.watcher.register(cx.waker());
        match self.is_open() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

impl Stream for BodyReader {
    type Item = Result<Bytes, ObjectError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.chunks.poll_recv(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            self.credit
                .unread_bytes
                .fetch_sub(chunk.len(), Ordering::AcqRel);
            self.credit.writer.wake();
        }
        next
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        self.credit.reader_is_gone.store(true, Ordering::Release);
        self.credit.writer.wake();
        self.credit.watcher.wake();
    }
}
