//! What an answer of static files says: a file, another address, or that there is none.

use std::path::Path;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION,
};

use super::address::encoded;
use super::content::{Content, Mark};
use crate::object::body::Body;
use crate::object::event::Response;

const REVALIDATED: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");

/// A whole answer, before anybody takes it.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Content,
}

impl Answer {
    pub fn not_allowed() -> Answer {
        let headers = [(ALLOW, HeaderValue::from_static("GET, HEAD"))];
        Answer::empty(StatusCode::METHOD_NOT_ALLOWED, headers)
    }

    pub fn not_found() -> Answer {
        Answer::empty(StatusCode::NOT_FOUND, [])
    }

    /// To the address that a file has. The query goes along.
    pub fn elsewhere(place: &str, query: Option<&str>) -> Answer {
        let place = encoded(place);
        let location = match query {
            Some(query) => format!("{place}?{query}"),
            None => place,
        };
        Answer::sent_on(&location, StatusCode::TEMPORARY_REDIRECT)
    }

    /// As a rule says. The query goes along unless the rule has one.
    pub fn by_rule(place: &str, query: Option<&str>, status: StatusCode) -> Answer {
        let (whole, fragment) = match place.split_once('#') {
            Some((whole, fragment)) => (whole, format!("#{fragment}")),
            None => (place, String::new()),
        };
        match query {
            Some(query) if !whole.contains('?') => {
                Answer::sent_on(&format!("{whole}?{query}{fragment}"), status)
            }
            _ => Answer::sent_on(place, status),
        }
    }

    fn sent_on(location: &str, status: StatusCode) -> Answer {
        let location = HeaderValue::from_str(location).ok();
        Answer::empty(status, location.map(|location| (LOCATION, location)))
    }

    fn empty(
        status: StatusCode,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Answer {
        Answer {
            status,
            headers: headers.into_iter().collect(),
            content: Content::nothing(),
        }
    }

    pub fn unchanged(headers: HeaderMap) -> Answer {
        Answer {
            status: StatusCode::NOT_MODIFIED,
            headers,
            content: Content::nothing(),
        }
    }
}

/// What is said of a file whatever is asked. What is asked for with authority is nobody
/// else's, so that no cache may give it to others; of a range neither.
pub fn about(mark: &Mark, is_public: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(etag) = HeaderValue::from_str(&etag(mark)) {
        headers.insert(ETAG, etag);
    }
    if is_public {
        headers.insert(CACHE_CONTROL, REVALIDATED);
    }
    headers
}

/// Does the client have this content already?
pub fn is_known(mark: &Mark, known: Option<&HeaderValue>) -> bool {
    let known = known.and_then(|known| known.to_str().ok());
    let etag = etag(mark);
    known.is_some_and(|known| {
        let mut known = known.split(',');
        known.any(|it| it.trim().trim_start_matches("W/") == etag)
    })
}

fn etag(mark: &Mark) -> String {
    let digits: String = mark.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// As the host of the files sees it.
pub fn add_type(headers: &mut HeaderMap, file: &str) {
    if let Some(kind) = content_type(file) {
        headers.insert(CONTENT_TYPE, kind);
    }
}

/// As at Cloudflare, where text alone has a charset.
fn content_type(file: &str) -> Option<HeaderValue> {
    let of_cloudflare = match Path::new(file).extension()?.to_str()? {
        "ico" => Some("image/vnd.microsoft.icon"),
        "mjs" => Some("text/javascript; charset=utf-8"),
        "map" => Some("application/json"),
        "ts" => Some("video/mp2t"),
        "xml" => Some("application/xml"),
        _ => None,
    };
    if let Some(kind) = of_cloudflare {
        return Some(HeaderValue::from_static(kind));
    }
    let kind = mime_guess::from_path(file).first()?;
    let text = match kind.type_() == mime_guess::mime::TEXT {
        true => format!("{kind}; charset=utf-8"),
        false => kind.to_string(),
    };
    HeaderValue::from_str(&text).ok()
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Response {
        let fields = answer.headers.iter();
        Response {
            status: answer.status.as_u16(),
            headers: fields
                .map(|(name, value)| (name.as_str().into(), value.as_bytes().into()))
                .collect(),
            body: match answer.content {
                Content::Bytes(bytes) => Body::Bytes(bytes),
                Content::Large(large) => Body::Stream(large.stream()),
                Content::Unread(_) => Body::Bytes(Bytes::new()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    //! Kinds are told as at Cloudflare, and marks are compared as HTTP says.

    use super::*;

    #[test]
    fn a_file_has_the_type_that_cloudflare_gives_it() {
        for (file, expected) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.ico", "image/vnd.microsoft.icon"),
            ("a.json", "application/json"),
            ("a.map", "application/json"),
            ("a.ts", "video/mp2t"),
            ("a.xml", "application/xml"),
            ("a.png", "image/png"),
        ] {
            assert_eq!(content_type(file).unwrap(), expected, "{file}");
        }
        assert_eq!(content_type("a"), None);
    }

    #[test]
    fn a_client_may_have_the_content_already() {
        let mark = [0xab; 16];
        let known = |text: &'static str| is_known(&mark, Some(&HeaderValue::from_static(text)));
        assert!(known("\"abababababababababababababababab\""));
        assert!(known("\"x\", W/\"abababababababababababababababab\""));
        assert!(!known("\"ab\"") && !known("") && !is_known(&mark, None));
        assert!(!about(&mark, false).contains_key(CACHE_CONTROL));
    }
}
