//! Does nothing leave an object before it is durable?
//!
//! A sync that hangs shows what waits for it.

use std::time::Duration;

use promises::{Abide, Client, Disk, FlakyDisk, Outcome, Site, until};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Long enough for an answer that does not wait to arrive many times over.
pub const A_WHILE: Duration = Duration::from_millis(300);

/// A server with an object `a` that holds n = 1, and whose syncs hang from now on.
pub async fn with_hanging_sync() -> (Site, FlakyDisk, Abide) {
    let site = Site::fixture("");
    let disk = FlakyDisk::of(&site);
    disk.faults("");
    let abide = site.serve_with(|command| disk.attach(command));
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    disk.faults("sync hang");
    (site, disk, abide)
}

fn ask(client: &Client, path: &'static str) -> JoinHandle<u64> {
    let client = client.clone();
    tokio::spawn(async move { client.post(path, "").await.number() })
}

#[tokio::test]
async fn an_answer_waits_until_its_write_is_durable() {
    let (site, disk, abide) = with_hanging_sync().await;
    let answer = ask(&abide, "/fixture/a/add");
    tokio::time::sleep(A_WHILE).await;
    assert!(
        !answer.is_finished(),
        "the answer came before the sync ended"
    );
    disk.faults("");
    assert_eq!(answer.await.expect("an answer"), 2);
    drop(site);
}

#[tokio::test]
async fn an_answer_that_wrote_nothing_waits_behind_an_unproven_write() {
    let (_site, disk, abide) = with_hanging_sync().await;
    let write = ask(&abide, "/fixture/a/add");
    // The object has the write before the read begins.
    tokio::time::sleep(A_WHILE).await;
    let read = ask(&abide, "/fixture/a/read");
    tokio::time::sleep(A_WHILE).await;
    assert!(
        !read.is_finished(),
        "the answer revealed a write that is not durable"
    );
    disk.faults("");
    assert_eq!(write.await.expect("an answer"), 2);
    assert_eq!(read.await.expect("an answer"), 2);
}

#[tokio::test]
async fn an_error_waits_behind_an_unproven_write_too() {
    let (_site, disk, abide) = with_hanging_sync().await;
    let client = abide.client();
    let answer = tokio::spawn(async move { client.get("/fixture/a/write-then-fail").await });
    tokio::time::sleep(A_WHILE).await;
    assert!(
        !answer.is_finished(),
        "the error came before the sync ended"
    );
    disk.faults("");
    answer
        .await
        .expect("an answer")
        .is_error("exception", "after a write");
    assert_eq!(abide.get("/fixture/a/read").await.number(), 77);
}

#[tokio::test]
async fn the_object_works_on_while_its_answers_wait() {
    let (_site, disk, abide) = with_hanging_sync().await;
    let answers: Vec<_> = (0..5).map(|_| ask(&abide, "/fixture/a/add")).collect();
    tokio::time::sleep(A_WHILE).await;
    assert!(answers.iter().all(|answer| !answer.is_finished()));
    disk.faults("");
    let mut numbers = Vec::new();
    for answer in answers {
        numbers.push(answer.await.expect("an answer"));
    }
    numbers.sort();
    assert_eq!(numbers, [2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn an_answer_without_unproven_writes_waits_for_nobody() {
    let (_site, disk, abide) = with_hanging_sync().await;
    let write = ask(&abide, "/fixture/a/add");
    assert_eq!(abide.get("/fixture/b/events").await.number(), 1);
    assert_eq!(abide.get("/fixture/b/read").await.number(), 0);
    assert!(!write.is_finished());
    disk.faults("");
    assert_eq!(write.await.expect("an answer"), 2);
}

#[tokio::test]
async fn a_chunk_waits_until_the_writes_before_it_are_durable() {
    let (_site, disk, abide) = with_hanging_sync().await;
    let mut stream = abide
        .open("/fixture/a/stream-of-writes?chunks=3&ms=20")
        .await;
    let begin = stream
        .read(6)
        .await
        .expect("a chunk that reveals nothing new");
    assert_eq!(begin, b"begin\n");
    let next = tokio::spawn(async move { stream.next().await });
    tokio::time::sleep(A_WHILE).await;
    assert!(
        !next.is_finished(),
        "a chunk revealed a write that is not durable"
    );
    disk.faults("");
    let next = next
        .await
        .expect("no panic")
        .expect("a chunk")
        .expect("more");
    assert_eq!(next[..2], *b"2\n");
}

#[tokio::test]
async fn a_sync_that_the_object_asks_for_ends_when_its_writes_are_durable() {
    let (_site, disk, abide) = with_hanging_sync().await;
    let client = abide.client();
    let answer =
        tokio::spawn(async move { client.get("/fixture/a/sync?key=x&value=y").await.ok() });
    tokio::time::sleep(A_WHILE).await;
    assert!(!answer.is_finished());
    disk.faults("");
    assert_eq!(answer.await.expect("an answer"), "synced");
}

/// The same gate seen from behind: what nobody was told may be gone.
#[tokio::test]
async fn what_waited_in_the_gate_was_told_to_nobody_when_the_power_failed() {
    let (site, disk, abide) = with_hanging_sync().await;
    let client = abide.client();
    let answer = tokio::spawn(async move { client.try_post("/fixture/a/add").await });
    tokio::time::sleep(A_WHILE).await;
    assert!(!answer.is_finished());
    abide.kill();
    assert!(answer.await.expect("no panic").is_err(), "nobody was told");
    let left = TempDir::new().expect("a folder for a test");
    Disk::write(
        &Disk::default()
            .replay(&disk.recording())
            .after_power_loss(Outcome::Strict),
        left.path(),
    );
    assert_eq!(
        site.with_data(left.path())
            .serve()
            .get("/fixture/a/read")
            .await
            .number(),
        1
    );
}

#[tokio::test]
async fn a_client_that_left_keeps_nobody_from_writing() {
    let (_site, disk, abide) = with_hanging_sync().await;
    let answer = ask(&abide, "/fixture/a/add");
    tokio::time::sleep(A_WHILE).await;
    answer.abort();
    disk.faults("");
    until("the write is there", async || {
        abide.get("/fixture/a/read").await.number() == 2
    })
    .await;
}

/// A disk that hangs does not fill the memory with what objects say, errors or not.
#[tokio::test]
async fn what_waits_is_bounded_whatever_it_is() {
    let (_site, disk, abide) = with_hanging_sync().await;
    let resident_bytes = abide.resident_bytes();
    let many: Vec<_> = (0..100)
        .map(|_| {
            let client = abide.client();
            let path = "/fixture/a/write-then-fail?times=200000";
            tokio::spawn(async move { client.get(path).await })
        })
        .collect();
    tokio::time::sleep(10 * A_WHILE).await;
    let grown = abide.resident_bytes().saturating_sub(resident_bytes);
    assert!(grown < 120_000_000, "errors that wait take {grown} bytes");
    disk.faults("");
    for answer in many {
        let answer = answer.await.expect("an answer");
        answer.is_error("exception", "after a write after a write");
    }
}
