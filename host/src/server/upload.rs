//! A request's body on its way to an object, and what became of it.
//!
//! An object learns that a body broke off if it asks; one that does not ask has half
//! of it. So the server must know too: whatever the object answers, its answer does not
//! go out as a success.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use hyper::body::{Body as _, Incoming};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::discard::discard;
use crate::limits::BODY_BYTES_PER_SECOND_MIN;
use crate::object::body::Body;
use crate::object::error::ObjectError;

/// A body up to this size that has arrived is passed as bytes: a stream would
/// cost more than the bytes.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// How often the connection is given a chance to deliver the rest of a small body.
const INLINE_YIELDS: usize = 2;

/// Why a body did not arrive whole.
#[derive(Clone, Debug)]
pub enum Broken {
    TooLong,
    /// The client left, or what it sent is not how HTTP frames a body.
    Off(String),
    /// Too little of it came for too long.
    Stalled,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::TooLong => f.write_str("the request's body is too long"),
            Broken::Off(why) => write!(f, "the request's body broke off: {why}"),
            Broken::Stalled => f.write_str("the request's body did not come on"),
        }
    }
}

/// What becomes of a streamed body; nothing for one that was already here.
#[derive(Clone, Default)]
pub struct Upload(Option<Arc<State>>);

#[derive(Default)]
struct State {
    broken: OnceLock<Broken>,
    noticed: Notify,
}

/// What a body may cost.
#[derive(Clone, Copy)]
pub struct UploadLimits {
    pub bytes_max: u64,
    pub timeout: Duration,
}

impl Upload {
    pub fn broken(&self) -> Option<&Broken> {
        self.0.as_ref()?.broken.get()
    }

    /// Ends when the body breaks off.
    pub async fn breaks(&self) -> Broken {
        if let Some(state) = &self.0 {
            state.noticed.notified().await;
            if let Some(broken) = state.broken.get() {
                return broken.clone();
            }
        }
        std::future::pending().await
    }

    fn set_broken(&self, why: Broken) {
        if let Some(state) = &self.0
            && state.broken.set(why).is_ok()
        {
            state.noticed.notify_one();
        }
    }
}

/// Takes what has arrived of a body that is small, or else gives it as a stream.
/// Of a body for which the client waits to be asked nothing is read here.
pub async fn read(
    body: Incoming,
    limits: UploadLimits,
    is_awaited: bool,
) -> Result<(Body, Upload), Broken> {
    if body.is_end_stream() {
        return Ok((Body::Bytes(Bytes::new()), Upload::default()));
    }
    let declared = body.size_hint().exact();
    let mut source = Source {
        body: Some(body),
        arrived: None,
        bytes_left: limits.bytes_max,
        patience: Patience::new(limits.timeout),
        upload: Upload::default(),
        discards: !is_awaited,
    };
    let small = declared
        .and_then(|bytes| usize::try_from(bytes).ok())
        .filter(|bytes| *bytes <= INLINE_BYTES_MAX && !is_awaited);
    if let Some(bytes) = small
        && let Some(whole) = source.whole(bytes).await?
    {
        return Ok((Body::Bytes(whole), Upload::default()));
    }
    let upload = Upload(Some(Arc::default()));
    source.upload = upload.clone();
    Ok((Body::Stream(Box::pin(source)), upload))
}

/// A request's body, chunk by chunk, up to the limit.
struct Source {
    /// None when it has ended.
    body: Option<Incoming>,
    /// What arrived while it was not yet known whether the body is small.
    arrived: Option<Bytes>,
    bytes_left: u64,
    patience: Patience,
    upload: Upload,
    /// Is the rest read when nobody wants it?
    discards: bool,
}

impl Source {
    /// The whole body of so many bytes, if it has arrived. What there is of it is
    /// kept otherwise.
    async fn whole(&mut self, bytes: usize) -> Result<Option<Bytes>, Broken> {
        let mut whole = Vec::new();
        for _ in 0..=INLINE_YIELDS {
            while let Some(chunk) = self.arrived_chunk().await? {
                if chunk.len() == bytes {
                    return Ok(Some(chunk));
                }
                whole.extend_from_slice(&chunk);
                if whole.len() == bytes {
                    return Ok(Some(whole.into()));
                }
            }
            tokio::task::yield_now().await;
        }
        self.arrived = (!whole.is_empty()).then(|| whole.into());
        Ok(None)
    }

    /// A chunk, if one is here already.
    async fn arrived_chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        std::future::poll_fn(|cx| match self.poll_chunk(cx) {
            Poll::Ready(chunk) => Poll::Ready(chunk),
            Poll::Pending => Poll::Ready(Ok(None)),
        })
        .await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        while let Some(body) = &mut self.body {
            let frame = match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.body = None;
                    return Poll::Ready(Err(Broken::Off(in_full(&error))));
                }
                None => {
                    self.body = None;
                    break;
                }
            };
            self.discards = true;
            // Trailers are dropped: the world has none.
            if let Ok(chunk) = frame.into_data() {
                match self.bytes_left.checked_sub(chunk.len() as u64) {
                    Some(left) => self.bytes_left = left,
                    None => return Poll::Ready(Err(Broken::TooLong)),
                }
                return Poll::Ready(Ok(Some(chunk)));
            }
        }
        Poll::Ready(Ok(None))
    }
}

/// An error and its causes, for the log.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Stream for Source {
    type Item = Result<Bytes, ObjectError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(arrived) = self.arrived.take() {
            return Poll::Ready(Some(Ok(arrived)));
        }
        let chunk = match self.poll_chunk(cx) {
            Poll::Ready(chunk) => chunk,
            Poll::Pending => {
                ready!(self.patience.poll_end(cx));
                // The client has nothing to say for so long that it need not be heard.
                self.discards = false;
                Err(Broken::Stalled)
            }
        };
        Poll::Ready(match chunk {
            Ok(Some(chunk)) => {
                self.patience.arrived(chunk.len());
                Some(Ok(chunk))
            }
            Ok(None) => None,
            Err(broken) => {
                let error = ObjectError::unavailable(broken.to_string());
                self.upload.set_broken(broken);
                Some(Err(error))
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let has_ended = self.body.as_ref().is_none_or(|body| body.is_end_stream());
        match has_ended && self.arrived.is_none() {
            true => (0, Some(0)),
            false => (0, None),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && self.discards
        {
            discard(body);
        }
    }
}

/// How long a body is waited for. Waiting uses it up, and what comes brings it
/// back, so that a body that merely drips does not hold an object for ever. Time
/// in which the object does not read costs nothing.
struct Patience {
    max: Duration,
    left: Duration,
    waits_since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(max: Duration) -> Patience {
        Patience {
            max,
            left: max,
            waits_since: None,
            sleep: None,
        }
    }

    /// Waits; ready when it is used up.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits_since.is_none() {
            let now = Instant::now();
            self.waits_since = Some(now);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(now + self.left),
                None => self.sleep = Some(Box::pin(tokio::time::sleep(self.left))),
            }
        }
        let sleep = self.sleep.as_mut().expect("made when the wait began");
        sleep.as_mut().poll(cx)
    }

    fn arrived(&mut self, bytes: usize) {
        if let Some(since) = self.waits_since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let brought_ms = bytes as u64 * 1_000 / BODY_BYTES_PER_SECOND_MIN;
        self.left = (self.left + Duration::from_millis(brought_ms)).min(self.max);
    }
}
