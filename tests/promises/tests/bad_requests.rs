//! What does the server say to requests that make no sense?

use promises::{Abide, Connection, Protocol, Site, whole};

/// Checks the status of an answer of the server itself, and what its text names.
async fn check(abide: &Abide, path: &str, status: u16, parts: &[&str]) {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = abide
            .ask(protocol, "GET", path, whole(""))
            .await
            .expect("an answer");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(
            answer
                .header("content-type")
                .is_some_and(|is| is.starts_with("text/plain")),
            "{path}: {answer:?}"
        );
        for part in parts {
            assert!(
                answer.text().contains(part),
                "{path}: no {part:?} in {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_class_or_route_is_named() {
    let abide = Site::fixture("").serve();
    check(&abide, "/", 404, &["/<class>/<name>"]).await;
    check(&abide, "/fixture", 404, &["/fixture"]).await;
    check(&abide, "/unknown/a/events", 404, &["unknown", "fixture"]).await;
    check(&abide, "/Fixture/a/events", 404, &["Fixture"]).await;
    check(&abide, "//a/events", 404, &[]).await;
}

#[tokio::test]
async fn a_malformed_name_is_refused() {
    let abide = Site::fixture("").serve();
    for name in ["%zz", "%", "%4", "a%ffb", "%c3%28", "%ed%a0%80"] {
        check(&abide, &format!("/fixture/{name}/events"), 400, &[name]).await;
    }
}

#[tokio::test]
async fn a_malformed_id_is_refused() {
    let abide = Site::fixture("").serve();
    let id = abide.get("/fixture/a/id").await.ok();
    let malformed = "Invalid Durable Object ID: must be 64 hex digits";
    for text in [
        "",
        "12",
        &id[..63],
        &format!("{id}0"),
        &"g".repeat(64),
        &format!("{}%30", &id[..63]),
    ] {
        check(
            &abide,
            &format!("/fixture/id:{text}/events"),
            400,
            &[malformed],
        )
        .await;
    }
    let forged = "Durable Object ID is not valid for this namespace.";
    for text in [
        "0".repeat(64),
        format!("{}{}", &id[..63], if id.ends_with('0') { '1' } else { '0' }),
    ] {
        check(
            &abide,
            &format!("/fixture/id:{text}/events"),
            400,
            &[forged],
        )
        .await;
    }
}

#[tokio::test]
async fn an_id_of_another_class_is_refused() {
    let site = Site::fixture("");
    let config = std::fs::read_to_string(site.config()).expect("the configuration");
    let component = config.lines().last().expect("a component").to_string();
    site.configure(&format!("{config}\n[classes.other]\n{component}\n"));
    let abide = site.serve();
    let id = abide.get("/other/a/id").await.ok();
    assert_ne!(abide.get("/fixture/a/id").await.ok(), id);
    check(
        &abide,
        &format!("/fixture/id:{id}/events"),
        400,
        &["not valid for this namespace"],
    )
    .await;
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused() {
    let abide = Site::fixture("").serve();
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"GET /fixture/a/events\r\n\r\n",
        b"GET /fixture/a/events HTTP/9.9\r\n\r\n",
        b"GET /fixture/a/events HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /fixture/a/events HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /fixture/a/events HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /fixture/a/length HTTP/1.1\r\nhost: x\r\ntransfer-encoding: nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client that speaks TLS \r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
    ] {
        let answer = Connection::exchange(&abide, bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{:?}: {answer}", String::from_utf8_lossy(bytes));
    }
    let broken_preface =
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    Connection::exchange(&abide, broken_preface).await;
    assert_eq!(
        abide.get("/fixture/a/events").await.number(),
        1,
        "none of it reached the object"
    );
}

#[tokio::test]
async fn headers_over_their_limit_are_refused() {
    let abide = Site::fixture("[server]\nheader_bytes_max = 4096").serve();
    let request = |bytes: usize| {
        let value = "h".repeat(bytes);
        format!(
            "GET /fixture/a/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-large: {value}\r\n\r\n"
        )
    };
    assert!(
        Connection::exchange(&abide, request(3000))
            .await
            .starts_with("HTTP/1.1 200")
    );
    for bytes in [5000, 50_000] {
        let answer = Connection::exchange(&abide, request(bytes)).await;
        assert!(
            answer.starts_with("HTTP/1.1 431"),
            "{bytes} bytes: {answer}"
        );
    }
    // Past all reason the server may hang up while the client still sends.
    let answer = Connection::exchange(&abide, request(5_000_000)).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(abide.get("/fixture/a/events").await.number(), 2);
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_before_the_object_sees_it() {
    let abide = Site::fixture("[server]\nbody_bytes_max = 100000").serve();
    assert_eq!(
        abide
            .post("/fixture/a/length", vec![b'x'; 100_000])
            .await
            .number(),
        100_000
    );
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let refused = abide
            .ask(
                protocol,
                "POST",
                "/fixture/a/length",
                whole(vec![b'x'; 100_001]),
            )
            .await
            .expect("an answer");
        assert_eq!(refused.status, 413, "{refused:?}");
        assert!(refused.text().contains("100000"), "{refused:?}");
    }
    assert_eq!(abide.get("/fixture/a/events").await.number(), 2);
}

/// The length of such a body shows only when it is too late to keep it from the object.
#[tokio::test]
async fn a_chunked_body_over_its_limit_is_not_taken_for_a_whole_one() {
    let abide = Site::fixture("[server]\nbody_bytes_max = 100000").serve();
    let mut request =
        b"POST /fixture/a/length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for _ in 0..30 {
        request.extend(b"2000\r\n");
        request.extend([b'x'; 0x2000]);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    let answer = Connection::exchange(&abide, request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(abide.get("/fixture/a/events").await.number() >= 1);
}

#[tokio::test]
async fn a_body_of_endless_chunks_ends_at_the_limit() {
    let abide = Site::fixture("[server]\nbody_bytes_max = 1000000").serve();
    let (mut sender, body) = promises::chunks();
    let client = abide.client();
    let asked = tokio::spawn(async move {
        client
            .ask(Protocol::Http2, "POST", "/fixture/a/length", body)
            .await
    });
    let mut sent = 0;
    while sender.send(vec![b'x'; 50_000]).await.is_ok() {
        sent += 50_000;
        assert!(sent < 300_000_000, "the server takes a body without end");
    }
    if let Ok(answer) = asked.await.expect("no panic") {
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    assert_eq!(abide.get("/fixture/b/events").await.number(), 1);
}

/// `*` is the server as a whole (RFC 9112, 3.2.4), and no part of a URL.
#[tokio::test]
async fn a_target_that_is_no_path_reaches_nobody() {
    let behind = Site::configured(&format!(
        "data = \"data\"\n[classes.fixture]\ncomponent = {:?}\n[gateway]\ncomponent = {:?}\n",
        promises::fixture(),
        promises::gateway()
    ));
    for site in [Site::fixture(""), behind] {
        let abide = site.serve();
        let request = "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = Connection::exchange(&abide, request).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(answer.contains("means this server as a whole"), "{answer}");
    }
}
