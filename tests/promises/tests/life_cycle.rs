//! When do objects and the server come and go?

use std::time::{Duration, Instant};

use promises::{Abide, Connection, Protocol, Site, until};
use tokio::net::TcpStream;

const SLEEPY: &str = "[limits]\nidle_timeout_ms = 100";

#[tokio::test]
async fn an_idle_object_leaves_and_the_next_event_starts_afresh_with_its_data() {
    let abide = Site::forgetful(SLEEPY).serve();
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    until("the object has left", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        abide.get("/fixture/a/events").await.number() == 1
    })
    .await;
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 2);
}

#[tokio::test]
async fn an_object_that_is_used_does_not_leave() {
    let abide = Site::fixture("[limits]\nidle_timeout_ms = 2000").serve();
    for n in 1..=30 {
        assert_eq!(abide.get("/fixture/a/events").await.number(), n);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_object_does_not_leave_while_an_event_is_pending() {
    let abide = Site::fixture(SLEEPY).serve();
    let client = abide.client();
    let held = tokio::spawn(async move { client.get("/fixture/a/hold").await.ok() });
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert!(!held.is_finished());
    assert_eq!(abide.get("/fixture/a/release").await.ok(), "released");
    assert_eq!(held.await.expect("an answer"), "released");
}

#[tokio::test]
async fn an_object_does_not_leave_while_it_streams() {
    let abide = Site::fixture(SLEEPY).serve();
    let mut stream = abide.open("/fixture/a/stream?chunks=5&ms=300").await;
    assert_eq!(
        stream.read(1000).await.expect("a whole answer"),
        b"1\n2\n3\n4\n5\n"
    );
}

#[tokio::test]
async fn work_after_the_answer_keeps_the_object_awake() {
    let abide = Site::fixture(SLEEPY).serve();
    assert_eq!(abide.get("/fixture/a/later?ms=700").await.ok(), "promised");
    // Nothing else may keep it awake, so it is asked once and late.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(abide.get("/fixture/a/get?key=later").await.ok(), "done");
}

#[tokio::test]
async fn many_objects_that_left_cost_nearly_nothing() {
    let abide = Site::fixture(SLEEPY).serve();
    let touch_all = async |round: u32| {
        for n in 0..300 {
            abide.get(&format!("/fixture/r{round}-{n}/add")).await.ok();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    touch_all(0).await;
    let (resident_bytes, files) = (abide.resident_bytes(), open_files(&abide));
    for round in 1..6 {
        touch_all(round).await;
    }
    until("the objects have left", async || {
        open_files(&abide) < files + 50
    })
    .await;
    let grown = abide.resident_bytes().saturating_sub(resident_bytes);
    // Live, they would take more than twice as much.
    assert!(
        grown < 100_000_000,
        "1,500 objects that left still cost {grown} bytes"
    );
}

fn open_files(abide: &Abide) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", abide.pid()))
        .expect("the server runs")
        .count()
}

/// Starts an event that lasts, and waits until it runs.
async fn with_event(abide: &Abide, ms: u64) -> tokio::task::JoinHandle<Result<u64, String>> {
    let client = abide.client();
    let path = format!("/fixture/a/add-then-sleep?ms={ms}");
    let event =
        tokio::spawn(async move { client.try_post(&path).await.map(|answer| answer.number()) });
    until("the event runs", async || {
        abide.get("/fixture/a/read").await.number() == 1
    })
    .await;
    event
}

#[tokio::test]
async fn sigterm_lets_running_events_finish() {
    let site = Site::fixture("");
    let abide = site.serve();
    let event = with_event(&abide, 1000).await;
    assert!(abide.stop().await.success(), "the exit code of a stop is 0");
    assert_eq!(event.await.expect("no panic"), Ok(1));
    assert_eq!(site.serve().post("/fixture/a/add", "").await.number(), 2);
}

#[tokio::test]
async fn sigint_stops_the_server_like_sigterm() {
    let abide = Site::fixture("").serve();
    let event = with_event(&abide, 500).await;
    abide.signal(libc::SIGINT);
    assert!(abide.ended().await.success());
    assert_eq!(event.await.expect("no panic"), Ok(1));
}

#[tokio::test]
async fn a_server_that_stops_takes_no_new_connections() {
    let abide = Site::fixture("").serve();
    let event = with_event(&abide, 3000).await;
    abide.signal(libc::SIGTERM);
    until("connections are refused", async || {
        TcpStream::connect(abide.address()).await.is_err()
    })
    .await;
    assert!(!event.is_finished(), "the event still runs");
    assert_eq!(event.await.expect("no panic"), Ok(1));
}

#[tokio::test]
async fn an_event_that_outlasts_the_grace_period_does_not_keep_the_server() {
    let abide = Site::fixture("[server]\nshutdown_grace_ms = 300").serve();
    let event = with_event(&abide, 600_000).await;
    let begin = Instant::now();
    abide.stop().await;
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        begin.elapsed()
    );
    assert_ne!(
        event.await.expect("no panic"),
        Ok(1),
        "nobody was told that it went well"
    );
}

#[tokio::test]
async fn a_spinning_object_does_not_keep_the_server() {
    let abide = Site::fixture("[server]\nshutdown_grace_ms = 300").serve();
    let client = abide.client();
    tokio::spawn(async move { client.try_post("/fixture/a/spin").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begin = Instant::now();
    abide.stop().await;
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn connections_that_wait_for_nothing_do_not_keep_the_server() {
    let abide = Site::fixture("[server]\nshutdown_grace_ms = 60000").serve();
    let mut silent = Connection::to(&abide).await;
    let mut idle = Connection::to(&abide).await;
    idle.send("GET /fixture/a/events HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    idle.read_until("\r\n\r\n1").await;
    abide
        .ask(
            Protocol::Http2,
            "GET",
            "/fixture/a/events",
            promises::whole(""),
        )
        .await
        .expect("an answer");
    let begin = Instant::now();
    assert!(abide.stop().await.success());
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        begin.elapsed()
    );
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
}

#[tokio::test]
async fn a_server_starts_again_on_what_it_left() {
    let site = Site::fixture("");
    for n in 1..=4 {
        let abide = site.serve();
        assert_eq!(abide.post("/fixture/a/add", "").await.number(), n);
        assert!(abide.stop().await.success());
    }
}
