//! What happens between two objects when one calls the other?

use std::time::{Duration, Instant};

use futures::future::join_all;
use promises::{Abide, Protocol, Site, until, whole};

use crate::gates::{A_WHILE, with_hanging_sync};

async fn post(abide: &Abide, path: &str, body: &str) -> String {
    abide.post(path, body.to_string()).await.ok()
}

#[tokio::test]
async fn a_request_to_another_object_is_like_one_from_outside() {
    let abide = Site::fixture("").serve();
    assert_eq!(post(&abide, "/fixture/a/ask", "b name").await, "b");
    assert_eq!(
        post(&abide, "/fixture/a/ask", "b url?x").await,
        "http://stub/url?x"
    );
    assert_eq!(post(&abide, "/fixture/a/ask", "b method").await, "POST");
    assert_eq!(
        post(&abide, "/fixture/a/ask", "b echo\nsome bytes").await,
        "some bytes"
    );
    let id = post(&abide, "/fixture/a/ask", "b id").await;
    assert_eq!(
        post(&abide, "/fixture/a/ask", &format!("id:{id} events")).await,
        "6"
    );
    // To itself, too.
    assert_eq!(post(&abide, "/fixture/a/ask", "a name").await, "a");
}

#[tokio::test]
async fn two_hundred_first_touches_at_once_make_one_instance() {
    let abide = Site::fixture("").serve();
    let touches = (0..200).map(|number| {
        let (client, path) = (
            abide.client(),
            format!("/fixture/caller-{}/ask", number % 20),
        );
        async move { client.post(&path, "one events").await.number() }
    });
    let mut seen = join_all(touches).await;
    seen.sort();
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn bodies_stream_through_objects_both_ways() {
    let abide = Site::fixture("").serve();
    let (mut sender, mut answer) = abide
        .open_with_body(Protocol::Http1, "/fixture/a/relay?name=b&to=echo")
        .await;
    for _ in 0..20 {
        sender.send(vec![b'x'; 100_000]).await.expect("it is read");
        assert_eq!(
            answer.read(100_000).await.expect("it is sent on").len(),
            100_000
        );
    }
    drop(sender);
    assert_eq!(answer.next().await, Ok(None));
    let body = whole(vec![b'x'; 3_000_000]);
    let path = "/fixture/a/relay?name=b&to=length";
    let answer = abide.ask(Protocol::Http2, "POST", path, body).await;
    assert_eq!(answer.expect("an answer").number(), 3_000_000);
}

#[tokio::test]
async fn errors_come_back_with_what_may_be_concluded_from_them() {
    let abide = Site::fixture("").serve();
    let check = async |body: &str, expected: &str| {
        let told = post(&abide, "/fixture/a/ask-flags", body).await;
        assert!(
            told.contains(expected),
            "{body:?}: {told:?} lacks {expected:?}"
        );
    };
    check("b fail?message=oh", "TypeError | oh | remote | 0").await;
    check("b trap", " | remote reset | ").await;
    check(
        "b write-then-abort?reason=enough",
        "Error | enough | remote reset | ",
    )
    .await;
    // The stub goes on working.
    check("b read", "0").await;
    check("fails-at-start-9 read", "Unborn | try 1 | remote | 0").await;
    check(
        "b bad-status?status=99",
        "RangeError | the object answered with status 99",
    )
    .await;
    check(
        "id:00 read",
        "TypeError | Invalid Durable Object ID: must be 64 hex digits |  | 0",
    )
    .await;
    let path = "/fixture/a/ask-flags?class=nothing";
    let told = post(&abide, path, "b read").await;
    assert_eq!(
        told,
        "TypeError | no class \"nothing\" is configured |  | 0"
    );
}

#[tokio::test]
async fn a_caller_is_told_that_the_object_has_too_much_to_do() {
    let abide = Site::fixture("[limits]\nmailbox_events_max = 2").serve();
    until("b is alone", async || {
        // Those that find no room any more are told so, too.
        let waiting = ["section?ms=2000", "events", "events", "events"].map(|path| {
            let client = abide.client();
            tokio::spawn(async move { client.harass(&format!("/fixture/b/{path}"), "").await })
        });
        drop(waiting);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let told = post(&abide, "/fixture/a/ask-flags", "b events").await;
        told == "Error | Durable Object is overloaded. Too many requests queued. | overloaded | 0"
    })
    .await;
}

#[tokio::test]
async fn calls_through_one_stub_arrive_in_the_order_sent() {
    let abide = Site::fixture("").serve();
    post(&abide, "/fixture/a/ask-many?name=b&count=50", "").await;
    let said = abide.get("/fixture/b/append?what=end").await.ok();
    let expected: String = (1..=50).map(|number| format!("{number}")).collect();
    let said: String = said.split_whitespace().collect();
    assert_eq!(said, expected + "end");
}

#[tokio::test]
async fn a_call_waits_until_the_writes_before_it_are_durable() {
    let (_site, disk, abide) = with_hanging_sync().await;
    let client = abide.client();
    let asking =
        tokio::spawn(async move { client.post("/fixture/a/write-then-ask", "b events").await });
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(
        abide.get("/fixture/b/events").await.number(),
        1,
        "the call came before the sync ended"
    );
    disk.faults("");
    assert_eq!(asking.await.expect("an answer").number(), 2);
}

#[tokio::test]
async fn a_call_in_a_transaction_does_not_wait_for_its_end() {
    let abide = Site::fixture("").serve();
    assert_eq!(
        post(&abide, "/fixture/a/ask-in-transaction", "b name").await,
        "b"
    );
    assert_eq!(
        abide.get("/fixture/a/get?key=n").await.ok(),
        "in a transaction"
    );
}

#[tokio::test]
async fn a_circle_of_calls_that_can_go_on_does() {
    let abide = Site::fixture("").serve();
    let circle = "b ask\na ask\nb ask\na name";
    assert_eq!(post(&abide, "/fixture/a/ask", circle).await, "a");
}

#[tokio::test]
async fn a_call_that_would_wait_for_itself_fails_at_once() {
    let abide = Site::fixture("").serve();
    let begin = Instant::now();
    for (path, body) in [
        ("/fixture/a/ask-in-section", "a name"),
        ("/fixture/a/ask-in-section", "b ask\na name"),
        (
            "/fixture/a/ask-in-section",
            "b ask-slowly?ms=20\nc ask\na name",
        ),
        ("/fixture/a/ask-in-transaction", "b ask\na name"),
        ("/fixture/a/ask", "b ask-in-section\nc ask\nb name"),
    ] {
        let answer = abide.post(path, body).await;
        answer.is_error("exception", "would have waited for itself");
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "they waited");
    // Whoever does not wait for the section's end only waits.
    let client = abide.client();
    let section = tokio::spawn(async move {
        client
            .post("/fixture/a/ask-in-section", "b sleep?ms=300")
            .await
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(post(&abide, "/fixture/b/ask", "a name").await, "a");
    section.await.expect("an answer").ok();
}

#[tokio::test]
async fn calls_in_a_circle_without_end_fail() {
    let abide = Site::fixture("").serve();
    let circle = "b ask\na ask\n".repeat(40);
    let answer = abide.post("/fixture/a/ask", circle).await;
    answer.is_error("exception", "nested more than 32 deep");
}

#[tokio::test]
async fn a_call_whose_caller_has_gone_is_not_begun() {
    let abide = Site::fixture("").serve();
    let client = abide.client();
    let section = tokio::spawn(async move { client.get("/fixture/b/section?ms=1000").await });
    abide.says("a section has begun").await;
    // One that is given up, one that is not, and one whose instance ends.
    post(&abide, "/fixture/a/ask-and-forget?name=b&what=given-up", "").await;
    post(
        &abide,
        "/fixture/a/ask-and-forget?name=b&what=kept&keep=1",
        "",
    )
    .await;
    post(
        &abide,
        "/fixture/c/ask-and-forget?name=b&what=reset&keep=1",
        "",
    )
    .await;
    abide
        .get("/fixture/c/trap")
        .await
        .is_error("reset", "unreachable");
    section.await.expect("an answer").ok();
    let said = abide.get("/fixture/b/append?what=end").await.ok();
    assert!(said.contains("kept"), "{said}");
    assert!(
        !said.contains("given-up") && !said.contains("reset"),
        "{said}"
    );
}

#[tokio::test]
async fn an_outstanding_call_keeps_its_caller_awake() {
    let abide = Site::forgetful("[limits]\nidle_timeout_ms = 100").serve();
    let client = abide.client();
    let section = tokio::spawn(async move { client.get("/fixture/b/section?ms=1000").await });
    abide.says("a section has begun").await;
    post(
        &abide,
        "/fixture/a/ask-and-forget?name=b&what=kept&keep=1",
        "",
    )
    .await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(abide.get("/fixture/a/events").await.number(), 2);
    section.await.expect("an answer").ok();
    // And no longer than that.
    until("a has left", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        abide.get("/fixture/a/events").await.number() == 1
    })
    .await;
}

#[tokio::test]
async fn a_method_is_called_with_its_arguments() {
    let abide = Site::fixture("").serve();
    let check = async |query: &str, body: &str, expected: &str| {
        let path = format!("/fixture/a/call-flags?name=b&{query}");
        assert_eq!(post(&abide, &path, body).await, expected, "{query}");
    };
    check("method=echo", "abc", "abc").await;
    check("method=title&property=1", "", "the property title").await;
    check("method=add", "", "1").await;
    check(
        "method=nothing",
        "",
        "TypeError | The RPC receiver does not implement the method \"nothing\". | remote | 0",
    )
    .await;
    check(
        "method=fail",
        "65536",
        "RangeError | out of range | remote | 65536",
    )
    .await;
    check(
        "method=fail",
        "65537",
        "RangeError | out of range | remote | 0",
    )
    .await;
    for name in [
        "alarm",
        "fetch",
        "webSocketMessage",
        "webSocketClose",
        "webSocketError",
        "constructor",
        "dup",
    ] {
        let refused = format!(
            "TypeError | '{name}' is a reserved method and cannot be called over RPC. |  | 0"
        );
        check(&format!("method={name}"), "", &refused).await;
    }
    check("method=length&bytes=33554432", "", "33554432").await;
    let too_large = "Error | Serialized RPC arguments or return values are limited to 32MiB, but \
                     the size of this value was: 33554433 bytes. | ";
    check(
        "method=length&bytes=33554433",
        "",
        &format!("{too_large} | 0"),
    )
    .await;
    check("method=large", "33554432", "33554432 bytes").await;
    check(
        "method=large",
        "33554433",
        &format!("{too_large}remote | 0"),
    )
    .await;
}

#[tokio::test]
async fn a_class_without_methods_says_so() {
    let site = Site::fixture("");
    let component = promises::foreign_clock();
    let config = std::fs::read_to_string(site.config()).expect("it was written");
    site.configure(&format!(
        "{config}[classes.other]\ncomponent = {component:?}\n"
    ));
    let abide = site.serve();
    let told = post(
        &abide,
        "/fixture/a/call-flags?class=other&name=b&method=x",
        "",
    )
    .await;
    assert_eq!(
        told,
        "TypeError | this class has no rpc handler: its component does not export it | remote | 0"
    );
}

#[tokio::test]
async fn a_call_carries_streams() {
    let abide = Site::fixture("").serve();
    let body = whole(vec![b'x'; 300_000]);
    let path = "/fixture/a/call?name=b&method=echo";
    let answer = abide.ask(Protocol::Http1, "POST", path, body).await;
    assert_eq!(answer.expect("an answer").ok(), " stream of 300000");
}

#[tokio::test]
async fn what_calls_hold_is_bounded_whatever_they_hold() {
    let abide = Site::fixture("").serve();
    let told = post(
        &abide,
        "/fixture/a/ask-of-long-names?count=100&bytes=1000000&ms=5000",
        "",
    )
    .await;
    let (refused, why) = told.split_once(": ").expect("a number and a reason");
    assert_eq!(refused, "33", "64 MiB are 67 names: {why}");
    assert!(why.contains("Its unanswered calls hold more than"), "{why}");
    let few = post(
        &abide,
        "/fixture/a/ask-of-long-names?count=10&bytes=1000000",
        "",
    )
    .await;
    assert_eq!(few, "0: ");
}
