//! Do those that wait get their turn, and do those that compute get their time?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use promises::{Attack, Site};

use crate::turn;

#[tokio::test]
async fn an_event_that_waits_is_answered_although_others_never_cease() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    // What each of the others waits for in the object's queue, in microseconds.
    let slowest = Arc::new(AtomicU64::new(0));
    let into = slowest.clone();
    let flood = Attack::of(&abide, 64, move |client, _, count| {
        let into = into.clone();
        async move {
            let begin = Instant::now();
            client.get("/fixture/a/work?rounds=300000").await.ok();
            if count > 0 {
                into.fetch_max(begin.elapsed().as_micros() as u64, Ordering::Relaxed);
            }
        }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begin = Instant::now();
    let asked = tokio::time::timeout(Duration::from_secs(20), abide.get("/fixture/a/sleep?ms=10"));
    let answer = asked.await;
    let waited = begin.elapsed();
    let others = Duration::from_micros(slowest.load(Ordering::Relaxed));
    println!("answered after {waited:?}, the others after {others:?} at most");
    drop(flood);
    answer.expect("an answer to an event that waits").ok();
    assert!(
        waited < 4 * others + Duration::from_secs(1),
        "an event that waits 10 ms took {waited:?}, the others {others:?} at most"
    );
}

/// Three times as many take three times as long, or a little more, but not nine times.
#[tokio::test]
async fn releasing_many_waits_costs_no_more_for_each_of_them() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let mut best = [u64::MAX; 2];
    for round in 0..3 {
        for (best, count) in best.iter_mut().zip([3_000, 9_000]) {
            let path = format!("/fixture/herd-{round}-{count}/herd?count={count}&ms=700");
            *best = (*best).min(abide.get(&path).await.number());
        }
    }
    let [few, many] = best;
    println!("3,000 took {few} µs, 9,000 took {many} µs");
    assert!(
        many < 5 * few + 20_000,
        "3,000 waits were released in {few} µs, 9,000 in {many} µs"
    );
}

/// Time in the queue for a processor is nobody's use of it.
#[tokio::test]
async fn an_object_within_its_limit_is_not_reset_because_others_compute_too() {
    let _turn = turn().await;
    let abide = Site::fixture("[limits]\ncpu_ms_max = 1000").serve();
    let path = async |n: usize, rounds: u64| {
        abide
            .get(&format!("/fixture/o{n}/work?rounds={rounds}"))
            .await
    };
    let mut rounds = 1_000_000;
    let begin = loop {
        let begin = Instant::now();
        path(0, rounds).await.ok();
        if begin.elapsed() > Duration::from_millis(100) {
            break begin.elapsed();
        }
        rounds *= 2;
    };
    println!("alone it takes {begin:?}");
    // Together they keep every processor busy for much longer than the limit.
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    for answer in join_all((0..processors * 16).map(|n| path(n, rounds))).await {
        answer.ok();
    }
}

#[tokio::test]
async fn an_object_that_yields_for_ever_is_reset() {
    let _turn = turn().await;
    let abide = Site::fixture("[limits]\ncpu_ms_max = 500").serve();
    for how in ["yield-for-ever", "yield-for-ever-at-once"] {
        let path = format!("/fixture/{how}/{how}");
        let answer = tokio::time::timeout(Duration::from_secs(20), abide.get(&path)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{how}: it goes on and on"));
        answer.is_error("reset", "CPU");
        assert_eq!(
            abide.get(&format!("/fixture/{how}/events")).await.number(),
            1
        );
    }
}
