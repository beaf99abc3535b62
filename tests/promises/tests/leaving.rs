//! Does a handler learn that nobody waits for its answer any more?

use std::time::Duration;

use promises::{Abide, Connection, Protocol, Site, until, whole};

async fn becomes(abide: &Abide, key: &str, expected: &str) {
    let path = format!("/fixture/a/get?key={key}");
    until("it is known", async || {
        abide.get(&path).await.ok() != "(none)"
    })
    .await;
    assert_eq!(abide.get(&path).await.ok(), expected, "{key}");
}

/// The object has the request.
async fn it_waits(abide: &Abide) {
    until("it waits", async || {
        abide.get("/fixture/a/get?key=asked").await.ok() == "yes"
    })
    .await;
}

#[tokio::test]
async fn a_handler_learns_that_its_client_has_left() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let abide = Site::fixture("").serve();
        let client = abide.client();
        let asked = tokio::spawn(async move {
            let path = "/fixture/a/wait-for-leaving";
            client.ask(protocol, "GET", path, whole("")).await.map(drop)
        });
        it_waits(&abide).await;
        asked.abort();
        becomes(&abide, "left", "true").await;
    }
}

#[tokio::test]
async fn several_may_wait_for_one_caller() {
    let abide = Site::fixture("").serve();
    let mut client = Connection::to(&abide).await;
    client
        .send("GET /fixture/a/note-leaving?ms=60000 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    it_waits(&abide).await;
    drop(client);
    becomes(&abide, "left", "true").await;
    becomes(&abide, "left-again", "true").await;
}

#[tokio::test]
async fn a_caller_that_has_its_answer_has_not_left() {
    let abide = Site::fixture("").serve();
    abide.get("/fixture/a/note-leaving?ms=10").await.ok();
    becomes(&abide, "left", "false").await;
    let abide = Site::fixture("").serve();
    for late in ["", "&late=1"] {
        let path = format!("/fixture/a/note-leaving-of-stream?chunks=3&ms=100{late}");
        abide.get(&path).await.ok();
        becomes(&abide, "left", "false").await;
        abide.get("/fixture/a/delete-all").await.ok();
    }
}

#[tokio::test]
async fn a_client_that_leaves_amid_a_body_has_left() {
    let abide = Site::fixture("").serve();
    for late in ["", "&late=1"] {
        let path = format!("/fixture/a/note-leaving-of-stream?chunks=600&ms=100{late}");
        let mut answer = abide.open(&path).await;
        answer.read(2).await.expect("its beginning");
        drop(answer);
        becomes(&abide, "left", "true").await;
        abide.get("/fixture/a/delete-all").await.ok();
    }
}

#[tokio::test]
async fn an_object_that_gives_a_call_up_has_left() {
    let abide = Site::fixture("").serve();
    let client = abide.client();
    let asked = tokio::spawn(async move {
        client
            .post("/fixture/caller/ask", "a wait-for-leaving")
            .await
    });
    it_waits(&abide).await;
    abide
        .get("/fixture/caller/trap")
        .await
        .is_error("reset", "unreachable");
    becomes(&abide, "left", "true").await;
    assert!(asked.await.is_ok());
}

#[tokio::test]
async fn nobody_is_kept_awake_by_a_wait_that_nobody_reads() {
    let abide = Site::forgetful("[limits]\nidle_timeout_ms = 100").serve();
    abide.get("/fixture/a/note-leaving?ms=1").await.ok();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
}
