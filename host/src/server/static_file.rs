//! Answers a client with a static file, before the gateway is asked.

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, IF_NONE_MATCH};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response};

use super::body::Body;
use super::vigil::Exchange;
use crate::outbound::assets::{Answer, Assets, Wanted};

const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The answer to a request that a static file answers; none if the gateway shall.
pub async fn find(assets: &Assets, request: &Request<Incoming>) -> Option<Answer> {
    let (uri, headers) = (request.uri(), request.headers());
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_reading && !request.body().is_end_stream()
        || headers.contains_key("upgrade")
        || assets.first.takes(uri.path())
    {
        return None;
    }
    let mode = headers.get(FETCH_MODE);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse().ok());
    let host = uri.host().map(Into::into).or_else(|| {
        let host: Authority = host?;
        Some(host.host().into())
    });
    let wanted = Wanted {
        method: request.method().clone(),
        host: host.unwrap_or_default(),
        path: uri.path().into(),
        query: uri.query().map(Into::into),
        is_page: is_reading && mode.is_some_and(|mode| mode == "navigate"),
        known: headers.get(IF_NONE_MATCH).cloned(),
    };
    assets.answer(wanted).await
}

pub fn send(answer: Answer, exchange: Exchange) -> Response<Body> {
    let (is_head, length) = (exchange.is_head(), answer.content.len());
    let mut response = Response::new(match is_head || answer.content.is_empty() {
        true => Body::none(exchange),
        false => Body::whole(answer.content, exchange),
    });
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if is_head {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}
