//! What is done about an answer that sends the client elsewhere, as browsers do it.

use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE,
    HeaderName, LOCATION, PROXY_AUTHORIZATION,
};
use hyper::{Method, Response, StatusCode};

use super::hop::{Content, Hop, address};
use crate::object::error::ObjectError;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redirects {
    Follow,
    Manual,
    Error,
}

/// Fields that speak of a body, and go with it.
const OF_BODY: [HeaderName; 4] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LOCATION,
    CONTENT_TYPE,
];
/// What is only for the server that it was sent to.
const SECRETS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// The request that follows upon an answer to `hop`; none when the answer is the last.
pub fn next<B>(
    mut hop: Hop,
    answer: &Response<B>,
    redirects: Redirects,
) -> Result<Option<Hop>, ObjectError> {
    let status = answer.status();
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = answer.headers().get(LOCATION).filter(|_| is_redirect) else {
        return Ok(None);
    };
    let shown = String::from_utf8_lossy(location.as_bytes());
    match redirects {
        Redirects::Manual => return Ok(None),
        Redirects::Error => {
            let message = format!("{} sends the client to {shown}", hop.url);
            return Err(ObjectError::type_error(message));
        }
        Redirects::Follow => {}
    }
    let joined = hop.url.join(&shown).map_err(|error| {
        let message = format!("{} sends the client to {shown}: {error}", hop.url);
        ObjectError::type_error(message)
    })?;
    let mut url = address(joined.as_str())?;
    if url.fragment().is_none() {
        url.set_fragment(hop.url.fragment());
    }
    let drops_body = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => hop.method == Method::POST,
        StatusCode::SEE_OTHER => !matches!(hop.method, Method::GET | Method::HEAD),
        _ => false,
    };
    if drops_body {
        hop.method = Method::GET;
        hop.content = Content::None;
        OF_BODY
            .iter()
            .for_each(|name| drop(hop.headers.remove(name)));
    }
    if matches!(hop.content, Content::Spent | Content::Stream(..)) {
        let message = format!(
            "{} sends the client to {shown}, but the request's body was a stream and cannot be sent \
             again",
            hop.url
        );
        return Err(ObjectError::type_error(message));
    }
    if url.origin() != hop.url.origin() {
        SECRETS
            .iter()
            .for_each(|name| drop(hop.headers.remove(name)));
    }
    hop.url = url;
    Ok(Some(hop))
}

#[cfg(test)]
mod tests {
    //! Answers, and the requests that follow upon them.

    use bytes::Bytes;

    use super::*;
    use crate::object::body::Body;
    use crate::object::event::Request;

    fn hop(method: &str) -> Hop {
        let body = match method {
            "GET" | "HEAD" => Bytes::new(),
            _ => Bytes::from_static(b"body"),
        };
        let names = ["authorization", "cookie", "content-type", "x-other"];
        let headers = names.map(|name| (name.to_string(), b"1".to_vec()));
        Hop::first(Request {
            method: method.into(),
            url: "https://a.test/one?q#part".into(),
            headers: headers.into(),
            body: Body::Bytes(body),
            upgrade: None,
        })
        .unwrap()
    }

    fn answered(hop: Hop, status: u16, location: &str) -> Result<Option<Hop>, ObjectError> {
        let answer = Response::builder()
            .status(status)
            .header(LOCATION, location);
        next(hop, &answer.body(()).unwrap(), Redirects::Follow)
    }

    fn followed(method: &str, status: u16, location: &str) -> Hop {
        answered(hop(method), status, location)
            .unwrap()
            .expect("a hop")
    }

    #[test]
    fn method_and_body_change_as_in_browsers() {
        for (method, status, expected) in [
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("POST", 303, "GET"),
            ("PUT", 301, "PUT"),
            ("PUT", 302, "PUT"),
            ("PUT", 303, "GET"),
            ("HEAD", 303, "HEAD"),
            ("POST", 307, "POST"),
            ("POST", 308, "POST"),
        ] {
            let hop = followed(method, status, "/two");
            assert_eq!(hop.method, expected, "{method} {status}");
            let has_body = matches!(hop.content, Content::Whole(_));
            assert_eq!(
                has_body,
                !["GET", "HEAD"].contains(&expected),
                "{method} {status}"
            );
            assert_eq!(
                hop.headers.contains_key("content-type"),
                has_body || method == "HEAD"
            );
        }
    }

    #[test]
    fn secrets_stay_with_the_server_that_they_are_for() {
        let names = |hop: Hop| hop.headers.contains_key("authorization");
        assert!(names(followed("GET", 302, "/two")));
        assert!(names(followed("GET", 302, "https://a.test:443/two")));
        assert!(!names(followed("GET", 302, "https://b.test/")));
        assert!(!names(followed("GET", 302, "http://a.test/")));
        assert!(!names(followed("GET", 302, "https://a.test:444/")));
        assert!(
            followed("GET", 302, "//b.test/")
                .headers
                .contains_key("x-other")
        );
    }

    #[test]
    fn a_place_is_read_as_browsers_read_it() {
        let url = |location| followed("GET", 302, location).url.to_string();
        assert_eq!(url("two"), "https://a.test/two#part");
        assert_eq!(url("/t#x"), "https://a.test/t#x");
        assert_eq!(url("//b.test\\@c"), "https://b.test/@c#part");
        assert_eq!(url("http://2130706433/"), "http://127.0.0.1/#part");
        for location in ["file:///etc", "http://u:p@b.test/", "http://["] {
            assert!(answered(hop("GET"), 302, location).is_err(), "{location}");
        }
    }

    #[test]
    fn what_sends_nobody_elsewhere_is_the_answer() {
        for status in [200, 300, 304, 404] {
            assert!(answered(hop("GET"), status, "/two").unwrap().is_none());
        }
        let answer = Response::builder().status(302);
        let answer = answer.body(()).unwrap();
        assert!(
            next(hop("GET"), &answer, Redirects::Follow)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_stream_cannot_be_sent_twice() {
        let stream = || Hop {
            content: Content::Spent,
            ..hop("POST")
        };
        assert!(answered(stream(), 307, "/two").is_err());
        assert!(answered(stream(), 303, "/two").is_ok());
    }
}
