//! From a server's answer to what the object gets.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::time::{Instant, Sleep};

use super::Running;
use super::hop::without_connection;
use crate::object::body::Body;
use crate::object::error::ObjectError;
use crate::object::event::Response;

/// A body up to this size that has arrived is passed as bytes: a stream would cost
/// more than the bytes.
const INLINE_BYTES_MAX: u64 = 64 * 1024;
/// How long a server may be silent in the middle of a body while the object reads. Long
/// enough for what is sent as it happens.
const SILENCE_MAX: Duration = Duration::from_secs(300);

pub async fn of(
    response: hyper::Response<Incoming>,
    running: Running,
) -> Result<Response, ObjectError> {
    let (mut head, body) = response.into_parts();
    if head.headers.contains_key(TRANSFER_ENCODING) {
        // The chunks count (RFC 9112, 6.3).
        head.headers.remove(CONTENT_LENGTH);
    }
    without_connection(&mut head.headers);
    let fields = head.headers.iter();
    let headers = fields.map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
    let headers = headers.collect();
    let small = body
        .size_hint()
        .exact()
        .filter(|bytes| *bytes <= INLINE_BYTES_MAX);
    let mut received = Received {
        body,
        silence: Box::pin(tokio::time::sleep(SILENCE_MAX)),
        is_waiting: false,
        _running: running,
    };
    let body = match small {
        Some(0) => Body::Bytes(Bytes::new()),
        Some(bytes) => {
            // It comes at once, or it is not worth the wait.
            let mut whole = BytesMut::with_capacity(bytes as usize);
            loop {
                match futures::poll!(received.next()) {
                    Poll::Ready(Some(chunk)) => whole.extend_from_slice(&chunk?),
                    Poll::Ready(None) => break Body::Bytes(whole.freeze()),
                    Poll::Pending if whole.is_empty() => break Body::Stream(Box::pin(received)),
                    Poll::Pending => {
                        let arrived = futures::stream::iter([Ok(whole.freeze())]);
                        break Body::Stream(Box::pin(arrived.chain(received)));
                    }
                }
            }
        }
        None => Body::Stream(Box::pin(received)),
    };
    Ok(Response {
        status: head.status.as_u16(),
        headers,
        body,
    })
}

/// A body as it comes.
struct Received {
    body: Incoming,
    silence: Pin<Box<Sleep>>,
    is_waiting: bool,
    _running: Running,
}

impl Stream for Received {
    type Item = Result<Bytes, ObjectError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                if !std::mem::replace(&mut self.is_waiting, true) {
                    self.silence.as_mut().reset(Instant::now() + SILENCE_MAX);
                }
                ready!(self.silence.as_mut().poll(cx));
                let message = "the answer's body did not come on";
                return Poll::Ready(Some(Err(ObjectError::unavailable(message))));
            };
            self.is_waiting = false;
            return Poll::Ready(match frame {
                None => None,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if chunk.is_empty() => continue,
                    Ok(chunk) => Some(Ok(chunk)),
                    // Trailers are dropped: the world has none.
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    let error = super::client::in_full(&error);
                    let message = format!("the answer's body broke off: {error}");
                    Some(Err(ObjectError::unavailable(message)))
                }
            });
        }
    }
}
