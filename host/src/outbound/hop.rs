//! One request as it goes to one server.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::object::body::{Body, BodySource};
use crate::object::connection_fields::{is_of_connection, named};
use crate::object::error::ObjectError;
use crate::object::event::{Headers, Request};
use crate::object::length::Claim;

/// Header fields of a request, names and values; no server takes more.
const HEADER_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 1_000;

pub struct Hop {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub content: Content,
}

pub enum Content {
    None,
    /// Can be sent again.
    Whole(Bytes),
    /// Its length, if the object says so.
    Stream(BodySource, Option<u64>),
    /// A stream that was sent.
    Spent,
}

impl Hop {
    /// The request of an object. Fails when it cannot be sent anywhere.
    pub fn first(request: Request) -> Result<Hop, ObjectError> {
        let url = address(&request.url)?;
        let method = method(&request.method)?;
        let (headers, claim) = headers(request.headers)?;
        let content = match (request.body, claim) {
            (Body::Bytes(bytes), _) if bytes.is_empty() => Content::None,
            (Body::Bytes(bytes), _) => Content::Whole(bytes),
            (Body::Stream(source), Claim::Nothing) => Content::Stream(source, None),
            (Body::Stream(source), Claim::Bytes(bytes)) => Content::Stream(source, Some(bytes)),
            (Body::Stream(_), Claim::Nonsense(value)) => {
                return Err(ObjectError::type_error(format!(
                    "the request has content-length {value:?}"
                )));
            }
        };
        if !matches!(content, Content::None) && matches!(method, Method::GET | Method::HEAD) {
            let message = format!("a {method} request has no body");
            return Err(ObjectError::type_error(message));
        }
        Ok(Hop {
            method,
            url,
            headers,
            content,
        })
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// An address that a request can go to.
pub fn address(text: &str) -> Result<Url, ObjectError> {
    let refused = |why: &str| {
        Err(ObjectError::type_error(format!(
            "the address {text:?} {why}"
        )))
    };
    let Ok(url) = Url::parse(text) else {
        return refused("is not absolute, or no address at all");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refused("has another scheme than http and https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("has credentials; send them in an authorization header");
    }
    Ok(url)
}

fn method(text: &str) -> Result<Method, ObjectError> {
    let method = Method::from_bytes(text.as_bytes()).ok();
    let is_sent = |method: &Method| !["CONNECT", "TRACE", "TRACK"].contains(&method.as_str());
    let refused = || ObjectError::type_error(format!("the method {text:?} cannot be sent"));
    method.filter(is_sent).ok_or_else(refused)
}

/// The fields that go to the server, and what they say about the body's length: that
/// is for the client to send, and so is the host.
fn headers(pairs: Headers) -> Result<(HeaderMap, Claim), ObjectError> {
    let sizes = pairs.iter().map(|(name, value)| name.len() + value.len());
    let bytes: usize = sizes.sum();
    if pairs.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(ObjectError::type_error(format!(
            "the request has {} headers of {bytes} bytes; at most {HEADERS_MAX} of \
             {HEADER_BYTES_MAX} bytes are sent",
            pairs.len()
        )));
    }
    let mut headers = HeaderMap::with_capacity(pairs.len());
    let mut claim = Claim::Nothing;
    for (name, value) in pairs {
        let forbidden =
            || ObjectError::type_error(format!("the header {name:?} is one that HTTP forbids"));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| forbidden())?;
        let value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| forbidden())?;
        match header {
            CONTENT_LENGTH => claim = claim.and(value.as_bytes()),
            HOST => {}
            _ => drop(headers.append(header, value)),
        }
    }
    without_connection(&mut headers);
    Ok((headers, claim))
}

/// Takes away what belongs to a connection.
pub fn without_connection(headers: &mut HeaderMap) {
    let values = headers.get_all(CONNECTION).iter();
    let named = values.flat_map(|value| named(value.as_bytes()));
    let named: Vec<_> = named
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .collect();
    let own = headers
        .keys()
        .filter(|name| is_of_connection(name.as_str()));
    let own: Vec<_> = own.cloned().collect();
    for name in own.iter().chain(&named) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    //! What of a request goes out, and what is refused.

    use super::*;

    fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Request {
        let headers = headers.iter();
        Request {
            method: method.into(),
            url: url.into(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
            body: Body::Bytes(Bytes::copy_from_slice(body.as_bytes())),
            upgrade: None,
        }
    }

    #[test]
    fn an_object_does_not_say_what_is_the_client_s_to_say() {
        let fields = [
            ("host", "evil.test"),
            ("content-length", "7"),
            ("transfer-encoding", "chunked"),
            ("connection", "x-mine, host"),
            ("x-mine", "1"),
            ("upgrade", "h2c"),
            ("accept", "a"),
            ("accept", "b"),
        ];
        let hop = Hop::first(request("PUT", "http://A.test:80/x#y", &fields, "b")).unwrap();
        assert_eq!(hop.headers.keys().collect::<Vec<_>>(), ["accept"]);
        assert_eq!(hop.headers.get_all("accept").iter().count(), 2);
        assert_eq!(hop.origin(), "http://a.test");
        assert!(matches!(hop.content, Content::Whole(_)));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_reason() {
        let check = |request, expected: &str| {
            let error = Hop::first(request).err().expect(expected);
            assert!(error.message.contains(expected), "{error}");
        };
        check(request("GET", "/x", &[], ""), "\"/x\" is not absolute");
        check(request("GET", "file:///x", &[], ""), "another scheme");
        check(
            request("GET", "http://a@b.test/", &[], ""),
            "has credentials",
        );
        check(
            request("GET", "http://:b@b.test/", &[], ""),
            "has credentials",
        );
        check(
            request("GET", "http://a.test:99999/", &[], ""),
            "no address at all",
        );
        check(request("CONNECT", "http://a.test/", &[], ""), "\"CONNECT\"");
        check(request("G T", "http://a.test/", &[], ""), "\"G T\"");
        check(request("GET", "http://a.test/", &[], "x"), "has no body");
        check(
            request("GET", "http://a.test/", &[("a b", "")], ""),
            "\"a b\"",
        );
        check(
            request("GET", "http://a.test/", &[("a", "x\ny")], ""),
            "\"a\"",
        );
        let large = "y".repeat(HEADER_BYTES_MAX);
        check(
            request("GET", "http://a.test/", &[("x", &large)], ""),
            "65537 bytes",
        );
    }
}
