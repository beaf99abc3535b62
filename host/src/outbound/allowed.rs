//! Where may the objects of a class send requests?
//!
//! An entry is a host, with or without scheme and port: `api.example.com`,
//! `https://api.example.com`, `*.example.com:8443`, `10.0.0.0/8:*`, `[::1]:8080`, or `*`
//! for every public host. Without a port it means the scheme's own.
//!
//! Invariants:
//!
//! * An address that is not public is reached only by an entry that names it, or a
//!   network that it lies in, whatever name leads there.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::address::is_public;

/// What a class may reach. Nothing, if it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    text: String,
    scheme: Option<&'static str>,
    host: HostRule,
    port: PortRule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostRule {
    Any,
    Name(String),
    /// Every name below this one.
    Below(String),
    Network(IpNet),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortRule {
    OfScheme,
    One(u16),
    Any,
}

impl Allowed {
    /// All public hosts.
    pub fn public() -> Allowed {
        let mut allowed = Allowed::default();
        allowed.add("*").expect("it stands for all of them");
        allowed
    }

    /// Adds an entry, or says why it can never match.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let entry = entry(text).map_err(|why| {
            format!(
                "{text:?} {why}; write for example \"https://api.example.com\", \
                 \"*.example.com\", \"127.0.0.1:8080\" or \"*\" for all public hosts"
            )
        })?;
        self.0.push(entry);
        Ok(())
    }

    /// May a request go to this address as it is written?
    pub fn admits(&self, url: &Url) -> bool {
        let Some(host) = url.host() else {
            return false;
        };
        self.for_place(url).any(|entry| match (&entry.host, &host) {
            (HostRule::Any, Host::Domain(_)) => true,
            (HostRule::Any, Host::Ipv4(address)) => is_public((*address).into()),
            (HostRule::Any, Host::Ipv6(address)) => is_public((*address).into()),
            (HostRule::Name(name), Host::Domain(host)) => *name == without_dot(host),
            (HostRule::Below(name), Host::Domain(host)) => is_below(without_dot(host), name),
            (HostRule::Network(network), Host::Ipv4(address)) => has(network, (*address).into()),
            (HostRule::Network(network), Host::Ipv6(address)) => has(network, (*address).into()),
            _ => false,
        })
    }

    /// May it go to this address, to which its host has led?
    pub fn admits_address(&self, url: &Url, address: IpAddr) -> bool {
        if is_public(address) {
            return true;
        }
        self.for_place(url).any(|entry| match &entry.host {
            HostRule::Network(network) => has(network, address),
            // There is no other meaning that this name could have (RFC 6761).
            HostRule::Name(name) if is_local(name) => {
                url.domain().map(without_dot) == Some(name) && address.to_canonical().is_loopback()
            }
            _ => false,
        })
    }

    /// The entries for the scheme and the port of an address.
    fn for_place(&self, url: &Url) -> impl Iterator<Item = &Entry> {
        let entries = self.0.iter();
        entries.filter(move |entry| {
            let is_scheme = entry.scheme.is_none_or(|scheme| scheme == url.scheme());
            is_scheme
                && match entry.port {
                    PortRule::Any => true,
                    PortRule::OfScheme => url.port().is_none(),
                    PortRule::One(port) => url.port_or_known_default() == Some(port),
                }
        })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|entry| &entry.text))
            .finish()
    }
}

fn has(network: &IpNet, address: IpAddr) -> bool {
    network.contains(&address.to_canonical())
}

fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn is_below(host: &str, name: &str) -> bool {
    let before = host.strip_suffix(name);
    before.is_some_and(|before| before.ends_with('.') && before.len() > 1)
}

fn is_local(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn entry(text: &str) -> Result<Entry, String> {
    let (scheme, rest) = match text.split_once("://") {
        None => (None, text),
        Some(("http", rest)) => (Some("http"), rest),
        Some(("https", rest)) => (Some("https"), rest),
        Some((other, _)) => {
            return Err(format!("has scheme {other:?}, but http and https are all"));
        }
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or("opens a bracket only")?;
            (
                network_v6(address)?,
                after.strip_prefix(':').or(none(after)?),
            )
        }
        None => {
            let (host, port) = match rest.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            };
            (host_rule(host)?, port)
        }
    };
    Ok(Entry {
        text: text.into(),
        scheme,
        host,
        port: port.map_or(Ok(PortRule::OfScheme), port_rule)?,
    })
}

fn none(after: &str) -> Result<Option<&str>, String> {
    match after.is_empty() || after.starts_with(':') {
        true => Ok(None),
        false => Err(format!("has {after:?} after the bracket")),
    }
}

fn port_rule(port: &str) -> Result<PortRule, String> {
    if port == "*" {
        return Ok(PortRule::Any);
    }
    let number = port.parse().ok().filter(|port| *port > 0);
    let number = number.filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()));
    let refused = || format!("has port {port:?}, which is none from 1 to 65535, and not *");
    number.map(PortRule::One).ok_or_else(refused)
}

fn network_v6(text: &str) -> Result<HostRule, String> {
    let network = text.parse().map(IpNet::V6).ok();
    let single = || {
        Some(IpNet::from(
            text.parse::<std::net::Ipv6Addr>().ok()?.to_canonical(),
        ))
    };
    let network = network.or_else(single);
    network
        .map(HostRule::Network)
        .ok_or_else(|| format!("has {text:?} in brackets, which is no IPv6 address or network"))
}

fn host_rule(host: &str) -> Result<HostRule, String> {
    if host == "*" {
        return Ok(HostRule::Any);
    }
    let network = host.parse().map(IpNet::V4).ok();
    let single = || Some(IpNet::from(IpAddr::V4(host.parse().ok()?)));
    if let Some(network) = network.or_else(single) {
        return Ok(HostRule::Network(network));
    }
    match host.strip_prefix("*.") {
        Some(name) => Ok(HostRule::Below(host_name(name)?)),
        None => Ok(HostRule::Name(host_name(host)?)),
    }
}

/// A name as requests have it, or why none ever has it.
fn host_name(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("names no host".into());
    }
    if name.contains('/') {
        return Err("has a path, but only whole hosts can be allowed".into());
    }
    if name.contains('*') {
        return Err("has a * that does not stand for whole labels at its beginning".into());
    }
    if name.contains(':') {
        return Err("has several colons; an IPv6 address stands in brackets".into());
    }
    let lower = without_dot(name).to_ascii_lowercase();
    match Host::parse(&lower) {
        Ok(Host::Domain(parsed)) if parsed == lower => {}
        Ok(meant) => return Err(format!("is sent as {meant}; write that")),
        Err(_) => return Err("is not the name of a host".into()),
    }
    let is_label = |label: &str| (1..=63).contains(&label.len());
    match lower.len() <= 253 && lower.split('.').all(is_label) {
        true => Ok(lower),
        false => Err("is not the name of a host".into()),
    }
}

#[cfg(test)]
mod tests {
    //! Entries, and the addresses that they admit.

    use super::*;

    fn allowed(entries: &[&str]) -> Allowed {
        let mut allowed = Allowed::default();
        for entry in entries {
            allowed.add(entry).unwrap();
        }
        allowed
    }

    fn check(entries: &[&str], admitted: &[&str], refused: &[&str]) {
        let allowed = allowed(entries);
        for (urls, expected) in [(admitted, true), (refused, false)] {
            for url in urls {
                let parsed = Url::parse(url).unwrap();
                assert_eq!(allowed.admits(&parsed), expected, "{entries:?} {url}");
            }
        }
    }

    #[test]
    fn a_class_reaches_what_its_entries_say_and_nothing_else() {
        check(&[], &[], &["https://a.test/", "http://1.1.1.1/"]);
        check(
            &["https://api.test"],
            &["https://api.test/x?y", "https://API.test.:443/"],
            &[
                "http://api.test/",
                "https://api.test:8443/",
                "https://x.api.test/",
                "https://api.test.evil.example/",
                "https://evil.example/api.test",
                "https://evil.example#@api.test",
                "https://evil.example?@api.test",
                "https://api.test@evil.example/",
                "https://evil.example\\@api.test/",
            ],
        );
        check(
            &["*.shop.test:8443"],
            &["https://a.shop.test:8443/", "http://b.a.shop.test:8443/"],
            &[
                "https://shop.test:8443/",
                "https://a.shop.test/",
                "https://ashop.test:8443/",
            ],
        );
        check(
            &["api.test:*", "127.0.0.1:8080", "[::1]", "10.0.0.0/8:*"],
            &[
                "http://api.test:9/",
                "http://127.0.0.1:8080/",
                "http://2130706433:8080/",
                "http://0x7f.1:8080/",
                "http://[::ffff:127.0.0.1]:8080/",
                "http://[0:0::1]/",
                "https://10.9.8.7:6/",
            ],
            &[
                "http://127.0.0.1/",
                "http://127.0.0.2:8080/",
                "http://11.0.0.1/",
            ],
        );
        check(
            &["*"],
            &["https://any.test/", "http://1.1.1.1/", "http://localhost/"],
            &[
                "http://any.test:81/",
                "http://127.0.0.1/",
                "http://[::1]/",
                "http://[::ffff:127.0.0.1]/",
                "http://2130706433/",
                "http://017700000001/",
                "http://169.254.169.254/",
            ],
        );
    }

    #[test]
    fn an_address_that_is_not_public_must_be_named_whatever_leads_to_it() {
        let check = |entries: &[&str], url: &str, address: &str, expected: bool| {
            let url = Url::parse(url).unwrap();
            let admits = allowed(entries).admits_address(&url, address.parse().unwrap());
            assert_eq!(admits, expected, "{entries:?} {url} {address}");
        };
        check(&["*"], "http://a.test/", "1.1.1.1", true);
        check(&["*"], "http://localhost/", "127.0.0.1", false);
        check(&["a.test"], "http://a.test/", "127.0.0.1", false);
        check(&["a.test"], "http://a.test/", "::ffff:10.0.0.1", false);
        check(
            &["a.test", "10.0.0.0/8"],
            "http://a.test/",
            "10.0.0.1",
            true,
        );
        check(
            &["a.test", "10.0.0.0/8"],
            "http://a.test/",
            "::ffff:10.0.0.1",
            true,
        );
        check(
            &["a.test:81", "10.0.0.1"],
            "http://a.test:81/",
            "10.0.0.1",
            false,
        );
        check(&["localhost:81"], "http://localhost:81/", "127.0.0.1", true);
        check(&["localhost:81"], "http://localhost:81/", "::1", true);
        check(&["localhost:81"], "http://localhost:81/", "10.0.0.1", false);
        check(
            &["localhost:81", "*:81"],
            "http://a.test:81/",
            "127.0.0.1",
            false,
        );
    }

    #[test]
    fn an_entry_that_can_never_match_is_refused() {
        for (text, why) in [
            ("", "names no host"),
            ("*.", "names no host"),
            ("https://", "names no host"),
            ("ftp://a.test", "scheme \"ftp\""),
            ("https://a.test/", "has a path"),
            ("a.test/x", "has a path"),
            ("a.*.test", "has a *"),
            ("*a.test", "has a *"),
            ("a.test:0", "port \"0\""),
            ("a.test:99999", "port \"99999\""),
            ("a.test:+80", "port \"+80\""),
            ("a.test:", "port \"\""),
            ("::1", "brackets"),
            ("[::1", "opens a bracket"),
            ("[::1]80", "after the bracket"),
            ("[127.0.0.1]", "no IPv6 address"),
            ("127.1", "is sent as 127.0.0.1"),
            ("0x7f000001", "is sent as 127.0.0.1"),
            ("bücher.test", "is sent as xn--bcher-kva.test"),
            ("user@a.test", "not the name of a host"),
            ("a b.test", "not the name of a host"),
            ("a..test", "not the name of a host"),
            ("10.0.0.0/33", "has a path"),
        ] {
            let refused = Allowed::default().add(text).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
