//! What does a proxy say about its client, and may it be believed?
//!
//! `forwarded` and `x-forwarded-*` are words that anybody can write. They count
//! only when they come from an address that the configuration names, and only as
//! far back as such proxies wrote them.

use std::net::IpAddr;

use hyper::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

use super::host;

/// The addresses of the proxies that are trusted.
pub struct Proxies(Vec<IpNet>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

/// How the client of a trusted proxy reached it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached<'a> {
    pub scheme: Option<Scheme>,
    pub host: Option<&'a str>,
}

/// Does this field say who the client is or how it came?
pub fn is_about_client(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded-") || name == "forwarded" || name == "x-real-ip"
}

impl Proxies {
    pub fn new(networks: Vec<IpNet>) -> Proxies {
        Proxies(networks)
    }

    pub fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// What may be believed of such a field from a trusted proxy: of a list, what
    /// trusted proxies have added to it.
    pub fn credible(&self, name: &HeaderName, headers: &HeaderMap) -> Option<Vec<u8>> {
        match name.as_str() {
            "x-forwarded-for" => self.chain(headers, name),
            _ => last(headers, name).map(|text| text.as_bytes().into()),
        }
    }

    /// The client, as the outermost trusted proxy saw it, and the proxies since.
    fn chain(&self, headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
        let values = headers.get_all(name).iter();
        let texts: Option<Vec<_>> = values.map(|value| value.to_str().ok()).collect();
        let hops: Vec<_> = texts?
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .collect();
        let is_trusted = |hop: &&str| hop.parse().is_ok_and(|address| self.include(address));
        let client = hops.iter().rposition(|hop| !is_trusted(hop)).unwrap_or(0);
        Some(hops[client..].join(", ").into_bytes())
    }
}

/// How the proxy that sent this request was reached.
pub fn reached(headers: &HeaderMap) -> Reached<'_> {
    let forwarded = last(headers, &FORWARDED);
    let parameter = |wanted: &str| {
        let pairs = forwarded?
            .split(';')
            .filter_map(|pair| pair.split_once('='));
        let mut values = pairs
            .filter_map(|(key, value)| key.trim().eq_ignore_ascii_case(wanted).then_some(value));
        Some(values.next()?.trim().trim_matches('"'))
    };
    let x_forwarded = |name: &'static str| last(headers, &HeaderName::from_static(name));
    let scheme = parameter("proto").or_else(|| x_forwarded("x-forwarded-proto"));
    let host = parameter("host").or_else(|| x_forwarded("x-forwarded-host"));
    Reached {
        scheme: scheme.and_then(Scheme::of),
        host: host.filter(|host| host::is_valid(host)),
    }
}

/// The last element of a list: what the nearest proxy wrote.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}

impl Scheme {
    fn of(text: &str) -> Option<Scheme> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

#[cfg(test)]
mod tests {
    //! What proxies say, and how much of it is believed.

    use hyper::header::HeaderValue;

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let value = HeaderValue::from_static(value);
            (HeaderName::from_static(name), value)
        });
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn the_chain_is_believed_back_to_the_first_stranger() {
        let proxies = Proxies::new(vec![
            "10.0.0.0/8".parse().unwrap(),
            "::1/128".parse().unwrap(),
        ]);
        let check = |values: &[&'static str], expected: &str| {
            let pairs: Vec<_> = values.iter().map(|it| ("x-forwarded-for", *it)).collect();
            let name = HeaderName::from_static("x-forwarded-for");
            let chain = proxies.credible(&name, &map(&pairs)).unwrap();
            assert_eq!(str::from_utf8(&chain).unwrap(), expected);
        };
        check(&["1.2.3.4"], "1.2.3.4");
        check(&["6.6.6.6, 1.2.3.4"], "1.2.3.4");
        check(&["6.6.6.6, 1.2.3.4, 10.1.1.1"], "1.2.3.4, 10.1.1.1");
        check(
            &["6.6.6.6", "1.2.3.4,10.1.1.1", "::1"],
            "1.2.3.4, 10.1.1.1, ::1",
        );
        check(&["10.0.0.1, 10.0.0.2"], "10.0.0.1, 10.0.0.2");
        check(&["6.6.6.6, unknown"], "unknown");
    }

    #[test]
    fn the_nearest_proxy_says_how_it_was_reached() {
        let check = |pairs: &[(&'static str, &'static str)], scheme, host| {
            assert_eq!(reached(&map(pairs)), Reached { scheme, host });
        };
        check(&[], None, None);
        check(
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "a.test"),
            ],
            Some(Scheme::Https),
            Some("a.test"),
        );
        check(
            &[(
                "forwarded",
                "for=1.1.1.1;proto=http, for=2.2.2.2; Proto=https;host=\"a.test:8\"",
            )],
            Some(Scheme::Https),
            Some("a.test:8"),
        );
        check(
            &[("x-forwarded-host", "a b"), ("x-forwarded-proto", "ftp")],
            None,
            None,
        );
    }

    #[test]
    fn an_ipv4_address_inside_ipv6_is_the_same_address() {
        let proxies = Proxies::new(vec!["127.0.0.1/32".parse().unwrap()]);
        assert!(proxies.include("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!proxies.include("127.0.0.2".parse().unwrap()));
    }
}
