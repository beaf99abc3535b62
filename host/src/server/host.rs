//! Which host does a request name, and is it one?
//!
//! The host becomes a part of the URL that an object sees. What is no host could
//! move the border between host and path, and then router and object would
//! disagree about the path; so it is refused.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::Version;
use hyper::header::{HOST, HeaderMap};
use hyper::http::uri::{Authority, Uri};

/// Clients of HTTP/1.0 need not name a host.
const UNNAMED: &str = "localhost";

/// The host, with its port if it was written.
pub fn of<'a>(
    version: Version,
    uri: &'a Uri,
    headers: &'a HeaderMap,
) -> Result<&'a str, &'static str> {
    let mut fields = headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err("the request names its host twice");
    }
    let field = match field {
        Some(field) => Some(field.to_str().map_err(|_| "the header host is no host")?),
        None => None,
    };
    let target = uri.authority().map(Authority::as_str);
    let host = match (target, field) {
        // RFC 9113, 8.3.1.
        (Some(target), Some(field))
            if version == Version::HTTP_2 && !target.eq_ignore_ascii_case(field) =>
        {
            return Err("the request names two different hosts");
        }
        (Some(_) | None, None) if version == Version::HTTP_11 => {
            return Err("the request has no header host");
        }
        // RFC 9112, 3.2.2: an absolute target counts, whatever the field says.
        (Some(target), _) => target,
        (None, Some(field)) => field,
        (None, None) if version == Version::HTTP_2 => return Err("the request names no host"),
        (None, None) => UNNAMED,
    };
    match is_valid(host) {
        true => Ok(host),
        false => Err("the request's host is no name or address, with or without a port"),
    }
}

/// A name as the DNS has them, an IPv4 address or an IPv6 address in brackets, each
/// with or without a port. No user, no percent signs: whoever parses the URL must
/// come to the same host.
pub fn is_valid(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else {
                return false;
            };
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            match after.strip_prefix(':') {
                None if after.is_empty() => return true,
                None => return false,
                Some(port) => return is_port(port),
            }
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    is_name(name) && port.is_none_or(is_port)
}

pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_port(text: &str) -> bool {
    // It may be left out after its colon (RFC 3986, 3.2.3).
    text.is_empty() || text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.is_empty() || name.len() > 255 || !name.bytes().all(fits) {
        return false;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.split('.').any(str::is_empty) {
        return false;
    }
    // A URL whose host ends in a number has an IPv4 address (WHATWG URL, 3.5).
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.starts_with("0x")
        || last.starts_with("0X");
    !is_number || name.parse::<Ipv4Addr>().is_ok()
}

/// Does this path mean the same to everybody? Libraries resolve `.` and `..`, and
/// take a backslash for a slash; the router does not.
pub fn is_unambiguous(path: &str) -> bool {
    if path.contains('\\') {
        return false;
    }
    if !path.contains("/.") && !path.contains("/%2") {
        return true;
    }
    path.split('/').all(|segment| {
        let dots = segment.replace("%2e", ".").replace("%2E", ".");
        dots != "." && dots != ".."
    })
}

#[cfg(test)]
mod tests {
    //! Hosts, and what passes itself off as one.

    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in [
            "a",
            "a:",
            "a.b",
            "a.b.",
            "a_b.c-d",
            "xn--bcher-kva.example",
            "a:80",
            "a:0",
            "127.0.0.1",
            "127.0.0.1:65535",
            "[::1]",
            "[::1]:8080",
            "1a.2b",
            "A.B",
        ] {
            assert!(is_valid(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "a b",
            "a/b?x",
            "a#b",
            "a:b:c",
            "a:65536",
            "a:+8",
            "u@a",
            "u:p@a",
            "<script>",
            "a\tb",
            "[::1",
            "[::1]x",
            "[::g]",
            "[fe80::1%25eth0]",
            "::1",
            "a%20b",
            "a..b",
            ".a",
            ".",
            "é",
            "a,b",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "0x7f.1",
            "127.1",
            "a\\b",
        ] {
            assert!(!is_valid(host), "{host}");
        }
    }

    fn check(version: Version, uri: &str, hosts: &[&'static str], expected: Result<&str, &str>) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_static(host));
        }
        let uri = uri.parse().unwrap();
        let host = of(version, &uri, &headers);
        match (host, expected) {
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (host, expected) => assert_eq!(host, expected),
        }
    }

    #[test]
    fn a_host_is_named_once() {
        let (http10, http11, http2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        check(http11, "/x", &["a.test"], Ok("a.test"));
        check(http11, "/x", &[], Err("no header host"));
        check(http10, "/x", &[], Ok("localhost"));
        check(http11, "/x", &["a.test", "a.test"], Err("twice"));
        check(http11, "/x", &["a/b?x"], Err("no name or address"));
        check(http11, "http://b.test/x", &["a.test"], Ok("b.test"));
        check(http11, "http://b.test/x", &[], Err("no header host"));
        check(
            http11,
            "http://u@b.test/x",
            &["a.test"],
            Err("no name or address"),
        );
        check(http2, "http://a.test/x", &[], Ok("a.test"));
        check(http2, "http://a.test/x", &["A.test"], Ok("a.test"));
        check(
            http2,
            "http://a.test/x",
            &["b.test"],
            Err("two different hosts"),
        );
    }

    #[test]
    fn a_path_means_the_same_to_everybody() {
        for path in [
            "/",
            "/a/b",
            "/a/.b",
            "/a/..b/c",
            "/a/b.",
            "/a/%2e%2fb",
            "/a/...",
            "/%20",
        ] {
            assert!(is_unambiguous(path), "{path}");
        }
        for path in [
            "/a/../b",
            "/a/.",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a\\..\\b",
            "/..",
        ] {
            assert!(!is_unambiguous(path), "{path}");
        }
    }
}
