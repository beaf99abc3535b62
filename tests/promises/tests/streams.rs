//! Do bodies flow in both directions, without being held whole?

use std::time::Duration;

use promises::{Abide, Connection, Protocol, Site, until};

/// Far more than the buffers of a connection, far less than what a server that does
/// not wait for the reader would take in the same time.
const HELD_BYTES_MAX: u64 = 24_000_000;

/// Waits until the object's endless stream rests, and says how much was taken of it.
async fn written_at_rest(abide: &Abide, object: &str) -> u64 {
    let mut before = u64::MAX;
    loop {
        let now = abide
            .get(&format!("/fixture/{object}/written"))
            .await
            .number();
        assert!(
            now < HELD_BYTES_MAX,
            "the host took {now} bytes that nobody read"
        );
        if now == before {
            return now;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_object_s_stream() {
    let abide = Site::fixture("").serve();
    let resident_bytes = abide.resident_bytes();
    let mut reader = Connection::to(&abide).await;
    reader
        .send("GET /fixture/a/endless HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    reader.read_until("\r\n\r\n").await;
    let rested = written_at_rest(&abide, "a").await;
    let grown = abide.resident_bytes().saturating_sub(resident_bytes);
    assert!(grown < 2 * HELD_BYTES_MAX, "the host holds {grown} bytes");
    // It goes on when the client does.
    let before: usize = rested as usize + 4_000_000;
    let mut read = 0;
    while read < before {
        read += reader.read_within(Duration::from_secs(10)).await.len();
    }
    assert!(abide.get("/fixture/a/written").await.number() > rested);
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_object_s_stream_over_http2_too() {
    let abide = Site::fixture("").serve();
    let mut stream = abide
        .open_with(
            Protocol::Http2,
            "GET",
            "/fixture/a/endless",
            promises::whole(""),
        )
        .await;
    let rested = written_at_rest(&abide, "a").await;
    stream
        .read(rested as usize + 4_000_000)
        .await
        .expect("the stream goes on");
    assert!(abide.get("/fixture/a/written").await.number() > rested);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_object_s_stream() {
    let abide = Site::forgetful("[limits]\nidle_timeout_ms = 100").serve();
    let mut stream = abide.open("/fixture/a/endless").await;
    stream.read(1_000_000).await.expect("a stream");
    drop(stream);
    // Nothing is left to do for the object, so it falls asleep.
    until("the object has left", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        abide.get("/fixture/a/events").await.number() == 1
    })
    .await;
}

#[tokio::test]
async fn an_object_that_does_not_read_stops_the_client() {
    let abide = Site::fixture("").serve();
    let resident_bytes = abide.resident_bytes();
    let mut writer = Connection::to(&abide).await;
    writer
        .send("POST /fixture/a/hold HTTP/1.1\r\nhost: x\r\ncontent-length: 90000000\r\n\r\n")
        .await;
    let mut sent = 0u64;
    let chunk = vec![b'x'; 65_536];
    while tokio::time::timeout(Duration::from_millis(500), writer.send(&chunk))
        .await
        .is_ok()
    {
        sent += chunk.len() as u64;
        assert!(
            sent < HELD_BYTES_MAX,
            "the host took {sent} bytes that nobody read"
        );
    }
    let grown = abide.resident_bytes().saturating_sub(resident_bytes);
    assert!(grown < 2 * HELD_BYTES_MAX, "the host holds {grown} bytes");
    assert_eq!(abide.get("/fixture/a/release").await.ok(), "released");
}

#[tokio::test]
async fn a_body_that_the_object_ignores_does_not_hurt() {
    let abide = Site::fixture("").serve();
    for _ in 0..3 {
        let answer = abide
            .post("/fixture/a/ignore-body", vec![b'x'; 3_000_000])
            .await;
        assert_eq!(answer.ok(), "ignored");
    }
    assert_eq!(abide.get("/fixture/a/events").await.number(), 4);
}

#[tokio::test]
async fn a_body_arrives_whole_whatever_its_size() {
    let abide = Site::fixture("").serve();
    for bytes in [
        0usize, 1, 1000, 65_535, 65_536, 65_537, 1_000_000, 20_000_000,
    ] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let body = vec![b'x'; bytes];
            let answer = abide
                .ask(
                    protocol,
                    "POST",
                    "/fixture/a/length",
                    promises::whole(body.clone()),
                )
                .await;
            assert_eq!(answer.expect("an answer").number(), bytes as u64);
            let echo = abide
                .ask(
                    protocol,
                    "POST",
                    "/fixture/a/echo",
                    promises::whole(body.clone()),
                )
                .await;
            assert!(
                echo.expect("an answer").body == body,
                "the echo of {bytes} bytes over {protocol:?}"
            );
        }
        let answer = abide.get(&format!("/fixture/a/bytes?bytes={bytes}")).await;
        assert_eq!(answer.body.len(), bytes);
    }
}

#[tokio::test]
async fn chunks_leave_as_they_are_written() {
    let abide = Site::fixture("").serve();
    // The second chunk is a minute away, so the first has not waited for it.
    let mut stream = abide.open("/fixture/a/stream?chunks=2&ms=60000").await;
    assert_eq!(stream.read(2).await.expect("a chunk"), b"1\n");
}

#[tokio::test]
async fn a_stream_that_breaks_off_does_not_look_complete() {
    let abide = Site::fixture("").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let path = "/fixture/a/stream-then-trap?chunks=3";
        let answer = abide.ask(protocol, "GET", path, promises::whole("")).await;
        assert!(
            answer.is_err(),
            "{protocol:?}: the client took {answer:?} for the whole"
        );
    }
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
}

#[tokio::test]
async fn what_was_said_before_a_stream_breaks_off_arrives() {
    let abide = Site::fixture("").serve();
    for (path, said) in [
        ("exactly?header=content-length:0&chunks=hello", ""),
        ("exactly?header=content-length:9&chunks=he|llo", "hello"),
        ("stream-then-trap?chunks=0", ""),
        ("stream-then-trap?chunks=2", "1\n2\n"),
    ] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            for n in 0..10 {
                let path = format!("/fixture/{n}/{path}");
                let opened = abide.open_with(protocol, "GET", &path, promises::whole(""));
                let mut stream = opened.await;
                assert_eq!(stream.status, 200, "{protocol:?} {path}");
                let mut bytes = Vec::new();
                let ended = loop {
                    match stream.next().await {
                        Ok(Some(more)) => bytes.extend(more),
                        ended => break ended,
                    }
                };
                assert!(ended.is_err(), "{protocol:?} {path} looks whole");
                let found = String::from_utf8_lossy(&bytes);
                assert_eq!(found, said, "{protocol:?} {path}");
            }
        }
    }
}

/// Where many do so at once, what they said waits for its turn to be sent.
#[tokio::test]
async fn what_was_said_before_many_streams_break_off_at_once_arrives_over_http2() {
    let abide = Site::fixture("").serve();
    let broken = async |n: usize| {
        let path = format!("/fixture/{n}/exactly?header=content-length:9&chunks=he|llo");
        let sent = abide.open_with(Protocol::Http2, "GET", &path, promises::whole(""));
        let mut stream = sent.await;
        assert_eq!(stream.status, 200);
        assert_eq!(stream.read(5).await.expect("it was said"), b"hello");
        assert!(stream.next().await.is_err(), "it looks whole");
    };
    for _ in 0..5 {
        futures::future::join_all((0..100).map(&broken)).await;
    }
}

#[tokio::test]
async fn a_request_body_that_breaks_off_ends_the_object_s_stream() {
    let abide = Site::forgetful("[limits]\nidle_timeout_ms = 100").serve();
    let mut writer = Connection::to(&abide).await;
    writer
        .send("POST /fixture/a/length HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nabc")
        .await;
    until("the event runs", async || {
        abide.get("/fixture/a/events").await.number() > 1
    })
    .await;
    drop(writer);
    until("the object has left", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        abide.get("/fixture/a/events").await.number() == 1
    })
    .await;
}

#[tokio::test]
async fn many_streams_of_one_object_flow_at_once() {
    let abide = Site::fixture("").serve();
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(
            abide
                .open_with_body(Protocol::Http2, "/fixture/a/echo")
                .await,
        );
    }
    for (sender, stream) in &mut streams {
        for round in 0..3 {
            let chunk = format!("chunk {round}");
            sender.send(chunk.clone()).await.expect("the body is read");
            assert_eq!(
                stream.read(chunk.len()).await.expect("an echo"),
                chunk.as_bytes()
            );
        }
    }
}
