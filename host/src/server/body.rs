//! The body of an answer on its way to the client.
//!
//! Invariants:
//!
//! * A client never takes for whole what is not: if an object breaks off, or its
//!   stream has another length than it said, or it answers a request that broke
//!   off, the transfer breaks too.
//! * What waits for the client is counted.
//! * What an object said before it broke off reaches a client that takes it, the head
//!   above all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::about::About;
use super::unsent::{Chunk, Said, Unsent};
use super::upload::Upload;
use super::vigil::Exchange;
use crate::object::body::BodySource;
use crate::object::error::ObjectError;
use crate::object::length::Length;

/// HTTP/2: the end of a stream overtakes what waits to be sent on it. Of chunks it is known
/// when they have left, but not of a head: a client that takes what comes has it long before
/// this.
const HEAD_START: Duration = Duration::from_millis(20);

/// An answer's body. The exchange ends with it.
pub struct Body {
    content: Content,
    exchange: Exchange,
}

enum Content {
    None,
    Whole(Chunk),
    Stream(Box<Streamed>),
}

/// What an object says bit by bit.
pub struct Streamed {
    reader: BodySource,
    /// The request's.
    upload: Upload,
    length: Option<Length>,
    unsent: Arc<Unsent>,
    said: Said,
    /// None: it is a file's.
    about: Option<About>,
    /// Why it breaks off, once what was said before has been sent.
    broken: Option<(ObjectError, Pin<Box<Sleep>>)>,
}

impl Body {
    pub fn none(exchange: Exchange) -> Body {
        Body {
            content: Content::None,
            exchange,
        }
    }

    pub fn whole(bytes: Bytes, exchange: Exchange) -> Body {
        let content = match bytes.is_empty() {
            true => Content::None,
            false => {
                let unsent = exchange.vigil().unsent.clone();
                Content::Whole(Chunk::new(bytes, unsent, Said::default()))
            }
        };
        Body { content, exchange }
    }

    /// A stream; of so many bytes, if the object says so.
    pub fn stream(
        reader: BodySource,
        promised: Option<u64>,
        upload: Upload,
        about: About,
        exchange: Exchange,
    ) -> Body {
        let length = promised.map(Length::new);
        Body::streamed(reader, length, upload, Some(about), exchange)
    }

    /// A file of so many bytes.
    pub fn file(reader: BodySource, bytes: u64, exchange: Exchange) -> Body {
        let length = Some(Length::new(bytes));
        Body::streamed(reader, length, Upload::default(), None, exchange)
    }

    fn streamed(
        reader: BodySource,
        length: Option<Length>,
        upload: Upload,
        about: Option<About>,
        exchange: Exchange,
    ) -> Body {
        let streamed = Streamed {
            reader,
            upload,
            length,
            unsent: exchange.vigil().unsent.clone(),
            said: Said::default(),
            about,
            broken: None,
        };
        Body {
            content: Content::Stream(Box::new(streamed)),
            exchange,
        }
    }
}

impl Streamed {
    /// The next chunk, or why there is none: then hyper drops what it has yet to send, so
    /// that waits.
    fn poll_sendable(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
    ) -> Poll<Option<Result<Chunk, ObjectError>>> {
        let vigil = exchange.vigil();
        if self.broken.is_none() {
            match ready!(self.poll_chunk(cx)) {
                Some(Err(error)) => self.broken = Some((error, Box::pin(sleep(HEAD_START)))),
                chunk => return Poll::Ready(chunk),
            }
            // HTTP/1 sends what it has before it asks again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let is_sent = match (&mut self.broken, vigil.is_http2()) {
            (Some((_, head_start)), true) => {
                ready!(head_start.as_mut().poll(cx));
                let is_sent = !self.said.is_on_its_way();
                if !is_sent {
                    *head_start = Box::pin(sleep(HEAD_START));
                    ready!(head_start.as_mut().poll(cx));
                }
                is_sent
            }
            // It asks again when the socket takes something.
            _ => !vigil.is_blocked(),
        };
        match self.broken.take_if(|_| is_sent) {
            Some((error, _)) => Poll::Ready(Some(Err(error))),
            None => Poll::Pending,
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, ObjectError>>> {
        loop {
            if let Some(broken) = self.upload.broken() {
                if let Some(about) = &self.about {
                    about.tell(&broken.to_string());
                }
                let message = "the request's body did not arrive whole";
                return Poll::Ready(Some(Err(ObjectError::unavailable(message))));
            }
            let chunk = ready!(self.reader.as_mut().poll_next(cx)).transpose();
            let about = self.about.as_ref();
            let chunk = chunk.inspect_err(|error| {
                // What is wrong with a file is logged where it is read.
                if let Some(about) = about {
                    about.tell_error(error);
                }
            })?;
            let chunk = match (chunk, &mut self.length) {
                (chunk, Some(length)) => length.check(chunk).inspect_err(|error| {
                    if let Some(about) = about {
                        about.tell(&format!("the answer breaks off: {error}"));
                    }
                })?,
                (chunk, None) => chunk.map(Some),
            };
            return Poll::Ready(match chunk {
                None => None,
                Some(None) => continue,
                Some(Some(chunk)) => Some(Ok(Chunk::new(
                    chunk,
                    self.unsent.clone(),
                    self.said.clone(),
                ))),
            });
        }
    }
}

impl HttpBody for Body {
    type Data = Chunk;
    type Error = ObjectError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, ObjectError>>> {
        let Body { content, exchange } = &mut *self;
        if let Content::Stream(streamed) = content {
            let chunk = ready!(streamed.poll_sendable(cx, exchange));
            return Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)));
        }
        match std::mem::replace(content, Content::None) {
            Content::Whole(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::None)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::None => SizeHint::with_exact(0),
            Content::Whole(chunk) => SizeHint::with_exact(bytes::Buf::remaining(chunk) as u64),
            Content::Stream(streamed) => match &streamed.length {
                // A body of no bytes would not be asked whether it has some.
                Some(length) if length.left() > 0 => SizeHint::with_exact(length.left()),
                _ => SizeHint::default(),
            },
        }
    }
}
