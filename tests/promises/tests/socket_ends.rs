//! How do WebSockets end, and who is told?

use std::time::{Duration, Instant};

use promises::raw_socket::{CLOSE, FINAL, PING, PONG, RawSocket, TEXT, close};
use promises::{Abide, Development, Said, Site, WebSocket, until};

const SLEEPY: &str = "[limits]\nidle_timeout_ms = 100";
const DROPPED: &str = "close 1006 \"WebSocket disconnected without sending Close frame.\" false \
                       closing listed=true";

async fn ask(abide: &Abide, object: &str, what: &str) -> String {
    let path = format!("/fixture/{object}/sockets?what={what}");
    abide.get(&path).await.ok()
}

/// Waits until the object has noted these ends, and has no socket any more.
async fn ends(abide: &Abide, object: &str, expected: &str) {
    let mut noted = String::new();
    until("the ends are noted", async || {
        noted = ask(abide, object, "ends").await;
        noted.lines().count() >= expected.lines().count()
    })
    .await;
    assert_eq!(noted, expected);
    until("no socket is listed", async || {
        ask(abide, object, "count").await == "0"
    })
    .await;
}

#[tokio::test]
async fn a_client_that_closes_is_answered_and_its_object_told() {
    let abide = Site::fixture("").serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    socket.close(4001, "bye").await;
    assert_eq!(socket.next().await, Said::Close(4001, "bye".into()));
    assert_eq!(socket.next().await, Said::Gone);
    ends(&abide, "a", "close 4001 \"bye\" true closing listed=true").await;
    let mut socket = WebSocket::open(&abide, "/fixture/b/ws").await;
    socket.close_without_code().await;
    assert_eq!(socket.next().await, Said::Close(1005, String::new()));
    ends(&abide, "b", "close 1005 \"\" true closing listed=true").await;
}

#[tokio::test]
async fn an_object_that_does_not_answer_a_close_lets_the_connection_go() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, "/fixture/mute/ws").await;
    socket.frame(FINAL | CLOSE, close(1000, "")).await;
    assert_eq!(socket.next().await, None);
    ends(&abide, "mute", "close 1000 \"\" true closing listed=true").await;
}

#[tokio::test]
async fn a_connection_that_breaks_wakes_its_object() {
    let abide = Site::fixture(SLEEPY).serve();
    let socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(socket);
    ends(&abide, "a", DROPPED).await;
}

#[tokio::test]
async fn a_close_of_a_sleeping_object_s_socket_wakes_it() {
    let abide = Site::fixture(SLEEPY).serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    socket.close(1000, "").await;
    assert_eq!(socket.next().await, Said::Close(1000, String::new()));
    ends(&abide, "a", "close 1000 \"\" true closing listed=true").await;
}

#[tokio::test]
async fn an_object_closes_once_and_says_nothing_after_it() {
    let abide = Site::fixture("").serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    socket.send("/close 4002 enough").await;
    assert_eq!(socket.next().await, Said::Close(4002, "enough".into()));
    assert_eq!(socket.next().await, Said::Gone);
    let closed = "closed, Some(\"Can't call WebSocket send() after close().\"), again=true \
                  closing listed=true";
    let answered = "close 4002 \"enough\" true closed listed=true";
    ends(&abide, "a", &format!("{closed}\n{answered}")).await;
    let mut socket = WebSocket::open(&abide, "/fixture/b/ws").await;
    socket.send("/close").await;
    assert_eq!(socket.next().await, Said::Close(1005, String::new()));
}

#[tokio::test]
async fn a_close_that_cannot_be_is_refused() {
    let abide = Site::fixture("").serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    for code in [0, 999, 1004, 1005, 1006, 1015, 5000] {
        let refused = socket.ask(&format!("/close {code}")).await;
        assert_eq!(refused, format!("Invalid WebSocket close code: {code}."));
    }
    let long = format!("/close 1000 {}", "r".repeat(124));
    assert!(
        socket
            .ask(&long)
            .await
            .contains("cannot be longer than 123 bytes")
    );
    assert_eq!(socket.ask("still here").await, "still here");
}

#[tokio::test]
async fn slow_a_client_that_never_answers_a_close_is_let_go() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, "/fixture/a/ws").await;
    let begin = Instant::now();
    socket.frame(FINAL | TEXT, "/close 1000").await;
    socket.expect(FINAL | CLOSE, close(1000, "")).await;
    // What it says now is not heard.
    socket.frame(FINAL | TEXT, "hello?").await;
    assert_eq!(socket.next().await, None);
    let passed = begin.elapsed();
    assert!((5..30).contains(&passed.as_secs()), "{passed:?}");
    until("the object is told", async || {
        ask(&abide, "a", "ends").await.contains("close 1006")
    })
    .await;
}

#[tokio::test]
async fn a_close_handler_that_fails_or_traps_leaves_no_socket_behind() {
    let abide = Site::fixture("").serve();
    let mut socket = WebSocket::open(&abide, "/fixture/fails/ws").await;
    socket.close(1000, "").await;
    ends(&abide, "fails", "close 1000 \"\" true closing listed=true").await;
    let mut socket = WebSocket::open(&abide, "/fixture/traps/ws").await;
    let mut other = WebSocket::open(&abide, "/fixture/traps/ws").await;
    socket.close(1000, "").await;
    ends(&abide, "traps", "close 1000 \"\" true closing listed=true").await;
    assert_eq!(other.next().await, Said::Gone, "a trap ends all of them");
}

#[tokio::test]
async fn a_socket_is_listed_as_long_as_its_close_handler_runs() {
    let abide = Site::fixture("").serve();
    let mut socket = WebSocket::open(&abide, "/fixture/lingers/ws").await;
    socket.close(1000, "").await;
    until("the handler runs", async || {
        !ask(&abide, "lingers", "ends").await.is_empty()
    })
    .await;
    assert_eq!(ask(&abide, "lingers", "count").await, "1");
    ends(
        &abide,
        "lingers",
        "close 1000 \"\" true closing listed=true",
    )
    .await;
}

#[tokio::test]
async fn an_abort_a_trap_and_a_failed_section_end_all_sockets_with_1006() {
    let abide = Site::fixture("").serve();
    for (object, order) in [("a", "/abort on purpose"), ("t", "/trap")] {
        let path = format!("/fixture/{object}/ws");
        let mut one = WebSocket::open(&abide, &path).await;
        let mut other = WebSocket::open(&abide, &format!("{path}?plain=1")).await;
        one.send(order).await;
        assert_eq!(one.next().await, Said::Gone);
        assert_eq!(other.next().await, Said::Gone);
        assert_eq!(ask(&abide, object, "count").await, "0");
        assert_eq!(ask(&abide, object, "ends").await, "", "no handler ran");
    }
    let mut socket = WebSocket::open(&abide, "/fixture/s/ws").await;
    let answer = abide.get("/fixture/s/fail-section?message=enough").await;
    answer.is_error("reset", "enough");
    assert_eq!(socket.next().await, Said::Gone);
    let mut again = WebSocket::open(&abide, "/fixture/a/ws").await;
    assert_eq!(again.ask("hello").await, "hello");
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_a_dead_one_found() {
    let abide = Site::fixture("[server]\nwebsocket_ping_ms = 300").serve();
    let mut dead = RawSocket::open(&abide, "/fixture/dead/ws").await;
    dead.expect(FINAL | PING, "").await;
    let mut alive = RawSocket::open(&abide, "/fixture/alive/ws").await;
    let begin = Instant::now();
    let mut pings = 0;
    while begin.elapsed() < Duration::from_secs(3) {
        alive.expect(FINAL | PING, "").await;
        alive.frame(FINAL | PONG, "").await;
        pings += 1;
    }
    assert!((4..15).contains(&pings), "{pings} pings in three seconds");
    assert_eq!(dead.next().await, None, "nobody answered");
    ends(&abide, "dead", DROPPED).await;
    assert_eq!(ask(&abide, "alive", "ends").await, "");
    // A client that talks need not be asked.
    let mut talks = RawSocket::open(&abide, "/fixture/talks/ws").await;
    for _ in 0..20 {
        talks.frame(FINAL | TEXT, "hello").await;
        talks.expect(FINAL | TEXT, "hello").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up_and_others_are_served() {
    let abide = Site::fixture("").serve();
    let mut slow = RawSocket::open(&abide, "/fixture/a/ws").await;
    let mut other = WebSocket::open(&abide, "/fixture/b/ws").await;
    let before = abide.resident_bytes();
    let answer = ask(&abide, "a", "flood&count=200&bytes=1000000").await;
    assert_eq!(answer, "flooded");
    let told = "close 1013 \"too much waits for the peer\" false closing listed=true";
    ends(&abide, "a", told).await;
    let grown = abide.resident_bytes().saturating_sub(before);
    assert!(
        grown < 120_000_000,
        "{grown} bytes for a client that does not read"
    );
    abide.says("does not read what it is sent").await;
    assert_eq!(other.ask("hello").await, "hello");
    // It gets what was under way, and an end.
    while let Some(frame) = slow.next().await {
        assert_ne!(frame.payload.len(), 0);
    }
}

#[tokio::test]
async fn a_server_that_stops_tells_clients_to_come_back_and_objects_that_they_left() {
    let site = Site::fixture(SLEEPY);
    let abide = site.serve();
    let mut awake = WebSocket::open(&abide, "/fixture/awake/ws").await;
    let mut plain = WebSocket::open(&abide, "/fixture/plain/ws?plain=1").await;
    let mut asleep = WebSocket::open(&abide, "/fixture/asleep/ws").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(awake.ask("hello").await, "hello");
    let stopped = tokio::spawn(abide.stop());
    for socket in [&mut awake, &mut plain, &mut asleep] {
        assert_eq!(
            socket.next().await,
            Said::Close(1012, "the server stops".into())
        );
        assert_eq!(socket.next().await, Said::Gone);
    }
    assert!(stopped.await.expect("no panic").success());
    let abide = site.serve();
    for object in ["awake", "plain", "asleep"] {
        let told = ask(&abide, object, "ends").await;
        assert!(told.starts_with("close 1012 "), "{object}: {told}");
    }
}

#[tokio::test]
async fn new_code_meets_the_sockets_that_are_open() {
    let code = std::fs::read(promises::fixture()).expect("the fixture is built");
    let dev = Development::default();
    dev.write("c.wasm", &code);
    dev.write(
        "abide.toml",
        "[limits]\nidle_timeout_ms = 600000\n[classes.fixture]\ncomponent = \"c.wasm\"\n",
    );
    let abide = dev.dev("abide.toml");
    let mut plain = WebSocket::open(&abide, "/fixture/a/ws?plain=1").await;
    let mut kept = WebSocket::open(&abide, "/fixture/a/ws?tags=x").await;
    kept.send("/attach mine").await;
    let number = kept.ask("/number").await;
    for name in [b'1', b'2'] {
        assert_ne!(kept.ask("/events").await, "1");
        // A message that runs when the new code comes is answered by the old.
        kept.send("/sleep 300").await;
        // The same code with a custom section, which makes it another component.
        dev.write("new.wasm", [&code[..], &[0, 2, 1, name]].concat());
        dev.rename("new.wasm", "c.wasm");
        assert_eq!(kept.text().await, "slept");
        until("the new code answers", async || {
            kept.ask("/events").await == "1"
        })
        .await;
        assert_eq!(kept.ask("/number").await, number);
        assert_eq!(kept.ask("/tags").await, "x");
        assert_eq!(kept.ask("/attachment").await, "mine");
    }
    assert_eq!(
        plain.next().await,
        Said::Close(1012, "the object starts anew".into())
    );
    assert_eq!(ask(&abide, "a", "ends").await, "", "nobody has closed");
}
