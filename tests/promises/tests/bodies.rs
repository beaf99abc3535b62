//! Does everybody learn how a body ended?

use std::time::Duration;

use promises::{
    Abide, Answer, Connection, Language, Protocol, Site, chunks, in_each_language, until, whole,
};

in_each_language! {
    a_body_that_arrives_whole_says_so,
    a_body_whose_client_left_broke_off,
    a_body_that_is_too_long_broke_off,
    a_body_that_stalls_broke_off,
    a_body_that_the_object_breaks_off_is_never_whole,
    an_object_may_stop_reading_in_the_middle,
}

/// What the object knows of the last body that it read.
async fn read(abide: &Abide) -> String {
    abide.get("/guest/a/read").await.ok()
}

async fn a_body_that_arrives_whole_says_so(language: Language) {
    let abide = Site::guest(language, "").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for bytes in [0, 3, 3_000_000] {
            let body = whole(vec![b'x'; bytes]);
            let answer = abide.ask(protocol, "POST", "/guest/a/read", body).await;
            let expected = format!("{bytes} bytes, ok");
            assert_eq!(answer.expect("an answer").ok(), expected);
            assert_eq!(read(&abide).await, expected);
        }
        let (mut sender, body) = chunks();
        let client = abide.client();
        let asked =
            tokio::spawn(async move { client.ask(protocol, "POST", "/guest/a/read", body).await });
        for _ in 0..3 {
            sender.send("chunk").await.expect("the body is read");
        }
        drop(sender);
        let answer = asked.await.expect("no panic").expect("an answer");
        assert_eq!(answer.ok(), "15 bytes, ok");
    }
}

async fn a_body_whose_client_left_broke_off(language: Language) {
    let abide = Site::guest(language, "").serve();
    let mut writer = Connection::to(&abide).await;
    let head = "POST /guest/a/read HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    writer.send(head.to_owned() + "abc").await;
    // Not before the object reads it.
    abide.get("/guest/a/sleep?ms=50").await.ok();
    drop(writer);
    until("the object knows", async || read(&abide).await != "none").await;
    let found = read(&abide).await;
    assert!(found.starts_with("3 bytes, "), "{found}");
    assert!(found.contains("the request's body broke off"), "{found}");
}

async fn a_body_that_is_too_long_broke_off(language: Language) {
    let abide = Site::guest(language, "[server]\nbody_bytes_max = 200000").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = too_long(&abide, protocol, "/guest/a/read").await;
        // HTTP/1.1 may close the connection before the client has heard the answer.
        if let Ok(answer) = answer {
            assert_eq!(answer.status, 413, "{answer:?}");
        }
        until("the object knows", async || {
            read(&abide).await.contains("too long")
        })
        .await;
        abide.post("/guest/a/read", "").await.ok();
    }
}

/// Sends more than the server accepts, without saying so before.
async fn too_long(abide: &Abide, protocol: Protocol, path: &str) -> Result<Answer, String> {
    let (mut sender, body) = chunks();
    let asked = abide.ask(protocol, "POST", path, body);
    let sends = async {
        for _ in 0..10 {
            if sender.send(vec![b'x'; 50_000]).await.is_err() {
                return;
            }
        }
        drop(sender);
    };
    futures::future::join(asked, sends).await.0
}

async fn a_body_that_stalls_broke_off(language: Language) {
    let abide = Site::guest(language, "[server]\nbody_timeout_ms = 400").serve();
    let mut writer = Connection::to(&abide).await;
    let head = "POST /guest/a/read HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    writer.send(head.to_owned() + "abc").await;
    let answer = writer.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let expected = "3 bytes, the request's body did not come on";
    until("the object knows", async || read(&abide).await == expected).await;
}

async fn a_body_that_the_object_breaks_off_is_never_whole(language: Language) {
    let abide = Site::guest(language, "").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let path = "/guest/a/broken";
        let answer = abide.ask(protocol, "GET", path, whole("")).await;
        assert!(
            answer.is_err(),
            "{protocol:?}: {answer:?} is taken for whole"
        );
    }
    assert_eq!(abide.get("/guest/a/started").await.number(), 1);
    abide.says("Error: broken on purpose").await;
}

async fn an_object_may_stop_reading_in_the_middle(language: Language) {
    let abide = Site::forgetful_guest(language, "[limits]\nidle_timeout_ms = 200").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for _ in 0..3 {
            let body = whole(vec![b'x'; 3_000_000]);
            let answer = abide.ask(protocol, "POST", "/guest/a/first", body).await;
            let bytes = answer.expect("an answer").number();
            assert!((1..3_000_000).contains(&bytes), "{bytes}");
        }
    }
    // What it left behind does not keep it awake.
    abide.post("/guest/a/read", "abc").await.ok();
    until("the object has left", async || {
        tokio::time::sleep(Duration::from_millis(400)).await;
        read(&abide).await == "none"
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_ended_while_a_chunk_is_written_is_never_whole() {
    let abide = Site::fixture("").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let path = "/fixture/a/end-too-soon?bytes=1000000";
        let answer = abide.ask(protocol, "GET", path, whole("")).await;
        assert!(
            answer.is_err(),
            "{protocol:?}: {answer:?} is taken for whole"
        );
    }
    assert_eq!(abide.get("/fixture/a/events").await.number(), 3);
}

#[tokio::test]
async fn a_body_that_nobody_ends_lasts_as_long_as_its_client() {
    let abide = Site::forgetful("[limits]\nidle_timeout_ms = 100").serve();
    // Over HTTP/1.1 a client that is gone looks like one that only says nothing more.
    let path = "/fixture/a/never-end";
    let mut stream = abide
        .open_with(Protocol::Http2, "GET", path, whole(""))
        .await;
    assert_eq!(stream.read(5).await.expect("the beginning"), b"begun");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(abide.get("/fixture/a/events").await.number(), 2);
    drop(stream);
    until("the object has left", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        abide.get("/fixture/a/events").await.number() == 1
    })
    .await;
}

#[tokio::test]
async fn a_body_that_came_before_a_section_is_read_to_its_end_within() {
    let abide = Site::fixture("").serve();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let path = "/fixture/a/length-in-section";
        let body = whole(vec![b'x'; 3_000_000]);
        let answer = abide.ask(protocol, "POST", path, body).await;
        assert_eq!(answer.expect("an answer").number(), 3_000_000);
    }
}
