//! What do many WebSockets cost, and does each get what is its own?

use std::time::{Duration, Instant};

use futures::future::join_all;
use promises::{Abide, RawSocket, Site, WebSocket, until};

const SLEEPY: &str = "[limits]\nidle_timeout_ms = 200";
const CROWD: usize = 1_000;
/// Handshakes at a time.
const AT_ONCE: usize = 50;

async fn crowd(abide: &Abide, path: impl Fn(usize) -> String) -> Vec<WebSocket> {
    let mut sockets = Vec::new();
    for some in (0..CROWD).collect::<Vec<_>>().chunks(AT_ONCE) {
        let paths: Vec<_> = some.iter().map(|n| path(*n)).collect();
        let opened = paths.iter().map(|path| WebSocket::open(abide, path));
        sockets.extend(join_all(opened).await);
    }
    sockets
}

/// Each says its numbers, all at the same time, and gets them back in order.
async fn all_get_their_own(sockets: &mut [WebSocket]) {
    let each = sockets.iter_mut().enumerate().map(async |(n, socket)| {
        for turn in 0..5 {
            socket.send(&format!("{n} {turn}")).await;
        }
        for turn in 0..5 {
            assert_eq!(socket.text().await, format!("{n} {turn}"));
        }
    });
    join_all(each).await;
}

#[tokio::test]
async fn slow_a_thousand_sockets_of_one_object_sleep_wake_and_hear_it() {
    let abide = Site::fixture(SLEEPY).serve();
    let mut sockets = crowd(&abide, |n| format!("/fixture/room/ws?tags={n}")).await;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(800)).await;
        all_get_their_own(&mut sockets).await;
    }
    tokio::time::sleep(Duration::from_millis(800)).await;
    sockets[7].send("/broadcast to all").await;
    let heard = join_all(sockets.iter_mut().map(WebSocket::text)).await;
    assert!(heard.iter().all(|text| text == "to all"));
    assert_eq!(sockets[999].ask("/tags").await, "999");
    drop(sockets);
    until("all of them are gone", async || {
        abide.get("/fixture/room/sockets?what=count").await.number() == 0
    })
    .await;
    let ends = abide.get("/fixture/room/sockets?what=ends").await.ok();
    assert_eq!(ends.lines().count(), CROWD);
}

#[tokio::test]
async fn slow_a_thousand_objects_with_a_socket_each_sleep_and_wake() {
    let abide = Site::forgetful(SLEEPY).serve();
    let mut sockets = crowd(&abide, |n| format!("/fixture/o{n}/ws")).await;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(800)).await;
        all_get_their_own(&mut sockets).await;
    }
    tokio::time::sleep(Duration::from_millis(800)).await;
    let each = sockets.iter_mut().enumerate().map(async |(n, socket)| {
        assert_eq!(socket.ask("/events").await, "1", "it has slept");
        assert_eq!(socket.ask("/name").await, format!("o{n}"));
    });
    join_all(each).await;
}

/// Sockets that lie still, on one object or on as many.
async fn quiet_crowd(
    abide: &Abide,
    count: usize,
    path: impl Fn(usize) -> String,
) -> Vec<RawSocket> {
    let mut sockets = Vec::new();
    for some in (0..count).collect::<Vec<_>>().chunks(AT_ONCE) {
        let paths: Vec<_> = some.iter().map(|n| path(*n)).collect();
        let opened = paths.iter().map(|path| RawSocket::open(abide, path));
        sockets.extend(join_all(opened).await);
    }
    sockets
}

#[tokio::test]
async fn slow_sockets_at_rest_cost_little_memory_and_no_time() {
    const COUNT: usize = 5_000;
    let settings = format!("{SLEEPY}\n[server]\nwebsocket_ping_ms = 60000");
    let abide = Site::fixture(&settings).serve();
    // What the first ones need, the allocator keeps for the others.
    let first = quiet_crowd(&abide, 3_000, |_| "/fixture/room/ws".into()).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let before = abide.resident_bytes();
    let sockets = quiet_crowd(&abide, COUNT, |_| "/fixture/room/ws".into()).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let each = abide.resident_bytes().saturating_sub(before) / COUNT as u64;
    let (cpu, begin) = (abide.cpu_time(), Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let share = (abide.cpu_time() - cpu).as_secs_f64() / begin.elapsed().as_secs_f64();
    println!("{each} bytes and {share} of a processor for {COUNT} sockets of one object");
    // 3 to 5 KB on a quiet machine; beside other load the allocator keeps more.
    assert!(each < 20_000, "{each} bytes for a socket at rest");
    assert!(
        share < 0.05,
        "{share} of a processor for {COUNT} sockets at rest"
    );
    drop((first, sockets));
    until("all of them are gone", async || {
        abide.get("/fixture/room/sockets?what=count").await.number() == 0
    })
    .await;
}
