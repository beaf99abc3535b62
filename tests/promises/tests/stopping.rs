//! Does the server stop when it is told to?

use std::time::{Duration, Instant};

use promises::{Site, until};

#[tokio::test]
async fn a_second_ctrl_c_ends_it_at_once() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let abide = Site::fixture("[server]\nshutdown_grace_ms = 600000").serve();
        let client = abide.client();
        let held = tokio::spawn(async move { client.try_post("/fixture/a/hold").await });
        until("the request runs", async || {
            abide.get("/fixture/a/events").await.number() > 1
        })
        .await;
        abide.signal(signal);
        until("it says what it waits for", async || {
            let log = abide.log();
            log.contains("waiting for requests to end") && log.contains("Ctrl-C again")
        })
        .await;
        assert!(!held.is_finished());
        let begin = Instant::now();
        abide.signal(signal);
        assert_eq!(abide.ended().await.code(), Some(code));
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}
