//! What becomes of the functions and objects that objects give each other to call?

use std::time::Duration;

use promises::{Abide, Site, until};

async fn ask(abide: &Abide, path: &str) -> String {
    abide.post(path, "").await.ok()
}

/// `b` holds what `a` has given out as 7. Objects leave when nothing happens for so long.
async fn given(idle_timeout_ms: u64) -> Abide {
    let abide = Site::forgetful(&format!("[limits]\nidle_timeout_ms = {idle_timeout_ms}")).serve();
    ask(&abide, "/fixture/a/call?name=b&method=keep&give=7").await;
    abide
}

async fn is_released(abide: &Abide) {
    until("a was told", async || {
        ask(abide, "/fixture/a/released").await == "[7]"
    })
    .await;
}

#[tokio::test]
async fn whoever_holds_a_reference_calls_it() {
    let abide = given(60_000).await;
    let said = ask(&abide, "/fixture/b/use-held?method=hello&what=x").await;
    assert_eq!(said, "7 of a: hello(x)");
    assert_eq!(
        ask(&abide, "/fixture/b/use-held?method=").await,
        "7 of a: ()"
    );
    // It was given out as a result.
    assert_eq!(
        abide
            .post("/fixture/c/call?name=a&method=give", "8")
            .await
            .ok(),
        "given theirs"
    );
    assert_eq!(
        ask(&abide, "/fixture/c/use-held?method=hi").await,
        "8 of a: hi()"
    );
}

#[tokio::test]
async fn a_reference_is_passed_on_and_comes_home() {
    let abide = given(60_000).await;
    ask(&abide, "/fixture/b/call?name=c&method=keep&pass=1").await;
    assert_eq!(
        ask(&abide, "/fixture/c/use-held?method=hi").await,
        "7 of a: hi()"
    );
    // In the hands of its giver it is the giver's own.
    assert_eq!(
        ask(&abide, "/fixture/c/call?name=a&method=keep&pass=1").await,
        "1"
    );
    assert_eq!(ask(&abide, "/fixture/a/held").await, "0");
    assert_eq!(
        ask(&abide, "/fixture/b/call?name=a&method=echo&pass=1").await,
        " theirs"
    );
}

#[tokio::test]
async fn the_giver_is_told_when_the_last_holder_has_let_go() {
    let abide = given(60_000).await;
    ask(&abide, "/fixture/b/call?name=c&method=keep&pass=1").await;
    ask(&abide, "/fixture/b/let-go").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ask(&abide, "/fixture/a/released").await, "[]");
    assert_eq!(
        ask(&abide, "/fixture/c/use-held?method=hi").await,
        "7 of a: hi()"
    );
    ask(&abide, "/fixture/c/let-go").await;
    is_released(&abide).await;
    let told = ask(&abide, "/fixture/b/use-held-flags?number=1&method=hi").await;
    assert_eq!(
        told,
        "TypeError | this instance holds no reference 1 |  | 0"
    );
}

#[tokio::test]
async fn what_an_instance_holds_is_let_go_of_when_it_ends() {
    let abide = given(60_000).await;
    abide
        .get("/fixture/b/trap")
        .await
        .is_error("reset", "unreachable");
    is_released(&abide).await;
    // A holder that only sleeps lets go too.
    let abide = given(100).await;
    is_released(&abide).await;
}

#[tokio::test]
async fn a_reference_ends_when_its_giver_is_reset() {
    let abide = given(60_000).await;
    abide
        .get("/fixture/a/trap")
        .await
        .is_error("reset", "unreachable");
    let told = ask(&abide, "/fixture/b/use-held-flags?method=hi").await;
    assert!(
        told.contains("The reference has ended") && told.contains("reset"),
        "{told}"
    );
    // Its number is not taken for one of the next instance.
    assert_eq!(ask(&abide, "/fixture/a/released").await, "[]");
}

#[tokio::test]
async fn a_giver_stays_awake_while_something_of_it_is_held() {
    let abide = given(500).await;
    let keep_awake = abide.client();
    let keep_awake = tokio::spawn(async move { keep_awake.get("/fixture/b/sleep?ms=4000").await });
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    assert_eq!(
        ask(&abide, "/fixture/b/use-held?method=hi").await,
        "7 of a: hi()"
    );
    assert_eq!(
        abide.get("/fixture/a/events").await.number(),
        2,
        "the same instance"
    );
    keep_awake.await.expect("an answer").ok();
    is_released(&abide).await;
    until("a has left", async || {
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        abide.get("/fixture/a/events").await.number() == 1
    })
    .await;
}

#[tokio::test]
async fn a_call_of_a_reference_that_would_wait_for_itself_fails_at_once() {
    let abide = given(60_000).await;
    let answer = abide
        .post("/fixture/a/ask-in-section", "b use-held?method=hi")
        .await;
    answer.is_error("exception", "would have waited for itself");
}
