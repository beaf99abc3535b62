//! A body between two futures.

use super::callers::Departure;
use crate::Result;
use crate::body::broken_off;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// What a writer and a reader share: at most one chunk, so that the writer waits.
#[derive(Debug, Default)]
struct Pipe {
    chunk: Option<Vec<u8>>,
    /// How the body ended.
    end: Option<Result<()>>,
    reader_is_gone: bool,
    /// Whose answer it is, or is a part of.
    of: Vec<Rc<Departure>>,
    /// Who waits for a change.
    waiting: Vec<Waker>,
}

impl Pipe {
    async fn poll_until<T>(pipe: &RefCell<Pipe>, mut step: impl FnMut(&mut Pipe) -> Poll<T>) -> T {
        poll_fn(|cx| {
            let mut pipe = pipe.borrow_mut();
            let result = step(&mut pipe);
            if result.is_pending() {
                pipe.waiting.push(cx.waker().clone());
            }
            result
        })
        .await
    }

    fn replace(&mut self, chunk: Option<Vec<u8>>) {
        self.chunk = chunk;
        self.wake();
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// The reader has come to the end, or left before.
    fn left(&mut self, reader_has_left: bool) {
        for departure in std::mem::take(&mut self.of) {
            departure.decide(reader_has_left);
        }
    }
}

/// The reading end of a body.
#[derive(Debug)]
pub struct ByteReader(Rc<RefCell<Pipe>>);

/// The writing end of a body.
#[derive(Debug)]
pub struct ByteWriter(Rc<RefCell<Pipe>>);

pub fn pipe() -> (ByteWriter, ByteReader) {
    let pipe = Rc::<RefCell<Pipe>>::default();
    (ByteWriter(pipe.clone()), ByteReader(pipe))
}

impl ByteReader {
    /// The next bytes, at most `bytes_max` of them; none after the last ones.
    pub async fn read(&mut self, bytes_max: usize) -> Option<Vec<u8>> {
        Pipe::poll_until(&self.0, |pipe| match pipe.chunk.take() {
            Some(mut chunk) => {
                let rest = chunk.split_off(chunk.len().min(bytes_max));
                pipe.replace(Some(rest).filter(|rest| !rest.is_empty()));
                Poll::Ready(Some(chunk))
            }
            None if pipe.end.is_some() => {
                pipe.left(false);
                Poll::Ready(None)
            }
            None => Poll::Pending,
        })
        .await
    }

    /// Has the departure hear how the reading ends.
    pub fn tell_end_to(&self, departure: Rc<Departure>) {
        self.0.borrow_mut().of.push(departure);
    }

    /// Whether the last bytes were the body's end.
    pub async fn end(self) -> Result<()> {
        let end = self.0.borrow_mut().end.take();
        end.unwrap_or_else(|| Err(broken_off()))
    }
}

impl Drop for ByteReader {
    fn drop(&mut self) {
        let mut pipe = self.0.borrow_mut();
        pipe.reader_is_gone = true;
        pipe.left(true);
        pipe.wake();
    }
}

impl ByteWriter {
    /// Says whether the reader took all of it.
    pub async fn write(&mut self, bytes: Vec<u8>) -> bool {
        let mut bytes = Some(bytes);
        Pipe::poll_until(&self.0, |pipe| {
            if pipe.reader_is_gone {
                return Poll::Ready(false);
            }
            if bytes.is_some() {
                pipe.replace(bytes.take());
            }
            match pipe.chunk {
                Some(_) => Poll::Pending,
                None => Poll::Ready(true),
            }
        })
        .await
    }

    pub fn finish(self, end: Result<()>) {
        self.0.borrow_mut().end = Some(end);
    }
}

impl Drop for ByteWriter {
    fn drop(&mut self) {
        let mut pipe = self.0.borrow_mut();
        pipe.end.get_or_insert_with(|| Err(broken_off()));
        pipe.wake();
    }
}
