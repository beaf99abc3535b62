//! Bodies between a guest's streams and the host's: chunks pass through without
//! the host ever holding more than a few, and after the last one it is said whether
//! it was that.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::sync::oneshot;
use wasmtime::component::{
    Destination, FutureConsumer, Source, StreamConsumer, StreamProducer, StreamReader,
    StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut, StoreContextMut};

use super::bindings::durable::object::types::{Body as WorldBody, BodyStream, Error};
use super::context::{Context, ObjectParts};
use super::end::InstanceEnd;
use super::turnstile::Entrance;
use super::wait::when_done;
use crate::object::body::{self, Body, BodySource, BodyWriter};
use crate::object::error::ObjectError;
use crate::object::outlet::Output;

/// A chunk taken from a guest at a time.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// What became of a body whose last chunk has come.
type End = Result<(), ObjectError>;

/// Gives a body to the guest.
pub fn to_world(
    store: impl AsContextMut<Data = Context>,
    body: Body,
) -> wasmtime::Result<WorldBody> {
    Ok(match body {
        Body::Bytes(bytes) if bytes.is_empty() => WorldBody::Empty,
        Body::Bytes(bytes) => WorldBody::Bytes(bytes.into()),
        Body::Stream(source) => WorldBody::Stream(stream_to_world(store, source)?),
    })
}

pub fn stream_to_world(
    mut store: impl AsContextMut<Data = Context>,
    source: BodySource,
) -> wasmtime::Result<BodyStream> {
    let (end_sender, end) = oneshot::channel();
    let chunks = StreamReader::new(&mut store, Incoming::new(source, end_sender))?;
    let end = when_done(store, async {
        // Who stops reading before the end never learns of it.
        let end = end.await.unwrap_or_else(|_| Err(unread()));
        Ok(end.map_err(Error::from))
    })?;
    Ok(BodyStream { chunks, end })
}

fn unread() -> ObjectError {
    ObjectError::exception("Error", "the body was not read to its end")
}

/// Takes a body from the guest.
pub fn of_world(
    store: impl AsContextMut<Data = Context>,
    body: WorldBody,
) -> wasmtime::Result<Body> {
    Ok(match body {
        WorldBody::Empty => Body::Bytes(Bytes::new()),
        WorldBody::Bytes(bytes) => Body::Bytes(bytes.into()),
        WorldBody::Stream(stream) => Body::Stream(stream_of_world(store, stream)?),
    })
}

pub fn stream_of_world(
    mut store: impl AsContextMut<Data = Context>,
    stream: BodyStream,
) -> wasmtime::Result<BodySource> {
    let (writer, reader) = body::body();
    let outgoing = Outgoing::new(writer, store.as_context_mut().data_mut());
    let ending = Ending(Some(outgoing.said()));
    stream.chunks.pipe(&mut store, outgoing)?;
    stream.end.pipe(&mut store, ending)?;
    Ok(Box::pin(reader))
}

/// A body on its way into the guest.
struct Incoming {
    source: BodySource,
    /// Told when the last chunk has come.
    end: Option<oneshot::Sender<End>>,
    chunk: Bytes,
    /// The guest's read that is under way.
    reading: Option<Entrance>,
}

impl Incoming {
    fn new(source: BodySource, end: oneshot::Sender<End>) -> Incoming {
        Incoming {
            source,
            end: Some(end),
            chunk: Bytes::new(),
            reading: None,
        }
    }

    /// Is there a chunk? False when there is no more.
    fn poll_chunk(&mut self, cx: &mut TaskContext<'_>) -> Poll<bool> {
        while self.chunk.is_empty() {
            if self.end.is_none() {
                return Poll::Ready(false);
            }
            let end = match ready!(self.source.as_mut().poll_next(cx)) {
                Some(Ok(next)) => {
                    self.chunk = next;
                    continue;
                }
                Some(Err(error)) => Err(error),
                None => Ok(()),
            };
            self.end(end);
        }
        Poll::Ready(true)
    }

    fn end(&mut self, end: End) {
        if let Some(sender) = self.end.take() {
            drop(sender.send(end));
        }
    }
}

impl Drop for Incoming {
    /// Who has read as many bytes as were promised need not ask for more to learn that
    /// they were all.
    fn drop(&mut self) {
        if self.chunk.is_empty() && self.source.size_hint().1 == Some(0) {
            self.end(Ok(()));
        }
    }
}

impl StreamProducer<Context> for Incoming {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        store: StoreContextMut<'a, Context>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let polled = self.poll_chunk(cx);
        let reading = self
            .reading
            .get_or_insert_with(|| Entrance::of_stream(store.data()));
        let chunk = match polled {
            Poll::Ready(_) if !reading.passes(cx) => Poll::Pending,
            other => other,
        };
        if chunk.is_ready() || finish {
            self.reading = None;
        }
        match chunk {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(false) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(true) => {}
        }
        let capacity = self.chunk.len();
        let mut destination = destination.as_direct(store, capacity);
        let room = destination.remaining();
        let count = room.len().min(capacity);
        room[..count].copy_from_slice(&self.chunk[..count]);
        destination.mark_written(count);
        self.chunk.advance(count);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// A body on its way out of the guest.
struct Outgoing {
    writer: BodyWriter,
    said: Said,
    /// The guest's write that is under way.
    writing: Option<Entrance>,
}

/// What is said into a body takes the way of all output.
#[derive(Clone)]
struct Said {
    writer: BodyWriter,
    parts: ObjectParts,
    end: InstanceEnd,
    /// The guest waits for a chunk to be taken.
    writes: Arc<AtomicBool>,
}

impl Outgoing {
    fn new(writer: BodyWriter, context: &mut Context) -> Outgoing {
        context.begin_body(&writer);
        Outgoing {
            said: Said {
                writer: writer.clone(),
                parts: context.parts.clone(),
                end: context.end.clone(),
                writes: Arc::default(),
            },
            writer,
            writing: None,
        }
    }

    fn said(&self) -> Said {
        self.said.clone()
    }
}

impl Said {
    fn say(&self, output: Output) {
        let commit = self.parts.storage.lock().newest_commit();
        self.parts.outlet.say(commit, output);
    }

    fn end(self, end: End) {
        let end = end.and_then(|()| match self.writes.load(Ordering::Relaxed) {
            true => Err(ended_too_soon()),
            false => Ok(()),
        });
        self.writer.close();
        let writer = self.writer.clone();
        self.say(match end {
            Ok(()) => Output::End(writer),
            Err(error) => Output::Broken(writer, error),
        });
    }
}

fn ended_too_soon() -> ObjectError {
    let message = "the object ended the body while it was writing a chunk";
    ObjectError::exception("Error", message)
}

impl StreamConsumer<Context> for Outgoing {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        store: StoreContextMut<Context>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let this = &mut *self;
        let writing = this
            .writing
            .get_or_insert_with(|| Entrance::of_stream(store.data()));
        let ready = match this.writer.poll_ready(cx) {
            Poll::Ready(_) if !writing.passes(cx) => Poll::Pending,
            other => other,
        };
        if ready.is_ready() || finish {
            self.writing = None;
        }
        let writes = self.writing.is_some();
        self.said.writes.store(writes, Ordering::Relaxed);
        match ready {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_over)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut source = source.as_direct(store);
        let offered = source.remaining();
        let count = offered.len().min(CHUNK_BYTES_MAX);
        let chunk = Bytes::copy_from_slice(&offered[..count]);
        source.mark_read(count);
        if count > 0 {
            self.writer.take(count);
            self.said.say(Output::Chunk(self.writer.clone(), chunk));
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Waits for the guest to say how its body ended.
struct Ending(Option<Said>);

impl FutureConsumer<Context> for Ending {
    type Item = Result<(), Error>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        store: StoreContextMut<Context>,
        mut source: Source<'_, Self::Item>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut end = None;
        source.read(store, &mut end)?;
        if let (Some(end), Some(said)) = (end, self.0.take()) {
            said.end(end.map_err(ObjectError::from));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(said) = self.0.take() {
            // The instance has come to its end.
            let error = match said.end.reason() {
                Some(reason) => reason.error,
                None => ObjectError::exception("Error", "the object did not end the body"),
            };
            said.end(Err(error));
        }
    }
}
