//! Where do the requests of objects go, and where do they not?

use promises::elsewhere::{answer, kept_answer};
use promises::{Abide, Elsewhere, Protocol, Site, until, whole};

use crate::gates::A_WHILE;

/// The fixture, whose objects may send requests to these.
fn site(outbound: &[String]) -> Site {
    let site = Site::fixture("");
    let config = std::fs::read_to_string(site.config()).expect("it was written");
    site.configure(&format!("{config}outbound = {outbound:?}\n"));
    site
}

fn may_reach(elsewhere: &Elsewhere) -> Site {
    site(&[format!("127.0.0.1:{}", elsewhere.port())])
}

async fn echo() -> Elsewhere {
    Elsewhere::answering(|request| answer(200, "x-own: 1\r\nkeep-alive: 5\r\n", request)).await
}

async fn out(abide: &Abide, request: &str) -> promises::Answer {
    abide.post("/fixture/a/out", request.to_string()).await
}

#[track_caller]
fn is_refused(answer: &promises::Answer, text: &str) {
    answer.is_error("exception", text);
}

#[tokio::test]
async fn a_request_arrives_as_the_object_made_it() {
    let elsewhere = echo().await;
    let abide = may_reach(&elsewhere).serve();
    let port = elsewhere.port();
    let answer = out(
        &abide,
        &format!(
            "PATCH http://127.0.0.1:{port}/a/b?c=d#e\nx-mine: 1\nhost: evil\nconnection: x-mine2\n\
             x-mine2: 2\ncontent-length: 99\n\nthe body"
        ),
    )
    .await;
    let heard = answer.ok();
    assert!(heard.starts_with("PATCH /a/b?c=d HTTP/1.1\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\nthe body"), "{heard}");
    assert!(
        heard.contains("x-mine: 1\r\n") && !heard.contains("x-mine2"),
        "{heard}"
    );
    assert!(
        heard.contains(&format!("host: 127.0.0.1:{port}\r\n")),
        "{heard}"
    );
    assert!(heard.contains("content-length: 8\r\n"), "{heard}");
    assert_eq!(answer.header("x-own"), Some("1"));
    assert_eq!(answer.header("keep-alive"), None);
}

#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    let elsewhere = echo().await;
    let abide = may_reach(&elsewhere).serve();
    let path = format!("/fixture/a/out-echo?port={}&path=x", elsewhere.port());
    let body = whole(vec![b'x'; 500_000]);
    let answer = abide.ask(Protocol::Http1, "POST", &path, body).await;
    let heard = answer.expect("an answer").body;
    assert!(
        heard.windows(9).any(|it| it == b"chunked\r\n"),
        "it was a stream"
    );
    assert!(heard.iter().filter(|byte| **byte == b'x').count() >= 500_000);
}

/// The lines that were heard first.
fn heard(elsewhere: &Elsewhere) -> Vec<String> {
    let heard = elsewhere.heard().into_iter();
    heard
        .map(|request| request.lines().next().unwrap_or_default().into())
        .collect()
}

#[tokio::test]
async fn what_may_be_sent_twice_is_when_its_connection_was_just_closed() {
    let elsewhere = Elsewhere::answering(|_| kept_answer("hello")).await;
    let abide = may_reach(&elsewhere).serve();
    let port = elsewhere.port();
    for (method, body) in [("GET", ""), ("PUT", "\n\nx"), ("DELETE", "")] {
        let before = heard(&elsewhere).len();
        let ask = |path| format!("{method} http://127.0.0.1:{port}/{path}{body}");
        // The connection of an earlier method is kept, but nobody answers there.
        out(&abide, &ask("1")).await.ok();
        let sent = heard(&elsewhere).len() - before;
        out(&abide, &ask("2")).await.ok();
        let all = heard(&elsewhere);
        let line = format!("{method} /2 HTTP/1.1");
        assert_eq!(&all[before + sent..], [line.clone(), line], "{all:?}");
    }
}

#[tokio::test]
async fn what_may_not_be_sent_twice_is_not() {
    let elsewhere = Elsewhere::answering(|_| kept_answer("hello")).await;
    let abide = may_reach(&elsewhere).serve();
    let port = elsewhere.port();
    let ask = format!("POST http://127.0.0.1:{port}/1");
    out(&abide, &ask).await.ok();
    let answer = out(&abide, &ask).await;
    answer.is_error("exception", "no answer of");
    assert_eq!(heard(&elsewhere).len(), 2);
    // Nor is a stream, which is gone, or what has broken a connection of its own.
    out(&abide, &format!("GET http://127.0.0.1:{port}/1"))
        .await
        .ok();
    let path = format!("/fixture/a/out-echo?method=PUT&port={port}&path=x");
    let body = whole(vec![b'x'; 500_000]);
    let answer = abide.ask(Protocol::Http1, "POST", &path, body).await;
    let answer = answer.expect("an answer");
    answer.is_error("exception", "no answer of");
    assert_eq!(heard(&elsewhere).len(), 4);
    let silent = Elsewhere::answering(|_| " ".into()).await;
    let abide = may_reach(&silent).serve();
    let answer = out(&abide, &format!("GET http://127.0.0.1:{}/", silent.port())).await;
    answer.is_error("exception", "no answer of");
    assert_eq!(heard(&silent).len(), 1);
}

#[tokio::test]
async fn a_length_and_chunks_are_never_said_together() {
    let elsewhere = Elsewhere::answering(|request| {
        let body = match request.starts_with("GET") {
            true => "5\r\nhello\r\n0\r\n\r\n",
            false => return answer(200, "", request),
        };
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n{body}"
        )
    })
    .await;
    let abide = may_reach(&elsewhere).serve();
    let port = elsewhere.port();
    // An answer that says both has chunks, and its length is passed to nobody.
    let answer = out(&abide, &format!("GET http://127.0.0.1:{port}/")).await;
    assert_eq!(answer.ok(), "hello");
    assert_eq!(answer.header("content-length"), None, "{answer:?}");
    // A request that says both has what its body has.
    let both = "content-length: 3\ntransfer-encoding: chunked";
    let request = format!("POST http://127.0.0.1:{port}/\n{both}\n\nhello");
    let heard = out(&abide, &request).await.ok().to_lowercase();
    assert!(heard.contains("content-length: 5\r\n"), "{heard}");
    assert!(!heard.contains("transfer-encoding"), "{heard}");
    let fields = "content-length:500000|transfer-encoding:chunked";
    for (fields, has_chunks) in [(fields, false), ("transfer-encoding:chunked", true)] {
        let path = format!("/fixture/a/out-echo?port={port}&path=x&header={fields}");
        let body = whole(vec![b'x'; 500_000]);
        let heard = abide.ask(Protocol::Http1, "POST", &path, body).await;
        let heard = heard.expect("an answer").text().to_lowercase();
        let head = heard.split("\r\n\r\n").next().unwrap_or_default();
        assert_eq!(
            head.contains("content-length: 500000"),
            !has_chunks,
            "{head}"
        );
        assert_eq!(head.contains("transfer-encoding"), has_chunks, "{head}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_whole() {
    let elsewhere = Elsewhere::answering(|_| {
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhalf".to_string()
    })
    .await;
    let abide = may_reach(&elsewhere).serve();
    let request = format!("GET http://127.0.0.1:{}/", elsewhere.port());
    let client = abide.client();
    let asked = client
        .ask(Protocol::Http1, "POST", "/fixture/a/out", whole(request))
        .await;
    assert!(asked.is_err(), "{asked:?}");
}

#[tokio::test]
async fn nothing_is_allowed_that_the_configuration_does_not_allow() {
    let elsewhere = echo().await;
    let port = elsewhere.port();
    let abide = Site::fixture("").serve();
    let answer = out(&abide, &format!("GET http://127.0.0.1:{port}/")).await;
    is_refused(
        &answer,
        "is not allowed for class \"fixture\": its setting is outbound = []",
    );
    is_refused(
        &answer,
        &format!("add \"http://127.0.0.1:{port}\" to outbound"),
    );
    assert_eq!(elsewhere.heard().len(), 0);
}

#[tokio::test]
async fn an_address_that_is_not_public_is_reached_only_by_its_own_entry() {
    let elsewhere = echo().await;
    let port = elsewhere.port();
    let abide = site(&["*:*".into()]).serve();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
    ] {
        let answer = out(&abide, &format!("GET http://{host}:{port}/")).await;
        is_refused(&answer, "is not allowed");
    }
    // A name leads there only when it is asked for.
    for host in ["localhost", "LOCALHOST"] {
        let answer = out(&abide, &format!("GET http://{host}:{port}/")).await;
        is_refused(&answer, "which is not a public address");
    }
    for url in [
        format!("http://public.test@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}@public.test/"),
    ] {
        is_refused(&out(&abide, &format!("GET {url}")).await, "has credentials");
    }
    for url in ["file:///etc/passwd", "gopher://127.0.0.1/", "/x", "http://"] {
        let answer = out(&abide, &format!("GET {url}")).await;
        is_refused(&answer, "the address");
    }
    assert_eq!(elsewhere.heard().len(), 0);
}

#[tokio::test]
async fn a_name_of_this_machine_may_be_allowed() {
    let elsewhere = echo().await;
    let port = elsewhere.port();
    let abide = site(&[format!("localhost:{port}")]).serve();
    out(&abide, &format!("GET http://localhost:{port}/"))
        .await
        .ok();
    let answer = out(&abide, &format!("GET http://127.0.0.1:{port}/")).await;
    is_refused(&answer, "is not allowed");
}

#[tokio::test]
async fn a_redirect_is_followed_only_where_a_request_may_go() {
    let hidden = echo().await;
    let target = format!("http://127.0.0.1:{}/secret", hidden.port());
    let elsewhere = Elsewhere::answering(move |request| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        match path {
            "/out" => answer(302, &format!("location: {target}\r\n"), ""),
            "/name" => answer(
                302,
                &format!("location: {}\r\n", target.replace("127.0.0.1", "localhost")),
                "",
            ),
            "/file" => answer(302, "location: file:///etc/passwd\r\n", ""),
            "/round" => answer(302, "location: /round\r\n", ""),
            "/once" => answer(303, "location: /there\r\n", ""),
            _ => answer(200, "", request),
        }
    })
    .await;
    let port = elsewhere.port();
    let abide = may_reach(&elsewhere).serve();
    let ask = async |path: &str| out(&abide, &format!("GET http://127.0.0.1:{port}{path}")).await;
    is_refused(&ask("/out").await, "is not allowed");
    is_refused(&ask("/name").await, "is not allowed");
    is_refused(&ask("/file").await, "another scheme");
    is_refused(&ask("/round").await, "Too many redirects");
    assert_eq!(hidden.heard().len(), 0);
    let heard = elsewhere.heard().len();
    assert_eq!(heard, 3 + 21, "20 redirects were followed");
    // Method and body change as in browsers.
    let sent = format!("POST http://127.0.0.1:{port}/once\ncontent-type: text/plain\n\nbody");
    let heard = out(&abide, &sent).await.ok();
    assert!(heard.starts_with("GET /there HTTP/1.1"), "{heard}");
    assert!(
        !heard.contains("content-type") && !heard.contains("body"),
        "{heard}"
    );
    let path = "/fixture/a/out?redirects=manual";
    let answer = abide
        .post(path, format!("GET http://127.0.0.1:{port}/out"))
        .await;
    assert_eq!(answer.status, 302);
    let path = "/fixture/a/out?redirects=error";
    let answer = abide
        .post(path, format!("GET http://127.0.0.1:{port}/out"))
        .await;
    is_refused(&answer, "sends the client to");
}

#[tokio::test]
async fn what_one_class_may_reach_another_may_not() {
    let elsewhere =
        Elsewhere::answering(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_string())
            .await;
    let site = may_reach(&elsewhere);
    let component = promises::fixture();
    let config = std::fs::read_to_string(site.config()).expect("it was written");
    site.configure(&format!(
        "{config}[classes.other]\ncomponent = {component:?}\noutbound = [\"*:*\"]\n"
    ));
    let abide = site.serve();
    let request = format!("GET http://127.0.0.1:{}/", elsewhere.port());
    out(&abide, &request).await.ok();
    let answer = abide.post("/other/a/out", request).await;
    is_refused(&answer, "is not allowed for class \"other\"");
}

#[tokio::test]
async fn who_does_not_answer_is_named() {
    let abide = site(&["127.0.0.1:1".into(), "nowhere.invalid".into()]).serve();
    let answer = out(&abide, "GET http://127.0.0.1:1/").await;
    is_refused(&answer, "http://127.0.0.1:1 cannot be reached");
    let answer = out(&abide, "GET http://nowhere.invalid/").await;
    is_refused(&answer, "its host cannot be found");
}

#[tokio::test]
async fn a_request_waits_until_the_writes_before_it_are_durable() {
    let elsewhere = echo().await;
    let site = may_reach(&elsewhere);
    let disk = promises::FlakyDisk::of(&site);
    disk.faults("");
    let abide = site.serve_with(|command| disk.attach(command));
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    disk.faults("sync hang");
    let (client, port) = (abide.client(), elsewhere.port());
    let asking = tokio::spawn(async move {
        let request = format!("GET http://127.0.0.1:{port}/");
        client.post("/fixture/a/write-then-out", request).await.ok()
    });
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(
        elsewhere.heard().len(),
        0,
        "the request left before the sync ended"
    );
    disk.faults("");
    asking.await.expect("an answer");
    assert_eq!(elsewhere.heard().len(), 1);
}

#[tokio::test]
async fn a_request_that_nobody_wants_any_more_ends() {
    let elsewhere = Elsewhere::answering(|_| String::new()).await;
    let abide = may_reach(&elsewhere).serve();
    let client = abide.client();
    let request = format!("GET http://127.0.0.1:{}/", elsewhere.port());
    let asked = tokio::spawn(async move { client.post("/fixture/a/out", request).await });
    until("it was asked", async || elsewhere.heard().len() == 1).await;
    abide
        .get("/fixture/a/trap")
        .await
        .is_error("reset", "unreachable");
    asked
        .await
        .expect("an answer")
        .is_error("reset", "unreachable");
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
    until("the connection was closed", async || {
        elsewhere.waiting() == 0
    })
    .await;
}
