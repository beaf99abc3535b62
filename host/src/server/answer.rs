//! From an object's reply, or a refusal, to an HTTP response.

use bytes::Bytes;
use hyper::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use hyper::{Method, StatusCode};

use super::about::About;
use super::body::Body;
use super::fields::{self, ERROR_HEADER};
use super::upload::Upload;
use super::vigil::Exchange;
use crate::object::body::Body as Content;
use crate::object::error::ErrorKind;
use crate::object::error::ObjectError;
use crate::object::event::Response;
use crate::object::length::Claim;

/// How long a client should wait before it asks an overloaded object again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why the server itself answers a request.
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
}

impl Refusal {
    pub fn new(status: StatusCode, message: String) -> Refusal {
        Refusal { status, message }
    }
}

/// What an answer depends on besides the reply.
pub struct Asked {
    pub about: About,
    pub upload: Upload,
    pub exchange: Exchange,
    pub shows_errors: bool,
    pub header_bytes_max: usize,
}

/// The head of an answer that has no body yet.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

pub fn refusal(refusal: Refusal, exchange: Exchange) -> hyper::Response<Body> {
    let mut response = text(refusal.status, refusal.message, exchange);
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

/// The response to a request whose object answered `reply`; none when the object
/// went away without an answer.
pub fn of(reply: Option<Result<Response, ObjectError>>, asked: Asked) -> hyper::Response<Body> {
    let error = match reply {
        Some(Ok(response)) => {
            let response = check(response, asked.header_bytes_max);
            let response = response.and_then(|checked| {
                let bytes = match &checked.2 {
                    Content::Bytes(bytes) => bytes.len(),
                    Content::Stream(_) => 0,
                };
                let has_room = asked.exchange.vigil().unsent.has_room(bytes);
                has_room.then_some(checked).ok_or_else(no_room)
            });
            match response {
                Ok((head, claim, body)) => return success(head, claim, body, asked),
                Err(error) => error,
            }
        }
        Some(Err(error)) => error,
        None => ObjectError::unavailable("the object went away before it answered"),
    };
    asked.about.tell_error(&error);
    let error = match asked.about.seat {
        Some(_) => passed_on(error),
        None => error,
    };
    failure(&error, asked.shows_errors, asked.exchange)
}

/// The error of a gateway. What it only passes on of an object is told as the object's.
fn passed_on(mut error: ObjectError) -> ObjectError {
    if error.kind == ErrorKind::Exception {
        error.kind = match error.flags {
            flags if flags.overloaded => ErrorKind::Overloaded,
            flags if flags.object_reset => ErrorKind::Reset,
            // The object could not be reached; what it said itself is an exception.
            flags if flags.retryable && !flags.remote => ErrorKind::Unavailable,
            _ => ErrorKind::Exception,
        };
    }
    error
}

/// The answer to a request of a client that does not take its answers.
pub fn overloaded(shows_errors: bool, exchange: Exchange) -> hyper::Response<Body> {
    failure(&no_room(), shows_errors, exchange)
}

fn no_room() -> ObjectError {
    ObjectError::overloaded("too much of what was answered before is not yet taken")
}

fn failure(error: &ObjectError, shows_errors: bool, exchange: Exchange) -> hyper::Response<Body> {
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
    let mut response = text(status, message, exchange);
    let headers = response.headers_mut();
    headers.insert(ERROR_HEADER, HeaderValue::from_static(error.kind.as_str()));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

/// Is this an answer that HTTP allows?
fn check(
    response: Response,
    header_bytes_max: usize,
) -> Result<(Head, Claim, Content), ObjectError> {
    let response = response.checked()?;
    let status = StatusCode::from_u16(response.status).expect("it was checked");
    let (headers, claim) = fields::of_response(response.headers, header_bytes_max)?;
    if let (Claim::Nonsense(value), Content::Stream(_)) = (&claim, &response.body) {
        let message = format!("the object answered with content-length {value:?}");
        return Err(ObjectError::exception("TypeError", message));
    }
    Ok((Head { status, headers }, claim, response.body))
}

fn success(head: Head, claim: Claim, body: Content, asked: Asked) -> hyper::Response<Body> {
    let Head {
        status,
        mut headers,
    } = head;
    let is_head = asked.about.method == Method::HEAD;
    let has_no_body = matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    );
    let body = match body {
        // A HEAD is told what a GET would get; what the object itself says of a
        // body that it does not send is believed.
        body if is_head => {
            let length = match (body, claim) {
                (Content::Bytes(bytes), _) if !bytes.is_empty() => Some(bytes.len() as u64),
                (_, Claim::Bytes(bytes)) => Some(bytes),
                _ => None,
            };
            if let Some(length) = length.filter(|_| !has_no_body) {
                headers.insert(CONTENT_LENGTH, length.into());
            }
            Body::none(asked.exchange)
        }
        _ if has_no_body => Body::none(asked.exchange),
        Content::Bytes(bytes) => Body::whole(bytes, asked.exchange),
        Content::Stream(reader) => {
            let promised = match claim {
                Claim::Bytes(bytes) => Some(bytes),
                _ => None,
            };
            Body::stream(reader, promised, asked.upload, asked.about, asked.exchange)
        }
    };
    let mut response = hyper::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A short text of the server's own. A HEAD gets its head only.
pub fn text(status: StatusCode, message: String, exchange: Exchange) -> hyper::Response<Body> {
    let is_head = exchange.is_head();
    let length = message.len();
    let mut response = hyper::Response::new(match is_head {
        true => Body::none(exchange),
        false => Body::whole(Bytes::from(message), exchange),
    });
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    if is_head {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

#[cfg(test)]
mod tests {
    //! A client learns of an object's error what it would have learned without a gateway.

    use super::*;

    #[test]
    fn what_a_gateway_passes_on_keeps_its_kind() {
        // As an object sees them, and gives them back.
        let given_back = |error: ObjectError| {
            let error = error.seen_from_outside();
            let exception = ObjectError::exception(error.name, error.message);
            let flags = error.flags;
            passed_on(ObjectError { flags, ..exception }).kind
        };
        let message = "why";
        for (error, kind) in [
            (ObjectError::type_error(message), ErrorKind::Exception),
            (ObjectError::reset(message), ErrorKind::Reset),
            (ObjectError::overloaded(message), ErrorKind::Overloaded),
            (ObjectError::unavailable(message), ErrorKind::Unavailable),
        ] {
            assert_eq!(given_back(error), kind);
        }
    }
}
