//! WebSockets to the outside world: the request that asks for one, and the answer that
//! grants it.

use std::task::Context;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Response as HttpResponse};
use hyper_util::rt::TokioIo;

use super::farewell::Hearing;
use super::hop::{Content, Hop, without_connection};
use crate::object::body::Body;
use crate::object::error::ObjectError;
use crate::object::event::Response;
use crate::object::socket::line::End;
use crate::websocket::{self, Connection, Role, Terms};
use crate::workers;

/// How often a silent server is asked whether it is there, and how long it may take
/// nothing.
const PING: Duration = Duration::from_secs(50);
const SEND: Duration = Duration::from_secs(60);

/// Makes a request one for a WebSocket. Gives what the server must answer to.
pub fn ask(hop: &mut Hop) -> Result<String, ObjectError> {
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
    Ok(accept)
}

/// The answer with which a connection goes on as a WebSocket.
pub fn granted(
    mut response: HttpResponse<Incoming>,
    accept: Option<String>,
    far: Option<End>,
    mut stops: Hearing,
) -> Result<Response, ObjectError> {
    let (Some(accept), Some(far)) = (accept, far) else {
        let message = "the server has switched protocols without having been asked to";
        return Err(ObjectError::unavailable(message));
    };
    let headers = response.headers();
    let is_right = headers
        .get(SEC_WEBSOCKET_ACCEPT)
        .is_some_and(|it| *it == accept)
        && !headers.contains_key(SEC_WEBSOCKET_EXTENSIONS);
    if !is_right {
        let message = "the server has not answered as WebSocket (RFC 6455) says";
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
