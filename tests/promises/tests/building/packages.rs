//! Do packages from npm work as they are, those that people really run?

use promises::{Abide, Development, Protocol, WebSocket, until, whole};
use serde_json::{Value, json};

/// The Worker in `javascript/packages`, installed from its lock file. One server serves
/// all tests of this file, each with objects of its own.
fn packages() -> Abide {
    let dev = Development::default();
    dev.copy("javascript/packages", "w");
    dev.worker("w", &[])
}

async fn ask(abide: &Abide, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = abide
        .ask(Protocol::Http1, method, path, whole(body.to_owned()))
        .await;
    let answer = answer.expect("an answer");
    let json = serde_json::from_str(&answer.text());
    (answer.status, json.unwrap_or_else(|_| json!(answer.text())))
}

/// The next message, as JSON.
async fn heard(socket: &mut WebSocket) -> Value {
    serde_json::from_str(&socket.text().await).expect("JSON")
}

#[tokio::test]
async fn slow_packages_of_npm_run_as_they_are() {
    let abide = packages();
    hono(&abide).await;
    drizzle(&abide).await;
    kysely(&abide).await;
    small_ones(&abide).await;
    partyserver(&abide, "chat").await;
    partyserver(&abide, "lounge").await;
    let log = abide.log();
    assert!(!log.contains("Uncaught"), "{log}");
}

async fn hono(abide: &Abide) {
    assert_eq!(abide.get("/").await.ok(), "hono stands in front");
    let (_, json) = ask(abide, "GET", "/json/a%20b?q=1", "").await;
    assert_eq!(json, json!({ "name": "a b", "query": "1" }));
    let (status, json) = ask(abide, "POST", "/api/a/count", r#"{"by": 3}"#).await;
    assert_eq!((status, json), (201, json!({ "count": 3 })));
    assert_eq!(
        ask(abide, "GET", "/api/a/count", "").await.1,
        json!({ "count": 3 })
    );
    let (status, json) = ask(abide, "POST", "/api/a/count", r#"{"by": "x"}"#).await;
    assert_eq!((status, json), (400, json!("by is no whole number")));
    assert_eq!(
        ask(abide, "GET", "/api/a/stream", "").await.1,
        json!("a\nb\n")
    );
    assert_eq!(ask(abide, "GET", "/api/a/nothing", "").await.0, 404);
}

async fn drizzle(abide: &Abide) {
    // The rebuild of a table that others refer to keeps what refers to it.
    let before = json!([{ "author": "first", "text": "was there before" }]);
    assert_eq!(ask(abide, "GET", "/notes/a", "").await.1, before);
    let note = r#"{"author": "ada", "text": "hello"}"#;
    let (status, json) = ask(abide, "POST", "/notes/a", note).await;
    assert_eq!((status, &json[0]["text"]), (200, &json!("hello")));
    let (_, json) = ask(abide, "GET", "/notes/a", "").await;
    assert_eq!(json[1], json!({ "author": "ada", "text": "hello" }));
}

async fn kysely(abide: &Abide) {
    let entries = r#"[{"account": "a", "amount": 5}, {"account": "b", "amount": 1}]"#;
    ask(abide, "POST", "/ledger/a", entries).await;
    let (_, json) = ask(abide, "POST", "/ledger/a", entries).await;
    let sums = json!([{ "account": "a", "sum": 10 }, { "account": "b", "sum": 2 }]);
    assert_eq!(json["sums"], sums);
    assert_eq!(json["streamed"], json!([5, 1, 5, 1]));
    assert_eq!(json["tables"], json!(["entries"]));
}

async fn small_ones(abide: &Abide) {
    let (_, one) = ask(abide, "GET", "/small/a/id", "").await;
    let (_, other) = ask(abide, "GET", "/small/b/id", "").await;
    let mut ids: Vec<_> = [&one, &other]
        .into_iter()
        .flat_map(|it| it["ids"].as_array().expect("two ids"))
        .map(|id| id.as_str().expect("a text"))
        .collect();
    assert!(ids.iter().all(|id| id.len() == 21), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "no two objects draw the same");
    let (status, person) = ask(
        abide,
        "POST",
        "/small/a/person",
        r#"{"name": "ada", "age": 36}"#,
    )
    .await;
    assert_eq!((status, person), (200, json!({ "name": "ada", "age": 36 })));
    let (status, refused) = ask(
        abide,
        "POST",
        "/small/a/person",
        r#"{"name": "", "age": -1, "mail": "x"}"#,
    )
    .await;
    assert_eq!(
        (status, &refused["issues"]),
        (400, &json!(["name", "age", "mail"]))
    );
    let (_, merged) = ask(abide, "GET", "/small/a/merged", "").await;
    assert_eq!(merged, json!({ "same": true, "length": 11 }));
}

async fn partyserver(abide: &Abide, party: &str) {
    let path = |id: &str| format!("/parties/{party}/kitchen?_pk={id}");
    let mut ada = WebSocket::open(abide, &path("ada")).await;
    assert_eq!(
        heard(&mut ada).await,
        json!({ "room": "kitchen", "said": [] }),
        "{party}"
    );
    let mut bob = WebSocket::open(abide, &path("bob")).await;
    heard(&mut bob).await;
    ada.send("hello").await;
    assert_eq!(
        heard(&mut bob).await,
        json!({ "from": "ada", "text": "hello" }),
        "{party}"
    );
    let (_, there) = ask(abide, "GET", &format!("/parties/{party}/kitchen"), "").await;
    let mut there: Vec<_> = there["there"].as_array().expect("ids").clone();
    there.sort_by_key(Value::to_string);
    assert_eq!(there, [json!("ada"), json!("bob")], "{party}");
    drop(bob);
    assert_eq!(heard(&mut ada).await, json!({ "left": "bob" }), "{party}");
    until("only one is there", async || {
        let (_, there) = ask(abide, "GET", &format!("/parties/{party}/kitchen"), "").await;
        there["there"] == json!(["ada"])
    })
    .await;
}
