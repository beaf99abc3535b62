//! Does nothing slip past the gates: no text before its writes are durable, no wait
//! into another's transaction, no work for somebody who has left?

use std::time::Duration;

use promises::{Connection, Site, foreign_clock};

use crate::gates::{A_WHILE, with_hanging_sync};

/// What an object says when it fails may tell what it wrote before.
#[tokio::test]
async fn the_text_of_a_failure_waits_until_what_it_may_reveal_is_durable() {
    for failure in [
        "fail?message=n-is-2",
        "write-then-abort?reason=n-is-2",
        "fail-section?message=n-is-2",
    ] {
        let (_site, disk, abide) = with_hanging_sync().await;
        let client = abide.client();
        let write = tokio::spawn(async move { client.post("/fixture/a/add", "").await });
        // The object has the write before it fails.
        tokio::time::sleep(A_WHILE).await;
        let (client, path) = (abide.client(), format!("/fixture/a/{failure}"));
        let failing = tokio::spawn(async move { client.post(&path, "").await });
        tokio::time::sleep(A_WHILE).await;
        disk.faults("sync EIO");
        for answer in [write.await, failing.await] {
            let answer = answer.expect("an answer");
            assert!(answer.status >= 500, "{failure}: {answer:?}");
            assert!(
                !answer.text().contains("n-is-2"),
                "{failure} revealed what was lost: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_text_of_a_failure_is_told_when_nothing_hinders_it() {
    let abide = Site::fixture("").serve();
    for (failure, kind) in [
        ("fail?message=told", "exception"),
        ("write-then-abort?reason=told", "reset"),
        ("fail-section?message=told", "reset"),
    ] {
        let answer = abide.get(&format!("/fixture/a/{failure}")).await;
        answer.is_error(kind, "told");
    }
}

#[tokio::test]
async fn a_chunk_within_a_transaction_and_then_a_sync_do_not_wait_for_each_other() {
    let abide = Site::fixture("").serve();
    let asked = abide.get("/fixture/a/chunk-then-sync");
    let answer = tokio::time::timeout(Duration::from_secs(15), asked).await;
    let answer = answer.expect("the chunk and the sync wait for each other");
    assert_eq!(answer.ok(), "chunk\nsynced\n");
}

/// The second is told why it may not begin, and the first is kept.
#[tokio::test]
async fn two_transactions_of_one_event_do_not_mix() {
    let abide = Site::fixture("").serve();
    let answer = abide.get("/fixture/a/two-transactions?ms=50").await;
    answer.is_error("exception", "Transaction 1 is open; begin within it");
    assert_eq!(abide.get("/fixture/a/read").await.number(), 1);
    // The refusal leaves nothing behind: the next one begins.
    let answer = abide.get("/fixture/a/chunk-then-sync").await;
    assert_eq!(answer.ok(), "chunk\nsynced\n");
}

/// A host that does not hold back such a wait must refuse to serve it.
#[tokio::test]
async fn a_wait_of_wasi_does_not_end_within_the_transaction_of_another_event() {
    let site = Site::configured(&format!(
        "show_errors = true\ndata = \"data\"\n[classes.foreign]\ncomponent = {:?}\n",
        foreign_clock()
    ));
    let abide = match site.try_serve() {
        Ok(abide) => abide,
        Err(refusal) => {
            assert!(refusal.contains("wasi:clocks"), "{refusal}");
            return;
        }
    };
    let client = abide.client();
    let waits = tokio::spawn(async move { client.get("/foreign/a/wait-then-put?300").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        abide.get("/foreign/a/roll-back?1000").await.ok(),
        "rolled back"
    );
    let answer = waits.await.expect("an answer");
    if answer.status == 200 {
        assert_eq!(
            abide.get("/foreign/a/get").await.ok(),
            "kept",
            "an acknowledged write is gone"
        );
    }
}

#[tokio::test]
async fn a_request_whose_client_has_left_before_its_start_is_not_run() {
    let abide = Site::fixture("").serve();
    let client = abide.client();
    let section = tokio::spawn(async move { client.get("/fixture/a/section?ms=1500").await });
    abide.says("a section has begun").await;
    let mut hasty = Vec::new();
    for _ in 0..10 {
        let mut connection = Connection::to(&abide).await;
        let request = "POST /fixture/a/add HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
        connection.send(request).await;
        hasty.push(connection);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(hasty);
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    section.await.expect("an answer").ok();
}
