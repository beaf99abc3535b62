//! From an HTTP request to the event that it is for an object, or to a refusal.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HOST, HeaderMap};
use hyper::http::request::Parts;

use super::Server;
use crate::class::Class;
use crate::object::event::{Request, RequestBody};
use crate::router::{RouteError, Target};

/// A body up to this size that has arrived is passed as bytes: a stream would
/// cost more than the bytes.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// How often the connection is given a chance to deliver the rest of a small body.
const INLINE_YIELDS: usize = 2;

/// Why the server itself answers a request.
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
}

pub async fn read(
    server: &Server,
    request: hyper::Request<Incoming>,
) -> Result<(Request, Arc<Class>, Target), Refusal> {
    let (head, body) = request.into_parts();
    let headers_bytes = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    let (bytes, bytes_max) = (headers_bytes.sum::<usize>(), server.limits.header_bytes_max);
    if bytes > bytes_max {
        return Err(refuse(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request's headers have {bytes} bytes; at most {bytes_max} are accepted"),
        ));
    }
    let body_bytes_max = server.limits.body_bytes_max;
    if let Some(bytes) = body.size_hint().exact()
        && bytes > body_bytes_max
    {
        return Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request's body has {bytes} bytes; at most {body_bytes_max} are accepted"),
        ));
    }
    let host = host(&head);
    let (class, target) = server
        .router
        .route(host, head.uri.path())
        .map_err(|error| {
            let status = match error {
                RouteError::NoRoute { .. } | RouteError::UnknownClass { .. } => {
                    StatusCode::NOT_FOUND
                }
                RouteError::NameNotText { .. } | RouteError::InvalidId { .. } => {
                    StatusCode::BAD_REQUEST
                }
            };
            refuse(status, error.to_string())
        })?;
    let url = match head.uri.path_and_query() {
        Some(path) => format!("http://{host}{path}"),
        None => format!("http://{host}/"),
    };
    let request = Request {
        method: head.method.as_str().into(),
        url,
        headers: headers(&head.headers),
        body: read_body(body, body_bytes_max).await,
    };
    Ok((request, class, target))
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

async fn read_body(body: Incoming, bytes_max: u64) -> RequestBody {
    if body.is_end_stream() {
        return RequestBody::Empty;
    }
    let mut source = Source {
        body,
        arrived: None,
        bytes_left: bytes_max,
    };
    let declared = source.body.size_hint().exact();
    let Some(bytes) = declared.and_then(|bytes| usize::try_from(bytes).ok()) else {
        return RequestBody::Stream(Box::pin(source));
    };
    if bytes > INLINE_BYTES_MAX {
        return RequestBody::Stream(Box::pin(source));
    }
    let mut whole = Vec::new();
    for _ in 0..=INLINE_YIELDS {
        while let Some(chunk) = source.arrived_chunk().await {
            if chunk.len() == bytes {
                return RequestBody::Bytes(chunk);
            }
            whole.extend_from_slice(&chunk);
            if whole.len() == bytes {
                return RequestBody::Bytes(whole.into());
            }
        }
        tokio::task::yield_now().await;
    }
    source.arrived = (!whole.is_empty()).then(|| whole.into());
    RequestBody::Stream(Box::pin(source))
}

/// A request's body, chunk by chunk, up to the limit.
struct Source {
    body: Incoming,
    /// What arrived while it was not yet known whether the body is small.
    arrived: Option<Bytes>,
    bytes_left: u64,
}

impl Source {
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
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    tracing::debug!(%error, "a request's body ended early");
                    return Poll::Ready(None);
                }
                None => return Poll::Ready(None),
            };
            // Trailers are dropped: the world has none.
            if let Ok(chunk) = frame.into_data() {
                match self.bytes_left.checked_sub(chunk.len() as u64) {
                    Some(left) => self.bytes_left = left,
                    None => {
                        tracing::warn!("a request's body is over the limit and was cut off");
                        return Poll::Ready(None);
                    }
                }
                return Poll::Ready(Some(chunk));
            }
        }
    }
}
