//! Which path and query does a request have, as a URL has them?
//!
//! Some clients send text as it is, where others encode it first. Router and object see
//! what the URL standard makes of both, so that they are the same.

use std::borrow::Cow;

use hyper::StatusCode;
use hyper::http::uri::{PathAndQuery, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::answer::Refusal;

/// What the URL standard encodes in a query; the apostrophe, which it may have, stays as
/// it was sent. All that is not ASCII is encoded anyhow.
const IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// The same in a path.
const IN_PATH: &AsciiSet = &IN_QUERY.add(b'^').add(b'`').add(b'{').add(b'}');

/// Encodes what a URL cannot have as it is.
pub fn encode(uri: &mut Uri) -> Result<(), Refusal> {
    let Some(sent) = uri.path_and_query().map(PathAndQuery::as_str) else {
        return Ok(());
    };
    let (path, query) = sent.split_at(sent.find('?').unwrap_or(sent.len()));
    let path = Cow::from(utf8_percent_encode(path, IN_PATH));
    let query = Cow::from(utf8_percent_encode(query, IN_QUERY));
    // Borrowed: it is valid as it was sent, as nearly always.
    if let (Cow::Borrowed(_), Cow::Borrowed(_)) = (&path, &query) {
        return Ok(());
    }
    let too_long = |_| {
        let message = "the request's target is too long once it is encoded";
        Refusal::new(StatusCode::URI_TOO_LONG, message.into())
    };
    let encoded = PathAndQuery::try_from(&*(path + query)).map_err(too_long)?;
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(encoded);
    *uri = Uri::from_parts(parts).expect("only its path is another");
    Ok(())
}

#[cfg(test)]
mod tests {
    //! What is valid stays as it is, the rest is encoded once.

    use super::*;

    #[test]
    fn a_target_becomes_a_valid_url_and_stays_one() {
        let check = |sent: &str, expected: &str| {
            let mut uri: Uri = sent.parse().unwrap();
            assert!(encode(&mut uri).is_ok());
            assert_eq!(uri.to_string(), expected);
            assert!(encode(&mut uri).is_ok());
            assert_eq!(uri.to_string(), expected);
        };
        for valid in [
            "/",
            "*",
            "/a%C3%A4/%zz%?b=%20&c='x'|[]",
            "/a-._~!$&'()*+,;=:@[]|/?/?:@?",
            "http://h.test:80/a?b",
        ] {
            check(valid, valid);
        }
        check("/ä/%C3%A4?ö=%C3%B6", "/%C3%A4/%C3%A4?%C3%B6=%C3%B6");
        check("http://h.test/\u{1F600}", "http://h.test/%F0%9F%98%80");
        check("/\"{}^?{}`", "/%22%7B%7D%5E?{}`");
        let mut long: Uri = format!("/{}", "ä".repeat(20_000)).parse().unwrap();
        let refused = encode(&mut long).unwrap_err();
        assert_eq!(refused.status, StatusCode::URI_TOO_LONG);
    }
}
