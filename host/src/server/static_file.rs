//! Answers a client with a static file, before the gateway is asked.

use hyper::Method;
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, IF_NONE_MATCH, RANGE};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::body::Body;
use super::host;
use super::vigil::Exchange;
use crate::memory;
use crate::outbound::assets::{Answer, Assets, Content, Missing, Turn, Wanted};

const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The answer to a request of this host that a static file answers; none if the gateway
/// shall.
pub async fn find(assets: &Assets, host: &str, head: &Parts, body: &Incoming) -> Option<Answer> {
    let Parts {
        method,
        uri,
        headers,
        ..
    } = head;
    let is_reading = matches!(*method, Method::GET | Method::HEAD);
    let turn = assets.first.turn(uri.path());
    let is_for_worker = headers.contains_key("upgrade") || is_reading && !body.is_end_stream();
    let missing = match turn {
        Turn::Worker => return None,
        Turn::FilesAlone => Missing::Page,
        Turn::Files if is_for_worker => return None,
        Turn::Files if assets.first.leaves_the_rest() => Missing::Configured,
        // A browser looks for a page.
        Turn::Files if is_reading && headers.get(FETCH_MODE).is_some_and(|it| it == "navigate") => {
            Missing::Configured
        }
        Turn::Files => Missing::Worker,
    };
    let wanted = Wanted {
        method: method.clone(),
        host: host::without_port(host).to_ascii_lowercase(),
        path: uri.path().into(),
        query: uri.query().map(Into::into),
        missing,
        known: headers.get(IF_NONE_MATCH).cloned(),
        is_public: !headers.contains_key(AUTHORIZATION) && !headers.contains_key(RANGE),
    };
    let answer = assets.answer(wanted).await;
    answer.or_else(|| (turn == Turn::FilesAlone).then(Answer::not_found))
}

/// May this answer be sent now?
pub fn has_room(answer: &Answer, exchange: &Exchange) -> bool {
    let bytes = answer.content.held_bytes();
    bytes == 0 || exchange.vigil().unsent.has_room(bytes) && !memory::is_full()
}

pub fn send(answer: Answer, exchange: Exchange) -> Response<Body> {
    let (is_head, bytes) = (exchange.is_head(), answer.content.bytes());
    let mut response = Response::new(match answer.content {
        _ if is_head => Body::none(exchange),
        Content::Bytes(content) => Body::whole(content, exchange),
        Content::Large(large) => Body::file(large.stream(), bytes, exchange),
        Content::Unread(_) => Body::none(exchange),
    });
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if is_head && answer.status != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(CONTENT_LENGTH, bytes.into());
    }
    response
}
