//! Bodies between a guest's streams and the host's: chunks pass through without
//! the host ever holding more than a few.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Buf, Bytes};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer,
};

use super::context::{Context, Fate, Surroundings};
use crate::object::body::BodyWriter;
use crate::object::event::BodySource;
use crate::object::input_gate::Stamp;
use crate::object::outlet::Output;

/// A chunk taken from a guest at a time.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// A request's body on its way into the guest.
pub struct Incoming {
    source: BodySource,
    chunk: Bytes,
    /// When the guest's read that is under way began.
    reading: Option<Stamp>,
}

impl Incoming {
    pub fn new(source: BodySource) -> Incoming {
        Incoming {
            source,
            chunk: Bytes::new(),
            reading: None,
        }
    }

    /// Is there a chunk? False at the end of the body.
    fn poll_chunk(&mut self, cx: &mut TaskContext<'_>) -> Poll<bool> {
        while self.chunk.is_empty() {
            match ready!(self.source.as_mut().poll_next(cx)) {
                Some(chunk) => self.chunk = chunk,
                None => return Poll::Ready(false),
            }
        }
        Poll::Ready(true)
    }
}

impl StreamProducer<Context> for Incoming {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        mut store: StoreContextMut<'a, Context>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let context = store.data_mut();
        let began = *self.reading.get_or_insert_with(|| context.stamp());
        let chunk = match self.poll_chunk(cx) {
            Poll::Ready(_) if !context.admits(began, cx.waker()) => Poll::Pending,
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

/// A response's body on its way out of the guest.
pub struct Outgoing {
    writer: BodyWriter,
    around: Surroundings,
    fate: Fate,
    /// When the guest's write that is under way began.
    writing: Option<Stamp>,
}

impl Outgoing {
    pub fn new(writer: BodyWriter, context: &mut Context) -> Outgoing {
        context.bodies.push(writer.watch());
        Outgoing {
            writer,
            writing: None,
            around: context.around.clone(),
            fate: context.fate.clone(),
        }
    }

    fn say(&self, output: Output) {
        let commit = self.around.storage.lock().newest_commit();
        self.around.outlet.say(commit, output);
    }
}

impl StreamConsumer<Context> for Outgoing {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        mut store: StoreContextMut<Context>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let context = store.data_mut();
        let began = *self.writing.get_or_insert_with(|| context.stamp());
        let ready = match self.writer.poll_ready(cx) {
            Poll::Ready(_) if !context.admits(began, cx.waker()) => Poll::Pending,
            other => other,
        };
        if ready.is_ready() || finish {
            self.writing = None;
        }
        match ready {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_reader_gone)) => return Poll::Ready(Ok(StreamResult::Dropped)),
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
            self.say(Output::Chunk(self.writer.clone(), chunk));
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.writer.close();
        // The guest has ended its stream, or the instance has come to its end.
        match self.fate.get() {
            Some(death) => self.writer.fail(death.error),
            None => self.say(Output::End(self.writer.clone())),
        }
    }
}
