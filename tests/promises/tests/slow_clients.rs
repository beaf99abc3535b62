//! What becomes of clients that are slow, silent, half gone or gone?

use std::time::{Duration, Instant};

use promises::frames::{self, DATA, END_STREAM, Frames, HEADERS, PREFACE, SETTINGS};
use promises::{Abide, Connection, DEADLINE, Protocol, Site, until, whole};

/// Short limits, so that a test need not wait.
const SHORT: &str = "[server]\nheader_timeout_ms = 300\nidle_timeout_ms = 700\n\
    body_timeout_ms = 400\nsend_timeout_ms = 500\n";

const REQUEST: &str = "GET /fixture/a/events HTTP/1.1\r\nhost: x\r\n\r\n";

/// Waits until the server closes, and says how long that took.
async fn closes(connection: &mut Connection) -> Duration {
    let begin = Instant::now();
    connection.rest().await;
    begin.elapsed()
}

#[tokio::test]
async fn a_client_that_does_not_finish_a_request_is_let_go() {
    let abide = Site::fixture(SHORT).serve();
    let settings = frames::frame(SETTINGS, 0, 0, &[]);
    let fields = frames::fields(&[(":method", "GET"), (":path", "/")]);
    let half_a_frame = &frames::frame(HEADERS, 5, 1, &fields)[..15];
    let no_end_of_headers = frames::frame(HEADERS, END_STREAM, 1, &fields);
    let beginnings: [&[&[u8]]; 9] = [
        &[],
        &[b"P"],
        &[b"G"],
        &[b"GET /fixture/a/events HTTP/1.1\r\nhost: x\r\n"],
        &[b"PRI * HTTP/2.0\r\n\r\nS"],
        &[PREFACE],
        &[PREFACE, &settings],
        &[PREFACE, &settings, half_a_frame],
        &[PREFACE, &settings, &no_end_of_headers],
    ];
    let abide = &abide;
    let waits = beginnings.iter().map(|parts| async move {
        let mut connection = Connection::to(abide).await;
        for part in *parts {
            connection.send(part).await;
        }
        let waited = closes(&mut connection).await;
        assert!(
            waited > Duration::from_millis(200),
            "{parts:?}: closed after {waited:?}"
        );
        assert!(waited < DEADLINE / 4, "{parts:?}: closed after {waited:?}");
    });
    futures::future::join_all(waits).await;
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
}

#[tokio::test]
async fn a_head_that_drips_is_not_waited_for() {
    let abide = Site::fixture(SHORT).serve();
    let mut connection = Connection::to(&abide).await;
    connection.send(REQUEST).await;
    connection.read_until("\r\n\r\n1").await;
    let begin = Instant::now();
    while connection.is_open().await {
        connection.send("G").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(
            begin.elapsed() < DEADLINE / 4,
            "the server waits for a head without end"
        );
    }
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let abide = Site::fixture(SHORT).serve();
    let mut connection = Connection::to(&abide).await;
    for n in 1..=3 {
        // Not idle long enough, in between.
        tokio::time::sleep(Duration::from_millis(100)).await;
        connection.send(REQUEST).await;
        connection.read_until(&format!("\r\n\r\n{n}")).await;
    }
    let waited = closes(&mut connection).await;
    assert!(
        waited > Duration::from_millis(500),
        "closed after {waited:?}"
    );

    let mut frames = Frames::to(&abide, &[]).await;
    frames.ask(1, "GET", "/fixture/a/events", &[], true).await;
    frames.stream(1).await;
    let begin = Instant::now();
    frames.until_closed().await;
    assert!(begin.elapsed() > Duration::from_millis(500));
}

#[tokio::test]
async fn a_request_that_takes_its_time_is_not_cut_off() {
    let abide = Site::fixture(SHORT).serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = abide
            .ask(protocol, "GET", "/fixture/a/sleep?ms=1500", whole(""))
            .await;
        assert_eq!(answer.expect("an answer").ok(), "slept");
        let path = "/fixture/a/stream?chunks=3&ms=900";
        let answer = abide.ask(protocol, "GET", path, whole("")).await;
        assert_eq!(answer.expect("an answer").ok(), "1\n2\n3\n");
    }
}

#[tokio::test]
async fn a_body_that_stalls_or_drips_is_not_waited_for() {
    let abide = Site::fixture(SHORT).serve();
    let head = "POST /fixture/a/length HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nabc";
    let mut connection = Connection::to(&abide).await;
    connection.send(head).await;
    let answer = connection.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");

    let mut connection = Connection::to(&abide).await;
    connection.send(head).await;
    let begin = Instant::now();
    while connection.is_open().await {
        connection.send("x").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(
            begin.elapsed() < DEADLINE / 4,
            "the server waits for a body without end"
        );
    }

    let mut frames = Frames::to(&abide, &[]).await;
    frames.ask(1, "POST", "/fixture/a/length", &[], false).await;
    frames.send(frames::frame(DATA, 0, 1, b"abc")).await;
    let answer = frames.stream(1).await;
    assert!(
        String::from_utf8_lossy(&answer[1].payload).contains("did not come on"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_body_that_comes_slowly_but_comes_is_taken() {
    let abide = Site::fixture(SHORT).serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (mut sender, body) = promises::chunks();
        let client = abide.client();
        let asked = tokio::spawn(async move {
            client
                .ask(protocol, "POST", "/fixture/a/length", body)
                .await
        });
        for _ in 0..10 {
            sender
                .send(vec![b'x'; 1_000])
                .await
                .expect("the body is read");
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        drop(sender);
        let answer = asked.await.expect("no panic").expect("an answer");
        assert_eq!(answer.number(), 10_000, "{protocol:?}");
    }
}

#[tokio::test]
async fn an_object_that_reads_slowly_does_not_cost_the_client_its_time() {
    let abide = Site::fixture(SHORT).serve();
    let (mut sender, body) = promises::chunks();
    let client = abide.client();
    let asked = tokio::spawn(async move {
        client
            .ask(Protocol::Http1, "POST", "/fixture/a/hold", body)
            .await
    });
    for _ in 0..15 {
        sender.try_send(vec![b'x'; 1_000]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(abide.get("/fixture/a/release").await.ok(), "released");
    assert_eq!(
        asked.await.expect("no panic").expect("an answer").ok(),
        "released"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let abide = Site::forgetful(&format!("{SHORT}[limits]\nidle_timeout_ms = 100\n")).serve();
    for path in ["/fixture/a/endless", "/fixture/a/bytes?bytes=50000000"] {
        let mut connection = Connection::to(&abide).await;
        connection
            .send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        connection.read_until("HTTP/1.1 200 OK").await;
        // With nobody to read, the object falls asleep and forgets its events.
        until("the object has left", async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            abide.get("/fixture/a/events").await.number() == 1
        })
        .await;
    }
    // The same where HTTP/2 has no window.
    let mut frames = Frames::to(&abide, &[(4, 0)]).await;
    for stream in [1, 3, 5] {
        frames
            .ask(stream, "GET", "/fixture/a/bytes?bytes=100000", &[], true)
            .await;
    }
    let begin = Instant::now();
    let mut pings = 0u64;
    while frames
        .next_within(Duration::from_millis(100))
        .await
        .is_some()
        || begin.elapsed() < Duration::from_millis(400)
    {
        // Speaking does not count as reading.
        pings += 1;
        frames
            .send(frames::frame(frames::PING, 0, 0, &pings.to_be_bytes()))
            .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(
            begin.elapsed() < DEADLINE / 4,
            "the server holds answers that nobody takes"
        );
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything() {
    let abide = Site::fixture(SHORT).serve();
    let mut connection = Connection::to(&abide).await;
    connection
        .send(
            "GET /fixture/a/bytes?bytes=12000000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await;
    let mut count = 0;
    // Each pause is shorter than the limit, all of them are many times longer.
    for _ in 0..30 {
        count += connection.read_some(200_000).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    count += connection.rest().await.len();
    assert!(count > 12_000_000, "{count} bytes came");
}

#[tokio::test]
async fn answers_that_nobody_takes_are_bounded() {
    let limits = "[server]\nconnection_unsent_bytes_max = 4000000\nunsent_bytes_max = 10000000\n\
        streams_max = 500\n";
    let abide = Site::fixture(limits).serve();
    abide.get("/fixture/a/bytes?bytes=1000000").await;
    let resident_bytes = abide.resident_bytes();
    let mut connections = Vec::new();
    for _ in 0..5 {
        let mut frames = Frames::to(&abide, &[(4, 0)]).await;
        for n in 0..100 {
            frames
                .ask(
                    1 + 2 * n,
                    "GET",
                    "/fixture/a/bytes?bytes=1000000",
                    &[],
                    true,
                )
                .await;
        }
        // An answer that has no room is an error.
        let mut refused = 0;
        while let Some(frame) = frames.next_within(Duration::from_secs(2)).await {
            refused += usize::from(frame.kind == HEADERS && frame.payload.len() > 60);
        }
        connections.push((frames, refused));
    }
    let grown = abide.resident_bytes().saturating_sub(resident_bytes);
    assert!(
        grown < 60_000_000,
        "the host holds {grown} bytes that nobody takes"
    );
    abide.says("not yet taken").await;
    drop(connections);
    until("there is room again", async || {
        abide.get("/fixture/a/bytes?bytes=9000000").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn silent_connections_make_room_for_new_ones() {
    let abide = Site::fixture("[server]\nconnections_max = 50").serve();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(Connection::to(&abide).await);
        if silent.len() % 30 == 0 {
            let mut connection = Connection::to(&abide).await;
            connection.send(REQUEST).await;
            connection.read_until("HTTP/1.1 200 OK").await;
        }
    }
    abide.says("connections_max").await;
    assert_eq!(abide.log().matches("connections_max").count(), 1);
}

#[tokio::test]
async fn busy_connections_keep_their_place_and_new_ones_are_told() {
    let abide = Site::fixture("[server]\nconnections_max = 8").serve();
    let mut busy = Vec::new();
    for _ in 0..8 {
        let mut connection = Connection::to(&abide).await;
        connection
            .send("GET /fixture/a/hold HTTP/1.1\r\nhost: x\r\n\r\n")
            .await;
        busy.push(connection);
    }
    // All of them have begun, or they would be silent.
    tokio::time::sleep(Duration::from_millis(700)).await;
    until("there is no room", async || {
        let answer = Connection::exchange(
            &abide,
            REQUEST.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"),
        )
        .await;
        answer.is_empty() || answer.starts_with("HTTP/1.1 503")
    })
    .await;
    busy.pop();
    until("a place is free again", async || {
        let mut connection = Connection::to(&abide).await;
        connection
            .send("GET /fixture/a/release HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        connection.rest().await.ends_with("released")
    })
    .await;
    for mut connection in busy {
        connection.read_until("released").await;
    }
}

#[tokio::test]
async fn few_descriptors_are_shared_between_connections_and_databases() {
    let site = Site::fixture("");
    let abide = site.serve_with(|command| {
        use std::os::unix::process::CommandExt;
        let limit = libc::rlimit {
            rlim_cur: 512,
            rlim_max: 512,
        };
        // SAFETY: the call only sets a limit of the child.
        unsafe {
            command.pre_exec(move || {
                libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
                Ok(())
            });
        }
    });
    let mut silent = Vec::new();
    for _ in 0..700 {
        silent.push(Connection::to(&abide).await);
    }
    for object in 0..10 {
        let request =
            format!("GET /fixture/o{object}/add HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = Connection::exchange(&abide, request).await;
        assert!(answer.ends_with("\r\n\r\n1"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_closes_its_sending_half_gets_its_answer() {
    let abide = Site::fixture("").serve();
    for (path, expected) in [
        ("/fixture/a/events", "\r\n\r\n1"),
        ("/fixture/a/sleep?ms=1200", "\r\n\r\nslept"),
        ("/fixture/a/stream?chunks=3&ms=300", "2\n3\n"),
    ] {
        let mut connection = Connection::to(&abide).await;
        connection
            .send(format!("GET {path} HTTP/1.0\r\nhost: x\r\n\r\n"))
            .await;
        connection.close_sending().await;
        let answer = connection.rest().await;
        assert!(
            answer.starts_with("HTTP/1.0 200 OK\r\n"),
            "{path}: {answer}"
        );
        assert!(answer.ends_with(expected), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_request_whose_client_has_left_is_not_started() {
    let abide = Site::fixture("").serve();
    // One request at a time enters the object while it is being born.
    let mut clients = Vec::new();
    for n in 0..40 {
        let mut connection = Connection::to(&abide).await;
        let request =
            format!("GET /fixture/slow-to-start-6000/add?{n} HTTP/1.1\r\nhost: x\r\n\r\n");
        connection.send(request).await;
        clients.push(connection);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(clients);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        abide.get("/fixture/slow-to-start-6000/add").await.number(),
        1
    );
}

#[tokio::test]
async fn a_stopping_server_waits_for_requests_only() {
    let abide = Site::fixture("[server]\nshutdown_grace_ms = 20000").serve();
    let mut half = Connection::to(&abide).await;
    half.send("GET /fixture/a/eve").await;
    let mut idle = Frames::to(&abide, &[]).await;
    idle.ask(1, "GET", "/fixture/a/events", &[], true).await;
    idle.stream(1).await;
    let client = abide.client();
    let asked = tokio::spawn(async move { client.get("/fixture/a/sleep?ms=1500").await });
    until("the request has begun", async || {
        abide.get("/fixture/a/events").await.number() > 2
    })
    .await;
    let begin = Instant::now();
    let log = abide.later_log();
    assert!(abide.stop().await.success());
    // Neither the half of a head nor the client that does not answer a PING count.
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(asked.await.expect("no panic").ok(), "slept");
    assert!(log().contains("waiting for 1 requests to end"), "{}", log());
}

#[tokio::test]
async fn every_connection_is_forgotten_when_it_ends() {
    let abide = Site::fixture("[server]\nconnections_max = 4").serve();
    for _ in 0..100 {
        let answer = Connection::exchange(
            &abide,
            "GET /fixture/a/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        );
        assert!(answer.await.starts_with("HTTP/1.1 200"));
        check_frames(&abide).await;
    }
}

async fn check_frames(abide: &Abide) {
    let mut frames = Frames::to(abide, &[]).await;
    frames.ask(1, "GET", "/fixture/a/events", &[], true).await;
    frames.stream(1).await;
}
