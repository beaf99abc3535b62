//! Does what the Rust SDK says of gateways and calls hold on the host?

use promises::{Abide, Protocol, Site, WebSocket, front, front_alone, whole};

/// The objects of `front`, behind this gateway.
fn config(gateway: &std::path::Path) -> String {
    let objects = front();
    format!(
        "show_errors = true\ndata = \"data\"\n[classes.press]\ncomponent = {objects:?}\n[gateway]\n\
         component = {gateway:?}\n"
    )
}

fn served() -> Abide {
    Site::configured(&config(&front_alone())).serve()
}

#[tokio::test]
async fn a_gateway_stands_before_its_objects() {
    {
        let abide = served();
        let refused = abide.get("/to/ada/name").await;
        assert_eq!(
            (refused.status, refused.text().as_str()),
            (403, "it has no key")
        );
        assert_eq!(abide.get("/press/ada/name").await.status, 404);
        assert_eq!(abide.get("/to/ada/name?key=sesame").await.ok(), "ada");
        // What an object answers to an error of its own passes as it is.
        assert_eq!(abide.get("/to/ada/x?key=sesame").await.status, 404);
        let mut socket = WebSocket::open(&abide, "/to/ada/ws?key=sesame").await;
        assert_eq!(socket.ask("hello").await, "hello");
        assert_eq!(abide.get("/seen").await.ok(), "6");
    }
}

#[tokio::test]
async fn a_gateway_that_falls_falls_alone() {
    let abide = served();
    let failed = abide.get("/fail").await;
    failed.is_error("exception", "the gateway failed");
    let held = tokio::spawn({
        let client = abide.client();
        async move { client.ask(Protocol::Http1, "GET", "/hold", whole("")).await }
    });
    abide.says("holding a request").await;
    // It has the fewest requests, and so gets none of those that are held.
    let fallen = abide.get("/panic").await;
    assert_eq!(fallen.header("abide-error"), Some("reset"), "{fallen:?}");
    abide.says("the gateway fell").await;
    assert_eq!(abide.get("/to/ada/name?key=sesame").await.ok(), "ada");
    assert!(!held.is_finished());
    held.abort();
}

#[tokio::test]
async fn a_call_carries_streams_there_and_back() {
    let abide = served();
    let text = "once upon a time ".repeat(100_000);
    let printed = abide.post("/print/a", text.clone()).await.ok();
    assert!(printed == text.to_uppercase());
    let twice = abide.get("/to/a/print-twice?to=b&key=sesame").await.ok();
    assert_eq!(twice, "ONCE, Some(\"a stream can be sent only once\")");
    let broken = abide.get("/to/a/print-broken?to=b&key=sesame").await.ok();
    assert!(broken.contains("out of ink"), "{broken}");
}

#[tokio::test]
async fn what_was_given_out_can_be_given_back_and_on() {
    let abide = served();
    for _ in 0..3 {
        let back = abide.get("/to/a/back?to=b&key=sesame").await.ok();
        assert_eq!(back, "42 8");
        let sum = abide.get("/to/a/from-behind?to=b&key=sesame").await.ok();
        assert_eq!(sum, "42");
        // Itself is another, too.
        let back = abide.get("/to/a/back?to=a&key=sesame").await.ok();
        assert_eq!(back, "42 8");
    }
}
