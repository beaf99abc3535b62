//! From an HTTP request that asks for a WebSocket to the connection that is one.
//!
//! ```text
//! asked() ─► the object accepts its end ─► answer(): 101 ─► websocket::Connection
//!                 or it does not ────────► answer(): what it said, or an error
//! ```

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, StatusCode, Version};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;

use super::answer::{self, Asked, Refusal};
use super::body::Body;
use super::connections::Entry;
use super::fields;
use super::socket::Socket;
use super::vigil::Order;
use crate::limits::ServerLimits;
use crate::object::connection_fields;
use crate::object::error::ObjectError;
use crate::object::event::Response;
use crate::object::socket::line::End;
use crate::websocket::{self, Agreed, Connection, Role, Terms};
use crate::workers;

const VERSION: &str = "13";
/// Sixteen bytes in base64.
const KEY_LENGTH: usize = 24;

/// A WebSocket that a client has asked for.
pub struct Handshake {
    accept: HeaderValue,
    /// The extension that the server answers to, if any.
    extension: Option<Agreed>,
}

/// The client's end, until the object has answered.
pub struct Upgrade {
    pub handshake: Handshake,
    pub near: End,
    pub connection: OnUpgrade,
}

/// Does the request ask for a WebSocket? Refused if not in the way that RFC 6455 says.
pub fn asked(head: &Parts) -> Result<Option<Handshake>, Refusal> {
    let headers = &head.headers;
    // Only HTTP/1.1 has upgrades; other protocols are not offered.
    if head.version != Version::HTTP_11 || !has_word(headers, &UPGRADE, "websocket") {
        return Ok(None);
    }
    let refuse = |message: &str| {
        let message = format!("the request asks for a WebSocket, but {message}");
        Err(Refusal::new(StatusCode::BAD_REQUEST, message))
    };
    if !has_word(headers, &CONNECTION, "upgrade") {
        return refuse(
            "its header connection does not say upgrade; does a proxy before this server pass \
             both on?",
        );
    }
    if head.method != Method::GET {
        return refuse("its method is not GET");
    }
    let has_body = headers.get(CONTENT_LENGTH).is_some_and(|it| it != "0")
        || headers.contains_key(hyper::header::TRANSFER_ENCODING);
    if has_body {
        return refuse("it has a body");
    }
    if only(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        let message = "the request asks for a WebSocket of another version than 13".into();
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, message));
    }
    let Some(key) = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes())) else {
        return refuse("its header sec-websocket-key is not one of sixteen bytes in base64");
    };
    let offers = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let offers = offers.filter_map(|offer| offer.to_str().ok());
    let extension = websocket::negotiate(offers);
    Ok(Some(Handshake {
        accept: value(websocket::accept_key(key.as_bytes())),
        extension,
    }))
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("it is made of what headers may have")
}

/// The field's value, if there is one field.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == KEY_LENGTH && key.ends_with(b"==") && key[..KEY_LENGTH - 2].iter().all(is_digit)
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    connection_fields::has_word(values.map(HeaderValue::as_bytes), word)
}

/// The answer to a client that asked for a WebSocket. If it gets one, the connection
/// goes on as that.
pub fn answer(
    reply: Option<Result<Response, ObjectError>>,
    upgrade: Upgrade,
    asked: Asked,
    entry: &Arc<Entry>,
    limits: &ServerLimits,
) -> hyper::Response<Body> {
    let response = match reply {
        Some(Ok(response)) if response.status == StatusCode::SWITCHING_PROTOCOLS => response,
        other => {
            if upgrade.near.is_answered() {
                asked
                    .about
                    .tell("the object accepted a WebSocket and did not answer with 101");
            }
            return answer::of(other, asked);
        }
    };
    if !upgrade.near.is_answered() {
        let message = "the object answered with status 101, but has not accepted the WebSocket";
        asked.about.tell(message);
        return answer::of(
            Some(Err(ObjectError::exception("TypeError", message))),
            asked,
        );
    }
    let mut headers = match fields::of_response(response.headers, asked.header_bytes_max) {
        Ok((headers, _)) => headers,
        Err(error) => {
            asked.about.tell(&error.to_string());
            return answer::of(Some(Err(error)), asked);
        }
    };
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, upgrade.handshake.accept.clone());
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    if let Some(extension) = &upgrade.handshake.extension {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, value(extension.answer.clone()));
    }
    begin(upgrade, entry.clone(), limits);
    let mut answer = hyper::Response::new(Body::none(asked.exchange));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = headers;
    answer
}

/// Waits until the answer has left, and leaves the bytes to a task of their own.
fn begin(upgrade: Upgrade, entry: Arc<Entry>, limits: &ServerLimits) {
    let terms = Terms {
        role: Role::Server,
        deflate: upgrade.handshake.extension.as_ref().map(|it| it.deflate),
        ping: Duration::from_millis(limits.websocket_ping_ms),
        send: Duration::from_millis(limits.send_timeout_ms),
    };
    workers::spawn(async move {
        // Without one, the client has left.
        let Ok(upgraded) = upgrade.connection.await else {
            return;
        };
        let Ok(parts) = downcast::<TokioIo<Socket>>(upgraded) else {
            return;
        };
        let (stream, rest) = (parts.io.into_inner(), parts.read_buf.to_vec());
        let exchange = entry.vigil.hold();
        let stops = move |cx: &mut std::task::Context<'_>| {
            let _held = &exchange;
            entry.vigil.ordered(cx) != Order::GoOn
        };
        workers::spawn(Connection::new(stream, rest, upgrade.near, terms, stops));
    });
}

#[cfg(test)]
mod tests {
    //! Requests that ask for a WebSocket, rightly or not.

    use super::*;

    const RIGHT: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    /// The right request, with this field as it is given here, if at all.
    fn head(name: &str, values: &[&str]) -> Parts {
        let mut request = hyper::Request::builder().uri("http://h/x");
        for (other, value) in RIGHT.iter().filter(|(other, _)| *other != name) {
            request = request.header(*other, *value);
        }
        for value in values {
            request = request.header(name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_right_request_is_answered_with_its_key() {
        // RFC 6455, 1.3.
        let handshake = asked(&head("x", &[])).ok().flatten().unwrap();
        assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(handshake.extension.is_none());
        let offer = head("sec-websocket-extensions", &["permessage-deflate"]);
        assert!(asked(&offer).ok().flatten().unwrap().extension.is_some());
    }

    #[test]
    fn a_request_for_something_else_is_an_ordinary_one() {
        for values in [&[][..], &["h2c"], &["websockets"]] {
            assert!(
                matches!(asked(&head("upgrade", values)), Ok(None)),
                "{values:?}"
            );
        }
        let mut old = head("x", &[]);
        old.version = Version::HTTP_10;
        assert!(matches!(asked(&old), Ok(None)));
    }

    #[test]
    fn a_wrong_request_is_told_what_is_wrong() {
        let check = |head: Parts, status: StatusCode, part: &str| {
            let refusal = asked(&head).err().expect(part);
            assert_eq!(refusal.status, status, "{part}");
            assert!(refusal.message.contains(part), "{}", refusal.message);
        };
        let bad = StatusCode::BAD_REQUEST;
        check(
            head("connection", &["keep-alive"]),
            bad,
            "does not say upgrade",
        );
        check(head("content-length", &["1"]), bad, "has a body");
        check(head("transfer-encoding", &["chunked"]), bad, "has a body");
        for key in [
            "",
            "short==",
            "dGhlIHNhbXBsZSBub25jZQ=!",
            "dGhlIHNhbXBsZSBub25jZQAA",
        ] {
            check(head("sec-websocket-key", &[key]), bad, "sixteen bytes");
        }
        let twice = ["dGhlIHNhbXBsZSBub25jZQ=="; 2];
        check(head("sec-websocket-key", &twice), bad, "sixteen bytes");
        let mut post = head("x", &[]);
        post.method = Method::POST;
        check(post, bad, "not GET");
        for versions in [&[][..], &["8"], &["13", "13"]] {
            let head = head("sec-websocket-version", versions);
            check(
                head,
                StatusCode::UPGRADE_REQUIRED,
                "another version than 13",
            );
        }
    }
}
