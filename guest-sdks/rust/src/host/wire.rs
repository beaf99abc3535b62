//! Requests and responses: this crate's types to the contract's, and back.
//!
//! No body is copied: bytes keep their allocation, a stream keeps its handle, but for
//! one that is being read.

use crate::bindings::durable::object::types as wire;
use crate::body::Content;
use crate::host::guest::ByteReader;
use crate::rpc::{Beside, Held, Theirs};
use crate::websocket::Upgrade;
use crate::{Body, Error, Payload, Request, Response, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::rc::Rc;

pub fn request(request: Request) -> wire::Request {
    let (parts, content) = request.into_parts();
    wire::Request {
        method: parts.method.as_str().to_owned(),
        url: parts.uri.to_string(),
        headers: headers(&parts.headers),
        body: body(content),
        upgrade: parts.extensions.get::<Upgrade>().map(|upgrade| upgrade.0),
    }
}

pub fn into_request(request: wire::Request) -> Result<Request> {
    let mut result = http::Request::builder()
        .method(request.method.as_str())
        .uri(request.url.as_str())
        .body(into_body(request.body))
        .map_err(|error| Error::new(format!("request {:?}: {error}", request.url)))?;
    *result.headers_mut() = into_headers(request.headers)?;
    if let Some(upgrade) = request.upgrade {
        result.extensions_mut().insert(Upgrade(upgrade));
    }
    Ok(result)
}

pub fn response(response: Response) -> wire::Response {
    let (parts, content) = response.into_parts();
    wire::Response {
        status: parts.status.as_u16(),
        headers: headers(&parts.headers),
        body: body(content),
    }
}

pub fn into_response(response: wire::Response) -> Result<Response> {
    let mut result = http::Response::builder()
        .status(response.status)
        .body(into_body(response.body))?;
    *result.headers_mut() = into_headers(response.headers)?;
    Ok(result)
}

pub fn payload(payload: Payload) -> wire::Payload {
    let reference = |held: Held| match held {
        Held::Mine(number) => wire::Reference::Mine(number),
        Held::Theirs(theirs) => wire::Reference::Theirs(theirs.0),
    };
    let beside = payload.beside;
    wire::Payload {
        data: payload.data,
        references: beside.references.into_iter().map(reference).collect(),
        streams: beside.streams.into_iter().flatten().map(stream).collect(),
    }
}

pub fn into_payload(payload: wire::Payload) -> Payload {
    let held = |reference| match reference {
        wire::Reference::Mine(number) => Held::Mine(number),
        wire::Reference::Theirs(number) => Held::Theirs(Rc::new(Theirs(number))),
    };
    Payload {
        data: payload.data,
        beside: Beside {
            references: payload.references.into_iter().map(held).collect(),
            streams: payload.streams.into_iter().map(into_stream).collect(),
        },
    }
}

fn into_stream(stream: wire::BodyStream) -> Option<Body> {
    Some(Body(Content::Stream(ByteReader::of(stream))))
}

/// A body as a stream, whether it is one or not.
fn stream(body: Body) -> wire::BodyStream {
    let reader = match body.0 {
        Content::Stream(reader) => reader,
        other => match Body::from_stream(Body(other)).0 {
            Content::Stream(reader) => reader,
            _ => unreachable!("a body from a stream is one"),
        },
    };
    reader.into_wire()
}

/// What an error carries beside name and message: its status.
pub fn details(status: http::StatusCode) -> Vec<u8> {
    let mut details = Vec::new();
    let map = [("status", status.as_u16())];
    let written = ciborium::into_writer(&std::collections::BTreeMap::from(map), &mut details);
    written.expect("a number has CBOR");
    details
}

pub fn status(details: &[u8]) -> Option<http::StatusCode> {
    #[derive(serde::Deserialize)]
    struct Details {
        status: u16,
    }
    let details: Details = ciborium::from_reader(details).ok()?;
    http::StatusCode::from_u16(details.status).ok()
}

fn body(body: Body) -> wire::Body {
    match body.0 {
        Content::Empty => wire::Body::Empty,
        Content::Bytes(bytes) => wire::Body::Bytes(bytes.into()),
        streamed => wire::Body::Stream(stream(Body(streamed))),
    }
}

fn into_body(body: wire::Body) -> Body {
    Body(match body {
        wire::Body::Empty => Content::Empty,
        wire::Body::Bytes(bytes) => Content::Bytes(Bytes::from(bytes)),
        wire::Body::Stream(stream) => Content::Stream(ByteReader::of(stream)),
    })
}

fn headers(headers: &HeaderMap) -> wire::Headers {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    headers.iter().map(pair).collect()
}

fn into_headers(headers: wire::Headers) -> Result<HeaderMap> {
    let mut result = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = HeaderName::try_from(name)?;
        result.append(name, HeaderValue::try_from(value)?);
    }
    Ok(result)
}
