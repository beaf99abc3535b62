//! The body of a request on its way to a server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::hop::Content;
use crate::clock;
use crate::object::body::BodySource;
use crate::object::error::ObjectError;
use crate::object::length::Length;

pub struct Sent {
    content: Sending,
    /// When the server last took something of it.
    moved_ms: Arc<AtomicU64>,
}

enum Sending {
    None,
    Whole(Bytes),
    Stream(BodySource, Option<Length>),
}

impl Sent {
    /// Takes the content for one sending; what is whole stays for another.
    pub fn take(content: &mut Content, moved_ms: Arc<AtomicU64>) -> Sent {
        let (sending, left) = match std::mem::replace(content, Content::Spent) {
            Content::None => (Sending::None, Content::None),
            Content::Whole(bytes) => (Sending::Whole(bytes.clone()), Content::Whole(bytes)),
            Content::Stream(source, promised) => {
                let length = promised.map(Length::new);
                (Sending::Stream(source, length), Content::Spent)
            }
            Content::Spent => (Sending::None, Content::Spent),
        };
        *content = left;
        Sent {
            content: sending,
            moved_ms,
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = ObjectError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ObjectError>>> {
        self.moved_ms.store(clock::now_ms(), Ordering::Relaxed);
        if let Sending::Stream(source, length) = &mut self.content {
            loop {
                let chunk = ready!(source.as_mut().poll_next(cx)).transpose()?;
                let chunk = match length {
                    Some(length) => length.check(chunk)?,
                    None => chunk.map(Some),
                };
                return Poll::Ready(match chunk {
                    None => None,
                    Some(None) => continue,
                    Some(Some(chunk)) => Some(Ok(Frame::data(chunk))),
                });
            }
        }
        Poll::Ready(match std::mem::replace(&mut self.content, Sending::None) {
            Sending::Whole(bytes) => Some(Ok(Frame::data(bytes))),
            _ => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Sending::None)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Sending::None => SizeHint::with_exact(0),
            Sending::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Sending::Stream(_, Some(length)) if length.left() > 0 => {
                SizeHint::with_exact(length.left())
            }
            Sending::Stream(..) => SizeHint::default(),
        }
    }
}
