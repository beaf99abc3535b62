//! Which header fields pass between a client and an object?
//!
//! Some fields belong to one connection and not to the message: `connection`, what
//! it names, and those that RFC 9110 and its forerunners list. The connection is
//! the server's, so they pass in neither direction. An object sees the same fields
//! whichever version of HTTP its client speaks.
//!
//! Invariants:
//!
//! * A response's `content-length` is the server's own. An object's value counts
//!   only as a claim about a body that the server cannot measure.
//! * What a client says of where it comes from passes only if the client is a
//!   proxy that the configuration names.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, GetAll, HOST, HeaderMap, HeaderName, HeaderValue,
};

use super::proxies::{self, Proxies};
use crate::limits::RESPONSE_HEADERS_MAX;
use crate::object::connection_fields::{is_of_connection, named};
use crate::object::error::ObjectError;
use crate::object::event::Headers;
use crate::object::length::Claim;

/// Tells clients and proxies why there is no answer of the object. So no object
/// may say it.
pub const ERROR_HEADER: HeaderName = HeaderName::from_static("abide-error");

/// The fields that `connection` names.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let names = values.flat_map(|value| named(value.as_bytes()));
    names
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .collect()
}

/// What an object sees of a request's fields. `host` is the checked host, for
/// HTTP/2 has no such field. `trusted` are the configuration's proxies, if the
/// client is one.
pub fn of_request(headers: &HeaderMap, host: &str, trusted: Option<&Proxies>) -> Headers {
    let named = named_by_connection(headers);
    let mut pairs = Headers::with_capacity(headers.len() + 1);
    pairs.push(("host".into(), host.into()));
    let mut previous = None;
    for (name, value) in headers {
        // All values of a name come one after the other.
        let is_first = previous.replace(name) != Some(name);
        if *name == HOST || is_of_connection(name.as_str()) || named.contains(name) {
            continue;
        }
        let value = if proxies::is_about_client(name) {
            let credible = trusted.filter(|_| is_first);
            credible.and_then(|proxies| proxies.credible(name, headers))
        } else if *name == COOKIE {
            // HTTP/2 may split cookies, and an object must not see the difference.
            is_first.then(|| joined(headers.get_all(name)))
        } else if *name == CONTENT_LENGTH {
            // The others are equal, or the request would not be here.
            is_first.then(|| value.as_bytes().into())
        } else if *name == EXPECT && value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            // The server has answered it.
            None
        } else {
            Some(value.as_bytes().into())
        };
        if let Some(value) = value {
            pairs.push((name.as_str().into(), value));
        }
    }
    pairs
}

fn joined(values: GetAll<'_, HeaderValue>) -> Vec<u8> {
    let values: Vec<_> = values.iter().map(HeaderValue::as_bytes).collect();
    values.join(&b"; "[..])
}

/// What a client sees of an object's fields, and what the object claims about the
/// length of its body.
pub fn of_response(pairs: Headers, bytes_max: usize) -> Result<(HeaderMap, Claim), ObjectError> {
    check_size(&pairs, bytes_max)?;
    let mut headers = HeaderMap::with_capacity(pairs.len());
    let mut claim = Claim::Nothing;
    let mut some_leave = false;
    for (name, value) in pairs {
        let forbidden = || {
            let message = format!("the object answered with header {name:?}, which HTTP forbids");
            ObjectError::exception("TypeError", message)
        };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| forbidden())?;
        // Space around a value is no part of it, and HTTP/2 forbids it.
        let value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| forbidden())?;
        if header == CONTENT_LENGTH {
            claim = claim.and(value.as_bytes());
        } else if header != ERROR_HEADER {
            some_leave |= is_of_connection(header.as_str());
            headers.append(header, value);
        }
    }
    if some_leave {
        let named = named_by_connection(&headers);
        let leave = |name: &&HeaderName| is_of_connection(name.as_str()) || named.contains(name);
        let leave: Vec<_> = headers.keys().filter(leave).cloned().collect();
        leave.iter().for_each(|name| drop(headers.remove(name)));
    }
    Ok((headers, claim))
}

fn check_size(pairs: &Headers, bytes_max: usize) -> Result<(), ObjectError> {
    let sizes = pairs.iter().map(|(name, value)| name.len() + value.len());
    let bytes: usize = sizes.sum();
    let message = if pairs.len() > RESPONSE_HEADERS_MAX {
        format!(
            "the object answered with {} headers; at most {RESPONSE_HEADERS_MAX} are passed on",
            pairs.len()
        )
    } else if bytes > bytes_max {
        format!(
            "the object answered with headers of {bytes} bytes; at most {bytes_max} are passed \
             on (response_header_bytes_max)"
        )
    } else {
        return Ok(());
    };
    Err(ObjectError::exception("RangeError", message))
}

#[cfg(test)]
mod tests {
    //! Fields in, fields out.

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    fn check_request(pairs: &[(&'static str, &'static str)], expected: &[(&str, &str)]) {
        let seen = of_request(&map(pairs), "h.test", None);
        let seen: Vec<_> = seen
            .iter()
            .map(|(name, value)| (name.as_str(), str::from_utf8(value).unwrap()))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn fields_of_the_connection_do_not_reach_an_object() {
        check_request(
            &[
                ("connection", "close, x-mine ,Keep-Alive, host"),
                ("x-mine", "1"),
                ("host", "other"),
                ("keep-alive", "5"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("proxy-authorization", "secret"),
                ("expect", "100-Continue"),
                ("accept", "a"),
                ("accept", "b"),
            ],
            &[("host", "h.test"), ("accept", "a"), ("accept", "b")],
        );
    }

    #[test]
    fn what_http2_splits_is_joined() {
        check_request(
            &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")],
            &[("host", "h.test"), ("cookie", "a=1; b=2"), ("x", "y")],
        );
    }

    #[test]
    fn a_client_that_is_no_proxy_cannot_say_who_it_is() {
        check_request(
            &[
                ("forwarded", "for=1.2.3.4"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-forwarded-proto", "https"),
                ("x-real-ip", "1.2.3.4"),
            ],
            &[("host", "h.test")],
        );
    }

    fn check_response(pairs: &[(&str, &str)], expected: &[&str], expected_claim: Claim) {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        let (headers, claim) = of_response(pairs.collect(), 1_000).unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), expected);
        assert_eq!(claim, expected_claim);
    }

    #[test]
    fn an_object_does_not_say_what_is_the_server_s_to_say() {
        check_response(
            &[
                ("Connection", "close, x-mine"),
                ("X-Mine", "1"),
                ("keep-alive", "timeout=9"),
                ("trailer", "x"),
                ("te", "x"),
                ("proxy-connection", "x"),
                ("abide-error", "reset"),
                ("x-other", " 1 "),
            ],
            &["x-other"],
            Claim::Nothing,
        );
    }

    #[test]
    fn a_claim_about_length_is_one_number_or_nonsense() {
        let check = |values: &[&str], expected: Claim| {
            let pairs: Vec<_> = values.iter().map(|it| ("Content-Length", *it)).collect();
            check_response(&pairs, &[], expected);
        };
        check(&["5"], Claim::Bytes(5));
        check(&["5", "5"], Claim::Bytes(5));
        for nonsense in ["", "abc", "-5", "+5", "5, 5", "5 5", "99999999999999999999"] {
            check(&[nonsense], Claim::Nonsense(nonsense.into()));
        }
        check(&["5", "7"], Claim::Nonsense("5, 7".into()));
        check(&["5", "7", "5"], Claim::Nonsense("5, 7".into()));
    }

    #[test]
    fn too_many_or_too_large_fields_are_the_object_s_error() {
        let many = |count: usize| vec![("x".to_string(), b"y".to_vec()); count];
        assert!(of_response(many(RESPONSE_HEADERS_MAX), 10_000).is_ok());
        let check = |pairs, expected: &str| {
            let error = of_response(pairs, 10_000).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        };
        check(many(RESPONSE_HEADERS_MAX + 1), "1001 headers");
        check(many(1_000_000), "1000000 headers");
        check(vec![("x".into(), vec![b'y'; 10_000])], "10001 bytes");
    }
}
