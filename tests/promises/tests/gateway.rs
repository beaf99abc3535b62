//! Does a gateway stand before its objects, and does a bad one harm nobody else?

use std::time::{Duration, Instant};

use promises::{Abide, Development, Protocol, Site, WebSocket, fixture, gateway, until, whole};

/// The fixture behind the gateway.
fn config(settings: &str, of_gateway: &str) -> String {
    format!(
        "show_errors = true\ndata = \"data\"\n{settings}\n[classes.fixture]\ncomponent = {:?}\n\
         [gateway]\ncomponent = {:?}\n{of_gateway}\n",
        fixture(),
        gateway()
    )
}

fn served(of_gateway: &str) -> Abide {
    Site::configured(&config("", of_gateway)).serve()
}

#[tokio::test]
async fn nobody_reaches_an_object_past_the_gateway() {
    let site = Site::configured(&config("", ""));
    let abide = site.serve();
    assert_eq!(abide.post("/to/a/add?key=sesame", "").await.number(), 1);
    let id = abide.get("/own/id?name=a").await.ok();
    assert_eq!(abide.get("/to/a/id?key=sesame").await.ok(), id);
    assert_eq!(abide.post("/to/a/add", "").await.status, 403);
    for path in [
        "/fixture/a/add",
        "/fixture/a/read",
        &format!("/fixture/id:{id}/add"),
        "//fixture/a/add",
        "/",
        "/%66ixture/a/add",
        "/(gateway)/0/add",
        "/fixture",
    ] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let answer = abide.ask(protocol, "POST", path, whole("")).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.header("x-by"), Some("gateway"), "{path}");
        }
    }
    assert_eq!(abide.get("/to/a/read?key=sesame").await.number(), 1);
    abide.kill();
    assert_eq!(site.serve().get("/to/a/read?key=sesame").await.number(), 1);
}

#[tokio::test]
async fn the_default_route_is_there_for_who_asks_for_it() {
    let site = Site::configured(&config("default_route = true", ""));
    let abide = site.serve();
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    assert_eq!(abide.get("/to/a/read?key=sesame").await.number(), 1);
    assert_eq!(abide.get("/to/a/read").await.status, 403);
}

#[tokio::test]
async fn what_an_object_answers_comes_back_as_it_is() {
    let abide = served("");
    let url = abide.get("/to/a/url?key=sesame&x=%20").await.ok();
    assert_eq!(
        url,
        format!("http://{}/to/a/url?key=sesame&x=%20", abide.address())
    );
    let headers = abide.get("/to/a/headers?key=sesame&count=3&bytes=5").await;
    assert_eq!(headers.header("x-2"), Some("hhhhh"));
    for path in ["/to/a/fail?key=sesame&message=why", "/own/fail"] {
        let answer = abide.get(path).await;
        answer.is_error("exception", "");
    }
    abide
        .get("/to/a/trap?key=sesame")
        .await
        .is_error("reset", "");
    let nobody = abide.get("/own/nobody").await;
    nobody.is_error("exception", "no class \"nobody\" is configured");
}

#[tokio::test]
async fn who_fails_behind_a_gateway_is_named() {
    let abide = served("");
    for (path, kind, said) in [
        ("fail?message=why", "exception", "exception: TypeError: why"),
        ("write-then-abort?reason=enough", "reset", "reset: enough"),
        ("trap?", "reset", "the instance trapped and was reset"),
    ] {
        let (name, _) = path.split_once('?').expect("a query");
        let asked = abide.get(&format!("/to/{name}/{path}&key=sesame")).await;
        asked.is_error(kind, "");
        abide.says(said).await;
        let log = abide.log();
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains(said) && !line.contains("(gateway)"));
        let line = line.unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("fixture"), "{line}");
    }
    let log = abide.log();
    assert!(log.contains("/to/fail/fail"), "{log}");
}

/// An object that has too much to do keeps its status and its kind, so that a client asks
/// again.
#[tokio::test]
async fn what_is_refused_behind_a_gateway_stays_a_refusal() {
    let settings = "[classes.fixture.limits]\nmailbox_events_max = 1";
    let abide = Site::configured(&config(settings, "")).serve();
    abide.get("/to/a/read?key=sesame").await.ok();
    let client = abide.client();
    let busy = tokio::spawn(async move { client.get("/to/a/spin-for?key=sesame&ms=2000").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = (0..20).map(|_| abide.get("/to/a/read?key=sesame"));
    let mut refused = 0;
    for answer in futures::future::join_all(asked).await {
        if answer.status != 200 {
            answer.is_error("overloaded", "");
            assert_eq!(answer.status, 503);
            assert_eq!(answer.header("retry-after"), Some("1"));
            refused += 1;
        }
    }
    assert!(refused > 5, "{refused} were refused");
    busy.await.expect("no panic").ok();
}

#[tokio::test]
async fn bodies_stream_through_in_both_directions() {
    let abide = served("");
    for path in ["/own/echo", "/to/a/echo?key=sesame"] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let (mut sender, mut answer) = abide.open_with_body(protocol, path).await;
            for round in 0..20 {
                let sent = vec![round; 10_000];
                sender.send(sent.clone()).await.expect("somebody reads");
                assert_eq!(answer.read(10_000).await, Ok(sent), "{path}");
            }
            drop(sender);
            assert_eq!(answer.next().await, Ok(None), "{path}");
        }
    }
    let mut lines = abide.open("/to/a/stream?key=sesame&chunks=3&ms=30").await;
    let first = lines.next().await.expect("a line").expect("a line");
    assert_eq!(&*first, b"1\n");
    assert_eq!(lines.read(4).await.as_deref(), Ok(&b"2\n3\n"[..]));
    let large = vec![7; 3_000_000];
    let length = abide.post("/to/a/length?key=sesame", large).await;
    assert_eq!(length.number(), 3_000_000);
    // What breaks off in the object breaks off for the client.
    let mut broken = abide
        .open("/to/a/stream-then-trap?key=sesame&chunks=2")
        .await;
    let mut outcome = broken.next().await;
    while let Ok(Some(_)) = outcome {
        outcome = broken.next().await;
    }
    assert!(outcome.is_err(), "{outcome:?}");
}

/// The socket is the object's; the gateway has only passed it on.
#[tokio::test]
async fn a_websocket_goes_through_to_the_object_and_outlives_the_instance() {
    let abide = served("limits = { idle_timeout_ms = 50 }");
    let path = "/to/a/ws?key=sesame&hello=welcome";
    let mut socket = WebSocket::open(&abide, path).await;
    assert_eq!(socket.text().await, "welcome");
    abide.get("/own/trap").await.is_error("reset", "");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(socket.ask("hello").await, "hello");
    let refused = WebSocket::try_open(&abide, "/to/a/ws", &[]).await;
    assert!(refused.is_err(), "without a key");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let abide = served("");
    let client = abide.client();
    let asked = tokio::spawn(async move { client.get("/own/left").await });
    abide.says("holding a request").await;
    asked.abort();
    abide.says("a caller has left: true").await;
}

#[tokio::test]
async fn instances_work_side_by_side_and_one_takes_several_requests() {
    let abide = served("");
    let count = 100;
    let begin = Instant::now();
    let held = (0..count).map(|_| abide.get("/own/hold?ms=300"));
    for answer in futures::future::join_all(held).await {
        answer.ok();
    }
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    // Nobody else asks now: one instance is enough.
    let seen = abide.get("/own/seen").await.number();
    assert_eq!(abide.get("/own/seen").await.number(), seen + 1);
    assert!(
        (2..30).contains(&seen),
        "{seen} of {count} requests in one instance"
    );
}

#[tokio::test]
async fn an_instance_that_fails_is_dropped_alone() {
    let abide = served("limits = { cpu_ms_max = 200, memory_bytes_max = 16777216 }");
    abide.post("/to/a/add?key=sesame", "").await.ok();
    for (path, text) in [
        ("/own/trap", ""),
        ("/own/spin", "CPU"),
        ("/own/hoard?bytes=30000000", ""),
    ] {
        let held = abide.get("/own/hold?ms=600");
        let streamed = async {
            let mut lines = abide.open("/to/a/stream?key=sesame&chunks=4&ms=100").await;
            lines.read(8).await
        };
        let bad = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            abide.get(path).await
        };
        let (held, streamed, bad) = futures::join!(held, streamed, bad);
        assert_eq!(held.ok(), "held", "{path}");
        assert_eq!(streamed.as_deref(), Ok(&b"1\n2\n3\n4\n"[..]), "{path}");
        bad.is_error("reset", text);
        assert_eq!(abide.get("/own/hold?ms=0").await.ok(), "held", "{path}");
    }
    assert_eq!(abide.get("/to/a/read?key=sesame").await.number(), 1);
}

#[tokio::test]
async fn a_storm_of_bad_requests_lets_good_ones_through() {
    let abide = served("limits = { cpu_ms_max = 100 }");
    let storm = (0..60).map(|n| {
        let abide = abide.client();
        async move {
            let path = ["/own/trap", "/own/fail", "/own/spin"][n % 3];
            abide.get(path).await
        }
    });
    let good = async {
        let mut answered = 0;
        for _ in 0..20 {
            let answer = abide.get("/to/a/add?key=sesame").await;
            answered += usize::from(answer.status == 200);
        }
        answered
    };
    let (bad, good) = futures::join!(futures::future::join_all(storm), good);
    assert!(bad.iter().all(|answer| answer.status == 500));
    // Some share an instance with a bad one.
    assert!(good >= 10, "{good} of 20");
}

#[tokio::test]
async fn a_gateway_has_an_environment_of_its_own_and_no_way_out_by_default() {
    let site = Site::configured(&config(
        "",
        "env = { MODE = \"gate\" }\nenv_from = [\"API_KEY\"]",
    ));
    let abide = site.serve_with(|command| {
        command.env("API_KEY", "s3cret");
    });
    assert_eq!(abide.get("/own/env?name=MODE").await.ok(), "gate");
    assert_eq!(abide.get("/own/env?name=API_KEY").await.ok(), "s3cret");
    let of_object = abide.get("/to/a/env?key=sesame&name=MODE").await;
    assert_eq!(of_object.ok(), "(none)");
    let host = abide.address();
    let outside = abide.get(&format!("/own/outside?host={host}")).await;
    outside.is_error("exception", "outbound");
    abide.kill();
    let other = served("");
    let allowed = format!("outbound = [\"{}\"]", other.address());
    let abide = served(&allowed);
    let outside = format!("/own/outside?host={}", other.address());
    let answer = abide.get(&outside).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(answer.text(), "the gateway knows no such place");
}

#[tokio::test]
async fn a_gateway_that_cannot_be_one_is_refused() {
    let refused = |config: &str, words: &[&str]| {
        let refusal = Site::configured(config).refusal();
        refusal.names(words);
    };
    let class = format!("[classes.fixture]\ncomponent = {:?}\n", fixture());
    // It has no storage to give.
    let of_object = std::env::temp_dir().join(format!("abide-gateway-{}", std::process::id()));
    std::fs::copy(fixture(), &of_object).expect("a copy");
    let table = format!("{class}[gateway]\ncomponent = {of_object:?}\n");
    let words = [
        "the gateway",
        "of another world",
        "durable:object/gateway",
        "lacks",
    ];
    refused(&table, &words);
    let _ = std::fs::remove_file(of_object);
    refused(
        &format!("{class}[gateway]\n"),
        &["abide.toml:3:", "component"],
    );
    refused(
        &format!("{class}[gateway]\ncomponent = {:?}\n", fixture()),
        &["abide.toml:3:", "give each its own"],
    );
    let route = "[[routes]]\npath = \"/{name}\"\nclass = \"fixture\"\n";
    refused(&config("", route), &["abide.toml:", "[[routes]]"]);
    refused(
        &format!("default_route = false\n{class}"),
        &["abide.toml:1:", "[gateway]"],
    );
}

#[tokio::test]
async fn a_gateway_is_replaced_while_somebody_develops() {
    let dev = Development::default();
    dev.write("g.wasm", promises::smallest::answering("one"));
    dev.write(
        "abide.toml",
        format!(
            "[classes.fixture]\ncomponent = {:?}\n[gateway]\ncomponent = \"g.wasm\"\n",
            fixture()
        ),
    );
    let abide = dev.dev("abide.toml");
    let answers = async |text: &str| {
        until(&format!("the gateway answers {text}"), async || {
            let answer = abide.ask(Protocol::Http1, "GET", "/x", whole("")).await;
            answer.is_ok_and(|answer| answer.text() == text)
        })
        .await;
    };
    answers("one").await;
    dev.write("g.wasm", promises::smallest::answering("two"));
    answers("two").await;
    dev.remove("g.wasm");
    until("the failure shows", async || {
        let answer = abide.get("/x").await;
        assert_eq!(answer.ok(), "two");
        answer.header("abide-build") == Some("failed")
    })
    .await;
    std::fs::copy(gateway(), dev.path("g.wasm")).expect("a copy");
    until("the new gateway answers", async || {
        abide.get("/own/hold?ms=0").await.text() == "held"
    })
    .await;
    assert_eq!(abide.post("/to/a/add?key=sesame", "").await.number(), 1);
}

/// Its requests end within the grace, and nothing keeps the server.
#[tokio::test]
async fn a_server_with_a_gateway_stops_in_order() {
    let site = Site::configured(&config("[server]\nshutdown_grace_ms = 3000", ""));
    let abide = site.serve();
    let client = abide.client();
    let held = tokio::spawn(async move { client.get("/own/hold?ms=500").await });
    abide.says("holding a request").await;
    let stopped = abide.stop().await;
    assert!(stopped.success(), "{stopped:?}");
    assert_eq!(held.await.expect("no panic").ok(), "held");
}
