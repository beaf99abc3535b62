//! Does the server speak HTTP as clients expect?

use std::time::Duration;

use promises::{Connection, Protocol, Site, whole};

#[tokio::test]
async fn the_object_sees_the_request_as_the_client_made_it() {
    let abide = Site::fixture("").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let url = abide
            .ask(protocol, "GET", "/fixture/a%20b/url?q=%20x&y", whole(""))
            .await
            .expect("an answer");
        assert_eq!(
            url.ok(),
            format!("http://{}/fixture/a%20b/url?q=%20x&y", abide.address())
        );
        for method in ["GET", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
            let answer = abide
                .ask(protocol, method, "/fixture/a/method", whole(""))
                .await
                .expect("an answer");
            assert_eq!(answer.ok(), method);
        }
    }
}

#[tokio::test]
async fn text_in_a_target_is_encoded_as_in_urls() {
    let site =
        Site::fixture("[[routes]]\npath = \"/r%C3%A4ume/{name}/{*rest}\"\nclass = \"fixture\"");
    let abide = site.serve();
    let check = async |sent: &str, expected: &str| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let answer = abide.ask(protocol, "GET", sent, whole("")).await;
            assert_eq!(answer.expect("an answer").ok(), expected, "{protocol:?}");
        }
    };
    let url = |rest: &str| format!("http://{}{rest}", abide.address());
    let valid = url("/fixture/%C3%A4/url?%C3%B6=%F0%9F%98%80'");
    check("/fixture/ä/url?ö=😀'", &valid).await;
    check("/fixture/%C3%A4/url?%C3%B6=%F0%9F%98%80'", &valid).await;
    check("/fixture/ä/name", "ä").await;
    check("/räume/ä/url", &url("/r%C3%A4ume/%C3%A4/url")).await;
    check("/räume/\"{x}\"/name", "\"{x}\"").await;

    let curl = |version: &str| {
        let mut command = std::process::Command::new("curl");
        command.args(["-s", "-m", "20", version, &url("/fixture/ä/url?ö=😀'")]);
        let output = command.output().expect("curl is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        // curl encodes too, in small letters.
        let answer = curl(version);
        assert!(answer.eq_ignore_ascii_case(&valid), "{version}: {answer}");
    }
    let broken = [
        &b"GET /fixture/\xff/url HTTP/1.1\r\nhost: x\r\n"[..],
        b"connection: close\r\n\r\n",
    ];
    let answer = Connection::exchange(&abide, broken.concat()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn headers_pass_as_they_are_repeated_ones_too() {
    let abide = Site::fixture("").serve();
    let mut request =
        b"GET /fixture/a/request-headers HTTP/1.1\r\nHost: example.com:80\r\nconnection: close\r\n"
            .to_vec();
    request.extend(b"X-One: 1\r\nx-one: 2\r\nx-bytes: caf\xe9\r\n\r\n");
    let answer = Connection::exchange(&abide, request).await;
    assert!(answer.contains("x-one: 1\nx-one: 2\n"), "{answer}");
    assert!(answer.contains("x-bytes: caf"), "{answer}");
    assert!(answer.contains("host: example.com:80"), "{answer}");
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let abide = Site::fixture("").serve();
    let mut connection = Connection::to(&abide).await;
    for n in 1..=5 {
        connection
            .send("GET /fixture/a/events HTTP/1.1\r\nhost: x\r\n\r\n")
            .await;
        connection.read_until(&format!("\r\n\r\n{n}")).await;
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_is_served_and_let_go() {
    let abide = Site::fixture("").serve();
    let answer =
        Connection::exchange(&abide, "GET /fixture/a/stream?chunks=3 HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n1\n2\n3\n"), "{answer}");
}

#[tokio::test]
async fn a_head_request_gets_a_head() {
    let abide = Site::fixture("").serve();
    let request = "HEAD /fixture/a/bytes?bytes=5 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = Connection::exchange(&abide, request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_a_body_is_told_to() {
    let abide = Site::fixture("").serve();
    let mut connection = Connection::to(&abide).await;
    let head = "POST /fixture/a/length HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n";
    connection.send(head).await;
    connection.read_until("HTTP/1.1 100 Continue").await;
    connection.send("abc").await;
    connection.read_until("\r\n\r\n3").await;
}

#[tokio::test]
async fn many_requests_share_one_http2_connection() {
    let abide = Site::fixture("").serve();
    let asks = (0..200).map(|n| {
        let client = abide.client();
        async move {
            client
                .ask(
                    Protocol::Http2,
                    "GET",
                    &format!("/fixture/o{}/add", n % 10),
                    whole(""),
                )
                .await
        }
    });
    for answer in futures::future::join_all(asks).await {
        assert!(answer.expect("an answer").number() <= 20);
    }
    assert_eq!(abide.get("/fixture/o0/read").await.number(), 20);
}

#[tokio::test]
async fn routes_of_the_configuration_come_first() {
    let site = Site::fixture(
        "[[routes]]\nhost = \"rooms.example\"\npath = \"/{name}/{*rest}\"\nclass = \"fixture\"\n\
         [[routes]]\npath = \"/by-id/{id}/{*rest}\"\nclass = \"fixture\"",
    );
    let abide = site.serve();
    let get = |host: &str, path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
    };
    let answer = Connection::exchange(&abide, get("rooms.example:8080", "/lobby/name")).await;
    assert!(answer.ends_with("\r\n\r\nlobby"), "{answer}");
    let answer = Connection::exchange(&abide, get("other.example", "/lobby/name")).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    let id = abide.get("/fixture/lobby/id").await.ok();
    assert_eq!(abide.get(&format!("/by-id/{id}/id")).await.ok(), id);
}

#[tokio::test]
async fn clients_learn_what_went_wrong_in_an_object_only_when_they_may() {
    let site = Site::fixture("");
    let shown = std::fs::read_to_string(site.config()).expect("the configuration");
    site.configure(&shown.replace("show_errors = true", "show_errors = false"));
    let abide = site.serve();
    let failed = abide.get("/fixture/a/fail?message=secret").await;
    failed.is_error("exception", "");
    assert!(!failed.text().contains("secret"), "{failed:?}");
    let aborted = abide.get("/fixture/a/write-then-abort?reason=secret").await;
    aborted.is_error("reset", "");
    assert!(!aborted.text().contains("secret"), "{aborted:?}");
    assert!(!aborted.text().is_empty(), "{aborted:?}");
}

#[tokio::test]
async fn an_answer_that_http_forbids_is_an_error_of_the_object() {
    let abide = Site::fixture("").serve();
    for status in [0, 99, 100, 101, 199, 600, 999, 65_535] {
        let answer = abide
            .get(&format!("/fixture/a/bad-status?status={status}"))
            .await;
        answer.is_error("exception", &status.to_string());
    }
    for status in [200, 204, 304, 404, 599] {
        assert_eq!(
            abide
                .get(&format!("/fixture/a/bad-status?status={status}"))
                .await
                .status,
            status
        );
    }
    abide
        .get("/fixture/a/bad-header")
        .await
        .is_error("exception", "header");
    assert!(
        abide.get("/fixture/a/events").await.number() > 5,
        "the instance lives on"
    );
}

#[tokio::test]
async fn large_headers_of_an_object_pass() {
    let abide = Site::fixture("").serve();
    let answer = abide.get("/fixture/a/headers?count=50&bytes=2000").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-49").map(str::len), Some(2000));
}

#[tokio::test]
async fn a_client_that_says_nothing_keeps_nobody_waiting() {
    let abide = Site::fixture("").serve();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(Connection::to(&abide).await);
    }
    silent[0].send("GET /fixture/a/ev").await;
    assert_eq!(silent[0].read_within(Duration::from_millis(100)).await, "");
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
}
