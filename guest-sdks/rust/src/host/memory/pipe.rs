//! A stream of bytes between two futures.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// What a writer and a reader share: at most one chunk, so that the writer waits.
#[derive(Debug, Default)]
struct Pipe {
    chunk: Option<Vec<u8>>,
    is_closed: bool,
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
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// The reading end of a stream of bytes.
#[derive(Debug)]
pub struct ByteReader(Rc<RefCell<Pipe>>);

/// The writing end of a stream of bytes.
#[derive(Debug)]
pub struct ByteWriter(Rc<RefCell<Pipe>>);

pub fn pipe() -> (ByteWriter, ByteReader) {
    let pipe = Rc::<RefCell<Pipe>>::default();
    (ByteWriter(pipe.clone()), ByteReader(pipe))
}

impl ByteReader {
    /// The next bytes, at most `bytes_max` of them; none at the end.
    pub async fn read(&mut self, bytes_max: usize) -> Option<Vec<u8>> {
        Pipe::poll_until(&self.0, |pipe| match pipe.chunk.take() {
            Some(mut chunk) => {
                let rest = chunk.split_off(chunk.len().min(bytes_max));
                pipe.replace(Some(rest).filter(|rest| !rest.is_empty()));
                Poll::Ready(Some(chunk))
            }
            None if pipe.is_closed => Poll::Ready(None),
            None => Poll::Pending,
        })
        .await
    }
}

impl Drop for ByteReader {
    fn drop(&mut self) {
        self.0.borrow_mut().close();
    }
}

impl ByteWriter {
    /// Says whether the reader took all of it.
    pub async fn write(&mut self, bytes: Vec<u8>) -> bool {
        let mut bytes = Some(bytes);
        Pipe::poll_until(&self.0, |pipe| {
            if pipe.is_closed {
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
}

impl Drop for ByteWriter {
    fn drop(&mut self) {
        self.0.borrow_mut().close();
    }
}
