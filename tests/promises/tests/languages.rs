//! Does the contract hold in every language?
//!
//! One set of promises, kept by the guest of each language in turn.

use std::time::Duration;

use promises::{Abide, Language, Protocol, Site, in_each_language, until};

in_each_language! {
    the_constructor_runs_once_in_an_instance,
    an_object_knows_who_it_is,
    eight_megabytes_come_back_as_they_were_sent,
    a_larger_body_needs_no_more_memory,
    the_echo_begins_before_the_request_has_ended,
    counters_in_kv_and_sql_survive_a_kill,
    five_sleeps_overlap,
    an_event_wakes_another,
    an_error_reaches_the_client_and_leaves_the_instance,
    a_thrown_exception_reaches_the_client,
    a_trap_resets_that_instance_alone,
    a_sync_ends,
    an_object_calls_another_and_knows_its_alarm,
}

fn serve(language: Language) -> (Site, Abide) {
    let site = Site::guest(language, "");
    let abide = site.serve();
    (site, abide)
}

async fn the_constructor_runs_once_in_an_instance(language: Language) {
    let (_site, abide) = serve(language);
    for _ in 0..3 {
        assert_eq!(abide.get("/guest/a/started").await.number(), 1);
    }
    assert_eq!(abide.get("/guest/b/started").await.number(), 1);
}

async fn an_object_knows_who_it_is(language: Language) {
    let (_site, abide) = serve(language);
    let who = abide.get("/guest/some%20one/who").await.ok();
    let id = who
        .strip_prefix("guest some one -> ")
        .unwrap_or_else(|| panic!("{who}"));
    assert_eq!(id.len(), 64);
    let by_id = abide.get(&format!("/guest/id:{id}/who")).await.ok();
    assert!(by_id.ends_with(&format!(" -> {id}")), "{by_id}");
}

/// Sends a body of recognisable bytes through the echo, and says how much memory the
/// server had at most meanwhile.
async fn echo(abide: &Abide, protocol: Protocol, megabytes: usize) -> u64 {
    let (mut sender, mut stream) = abide.open_with_body(protocol, "/guest/a/echo").await;
    assert_eq!(stream.status, 200);
    let chunk_of = |index: usize| -> Vec<u8> {
        (0..65_536)
            .map(|byte| (index * 7 + byte / 251) as u8)
            .collect()
    };
    let chunks = megabytes * 16;
    let sending = async move {
        for index in 0..chunks {
            sender
                .send(chunk_of(index))
                .await
                .expect("the body is read");
        }
    };
    let mut resident_bytes_max = 0;
    let receiving = async {
        let mut received: Vec<u8> = Vec::new();
        for index in 0..chunks {
            while received.len() < 65_536 {
                received.extend(
                    stream
                        .next()
                        .await
                        .expect("an echo")
                        .expect("more of the echo"),
                );
            }
            let rest = received.split_off(65_536);
            assert!(
                received == chunk_of(index),
                "chunk {index} is not the one sent"
            );
            received = rest;
            resident_bytes_max = resident_bytes_max.max(abide.resident_bytes());
        }
        assert!(received.is_empty());
        assert_eq!(stream.next().await.expect("an end"), None);
    };
    futures::future::join(sending, receiving).await;
    resident_bytes_max
}

async fn eight_megabytes_come_back_as_they_were_sent(language: Language) {
    let (_site, abide) = serve(language);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        echo(&abide, protocol, 8).await;
    }
}

async fn a_larger_body_needs_no_more_memory(language: Language) {
    let (_site, abide) = serve(language);
    let eight = echo(&abide, Protocol::Http1, 8).await;
    let sixty_four = echo(&abide, Protocol::Http1, 64).await;
    assert!(
        // What a runtime keeps before it collects comes and goes; the body is not in it.
        sixty_four < eight + 40_000_000,
        "8 MB: {eight} bytes resident, 64 MB: {sixty_four}"
    );
}

async fn the_echo_begins_before_the_request_has_ended(language: Language) {
    let (_site, abide) = serve(language);
    let (mut sender, mut stream) = abide.open_with_body(Protocol::Http1, "/guest/a/echo").await;
    for round in 0..5 {
        let chunk = format!("chunk {round}");
        sender.send(chunk.clone()).await.expect("the body is read");
        assert_eq!(
            stream.read(chunk.len()).await.expect("an echo"),
            chunk.as_bytes()
        );
    }
    drop(sender);
    assert_eq!(stream.next().await.expect("an end"), None);
}

async fn counters_in_kv_and_sql_survive_a_kill(language: Language) {
    let (site, abide) = serve(language);
    for n in 1..=3 {
        assert_eq!(abide.post("/guest/a/kv", "").await.number(), n);
        assert_eq!(abide.post("/guest/a/sql", "").await.number(), n);
    }
    abide.kill();
    let abide = site.serve();
    assert_eq!(abide.post("/guest/a/kv", "").await.number(), 4);
    assert_eq!(abide.post("/guest/a/sql", "").await.number(), 4);
    assert_eq!(abide.post("/guest/b/kv", "").await.number(), 1);
}

async fn five_sleeps_overlap(language: Language) {
    let (_site, abide) = serve(language);
    let answers =
        futures::future::join_all((0..5).map(|_| abide.get("/guest/a/sleep?ms=500"))).await;
    let most = answers.iter().map(|answer| answer.number()).max();
    assert_eq!(most, Some(5), "{answers:?}");
}

/// Starts an event that waits for another one.
async fn waiting(abide: &Abide, object: &str) -> tokio::task::JoinHandle<promises::Answer> {
    let client = abide.client();
    let path = format!("/guest/{object}/wait");
    let waiting = tokio::spawn(async move { client.get(&path).await });
    // The constructor of a fresh object runs first; a few answers later it waits.
    abide
        .get(&format!("/guest/{object}/sleep?ms=50"))
        .await
        .ok();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    waiting
}

/// Ends such events.
async fn release(
    abide: &Abide,
    object: &str,
    waiting: tokio::task::JoinHandle<promises::Answer>,
) -> String {
    until("the event that waits is woken", async || {
        assert_eq!(
            abide.get(&format!("/guest/{object}/release")).await.ok(),
            "ok"
        );
        waiting.is_finished()
    })
    .await;
    waiting.await.expect("an answer").ok()
}

async fn an_event_wakes_another(language: Language) {
    let (_site, abide) = serve(language);
    for _ in 0..3 {
        let waiting = waiting(&abide, "a").await;
        assert_eq!(release(&abide, "a", waiting).await, "released");
    }
}

async fn an_error_reaches_the_client_and_leaves_the_instance(language: Language) {
    let (_site, abide) = serve(language);
    let waiting = waiting(&abide, "a").await;
    let answer = abide.get("/guest/a/error").await;
    answer.is_error("exception", "Error: refused on purpose");
    assert_eq!(answer.status, 500);
    // Only the same instance can wake it.
    assert_eq!(release(&abide, "a", waiting).await, "released");
}

async fn a_thrown_exception_reaches_the_client(language: Language) {
    let (_site, abide) = serve(language);
    let waiting = waiting(&abide, "a").await;
    let answer = abide.get("/guest/a/throw").await;
    assert_eq!(answer.status, 500);
    let name = match language {
        // A panic cannot be caught.
        Language::Rust => {
            answer.is_error("reset", "");
            waiting.await.expect("an answer").is_error("reset", "");
            return;
        }
        Language::Go => "*errors.errorString",
        Language::Python => "ValueError",
        Language::JavaScript => "RangeError",
    };
    answer.is_error("exception", &format!("{name}: thrown on purpose"));
    assert_eq!(release(&abide, "a", waiting).await, "released");
}

async fn a_trap_resets_that_instance_alone(language: Language) {
    let (_site, abide) = serve(language);
    assert_eq!(abide.post("/guest/a/kv", "").await.number(), 1);
    let (of_a, of_b) = (waiting(&abide, "a").await, waiting(&abide, "b").await);
    let answer = abide.get("/guest/a/trap").await;
    answer.is_error("reset", "");
    assert_eq!(answer.status, 500);
    of_a.await.expect("an answer").is_error("reset", "");
    assert_eq!(
        abide.get("/guest/a/started").await.number(),
        1,
        "a fresh instance"
    );
    assert_eq!(
        abide.post("/guest/a/kv", "").await.number(),
        2,
        "with its data"
    );
    assert_eq!(release(&abide, "b", of_b).await, "released");
}

async fn a_sync_ends(language: Language) {
    let (_site, abide) = serve(language);
    assert_eq!(abide.post("/guest/a/kv", "").await.number(), 1);
    assert_eq!(abide.get("/guest/a/sync").await.ok(), "synced");
}

async fn an_object_calls_another_and_knows_its_alarm(language: Language) {
    let (_site, abide) = serve(language);
    assert_eq!(abide.get("/guest/a/later").await.ok(), "none");
    let who = abide.get("/guest/a/relay?name=b").await.ok();
    assert!(who.starts_with("guest b -> "), "{who}");
    let body = "streamed there and back ".repeat(10_000);
    let echo = abide.post("/guest/a/relay?name=b", body.clone()).await;
    assert!(echo.ok() == body, "{echo:?}");
    assert_eq!(abide.get("/guest/a/started").await.number(), 1);
}
