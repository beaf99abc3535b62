//! What can an object do with WebSockets, awake or not?

use std::time::Duration;

use promises::raw_socket::{self, FINAL, RawSocket, TEXT};
use promises::{Abide, Said, Site, WebSocket, until};

const SLEEPY: &str = "[limits]\nidle_timeout_ms = 100";

/// Long enough for a sleepy object to leave.
async fn let_it_sleep() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

async fn ask(abide: &Abide, object: &str, query: &str) -> String {
    let path = format!("/fixture/{object}/sockets?{query}");
    abide.get(&path).await.ok()
}

#[tokio::test]
async fn messages_go_there_and_back() {
    let abide = Site::fixture("").serve();
    let path = "/fixture/a/ws?hello=welcome&protocol=chat";
    let asked = [("sec-websocket-protocol", "superchat, chat")];
    let mut socket = WebSocket::try_open(&abide, path, &asked)
        .await
        .expect("a socket");
    let protocol = socket.response.headers().get("sec-websocket-protocol");
    assert_eq!(protocol.expect("it passes through"), "chat");
    assert_eq!(socket.text().await, "welcome", "said before the answer");
    assert_eq!(socket.ask("hello").await, "hello");
    socket.send_binary(vec![0, 255]).await;
    assert_eq!(socket.next().await, Said::Binary(vec![0, 255].into()));
    socket.ping(b"there?").await;
    assert_eq!(socket.next().await, Said::Pong(b"there?"[..].into()));
}

#[tokio::test]
async fn an_object_sees_what_its_client_asked_for() {
    let abide = Site::fixture("").serve();
    let asked = WebSocket::try_open(
        &abide,
        "/fixture/a/request-headers",
        &[("sec-websocket-protocol", "chat, superchat")],
    );
    let refused = asked.await.err().expect("it is an ordinary answer");
    let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else {
        panic!("{refused}");
    };
    assert_eq!(answer.status(), 200);
    let body = answer.body().clone().unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    for line in [
        "upgrade: websocket\n",
        "sec-websocket-protocol: chat, superchat\n",
    ] {
        assert!(body.contains(line), "{body}");
    }
}

#[tokio::test]
async fn answers_that_make_no_socket_are_clear() {
    let abide = Site::fixture("").serve();
    let status = async |path: &str| {
        let refused = WebSocket::try_open(&abide, path, &[]).await;
        match refused.err().expect("no socket") {
            tokio_tungstenite::tungstenite::Error::Http(answer) => {
                let body = answer.body().clone().unwrap_or_default();
                let status = answer.status().as_u16();
                (status, String::from_utf8_lossy(&body).into_owned())
            }
            other => panic!("{other}"),
        }
    };
    let (code, text) = status("/fixture/a/ws?not=accepted").await;
    assert_eq!(code, 500);
    assert!(text.contains("has not accepted the WebSocket"), "{text}");
    // Accepted, but not said so: the socket ends at once.
    let (code, _) = status("/fixture/a/ws?status=403").await;
    assert_eq!(code, 403);
    until("the object is told", async || {
        ask(&abide, "a", "what=ends").await.contains("close 1006")
    })
    .await;
    assert_eq!(ask(&abide, "a", "what=count").await, "0");
    let answer = abide.get("/fixture/a/ws").await;
    answer.is_error("exception", "no WebSocket is asked for");
    let answer = abide.get("/fixture/a/bad-status?status=101").await;
    answer.is_error("exception", "it must be from 200 to 599");
}

#[tokio::test]
async fn sockets_are_found_by_tag() {
    let abide = Site::fixture("").serve();
    let mut numbers = Vec::new();
    let mut sockets = Vec::new();
    for tags in ["x,y,x", "y", ""] {
        let mut socket = WebSocket::open(&abide, &format!("/fixture/a/ws?tags={tags}")).await;
        numbers.push(socket.ask("/number").await);
        sockets.push(socket);
    }
    assert_eq!(sockets[0].ask("/tags").await, "x,y");
    assert_eq!(sockets[2].ask("/tags").await, "");
    let newest_first = [&*numbers[2], &*numbers[1], &*numbers[0]].join(",");
    assert_eq!(ask(&abide, "a", "what=list").await, newest_first);
    let oldest_first = [&*numbers[0], &*numbers[1]].join(",");
    assert_eq!(ask(&abide, "a", "what=tagged&tag=y").await, oldest_first);
    assert_eq!(ask(&abide, "a", "what=tagged&tag=z").await, "");
    let many: Vec<_> = (0..11).map(|n| n.to_string()).collect();
    let path = format!("/fixture/a/ws?tags={}", many.join(","));
    let refused = WebSocket::try_open(&abide, &path, &[]).await.err();
    let refused = format!("{refused:?}");
    assert!(refused.contains("500"), "{refused}");
    assert_eq!(ask(&abide, "a", "what=count").await, "3");
}

#[tokio::test]
async fn an_object_sleeps_with_its_sockets_and_a_message_wakes_it() {
    let abide = Site::forgetful(SLEEPY).serve();
    let mut socket = WebSocket::open(&abide, "/fixture/sleeper/ws?tags=x").await;
    socket.send("/attach mine").await;
    let number = socket.ask("/number").await;
    for _ in 0..3 {
        let_it_sleep().await;
        assert_eq!(socket.ask("/events").await, "1", "a fresh instance");
        assert_eq!(socket.ask("/number").await, number);
        assert_eq!(socket.ask("/name").await, "sleeper");
        assert_eq!(socket.ask("/tags").await, "x");
        assert_eq!(socket.ask("/attachment").await, "mine");
        assert_eq!(ask(&abide, "sleeper", "what=list").await, number);
    }
}

#[tokio::test]
async fn a_socket_is_pinged_and_answered_while_its_object_sleeps() {
    let abide = Site::forgetful(SLEEPY).serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    let auto = "what=auto&request=are-you-there&response=yes";
    assert_eq!(ask(&abide, "a", auto).await, "set");
    let number = socket.ask("/number").await;
    let timestamp = format!("what=timestamp&socket={number}");
    assert_eq!(ask(&abide, "a", &timestamp).await, "None");
    let_it_sleep().await;
    for _ in 0..3 {
        assert_eq!(socket.ask("are-you-there").await, "yes");
        socket.ping(b"host?").await;
        assert_eq!(socket.next().await, Said::Pong(b"host?"[..].into()));
    }
    // The object slept on; only the exact text, and only text, is answered.
    assert_eq!(socket.ask("/events").await, "1");
    assert_eq!(socket.ask("are-you-there?").await, "are-you-there?");
    socket.send_binary(b"are-you-there".to_vec()).await;
    let echo = Said::Binary(b"are-you-there"[..].into());
    assert_eq!(socket.next().await, echo);
    let answered = ask(&abide, "a", &timestamp).await;
    assert!(answered.starts_with("Some(1"), "{answered}");
}

#[tokio::test]
async fn messages_come_in_order_also_when_they_wake_the_object() {
    let abide = Site::fixture(SLEEPY).serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    let_it_sleep().await;
    for n in 0..500 {
        socket.send(&n.to_string()).await;
    }
    for n in 0..500 {
        assert_eq!(socket.text().await, n.to_string());
    }
    let_it_sleep().await;
    for n in 0..100 {
        socket.send(&format!("/append {n}")).await;
    }
    assert_eq!(socket.ask("done").await, "done");
    let expected: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let list = abide.get("/fixture/a/get?key=list").await.ok();
    assert_eq!(list, expected.join(" "));
}

#[tokio::test]
async fn a_client_that_sends_more_than_its_object_can_take_has_to_wait() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, "/fixture/a/ws").await;
    let mut other = WebSocket::open(&abide, "/fixture/b/ws").await;
    let client = abide.client();
    let before = abide.resident_bytes();
    let blocked = tokio::spawn(async move { client.get("/fixture/a/stand-still?ms=3000").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let order = raw_socket::frame(
        FINAL | TEXT,
        format!("/note {}", "x".repeat(16_000)).as_bytes(),
    );
    let times = socket.flood(&order, Duration::from_millis(1_500)).await;
    let bytes = times * order.len();
    assert!(
        bytes < 80_000_000,
        "{bytes} bytes were taken for an object that stands still"
    );
    let grown = abide.resident_bytes_at_most().saturating_sub(before);
    assert!(grown < 150_000_000, "{grown} bytes");
    assert_eq!(other.ask("hello").await, "hello");
    blocked.await.expect("no panic").ok();
    socket.frame(FINAL | TEXT, "done").await;
    socket.expect(FINAL | TEXT, "done").await;
    let notes = abide.get("/fixture/a/get?key=notes").await.number();
    assert_eq!(notes, times as u64, "none is lost");
}

#[tokio::test]
async fn an_attachment_is_bounded_and_the_old_one_stays() {
    let abide = Site::fixture("").serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    assert_eq!(socket.ask("/attachment").await, "(none)");
    assert_eq!(socket.ask("/attach-bytes 16384").await, "set");
    let refused = "A WebSocket 'attachment' cannot be larger than 16384 bytes.'attachment' was \
                   16385 bytes.";
    assert_eq!(socket.ask("/attach-bytes 16385").await, refused);
    assert_eq!(socket.ask("/attachment").await.len(), 16_384);
}

#[tokio::test]
async fn a_socket_that_an_object_does_not_have_is_an_error() {
    let abide = Site::fixture("").serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    let number = socket.ask("/number").await;
    let state = format!("what=state&socket={number}");
    assert_eq!(ask(&abide, "a", &state).await, "open");
    assert_eq!(ask(&abide, "b", &state).await, "closed");
    let answer = abide
        .get(&format!(
            "/fixture/b/sockets?what=attachment&socket={number}"
        ))
        .await;
    answer.is_error("exception", &format!("has no WebSocket {number}"));
}

#[tokio::test]
async fn a_message_waits_until_what_it_reveals_is_durable_and_a_trap_takes_it_back() {
    let abide = Site::fixture("").serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    assert_eq!(socket.ask("/write-and-say kept").await, "kept");
    let answer = abide.get("/fixture/a/sockets?what=send-then-trap").await;
    answer.is_error("reset", "trapped");
    assert_eq!(socket.next().await, Said::Gone, "no message, no Close");
    assert_eq!(abide.get("/fixture/a/get?key=n").await.ok(), "(none)");
    assert_eq!(abide.get("/fixture/a/get?key=said").await.ok(), "kept");
}

#[tokio::test]
async fn what_was_said_before_a_sleep_holds_back_nothing_after_it() {
    for site in [Site::fixture(SLEEPY), Site::forgetful(SLEEPY)] {
        let abide = site.serve();
        let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
        for number in 0..3 {
            let kept = format!("before {number}");
            assert_eq!(socket.ask(&format!("/write-and-say {kept}")).await, kept);
        }
        let_it_sleep().await;
        assert_eq!(socket.ask("/write-and-say after").await, "after");
    }
}

#[tokio::test]
async fn a_plain_socket_keeps_its_object_awake() {
    let abide = Site::forgetful(SLEEPY).serve();
    let mut plain = WebSocket::open(&abide, "/fixture/a/ws?plain=1").await;
    assert_eq!(plain.ask("/events").await, "2");
    assert_eq!(
        ask(&abide, "a", "what=count").await,
        "0",
        "it is not listed"
    );
    let_it_sleep().await;
    assert_eq!(plain.ask("/events").await, "4", "the same instance");
    plain.close(1000, "").await;
    assert_eq!(plain.next().await, Said::Close(1000, String::new()));
    let_it_sleep().await;
    assert_eq!(
        abide.get("/fixture/a/events").await.number(),
        1,
        "it has slept"
    );
}

#[tokio::test]
async fn upgrades_that_are_abandoned_do_not_keep_an_object_awake() {
    let abide = Site::forgetful(SLEEPY).serve();
    let begun = [
        RawSocket::open(&abide, "/fixture/a/ws"),
        RawSocket::open(&abide, "/fixture/a/ws"),
    ];
    let [mut kept, dropped] = futures::future::join_all(begun)
        .await
        .try_into()
        .ok()
        .expect("two");
    drop(dropped);
    // One that the object does not take at all, and one whose client does not wait.
    let refused = WebSocket::try_open(&abide, "/fixture/a/events", &[]).await;
    assert!(refused.is_err());
    let request = "GET /fixture/a/sleep?ms=300 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
                   upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut impatient = promises::Connection::to(&abide).await;
    impatient.send(request).await;
    drop(impatient);
    until("the object has slept", async || {
        let_it_sleep().await;
        abide.get("/fixture/a/events").await.number() == 1
    })
    .await;
    kept.frame(FINAL | TEXT, "hello").await;
    kept.expect(FINAL | TEXT, "hello").await;
    assert_eq!(ask(&abide, "a", "what=count").await, "1");
}

#[tokio::test]
async fn an_error_in_a_handler_closes_nothing() {
    let abide = Site::fixture("").serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    socket.send("/fail on purpose").await;
    assert_eq!(socket.ask("still here").await, "still here");
    abide.says("on purpose").await;
}

#[tokio::test]
async fn an_event_timeout_ends_the_wait_for_a_handler() {
    let abide = Site::fixture(SLEEPY).serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    assert_eq!(
        ask(&abide, "a", "what=event-timeout&ms=50").await,
        "Some(50)"
    );
    assert_eq!(socket.ask("/sleep 300").await, "slept", "in the background");
    abide.says("longer than the event timeout of 50 ms").await;
    assert_eq!(ask(&abide, "a", "what=event-timeout&ms=0").await, "None");
    let answer = abide
        .get("/fixture/a/sockets?what=event-timeout&ms=604800001")
        .await;
    answer.is_error("exception", "Event timeout should not exceed 604800000 ms.");
}
