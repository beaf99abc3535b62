//! When does the constructor run, and what if it fails?

use futures::FutureExt;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use promises::{Site, probe};

#[tokio::test]
async fn events_wait_for_a_slow_constructor() {
    let abide = Site::fixture("").serve();
    let answers = join_all((0..5).map(|_| abide.get("/fixture/slow-to-start-300/events"))).await;
    let mut numbers: Vec<_> = answers.iter().map(|answer| answer.number()).collect();
    numbers.sort();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_constructor_that_fails_tells_its_caller_and_is_tried_again_for_the_next() {
    let abide = Site::fixture("").serve();
    for n in 1..=2 {
        let answer = abide.get("/fixture/fails-at-start-2/events").await;
        assert_eq!(answer.status, 500);
        assert!(answer.header("abide-error").is_some());
        assert!(answer.text().contains(&format!("try {n}")), "{answer:?}");
    }
    assert_eq!(
        abide.get("/fixture/fails-at-start-2/events").await.number(),
        1
    );
}

#[tokio::test]
async fn what_a_constructor_that_failed_had_not_committed_is_rolled_back() {
    let abide = Site::fixture("").serve();
    assert_eq!(
        abide.get("/fixture/fails-at-start-1/events").await.status,
        500
    );
    assert_eq!(
        abide
            .get("/fixture/fails-at-start-1/get?key=ghost")
            .await
            .ok(),
        "(none)"
    );
    assert_eq!(
        abide
            .get("/fixture/fails-at-start-1/get?key=tries")
            .await
            .ok(),
        "2"
    );
}

#[tokio::test]
async fn every_event_that_waits_for_a_constructor_that_fails_gets_its_error() {
    let abide = Site::fixture("").serve();
    // As many failures as events: however many share one try, all of them fail.
    let answers = join_all((0..5).map(|_| abide.get("/fixture/fails-at-start-5/events"))).await;
    for answer in answers {
        assert_eq!(answer.status, 500, "{answer:?}");
        assert!(answer.text().contains("try "), "{answer:?}");
    }
}

#[tokio::test]
async fn a_constructor_that_traps_harms_nobody_else() {
    let abide = Site::fixture("").serve();
    for _ in 0..3 {
        abide
            .get("/fixture/traps-at-start/events")
            .await
            .is_error("reset", "");
        assert_eq!(abide.get("/fixture/well/read").await.number(), 0);
    }
    assert_eq!(abide.get("/fixture/well/events").await.number(), 4);
}

#[tokio::test]
async fn a_constructor_runs_again_after_a_reset() {
    let abide = Site::fixture("").serve();
    assert_eq!(
        abide
            .get("/fixture/fails-at-start-0/get?key=tries")
            .await
            .ok(),
        "1"
    );
    abide
        .get("/fixture/fails-at-start-0/trap")
        .await
        .is_error("reset", "");
    assert_eq!(
        abide
            .get("/fixture/fails-at-start-0/get?key=tries")
            .await
            .ok(),
        "2"
    );
}

/// Few objects begin at a time. One that computes for long while it begins lets others
/// go first.
#[tokio::test]
async fn constructors_that_run_for_long_do_not_keep_other_objects_from_beginning() {
    let abide = Site::fixture("").serve();
    let cores = std::thread::available_parallelism().unwrap().get();
    let mut counting: FuturesUnordered<_> = (0..cores)
        .map(|n| {
            let (client, path) = (
                abide.client(),
                format!("/fixture/counts-at-start-{n}/events"),
            );
            tokio::spawn(async move { client.get(&path).await })
        })
        .collect();
    promises::until("all of them count", async || {
        abide.log().matches("the object counts").count() == cores
    })
    .await;
    for n in 0..10 {
        let newcomer = format!("/fixture/newcomer-{n}/events");
        assert_eq!(abide.get(&newcomer).await.number(), 1);
    }
    assert!(counting.next().now_or_never().is_none(), "one has begun");
}

#[tokio::test]
async fn constructors_that_call_each_other_in_a_circle_are_told_at_once() {
    let probe = probe();
    let abide = Site::configured(&format!(
        "show_errors = true\ndata = \"data\"\n[classes.probe]\ncomponent = {probe:?}"
    ))
    .serve();
    for (name, other) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let call = format!(r#"["stubs.run", "probe", {{"name": "{other}"}}, [["state.name"]]]"#);
        let steps = format!(r#"[["start-with", [{call}]]]"#);
        abide.post(&format!("/probe/{name}"), steps).await.ok();
        let path = format!("/probe/{name}");
        assert_eq!(abide.post(&path, r#"[["abort"]]"#).await.status, 500);
    }
    let begin = std::time::Instant::now();
    let results = abide.post("/probe/a", r#"[["start-results"]]"#).await.ok();
    // The one that came round was refused, and what it was asked for the others can tell.
    assert_eq!(results, r#"[[["b"]]]"#);
    let results = abide.post("/probe/c", r#"[["start-results"]]"#).await.ok();
    assert!(
        results.contains("would have waited for itself"),
        "{results}"
    );
    assert!(
        begin.elapsed().as_secs() < 20,
        "nobody waited for a time-out"
    );
}
