//! Does the server stop when it is told to?

use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use promises::{Site, until};

#[tokio::test]
async fn a_second_ctrl_c_ends_it_at_once() {
    // A test that runs under nohup would have it ignored.
    // SAFETY: the default needs no handler.
    unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
    for (signal, code) in [
        (libc::SIGINT, 130),
        (libc::SIGTERM, 143),
        (libc::SIGHUP, 129),
    ] {
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

#[tokio::test]
async fn what_outlives_its_terminal_goes_on() {
    let site = Site::fixture("");
    let abide = site.serve_with(|command| {
        // As nohup does.
        // SAFETY: between fork and exec, it touches nothing but this signal.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                Ok(())
            })
        };
    });
    abide.signal(libc::SIGHUP);
    for _ in 0..20 {
        abide.get("/fixture/a/events").await.ok();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!abide.log().contains("stopping"), "{}", abide.log());
    abide.stop().await;
}
