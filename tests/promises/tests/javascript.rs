//! Does a class that was written for Cloudflare find here what it finds there?
//!
//! What code sees by itself is checked in JavaScript, see ../javascript/checks.mjs.

use promises::{Abide, Said, Site, WebSocket, javascript_gateway, probe, until, whole};

/// Names a promise, and the check that holds it.
macro_rules! checks {
    ($($promise:ident: $check:literal,)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let abide = Site::javascript("").serve();
                let answer = abide.get(concat!("/objects/a/", $check)).await;
                assert_eq!(answer.text(), "ok", "{}", abide.log());
            }
        )*
    };
}

checks! {
    values_are_kept_as_structured_clones: "clones",
    a_clone_keeps_what_is_the_same_the_same: "clonesKeepIdentity",
    errors_are_kept: "clonesOfErrors",
    what_has_no_clone_is_refused: "whatHasNoClone",
    arrays_keep_holes_and_names: "arraysWithHolesAndNames",
    surrogates_without_partners_are_kept: "surrogatesWithoutPartners",
    what_of_the_web_has_a_copy_is_kept: "whatOfTheWebIsKept",
    keys_and_values_are_kept_in_order: "keysAndValues",
    transactions_are_undone_or_kept: "transactions",
    transactions_beside_each_other_are_one_after_the_other: "transactionsBesideEachOther",
    what_is_done_beside_a_transaction_is_not_in_it: "writesBesideATransaction",
    a_transaction_may_be_begun_in_a_savepoint: "transactionsWithinSavepoints",
    cursors_give_rows_in_every_shape: "cursors",
    many_rows_are_never_in_memory_at_once: "manyRowsAreReadInParts",
    cursors_that_nobody_reads_are_closed: "cursorsThatNobodyReadsToTheEnd",
    rows_that_were_read_ahead_are_not_given_when_they_are_undone: "rowsThatWereUndone",
    errors_of_sql_have_cloudflares_text: "sqlErrors",
    an_alarm_needs_its_handler: "alarmsNeedAHandler",
    an_alarm_is_set_to_a_time: "alarmTimes",
    ids_are_made_and_compared: "ids",
    methods_and_properties_are_called: "methods",
    calls_carry_what_can_be_cloned: "callsCarryClones",
    calls_arrive_in_order: "callsInOrder",
    a_result_is_called_before_it_is_there: "pipelining",
    what_came_from_others_is_passed_on: "whatCameIsPassedOn",
    stubs_are_passed_on: "stubsArePassedOn",
    a_disposer_is_called_when_nobody_holds_what_was_passed: "disposers",
    a_stream_is_written_to_from_elsewhere: "streamsToWriteTo",
    functions_are_called_back: "callbacks",
    errors_of_a_call_arrive_whole: "errorsArriveWhole",
    what_is_thrown_arrives_as_what_it_is: "whatIsThrownArrives",
    a_signal_of_a_time_is_never_aborted_at_once: "timeoutsAreNeverAtOnce",
    a_response_has_the_text_of_its_status: "statusTexts",
    calls_carry_streams: "streamsInCalls",
    calls_carry_requests_and_responses: "messagesInCalls",
    a_stub_is_fetched: "fetchOfAnother",
    a_pair_of_sockets_connects_code_with_itself: "pairsWithinAnObject",
    a_socket_that_does_not_connect_is_closed_without_a_word: "socketsThatDoNotConnect",
    a_socket_with_a_wrong_address_or_protocol_is_refused: "socketsThatCannotBeAskedFor",
    binary_messages_are_of_the_type_that_a_socket_says: "binaryMessages",
    a_socket_connects_objects: "socketsBetweenObjects",
    too_many_tags_are_refused: "tooManyTags",
    sections_lie_in_each_other: "sections",
    sections_beside_each_other_are_one_after_the_other: "sectionsBesideEachOther",
    a_section_ends_after_those_that_lie_in_it: "sectionsThatNobodyAwaits",
    memory_is_collected_before_it_is_full: "garbageInCircles",
    a_redirect_of_an_object_is_followed: "redirects",
    a_body_that_comes_compressed_is_read_as_it_was: "compressedBodies",
    a_signal_ends_a_body_too: "abortedBodies",
    recursion_that_is_too_deep_can_be_caught: "deepRecursion",
}

#[tokio::test]
async fn objects_in_javascript_and_in_rust_call_each_other() {
    let probe = probe();
    let settings = format!("[classes.probe]\ncomponent = {probe:?}");
    let abide = Site::javascript(&settings).serve();
    let answer = abide.get("/objects/a/callsOfAnotherLanguage").await;
    assert_eq!(answer.text(), "ok", "{}", abide.log());

    let steps = r#"[
        ["stubs.call", "objects", {"name": "b"}, "echo", [{"a": [1, null, "two"], "b": {"blob": "00ff"}}]],
        ["stubs.call", "objects", {"name": "b"}, "add", [1, 2, 39]],
        ["stubs.get", "objects", {"name": "b"}, "version"],
        ["stubs.count", "objects", {"name": "b"}, [2, 3]],
        ["stubs.apply", "objects", {"name": "b"}, "x"]
    ]"#;
    let answer = abide.post("/probe/a", steps).await.ok();
    let expected = r#"[{"a":[1,null,"two"],"b":{"blob":"00ff"}},42,7,[2,5],["x","x"]]"#;
    assert_eq!(answer, expected);
    let failing = r#"[["stubs.call", "objects", {"name": "b"}, "fail", []]]"#;
    let answer = abide.post("/probe/a", failing).await.ok();
    let expected = r#"[{"error":{"message":"not like this","name":"TypeError"}}]"#;
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn an_object_counts_on_after_a_kill() {
    let site = Site::javascript("");
    let abide = site.serve();
    for count in 1..=3 {
        assert_eq!(abide.get("/objects/a/count").await.number(), count);
    }
    abide.kill();
    assert_eq!(site.serve().get("/objects/a/count").await.number(), 4);
}

#[tokio::test]
async fn what_is_thrown_reaches_the_client_and_the_log_and_leaves_the_object() {
    let abide = Site::javascript("").serve();
    assert_eq!(abide.get("/objects/a/count").await.number(), 1);
    let answer = abide.get("/objects/a/throw").await;
    answer.is_error("exception", "RangeError: thrown on purpose");
    let answer = abide.get("/objects/a/throw-text").await;
    answer.is_error("exception", "only a text");
    let answer = abide.get("/objects/a/no-response").await;
    answer.is_error("exception", "did not resolve to 'Response'");
    assert_eq!(abide.get("/objects/a/later").await.ok(), "ok");
    let log = abide.later_log();
    until("the stacks are in the log", async || {
        let log = log();
        [
            "RangeError: thrown on purpose",
            "at fetch (",
            "at failing (",
        ]
        .iter()
        .all(|part| log.contains(part))
    })
    .await;
    assert_eq!(abide.get("/objects/a/count").await.number(), 2);
}

#[tokio::test]
async fn an_event_goes_on_when_another_completes_what_it_waits_for() {
    let abide = Site::javascript("").serve();
    let client = abide.client();
    let waiting = tokio::spawn(async move { client.get("/objects/a/wait").await });
    until("it is released", async || {
        abide.get("/objects/a/release").await.ok();
        waiting.is_finished()
    })
    .await;
    assert_eq!(waiting.await.expect("an answer").ok(), "released");
}

#[tokio::test]
async fn bodies_of_all_sizes_come_back() {
    let abide = Site::javascript("").serve();
    for size in [0, 1, 65_536, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        let answer = abide.post("/objects/a/echo", body.clone()).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body == body, "{size} bytes");
    }
    // What nobody reads hinders nobody.
    let body = whole(vec![7; 1_000_000]);
    let answer = abide
        .ask(promises::Protocol::Http1, "POST", "/objects/a/unread", body)
        .await;
    assert_eq!(answer.expect("an answer").ok(), "not read");
}

#[tokio::test]
async fn a_body_is_compressed_where_its_header_says_so() {
    let abide = Site::javascript("").serve();
    for route in ["compressed", "compressed-by-hand", "passed-on"] {
        let answer = abide.get(&format!("/objects/a/{route}")).await;
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{route}");
        assert!(answer.body.starts_with(&[0x1f, 0x8b]), "{route}");
        assert!(answer.body.len() < 100, "{route}");
    }
    let unpacked = abide.get("/objects/a/unpacked").await;
    assert_eq!(unpacked.header("content-encoding"), None);
    assert_eq!(unpacked.ok(), "hello ".repeat(1000));
}

#[tokio::test]
async fn code_learns_that_its_client_has_left() {
    let abide = Site::javascript("").serve();
    let client = abide.client();
    let asking = tokio::spawn(async move { client.try_post("/objects/a/until-left").await });
    // It waits by then, or is told as soon as it does.
    abide.get("/objects/a/left").await.ok();
    asking.abort();
    until("the signal is there", async || {
        abide.get("/objects/a/left").await.ok() == "1"
    })
    .await;
    let mut endless = abide.open("/objects/a/endless").await;
    assert_eq!(endless.read(5).await.expect("the first chunk"), b"begun");
    drop(endless);
    until("the stream is cancelled", async || {
        abide.get("/objects/a/cancelled").await.ok() == "1"
    })
    .await;
}

#[tokio::test]
async fn a_class_without_a_base_class_runs_and_cannot_be_called() {
    let abide = Site::javascript("").serve();
    assert_eq!(abide.get("/old/a/").await.ok(), "1");
    let refused = abide.get("/old/a/").await.ok();
    assert!(refused.contains("does not support RPC"), "{refused}");
    assert_eq!(abide.get("/old/a/").await.ok(), "3");
}

/// What a kind of work leaves behind for good would be there a thousand times.
#[tokio::test]
async fn nothing_that_an_object_does_stays_in_its_memory() {
    let abide = Site::javascript("").serve();
    let works = ["storage", "sql", "calls", "counters", "requests", "timers"];
    for work in works {
        let path = format!("/objects/a/busy?with={work}");
        let objects = async || abide.get("/objects/a/objects-in-memory").await.number();
        for _ in 0..20 {
            abide.get(&path).await.ok();
        }
        let before = objects().await;
        for _ in 0..500 {
            abide.get(&path).await.ok();
        }
        let after = objects().await;
        assert!(after < before + 400, "{work}: {before}, then {after}");
    }
}

/// What an instance's code and its engine use of its memory.
async fn memory_bytes(abide: &Abide) -> u64 {
    abide.get("/objects/a/memory-bytes").await.number()
}

#[tokio::test]
#[ignore = "takes minutes; by hand: --ignored soak"]
async fn soak_a_hundred_thousand_calls_leave_an_instance_no_larger() {
    const CALLS: u64 = 100_000;
    /// Tables that grow once.
    const GROWTH_BYTES_MAX: u64 = 64 << 10;
    let abide = Site::javascript("").serve();
    let works = ["storage", "sql", "calls", "counters", "requests", "timers"];
    let round = async |calls: u64| {
        for call in 0..calls / works.len() as u64 {
            let asked = works.map(|work| {
                let (client, path) = (abide.client(), format!("/objects/a/busy?with={work}"));
                async move { client.get(&path).await.ok() }
            });
            futures::future::join_all(asked).await;
            if call % 1_000 == 0 {
                println!("{} calls: {} bytes", call * 6, memory_bytes(&abide).await);
            }
        }
    };
    round(CALLS / 100).await;
    let before = memory_bytes(&abide).await;
    round(CALLS).await;
    let after = memory_bytes(&abide).await;
    assert!(
        after < before + GROWTH_BYTES_MAX,
        "{before} bytes, then {after}"
    );
}

#[tokio::test]
async fn a_constructor_hears_what_it_made_possible_before_its_end() {
    let abide = Site::javascript("").serve();
    let called = abide.get("/objects/called-back-at-start/at-start").await;
    assert_eq!(called.ok(), "called at start");
    let heard = abide.get("/objects/listens-at-start/at-start").await;
    assert_eq!(heard.ok(), "of 1");
}

async fn socket(abide: &Abide, query: &str) -> WebSocket {
    WebSocket::open(abide, &format!("/sockets/room/{query}")).await
}

#[tokio::test]
async fn a_socket_hibernates_and_keeps_its_attachment_and_tags() {
    let abide = Site::javascript("[limits]\nidle_timeout_ms = 50").serve();
    let mut ada = socket(&abide, "?tag=ada").await;
    assert_eq!(ada.text().await, "of 1");
    let mut bob = socket(&abide, "?tag=bob").await;
    assert_eq!(bob.text().await, "of 2");
    assert_eq!(ada.ask("attachment").await, "0 x");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(ada.ask("attachment").await, "0 x");
    assert_eq!(bob.ask("tags").await, "all bob");
    ada.send("hello").await;
    assert_eq!(
        (ada.text().await, bob.text().await),
        ("hello".into(), "hello".into())
    );
    bob.send_binary(vec![1, 2]).await;
    assert!(matches!(bob.next().await, Said::Binary(bytes) if *bytes == [2, 3]));
    ada.send("throw").await;
    ada.close(4002, "bye").await;
    assert_eq!(bob.text().await, "gone 4002 bye");
    assert!(matches!(ada.next().await, Said::Close(4002, reason) if reason == "bye"));
    bob.send("close").await;
    assert!(matches!(bob.next().await, Said::Close(4001, reason) if reason == "as you wish"));
}

#[tokio::test]
async fn what_is_said_to_a_client_that_has_left_is_said_to_nobody() {
    let abide = Site::javascript("").serve();
    let mut ada = socket(&abide, "").await;
    assert_eq!(ada.text().await, "of 1");
    let mut bob = socket(&abide, "").await;
    assert_eq!(bob.text().await, "of 2");
    let mut eve = socket(&abide, "").await;
    assert_eq!(eve.text().await, "of 3");
    // The object has answered its close, or it could not.
    ada.close(4002, "bye").await;
    assert_eq!(bob.text().await, "gone 4002 bye");
    // The handler has ended once the next event is answered.
    assert_eq!(bob.ask("tags").await, "all none");
    let left = abide.get("/sockets/room/?left").await.ok();
    assert_eq!(left, "3 0 Can't call WebSocket send() after close().");
    drop(eve);
    assert!(bob.text().await.starts_with("gone 1006 "));
    assert_eq!(bob.ask("tags").await, "all none");
    let left = abide.get("/sockets/room/?left").await.ok();
    assert_eq!(left, "3 0 said to nobody");
}

#[tokio::test]
async fn a_socket_without_hibernation_is_heard_by_listeners() {
    let abide = Site::javascript("").serve();
    let mut plain = socket(&abide, "?plain=1").await;
    assert_eq!(plain.text().await, "of 0");
    assert_eq!(plain.ask("hello").await, "plain hello");
    plain.close(4003, "bye").await;
    assert!(matches!(plain.next().await, Said::Close(4003, reason) if reason == "bye"));
    let mut other = socket(&abide, "?tag=x").await;
    assert_eq!(other.text().await, "of 1");
    other.send("abort").await;
    assert!(matches!(
        other.next().await,
        Said::Close(1006, _) | Said::Gone
    ));
}

#[tokio::test]
async fn a_worker_stands_before_its_objects() {
    let component = javascript_gateway();
    let abide = Site::javascript(&format!("[gateway]\ncomponent = {component:?}")).serve();
    assert_eq!(abide.get("/objects/a/count").await.status, 403);
    let count = abide.get("/objects/a/count?key=sesame").await;
    assert_eq!(count.header("x-by"), Some("gateway"));
    assert_eq!(count.number(), 1);
    assert_eq!(abide.get("/version/a?key=sesame").await.ok(), "7");
    let body = vec![b'x'; 1_000_000];
    let echo = abide.post("/objects/a/echo?key=sesame", body.clone()).await;
    assert!(echo.body == body);
    let failed = abide.get("/objects/a/throw?key=sesame").await;
    failed.is_error("exception", "RangeError: thrown on purpose");
    // The client and the object speak to each other, past the gateway.
    let mut ada = socket(&abide, "?tag=ada&key=sesame").await;
    assert_eq!(ada.text().await, "of 1");
    assert_eq!(ada.ask("tags").await, "all ada");
}
