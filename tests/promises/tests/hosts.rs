//! Does an object see the address that was routed, and nothing that a client made up?

use promises::frames::{Frames, RST_STREAM};
use promises::{Abide, Connection, Site};

async fn ask(abide: &Abide, target: &str, fields: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nconnection: close\r\n{fields}\r\n");
    Connection::exchange(abide, request).await
}

#[tokio::test]
async fn a_request_names_one_valid_host() {
    let abide = Site::fixture("").serve();
    for fields in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a\r\nHost: b\r\n",
        "host: a/b?x\r\n",
        "host: a#b\r\n",
        "host: a b\r\n",
        "host:\r\n",
        "host: [::1\r\n",
        "host: a:b:c\r\n",
        "host: <script>\r\n",
        "host: a\tb\r\n",
        "host: user@a\r\n",
        "host: user:secret@a\r\n",
        "host: caf\u{e9}\r\n",
        "host: a%2fb\r\n",
        "host: 1.2.3.4.5\r\n",
        "host: a:99999\r\n",
    ] {
        let answer = ask(&abide, "/fixture/a/events", fields).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{fields:?}: {answer}");
    }
    for host in ["a", "a.test:81", "[::1]:8080", "127.0.0.1", "A_b-c.test."] {
        let answer = ask(&abide, "/fixture/a/url?q", &format!("host: {host}\r\n")).await;
        let host = host.to_ascii_lowercase();
        let url = format!("\r\n\r\nhttp://{host}/fixture/a/url?q");
        assert!(answer.ends_with(&url), "{host}: {answer}");
    }
    assert_eq!(abide.get("/fixture/a/events").await.number(), 6);
}

#[tokio::test]
async fn an_absolute_target_counts_more_than_the_header() {
    let abide = Site::fixture("").serve();
    let target = "http://b.test/fixture/a/request-headers";
    let answer = ask(&abide, target, "host: a.test\r\n").await;
    assert!(answer.ends_with("\r\n\r\nhost: b.test\n"), "{answer}");
    let answer = ask(&abide, "HTTPS://b.test/fixture/a/url", "host: b.test\r\n").await;
    let url = "\r\n\r\nhttp://b.test/fixture/a/url";
    assert!(
        answer.ends_with(url),
        "the connection is not encrypted: {answer}"
    );
    for target in [
        "http://user@b.test/fixture/a/url",
        "ftp://b.test/fixture/a/url",
        "http:///fixture/a/url",
    ] {
        let answer = ask(&abide, target, "host: b.test\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{target}: {answer}");
    }
    let answer = ask(&abide, "http://b.test/fixture/a/url", "").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_path_that_others_would_read_otherwise_is_refused() {
    let abide = Site::fixture("").serve();
    for path in [
        "/fixture/a/../b/events",
        "/fixture/a/./events",
        "/fixture/a/%2e%2E/b/events",
        "/fixture/a/..",
        "/fixture/a\\b/events",
    ] {
        let answer = ask(&abide, path, "host: x\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    let answer = ask(&abide, "/fixture/a/.hidden/..b/url", "host: x\r\n").await;
    assert!(
        answer.ends_with("http://x/fixture/a/.hidden/..b/url"),
        "{answer}"
    );
}

#[tokio::test]
async fn hosts_are_checked_over_http2_too() {
    let abide = Site::fixture("").serve();
    for (authority, host) in [("a.test", "b.test"), ("user@a.test", ""), ("a..b", "")] {
        let mut frames = Frames::to(&abide, &[]).await;
        let mut pairs = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", authority),
            (":path", "/fixture/a/events"),
        ];
        if !host.is_empty() {
            pairs.push(("host", host));
        }
        let fields = promises::frames::fields(&pairs);
        frames.send(promises::frames::frame(1, 5, 1, &fields)).await;
        let answer = frames.stream(1).await;
        let text = answer.iter().flat_map(|frame| frame.payload.clone());
        let text = String::from_utf8_lossy(&text.collect::<Vec<_>>()).into_owned();
        let is_reset = answer.last().is_some_and(|frame| frame.kind == RST_STREAM);
        assert!(
            is_reset || text.contains("host"),
            "{authority} {host}: {answer:?}"
        );
    }
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
}

const FORWARDED: &str = "host: inner.test\r\nx-forwarded-for: 6.6.6.6, 1.2.3.4\r\n\
    x-forwarded-proto: https\r\nx-forwarded-host: outer.test\r\nx-real-ip: 1.2.3.4\r\n";

#[tokio::test]
async fn a_stranger_does_not_say_whence_it_comes() {
    let abide = Site::fixture("[server]\ntrusted_proxies = [\"10.0.0.0/8\"]").serve();
    let fields = format!("{FORWARDED}forwarded: proto=https\r\n");
    let answer = ask(&abide, "/fixture/a/request-headers", &fields).await;
    assert!(answer.ends_with("\r\n\r\nhost: inner.test\n"), "{answer}");
    let answer = ask(&abide, "/fixture/a/url", &fields).await;
    assert!(
        answer.ends_with("http://inner.test/fixture/a/url"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_proxy_that_is_named_says_how_it_was_reached() {
    let abide = Site::fixture("[server]\ntrusted_proxies = [\"127.0.0.1\"]").serve();
    let answer = ask(&abide, "/fixture/a/url", FORWARDED).await;
    assert!(
        answer.ends_with("https://outer.test/fixture/a/url"),
        "{answer}"
    );
    let answer = ask(&abide, "/fixture/a/request-headers", FORWARDED).await;
    let seen = "\r\n\r\nhost: outer.test\nx-forwarded-for: 1.2.3.4\nx-forwarded-proto: https\n\
        x-forwarded-host: outer.test\nx-real-ip: 1.2.3.4\n";
    assert!(answer.ends_with(seen), "{answer}");
}
