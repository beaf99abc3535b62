//! WebSockets to the outside world: the request that asks for one, and the answer that
//! grants it.

use std::task::Context;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Response as HttpResponse};
use hyper_util::rt::TokioIo;

use super::farewell::Hearing;
use super::hop::{Content, Hop, without_connection};
use crate::object::body::Body;
use crate::object::connection_fields;
use crate::object::error::ObjectError;
use crate::object::event::Response;
use crate::object::socket::line::End;
use crate::websocket::{self, Connection, Role, Terms};
use crate::workers;

/// How often a silent server is asked whether it is there, and how long it may take
/// nothing.
const PING: Duration = Duration::from_secs(50);
const SEND: Duration = Duration::from_secs(60);

/// What the server must answer to.
pub struct Asked {
    accept: String,
    /// Values of `sec-websocket-protocol`.
    protocols: Vec<HeaderValue>,
}

impl Asked {
    /// Why this answer is none.
    fn fault(&self, headers: &HeaderMap) -> Option<&'static str> {
        let has_word = |name, word| {
            let values = headers.get_all(name).iter();
            connection_fields::has_word(values.map(HeaderValue::as_bytes), word)
        };
        let is_accepted = headers
            .get(SEC_WEBSOCKET_ACCEPT)
            .is_some_and(|it| *it == self.accept);
        let is_offered = |chosen: &HeaderValue| {
            let offered = self.protocols.iter().map(HeaderValue::as_bytes);
            let chosen = chosen.to_str();
            chosen.is_ok_and(|chosen| connection_fields::has_word(offered, chosen))
        };
        let mut chosen = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        match () {
            () if !has_word(UPGRADE, "websocket") => Some("upgrade is not websocket"),
            () if !has_word(CONNECTION, "upgrade") => Some("connection does not say upgrade"),
            () if !is_accepted => Some("sec-websocket-accept is not of this request"),
            () if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) => {
                Some("sec-websocket-extensions was not asked for")
            }
            () if !chosen.all(is_offered) => {
                Some("sec-websocket-protocol is none of those asked for")
            }
            () => None,
        }
    }
}

/// Makes a request one for a WebSocket. Gives what the server must answer to.
pub fn ask(hop: &mut Hop) -> Result<Asked, ObjectError> {
    if hop.method != Method::GET || !matches!(hop.content, Content::None) {
        let message = "a request for a WebSocket is a GET without a body";
        return Err(ObjectError::type_error(message));
    }
    let key = websocket::new_key();
    let accept = websocket::accept_key(key.as_bytes());
    let headers = &mut hop.headers;
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let key = HeaderValue::try_from(key).expect("base64 is a header");
    headers.insert(SEC_WEBSOCKET_KEY, key);
    // Which ones are spoken is not the object's affair.
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    Ok(Asked {
        accept,
        protocols: protocols.cloned().collect(),
    })
}

/// The answer with which a connection goes on as a WebSocket.
pub fn granted(
    mut response: HttpResponse<Incoming>,
    asked: Option<Asked>,
    far: Option<End>,
    mut stops: Hearing,
) -> Result<Response, ObjectError> {
    let (Some(asked), Some(far)) = (asked, far) else {
        let message = "the server has switched protocols without having been asked to";
        return Err(ObjectError::unavailable(message));
    };
    if let Some(fault) = asked.fault(response.headers()) {
        let message =
            format!("the server has not answered as WebSocket (RFC 6455) says: its header {fault}");
        return Err(ObjectError::unavailable(message));
    }
    far.connect();
    let upgraded = hyper::upgrade::on(&mut response);
    let terms = Terms {
        role: Role::Client,
        deflate: None,
        ping: PING,
        send: SEND,
    };
    workers::spawn(async move {
        // Without one, the server has left.
        if let Ok(upgraded) = upgraded.await {
            let stream = TokioIo::new(upgraded);
            let stops = move |cx: &mut Context<'_>| stops.poll(cx);
            workers::spawn(Connection::new(stream, Vec::new(), far, terms, stops));
        }
    });
    let (mut head, _) = response.into_parts();
    without_connection(&mut head.headers);
    let fields = head.headers.iter();
    let headers = fields.map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
    Ok(Response {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body: Body::Bytes(bytes::Bytes::new()),
    })
}

#[cfg(test)]
mod tests {
    //! An answer is a WebSocket's, or says what is wrong with it.

    use super::*;

    fn fault(change: impl FnOnce(&mut HeaderMap)) -> Option<&'static str> {
        let asked = Asked {
            accept: "right".into(),
            protocols: vec![HeaderValue::from_static("one, two")],
        };
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("right"));
        change(&mut headers);
        asked.fault(&headers)
    }

    #[test]
    fn an_answer_must_fit_what_was_asked() {
        let text = HeaderValue::from_static;
        assert_eq!(fault(|_| ()), None);
        let chosen = |it| fault(|headers| drop(headers.insert(SEC_WEBSOCKET_PROTOCOL, text(it))));
        assert_eq!(chosen("two"), None);
        assert!(chosen("three").is_some_and(|it| it.contains("protocol")));
        assert!(chosen("").is_some());
        for (name, value) in [
            (UPGRADE, "h2c"),
            (CONNECTION, "close"),
            (SEC_WEBSOCKET_ACCEPT, "wrong"),
            (SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate"),
        ] {
            let said = fault(|headers| drop(headers.insert(&name, text(value))));
            assert!(
                said.is_some_and(|it| it.starts_with(name.as_str())),
                "{name}"
            );
        }
        for name in [UPGRADE, CONNECTION, SEC_WEBSOCKET_ACCEPT] {
            assert!(
                fault(|headers| drop(headers.remove(&name))).is_some(),
                "{name}"
            );
        }
    }
}
