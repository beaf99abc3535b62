//! From an object's reply, or a refusal, to an HTTP response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use hyper::StatusCode;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING,
    UPGRADE,
};

use super::request::{Overrun, Refusal};
use crate::object::body::BodyReader;
use crate::object::error::ErrorKind;
use crate::object::error::ObjectError;
use crate::object::event::{Reply, Response, ResponseBody};

/// Tells clients and proxies why there is no answer of the object.
const ERROR_HEADER: HeaderName = HeaderName::from_static("abide-error");

/// How long a client should wait before it asks an overloaded object again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The body of a response on its way to hyper.
pub enum Body {
    Whole(Option<Bytes>),
    Stream(BodyReader, Overrun),
}

pub fn refusal(refusal: Refusal) -> hyper::Response<Body> {
    text(refusal.status, refusal.message)
}

/// The response to a request whose object answered `reply`; none when the object
/// went away without an answer.
pub fn of(reply: Option<Reply>, shows_errors: bool, overrun: Overrun) -> hyper::Response<Body> {
    let error = match reply {
        Some(Ok(response)) => match try_response(response, overrun) {
            Ok(response) => return response,
            Err(error) => error,
        },
        Some(Err(error)) => error,
        None => ObjectError::unavailable("the object went away before it answered"),
    };
    failure(&error, shows_errors)
}

fn failure(error: &ObjectError, shows_errors: bool) -> hyper::Response<Body> {
    let status = match error.kind {
        ErrorKind::Exception | ErrorKind::Reset => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Overloaded | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let message = match error.kind {
        _ if shows_errors => error.to_string(),
        ErrorKind::Exception => "the object failed to answer".into(),
        ErrorKind::Reset => "the object was reset before it answered".into(),
        ErrorKind::Overloaded => "the object has too much to do; try again later".into(),
        ErrorKind::Unavailable => "the object cannot be reached now; try again later".into(),
    };
    let mut response = text(status, message);
    let headers = response.headers_mut();
    headers.insert(ERROR_HEADER, HeaderValue::from_static(error.kind.as_str()));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

fn try_response(
    response: Response,
    overrun: Overrun,
) -> Result<hyper::Response<Body>, ObjectError> {
    let status = match StatusCode::from_u16(response.status) {
        Ok(status) if (200..600).contains(&response.status) => status,
        _ => {
            let message = format!(
                "the object answered with status {}; it must be from 200 to 599",
                response.status
            );
            return Err(ObjectError::exception("RangeError", message));
        }
    };
    let mut answer = hyper::Response::new(match response.body {
        ResponseBody::Bytes(bytes) => Body::Whole((!bytes.is_empty()).then_some(bytes)),
        ResponseBody::Stream(reader) => Body::Stream(reader, overrun),
    });
    *answer.status_mut() = status;
    *answer.headers_mut() = headers(response.headers)?;
    Ok(answer)
}

fn headers(pairs: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, ObjectError> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let invalid = || {
            let message = format!("the object answered with header {name:?}, which HTTP forbids");
            ObjectError::exception("TypeError", message)
        };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_bytes(&value).map_err(|_| invalid())?;
        // These belong to the connection, which is the server's.
        if ![CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(&header) {
            headers.append(header, value);
        }
    }
    Ok(headers)
}

fn text(status: StatusCode, message: String) -> hyper::Response<Body> {
    let mut response = hyper::Response::new(Body::Whole(Some(message.into())));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = ObjectError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ObjectError>>> {
        match &mut *self {
            Body::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            // Made from a request that was cut off: the client must not take it
            // for the whole answer.
            Body::Stream(_, overrun) if overrun.happened() => {
                let message = "the request's body is too long";
                Poll::Ready(Some(Err(ObjectError::unavailable(message))))
            }
            Body::Stream(reader, _) => {
                let chunk = ready!(Pin::new(reader).poll_next(cx));
                Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Body::Stream(..) => SizeHint::default(),
        }
    }
}
