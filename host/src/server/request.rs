//! From an HTTP request to the event that it is for an object, or to a refusal.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HOST, HeaderMap};
use hyper::http::request::Parts;
use tokio::sync::Notify;

use super::Server;
use super::discard::discard;
use crate::class::Class;
use crate::object::event::{Request, RequestBody};
use crate::object::id::Target;
use crate::router::RouteError;

/// A body up to this size that has arrived is passed as bytes: a stream would
/// cost more than the bytes.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// How often the connection is given a chance to deliver the rest of a small body.
const INLINE_YIELDS: usize = 2;

/// The answer to a body that turned out to be too long.
pub fn body_too_long(bytes_max: u64) -> Refusal {
    refuse(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the request's body is too long; at most {bytes_max} bytes are accepted"),
    )
}

/// Why the server itself answers a request.
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
}

/// A request that is for an object.
pub struct Addressed {
    pub request: Request,
    pub class: Arc<Class>,
    pub target: Target,
    pub overrun: Overrun,
}

/// Tells whether a streamed body turned out to be too long; none for a body whose
/// length was known.
#[derive(Clone, Default)]
pub struct Overrun(Option<Arc<OverrunState>>);

#[derive(Default)]
struct OverrunState {
    happened: AtomicBool,
    noticed: Notify,
}

impl Overrun {
    pub fn happened(&self) -> bool {
        let state = self.0.as_ref();
        state.is_some_and(|state| state.happened.load(Ordering::Acquire))
    }

    /// Ends when it happens.
    pub async fn wait(&self) {
        match &self.0 {
            Some(state) => state.noticed.notified().await,
            None => std::future::pending().await,
        }
    }

    fn happens(&self) {
        if let Some(state) = &self.0 {
            state.happened.store(true, Ordering::Release);
            state.noticed.notify_one();
        }
    }
}

pub async fn read(
    server: &Server,
    request: hyper::Request<Incoming>,
) -> Result<Addressed, Refusal> {
    let (head, body) = request.into_parts();
    let (class, target) = match check(server, &head, &body) {
        Ok(meant) => meant,
        Err(refusal) => {
            discard(body);
            return Err(refusal);
        }
    };
    let host = host(&head);
    let url = match head.uri.path_and_query() {
        Some(path) => format!("http://{host}{path}"),
        None => format!("http://{host}/"),
    };
    let (body, overrun) = read_body(body, server.limits.body_bytes_max).await;
    let request = Request {
        method: head.method.as_str().into(),
        url,
        headers: headers(&head.headers),
        body,
    };
    Ok(Addressed {
        request,
        class,
        target,
        overrun,
    })
}

/// The object that is meant, if the request may reach it.
fn check(server: &Server, head: &Parts, body: &Incoming) -> Result<(Arc<Class>, Target), Refusal> {
    let pairs = head.headers.iter();
    let bytes: usize = pairs
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let bytes_max = server.limits.header_bytes_max;
    if bytes > bytes_max {
        return Err(refuse(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request's headers have {bytes} bytes; at most {bytes_max} are accepted"),
        ));
    }
    let bytes_max = server.limits.body_bytes_max;
    if let Some(bytes) = body.size_hint().exact()
        && bytes > bytes_max
    {
        return Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request's body has {bytes} bytes; at most {bytes_max} are accepted"),
        ));
    }
    let routed = server.router.route(host(head), head.uri.path());
    routed.map_err(|error| {
        let status = match error {
            RouteError::NoRoute { .. } | RouteError::UnknownClass { .. } => StatusCode::NOT_FOUND,
            RouteError::NameNotText { .. } | RouteError::InvalidId { .. } => {
                StatusCode::BAD_REQUEST
            }
        };
        refuse(status, error.to_string())
    })
}

fn refuse(status: StatusCode, message: String) -> Refusal {
    Refusal { status, message }
}

fn host(head: &Parts) -> &str {
    let by_header = || head.headers.get(HOST)?.to_str().ok();
    let by_uri = head.uri.authority().map(|authority| authority.as_str());
    by_uri.or_else(by_header).unwrap_or("localhost")
}

fn headers(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.as_str().into(), value.as_bytes().into()))
        .collect()
}

async fn read_body(body: Incoming, bytes_max: u64) -> (RequestBody, Overrun) {
    if body.is_end_stream() {
        return (RequestBody::Empty, Overrun::default());
    }
    let declared = body.size_hint().exact();
    let overrun = match declared {
        Some(_) => Overrun::default(),
        None => Overrun(Some(Arc::default())),
    };
    let mut source = Source {
        body: Some(body),
        arrived: None,
        bytes_left: bytes_max,
        overrun: overrun.clone(),
    };
    let small = declared
        .and_then(|bytes| usize::try_from(bytes).ok())
        .filter(|bytes| *bytes <= INLINE_BYTES_MAX);
    let body = match small {
        Some(bytes) => match source.whole(bytes).await {
            Some(whole) => RequestBody::Bytes(whole),
            None => RequestBody::Stream(Box::pin(source)),
        },
        None => RequestBody::Stream(Box::pin(source)),
    };
    (body, overrun)
}

/// A request's body, chunk by chunk, up to the limit.
struct Source {
    /// None when it has ended.
    body: Option<Incoming>,
    /// What arrived while it was not yet known whether the body is small.
    arrived: Option<Bytes>,
    bytes_left: u64,
    overrun: Overrun,
}

impl Source {
    /// The whole body of so many bytes, if it has arrived. What there is of it is
    /// kept otherwise.
    async fn whole(&mut self, bytes: usize) -> Option<Bytes> {
        let mut whole = Vec::new();
        for _ in 0..=INLINE_YIELDS {
            while let Some(chunk) = self.arrived_chunk().await {
                if chunk.len() == bytes {
                    return Some(chunk);
                }
                whole.extend_from_slice(&chunk);
                if whole.len() == bytes {
                    return Some(whole.into());
                }
            }
            tokio::task::yield_now().await;
        }
        self.arrived = (!whole.is_empty()).then(|| whole.into());
        None
    }

    /// A chunk, if one is here already.
    async fn arrived_chunk(&mut self) -> Option<Bytes> {
        std::future::poll_fn(|cx| match Pin::new(&mut *self).poll_next(cx) {
            Poll::Ready(chunk) => Poll::Ready(chunk),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}

impl Stream for Source {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(arrived) = self.arrived.take() {
            return Poll::Ready(Some(arrived));
        }
        while let Some(body) = &mut self.body {
            let Some(Ok(frame)) = ready!(Pin::new(body).poll_frame(cx)) else {
                // At its end, or broken off: a stream cannot tell the difference.
                self.body = None;
                break;
            };
            // Trailers are dropped: the world has none.
            if let Ok(chunk) = frame.into_data() {
                match self.bytes_left.checked_sub(chunk.len() as u64) {
                    Some(left) => self.bytes_left = left,
                    None => {
                        self.overrun.happens();
                        return Poll::Ready(None);
                    }
                }
                return Poll::Ready(Some(chunk));
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            discard(body);
        }
    }
}
