//! By which ways do WebSockets come to objects, and where can objects open some?

use std::time::Duration;

use promises::{Abide, Said, Site, WebSocket, fixture, gateway, until};

const SLEEPY: &str = "[limits]\nidle_timeout_ms = 100";

async fn ask(abide: &Abide, object: &str, query: &str) -> String {
    let path = format!("/fixture/{object}/sockets?{query}");
    abide.get(&path).await.ok()
}

async fn let_them_sleep() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[tokio::test]
async fn a_gateway_passes_a_socket_on_or_refuses_it() {
    let config = format!(
        "show_errors = true\n{SLEEPY}\n[classes.fixture]\nhibernate = \"drop-memory\"\ncomponent = {:?}\n[gateway]\ncomponent = {:?}\n",
        fixture(),
        gateway()
    );
    let abide = Site::configured(&config).serve();
    let path = "/to/a/ws?key=sesame&protocol=chat&tags=x";
    let asked = [("sec-websocket-protocol", "chat")];
    let mut socket = WebSocket::try_open(&abide, path, &asked)
        .await
        .expect("a socket");
    assert_eq!(socket.ask("hello").await, "hello");
    let_them_sleep().await;
    assert_eq!(socket.ask("/tags").await, "x");
    assert_eq!(socket.ask("/events").await, "2", "the object has slept");
    let refused = WebSocket::try_open(&abide, "/to/a/ws", &[]).await;
    let refused = format!("{:?}", refused.err().expect("no key"));
    assert!(refused.contains("403"), "{refused}");
    socket.close(1000, "").await;
    assert_eq!(socket.next().await, Said::Close(1000, String::new()));
}

#[tokio::test]
async fn an_object_passes_a_socket_on_to_another() {
    let abide = Site::forgetful(SLEEPY).serve();
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws-elsewhere?to=b").await;
    assert_eq!(socket.ask("/name").await, "b");
    assert_eq!(ask(&abide, "a", "what=count").await, "0");
    assert_eq!(ask(&abide, "b", "what=count").await, "1");
    let_them_sleep().await;
    assert_eq!(socket.ask("/events").await, "1", "b has slept");
    drop(socket);
    until("b is told", async || {
        ask(&abide, "b", "what=ends")
            .await
            .starts_with("close 1006 ")
    })
    .await;
}

#[tokio::test]
async fn objects_open_sockets_to_each_other_and_sleep() {
    let abide = Site::fixture(SLEEPY).serve();
    let connected = ask(&abide, "near", "what=connect&to=far").await;
    assert!(
        connected.starts_with("101 ") && connected.ends_with(" early=true"),
        "{connected}"
    );
    assert_eq!(
        ask(&abide, "near", "what=tagged&tag=out")
            .await
            .split(',')
            .count(),
        1
    );
    for turn in 1..=3 {
        let_them_sleep().await;
        ask(&abide, "far", "what=send&text=/note").await;
        ask(&abide, "near", "what=send&text=/note").await;
        for object in ["near", "far"] {
            until("the other has heard it", async || {
                let path = format!("/fixture/{object}/get?key=notes");
                abide.get(&path).await.ok() == turn.to_string()
            })
            .await;
        }
    }
    // One closes, the other answers.
    ask(&abide, "near", "what=close&code=4000").await;
    for object in ["far", "near"] {
        until("both are told", async || {
            ask(&abide, object, "what=ends")
                .await
                .starts_with("close 4000 ")
                && ask(&abide, object, "what=count").await == "0"
        })
        .await;
    }
}

#[tokio::test]
async fn the_end_of_one_object_s_instance_ends_the_socket_of_the_other() {
    let abide = Site::fixture("").serve();
    for plain in ["", "&plain=1"] {
        ask(&abide, "near", &format!("what=connect&to=far{plain}")).await;
        abide
            .get("/fixture/near/trap")
            .await
            .is_error("reset", "trapped");
        until("the other is told", async || {
            ask(&abide, "far", "what=ends")
                .await
                .contains("close 1006 ")
                && ask(&abide, "far", "what=count").await == "0"
        })
        .await;
    }
}

#[tokio::test]
async fn a_handshake_that_is_not_granted_gives_no_socket() {
    let abide = Site::fixture("").serve();
    let refused = ask(&abide, "near", "what=connect&to=far&route=id").await;
    assert!(
        refused.starts_with("200 there is no upgrade token"),
        "{refused}"
    );
    let failed = abide
        .get("/fixture/near/sockets?what=connect&to=far&route=fail")
        .await;
    failed.is_error("exception", "");
    assert_eq!(ask(&abide, "near", "what=count").await, "0");
}

#[tokio::test]
async fn an_object_opens_a_socket_to_a_server_outside_and_sleeps() {
    let far = Site::fixture(SLEEPY).serve();
    let site = Site::fixture(SLEEPY);
    let config = std::fs::read_to_string(site.config()).expect("it was written");
    let host = far.address().to_string();
    site.configure(&format!("{config}outbound = [{host:?}]\n"));
    let abide = site.serve();
    let connect = format!("what=connect&host={host}");
    let connected = ask(&abide, "near", &connect).await;
    assert!(connected.starts_with("101 "), "{connected}");
    for turn in 1..=3 {
        let_them_sleep().await;
        ask(&far, "far", "what=send&text=/note").await;
        ask(&abide, "near", "what=send&text=/note").await;
        for (server, object) in [(&abide, "near"), (&far, "far")] {
            until("the other has heard it", async || {
                let path = format!("/fixture/{object}/get?key=notes");
                server.get(&path).await.ok() == turn.to_string()
            })
            .await;
        }
    }
    far.kill();
    until("the object is told", async || {
        ask(&abide, "near", "what=ends")
            .await
            .starts_with("close 1006 ")
    })
    .await;
    let nobody = abide.get(&format!("/fixture/near/sockets?{connect}")).await;
    nobody.is_error("exception", "cannot be reached");
}

#[tokio::test]
async fn a_server_that_stops_tells_servers_outside_to_come_back() {
    let far = Site::fixture(SLEEPY).serve();
    let site = Site::fixture(SLEEPY);
    let config = std::fs::read_to_string(site.config()).expect("it was written");
    let host = far.address().to_string();
    site.configure(&format!("{config}outbound = [{host:?}]\n"));
    let abide = site.serve();
    let connected = ask(&abide, "near", &format!("what=connect&host={host}")).await;
    assert!(connected.starts_with("101 "), "{connected}");
    let_them_sleep().await;
    assert!(abide.stop().await.success());
    until("the other end is told", async || {
        ask(&far, "far", "what=ends")
            .await
            .starts_with("close 1012 ")
    })
    .await;
    let abide = site.serve();
    let told = ask(&abide, "near", "what=ends").await;
    assert!(told.starts_with("close 1012 "), "{told}");
}
