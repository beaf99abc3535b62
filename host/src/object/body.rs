//! The way of a streamed response body: instance → output gate → server.
//!
//! Chunks that wait in the gate or for the client count against a credit, and
//! the instance's writer waits when it is used up. So a client that does not read
//! stops the object's stream, not the server's memory.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::task::AtomicWaker;
use tokio::sync::mpsc;

use super::error::ObjectError;

/// What may be on its way in one body before its writer waits. Large enough to
/// keep a fast connection busy, small enough for thousands of them.
const UNREAD_BYTES_MAX: usize = 256 * 1024;

/// The instance's end.
#[derive(Clone)]
pub struct BodyWriter {
    chunks: mpsc::UnboundedSender<Result<Bytes, ObjectError>>,
    credit: Arc<Credit>,
}

/// The server's end: the chunks, or an error when the object fails midway.
pub struct BodyReader {
    chunks: mpsc::UnboundedReceiver<Result<Bytes, ObjectError>>,
    credit: Arc<Credit>,
}

#[derive(Default)]
struct Credit {
    unread_bytes: AtomicUsize,
    reader_is_gone: AtomicBool,
    writer_is_gone: AtomicBool,
    writer: AtomicWaker,
    watcher: AtomicWaker,
}

/// Tells whether a body is still under way.
pub struct BodyWatch {
    credit: Arc<Credit>,
}

/// The client is gone.
pub struct ReaderGone;

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
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), ReaderGone>> {
        let ready = || {
            if self.credit.reader_is_gone.load(Ordering::Acquire) {
                Poll::Ready(Err(ReaderGone))
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

    /// The instance has ended the body; what it wrote may still be on its way.
    pub fn close(&self) {
        self.credit.writer_is_gone.store(true, Ordering::Release);
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
    /// Ready when the instance has ended the body, or its client is gone.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.credit.watcher.register(cx.waker());
        let ends = [&self.credit.reader_is_gone, &self.credit.writer_is_gone];
        match ends.iter().any(|gone| gone.load(Ordering::Acquire)) {
            true => Poll::Ready(()),
            false => Poll::Pending,
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
