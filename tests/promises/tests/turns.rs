//! Which writes belong together, which are undone, and in what order do events run?

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use promises::{Abide, Connection, Site};

/// Asks for a misdeed and says what `n` is afterwards, where it was `before`.
async fn n_after(
    abide: &Abide,
    object: &str,
    before: &str,
    misdeed: &str,
    error: &str,
    text: &str,
) -> String {
    abide
        .get(&format!("/fixture/{object}/put?key=n&value={before}"))
        .await
        .ok();
    abide
        .get(&format!("/fixture/{object}/{misdeed}"))
        .await
        .is_error(error, text);
    abide
        .get(&format!("/fixture/{object}/get?key=n"))
        .await
        .ok()
}

#[tokio::test]
async fn an_exception_rolls_back_nothing_and_keeps_the_instance() {
    let abide = Site::fixture("").serve();
    assert_eq!(
        n_after(
            &abide,
            "a",
            "1",
            "write-then-fail",
            "exception",
            "Error: after a write"
        )
        .await,
        "77"
    );
    assert_eq!(abide.get("/fixture/a/events").await.number(), 4);
}

#[tokio::test]
async fn a_trap_discards_its_turn_and_resets_the_instance() {
    let site = Site::fixture("");
    let abide = site.serve();
    assert_eq!(
        n_after(&abide, "a", "1", "write-then-trap", "reset", "").await,
        "1"
    );
    assert_eq!(
        abide.get("/fixture/a/events").await.number(),
        2,
        "a fresh instance has read n"
    );
    assert_eq!(
        abide.get("/fixture/a/add-in-sql").await.number(),
        1,
        "the table is rolled back as well"
    );
    // The same on the disk.
    abide.kill();
    assert_eq!(site.serve().get("/fixture/a/get?key=n").await.ok(), "1");
}

#[tokio::test]
async fn an_abort_discards_its_turn_and_tells_its_reason() {
    let abide = Site::fixture("").serve();
    assert_eq!(
        n_after(
            &abide,
            "a",
            "1",
            "write-then-abort?reason=enough",
            "reset",
            "enough"
        )
        .await,
        "1"
    );
    let default = "Application called abort() to reset Durable Object.";
    assert_eq!(
        n_after(&abide, "a", "2", "write-then-abort", "reset", default).await,
        "2"
    );
    assert_eq!(abide.get("/fixture/a/events").await.number(), 2);
}

#[tokio::test]
async fn what_was_written_before_a_wait_stays_when_the_object_traps_after_it() {
    let abide = Site::fixture("").serve();
    for how in ["write-wait-then-trap", "write-compute-wait-then-trap"] {
        let n = n_after(&abide, "a", "1", how, "reset", "").await;
        assert_eq!(n, "55", "{how}");
    }
}

#[tokio::test]
async fn an_instance_that_waits_with_an_open_savepoint_is_reset() {
    let abide = Site::fixture("").serve();
    assert_eq!(
        n_after(&abide, "a", "1", "unfinished-savepoint", "reset", "").await,
        "1"
    );
}

#[tokio::test]
async fn storage_calls_let_no_other_event_in() {
    let abide = Site::fixture("").serve();
    let answers = join_all((0..10).map(|_| abide.get("/fixture/a/add"))).await;
    let numbers: BTreeSet<_> = answers.iter().map(|answer| answer.number()).collect();
    assert_eq!(numbers, (1..=10).collect());
}

#[tokio::test]
async fn a_wait_lets_other_events_in() {
    let abide = Site::fixture("").serve();
    let answers = join_all((0..10).map(|_| abide.get("/fixture/a/add-across-a-wait?ms=300"))).await;
    assert!(
        answers.iter().all(|answer| answer.number() == 1),
        "{answers:?}"
    );
}

#[tokio::test]
async fn requests_of_one_connection_run_and_are_answered_in_order() {
    let abide = Site::fixture("").serve();
    let request = |n: u32, close: &str| {
        format!("GET /fixture/a/append?what={n} HTTP/1.1\r\nhost: x\r\n{close}\r\n")
    };
    let all: String =
        (1..20).map(|n| request(n, "")).collect::<String>() + &request(20, "connection: close\r\n");
    let answers = Connection::exchange(&abide, all).await;
    let expected: Vec<_> = (1..=20).map(|n| n.to_string()).collect();
    assert!(
        answers.trim_end().ends_with(&expected.join(" ")),
        "{answers}"
    );
    let mut rest = answers.as_str();
    for n in 1..=20 {
        let list = expected[..n].join(" ");
        let at = rest
            .find(&list)
            .unwrap_or_else(|| panic!("no {list:?} in {rest}"));
        rest = &rest[at + list.len()..];
    }
}

#[tokio::test]
async fn a_hundred_first_events_find_one_instance() {
    let abide = Site::fixture("").serve();
    let answers = join_all((0..100).map(|_| abide.get("/fixture/a/events"))).await;
    let numbers: BTreeSet<_> = answers.iter().map(|answer| answer.number()).collect();
    assert_eq!(numbers, (1..=100).collect());
}

#[tokio::test]
async fn an_object_that_falls_asleep_all_the_time_still_has_one_instance_at_most() {
    let abide = Site::fixture("[limits]\nidle_timeout_ms = 1").serve();
    let mut numbers = Vec::new();
    for round in 0..40 {
        let answers = join_all((0..5).map(|_| abide.get("/fixture/a/add"))).await;
        numbers.extend(answers.iter().map(|answer| answer.number()));
        tokio::time::sleep(Duration::from_millis(round % 4)).await;
    }
    numbers.sort();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
}
