//! Is it always clear where a message ends, and is a broken one never taken for whole?

use promises::frames::{self, DATA, END_STREAM, Frames, HEADERS, RST_STREAM};
use promises::{Abide, Connection, Protocol, Site, until, whole};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

/// Asks for this and then for something else on the same connection of HTTP/1.1;
/// gives what came before the second answer, which must be in its place.
async fn first_of_two(abide: &Abide, request: &str) -> String {
    let mut connection = Connection::to(abide).await;
    connection.send(request).await;
    connection
        .send("GET /fixture/mark/name HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let all = connection.rest().await;
    let (first, second) = all
        .rsplit_once("HTTP/1.1 200 OK")
        .unwrap_or_else(|| panic!("no second answer: {all}"));
    assert!(second.ends_with("\r\n\r\nmark"), "{all}");
    first.to_string()
}

#[tokio::test]
async fn the_length_of_bytes_is_the_server_s_to_say() {
    let abide = Site::fixture("").serve();
    for claim in [
        "content-length:2",
        "content-length:10",
        "content-length:0",
        "content-length:abc",
        "content-length:-5",
        "content-length:+5",
        "content-length:5,%205",
        "content-length:5|content-length:7",
        "Content-Length:3",
        "transfer-encoding:chunked",
        "transfer-encoding:identity|content-length:1",
    ] {
        let path = format!("/fixture/a/exactly?header={claim}&body=hello");
        let answer = first_of_two(&abide, &get(&path)).await;
        assert!(
            answer.contains("content-length: 5\r\n"),
            "{claim}: {answer}"
        );
        assert!(answer.ends_with("\r\n\r\nhello"), "{claim}: {answer}");
        assert_eq!(
            answer.matches("content-length").count(),
            1,
            "{claim}: {answer}"
        );
        assert!(!answer.contains("transfer-encoding"), "{claim}: {answer}");
        let answer = abide.ask(Protocol::Http2, "GET", &path, whole("")).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.ok(), "hello", "{claim}");
        assert_eq!(answer.header("content-length"), Some("5"), "{claim}");
    }
}

#[tokio::test]
async fn an_object_cannot_forge_a_second_answer() {
    let abide = Site::fixture("").serve();
    let forged = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    let request = format!(
        "POST /fixture/a/echo-of-headers?body={} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
        forged.replace(' ', "%20").replace("\r\n", "~")
    );
    let answer = first_of_two(&abide, &request).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 1, "{answer}");
    assert!(!answer.contains("content-length: 3"), "{answer}");
}

#[tokio::test]
async fn a_stream_keeps_the_length_that_it_promises_or_breaks() {
    let abide = Site::fixture("").serve();
    let cases = [
        ("content-length:5", "he|llo", Some("hello")),
        ("content-length:5|content-length:5", "hello", Some("hello")),
        ("", "he|llo", Some("hello")),
        ("content-length:6", "he|llo", None),
        ("content-length:4", "he|llo", None),
        // The border lies between two chunks.
        ("content-length:2", "he|llo", None),
        ("content-length:0", "he|llo", None),
    ];
    for (claim, chunks, expected) in cases {
        let path = format!("/fixture/a/exactly?header={claim}&chunks={chunks}");
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let answer = abide.ask(protocol, "GET", &path, whole("")).await;
            match (answer, expected) {
                (Ok(answer), Some(expected)) => assert_eq!(answer.ok(), expected),
                (Err(_), None) => {}
                (answer, _) => panic!("{protocol:?} {claim} {chunks}: {answer:?}"),
            }
        }
    }
    for nonsense in ["abc", "-1", "5,%205", "5|content-length:7"] {
        let path = format!("/fixture/a/exactly?header=content-length:{nonsense}&chunks=hello");
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let answer = abide.ask(protocol, "GET", &path, whole("")).await;
            answer
                .expect("an answer")
                .is_error("exception", "content-length");
        }
    }
    abide.says("content-length promised").await;
}

#[tokio::test]
async fn an_object_that_echoes_headers_answers() {
    let abide = Site::fixture("").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let path = "/fixture/a/echo-of-headers?body=other";
        let answer = abide.ask(protocol, "POST", path, whole("some body")).await;
        assert_eq!(answer.expect("an answer").ok(), "other", "{protocol:?}");
    }
}

#[tokio::test]
async fn an_answer_that_has_no_body_has_none() {
    let abide = Site::fixture("").serve();
    for status in [204, 205, 304] {
        for body in ["body=hello", "chunks=he|llo"] {
            let path = format!("/fixture/a/exactly?status={status}&{body}&header=content-length:5");
            let answer = first_of_two(&abide, &get(&path)).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
            if status == 204 {
                assert!(!answer.contains("content-length"), "{answer}");
            }
            has_no_data(&abide, "GET", &path).await;
        }
    }
}

#[tokio::test]
async fn a_head_is_told_the_length_and_gets_no_body() {
    let abide = Site::fixture("").serve();
    let cases = [
        ("/fixture/a/exactly?body=hello", Some("5")),
        (
            "/fixture/a/exactly?body=hello&header=content-length:7",
            Some("5"),
        ),
        ("/fixture/a/exactly?header=content-length:7", Some("7")),
        ("/fixture/a/exactly?header=content-length:nonsense", None),
        ("/fixture/a/exactly?chunks=he|llo", None),
        (
            "/fixture/a/exactly?chunks=he|llo&header=content-length:5",
            Some("5"),
        ),
        ("/unknown/a/x", Some("43")),
    ];
    for (path, length) in cases {
        let request = format!("HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = first_of_two(&abide, &request).await;
        assert!(answer.ends_with("\r\n\r\n"), "{path}: {answer}");
        let line = length.map(|length| format!("content-length: {length}\r\n"));
        match line {
            Some(line) => assert!(answer.contains(&line), "{path}: {answer}"),
            None => assert!(!answer.contains("content-length"), "{path}: {answer}"),
        }
        has_no_data(&abide, "HEAD", path).await;
        let answer = abide.ask(Protocol::Http2, "HEAD", path, whole("")).await;
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(answer.header("content-length"), length, "{path}");
    }
}

/// Over HTTP/2, the answer is one frame of headers, which ends the stream.
async fn has_no_data(abide: &Abide, method: &str, path: &str) {
    let mut frames = Frames::to(abide, &[]).await;
    frames.ask(1, method, path, &[], true).await;
    let answer = frames.stream(1).await;
    assert_eq!(answer.len(), 1, "{method} {path}: {answer:?}");
    assert_eq!(answer[0].kind, HEADERS, "{method} {path}: {answer:?}");
}

#[tokio::test]
async fn fields_of_the_connection_pass_in_neither_direction() {
    let abide = Site::fixture("").serve();
    let request = "GET /fixture/a/request-headers HTTP/1.1\r\nhost: x\r\n\
        connection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: 9\r\nte: trailers\r\ntrailer: y\r\n\
        proxy-connection: z\r\nproxy-authorization: secret\r\nupgrade: h2c\r\nx-end: to-end\r\n\r\n";
    let answer = Connection::exchange(&abide, request).await;
    let (_, seen) = answer.split_once("\r\n\r\n").expect("a head");
    assert_eq!(seen, "host: x\nx-end: to-end\n");

    let path = "/fixture/a/exactly?body=x&header=connection:x-hop|x-hop:1|keep-alive:9|te:y|\
        trailer:z|proxy-connection:a|upgrade:b|proxy-authenticate:c|abide-error:reset|x-end:to-end";
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = abide.ask(protocol, "GET", path, whole("")).await;
        let answer = answer.expect("an answer");
        let mut names: Vec<_> = answer.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "date", "x-end"], "{protocol:?}");
    }
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_the_object_s_error() {
    let abide = Site::fixture("").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for (count, bytes) in [
            (1_001, 1),
            (24_576, 1),
            (100_000, 1),
            (1, 300_000),
            (900, 300),
        ] {
            let path = format!("/fixture/a/headers?count={count}&bytes={bytes}");
            let answer = abide.ask(protocol, "GET", &path, whole("")).await;
            answer.expect("an answer").is_error("exception", "headers");
        }
    }
    assert_eq!(
        abide
            .get("/fixture/a/headers?count=90&bytes=2000")
            .await
            .status,
        200
    );
    until("the log says why", async || {
        let log = abide.log();
        log.contains("1001 headers") && log.contains("response_header_bytes_max")
    })
    .await;
}

#[tokio::test]
async fn what_http2_splits_is_joined_and_both_versions_look_the_same() {
    let abide = Site::fixture("").serve();
    let mut frames = Frames::to(&abide, &[]).await;
    let more = [
        ("cookie", "a=1"),
        ("x-one", "1"),
        ("cookie", "b=2"),
        ("content-length", "3"),
    ];
    frames
        .ask(1, "POST", "/fixture/a/request-headers", &more, false)
        .await;
    frames
        .send(frames::frame(DATA, END_STREAM, 1, b"abc"))
        .await;
    let answer = frames.stream(1).await;
    let data = answer.iter().filter(|frame| frame.kind == DATA);
    let over_http2: Vec<u8> = data.flat_map(|frame| frame.payload.clone()).collect();
    let request = "POST /fixture/a/request-headers HTTP/1.1\r\nhost: frames.test\r\ncookie: a=1; b=2\r\n\
        x-one: 1\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc";
    let over_http1 = Connection::exchange(&abide, request).await;
    let (_, over_http1) = over_http1.split_once("\r\n\r\n").expect("a head");
    assert_eq!(String::from_utf8_lossy(&over_http2), over_http1);
    assert_eq!(
        over_http1,
        "host: frames.test\ncookie: a=1; b=2\nx-one: 1\ncontent-length: 3\n"
    );
}

#[tokio::test]
async fn a_malformed_body_is_never_a_success() {
    let abide = Site::fixture("").serve();
    let head = |route: &str| {
        format!(
            "POST /fixture/a/{route} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )
    };
    for rest in [
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "zz\r\n",
        "\r\n",
    ] {
        let answer = Connection::exchange(&abide, head("length") + rest).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{rest:?}: {answer}");
        // An object that streams its answer had begun it.
        let answer = Connection::exchange(&abide, head("echo") + rest).await;
        let is_whole = answer.starts_with("HTTP/1.1 200") && answer.ends_with("0\r\n\r\n");
        assert!(!is_whole, "{rest:?}: {answer}");
    }
    abide.says("the request's body broke off").await;
}

#[tokio::test]
async fn a_body_that_ends_early_is_never_a_success() {
    let abide = Site::fixture("").serve();
    for (framing, body) in [
        ("content-length: 10", "abc"),
        ("content-length: 100000", "abc"),
        ("transfer-encoding: chunked", "3\r\nabc\r\n"),
        ("transfer-encoding: chunked", "3\r\nab"),
    ] {
        let mut connection = Connection::to(&abide).await;
        let request =
            format!("POST /fixture/a/length HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n{body}");
        connection.send(request).await;
        connection.close_sending().await;
        let answer = connection.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{framing}: {answer}");
    }
    // A length that is no length of what came, over HTTP/2.
    for data in [&b"ab"[..], b"abcd"] {
        let mut frames = Frames::to(&abide, &[]).await;
        frames
            .ask(
                1,
                "POST",
                "/fixture/a/length",
                &[("content-length", "3")],
                false,
            )
            .await;
        frames.send(frames::frame(DATA, END_STREAM, 1, data)).await;
        let answer = frames.stream(1).await;
        assert_eq!(
            answer.last().map(|frame| frame.kind),
            Some(RST_STREAM),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn transfer_codings_that_nobody_understands_are_refused() {
    let abide = Site::fixture("").serve();
    for coding in [
        "gzip, chunked",
        "chunked, chunked",
        "gzip\r\ntransfer-encoding: chunked",
    ] {
        let request = format!(
            "POST /fixture/a/length HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             transfer-encoding: {coding}\r\n\r\n0\r\n\r\n"
        );
        let answer = Connection::exchange(&abide, request).await;
        assert!(answer.starts_with("HTTP/1.1 501"), "{coding}: {answer}");
    }
    let answer = Connection::exchange(
        &abide,
        "CONNECT a.test:80 HTTP/1.1\r\nhost: a.test:80\r\nconnection: close\r\n\r\n",
    );
    assert!(answer.await.starts_with("HTTP/1.1 501"));
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_asked_only_if_somebody_wants_its_body() {
    let abide = Site::fixture("").serve();
    for bytes in [3, 1_000_000] {
        let request = |route: &str| {
            format!(
                "POST /fixture/a/{route} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\
                 content-length: {bytes}\r\n\r\n"
            )
        };
        let answer = Connection::exchange(&abide, request("refuse-unread")).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        let mut connection = Connection::to(&abide).await;
        connection.send(request("length")).await;
        connection.read_until("HTTP/1.1 100 Continue\r\n\r\n").await;
        connection.send(vec![b'x'; bytes]).await;
        connection.read_until(&format!("\r\n\r\n{bytes}")).await;
    }
}
