//! How long may an object keep others waiting for it?

use std::time::{Duration, Instant};

use futures::future::join_all;
use promises::Site;

/// The limit of 30 seconds, and room for a busy machine.
const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test]
#[ignore = "it waits for the limit"]
async fn an_object_that_stands_still_is_reset_and_answers_again_takes_half_a_minute() {
    let abide = Site::fixture("").serve();
    let begin = Instant::now();
    let client = abide.client();
    let stands = tokio::spawn(async move { client.get("/fixture/a/stand-still?ms=3600000").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Who comes meanwhile is answered too, if only with an error.
    abide.get("/fixture/a/events").await;
    stands.await.expect("an answer").is_error("reset", "");
    assert!(begin.elapsed() < LIMIT, "it took {:?}", begin.elapsed());
    assert!(abide.get("/fixture/a/events").await.number() <= 2);
}

#[tokio::test]
#[ignore = "it waits for the limit"]
async fn a_constructor_that_never_ends_is_given_up_takes_half_a_minute() {
    let abide = Site::fixture("").serve();
    let begin = Instant::now();
    let names = ["waits", "section", "stands-still"];
    let ask = async |name: &str| abide.get(&format!("/fixture/{name}-at-start/events")).await;
    for (name, answer) in names
        .iter()
        .zip(join_all(names.iter().map(|name| ask(name))).await)
    {
        assert!(answer.status >= 500, "{name}: {answer:?}");
        assert!(answer.header("abide-error").is_some(), "{name}: {answer:?}");
    }
    assert!(begin.elapsed() < LIMIT, "it took {:?}", begin.elapsed());
}
