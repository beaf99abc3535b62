//! What do neighbours and the host notice of an object that misbehaves?

use std::time::{Duration, Instant};

use futures::future::join_all;
use promises::{Site, until};

#[tokio::test]
async fn objects_that_spin_do_not_delay_their_neighbours_and_are_reset() {
    let abide = Site::fixture("[limits]\ncpu_ms_max = 3000").serve();
    // More of them than there are processors.
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let spinners: Vec<_> = (0..processors + 2)
        .map(|n| {
            let client = abide.client();
            tokio::spawn(async move { client.get(&format!("/fixture/spinner-{n}/spin")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut served = 0;
    while spinners.iter().all(|spinner| !spinner.is_finished()) {
        let begin = Instant::now();
        assert_eq!(
            abide
                .post(&format!("/fixture/neighbour-{served}/add"), "")
                .await
                .number(),
            1
        );
        assert!(
            begin.elapsed() < Duration::from_secs(2),
            "a neighbour waited {:?}",
            begin.elapsed()
        );
        served += 1;
    }
    assert!(
        served >= 5,
        "only {served} neighbours were served while the others spun"
    );
    for (n, spinner) in spinners.into_iter().enumerate() {
        spinner.await.expect("an answer").is_error("reset", "CPU");
        assert_eq!(
            abide
                .get(&format!("/fixture/spinner-{n}/events"))
                .await
                .number(),
            1,
            "a fresh instance"
        );
    }
}

#[tokio::test]
async fn an_object_may_compute_within_its_limit_as_often_as_it_likes() {
    let abide = Site::fixture("[limits]\ncpu_ms_max = 2000").serve();
    for _ in 0..4 {
        abide.get("/fixture/a/spin-for?ms=700").await.ok();
    }
    assert_eq!(abide.get("/fixture/a/events").await.number(), 5);
}

#[tokio::test]
async fn an_object_over_its_memory_limit_is_reset_alone() {
    let abide = Site::fixture("[limits]\nmemory_bytes_max = 33554432").serve();
    assert_eq!(
        abide.get("/fixture/b/keep?bytes=8000000").await.number(),
        8_000_000
    );
    assert_eq!(
        abide.get("/fixture/a/keep?bytes=8000000").await.number(),
        8_000_000
    );
    let resident_bytes = abide.resident_bytes();
    abide
        .get("/fixture/a/hoard?bytes=64000000")
        .await
        .is_error("reset", "memory");
    assert_eq!(
        abide.get("/fixture/a/events").await.number(),
        1,
        "a fresh instance"
    );
    assert_eq!(
        abide.get("/fixture/b/keep?bytes=1000").await.number(),
        8_001_000,
        "the neighbour has its memory"
    );
    let grown = abide.resident_bytes().saturating_sub(resident_bytes);
    assert!(grown < 40_000_000, "the host holds {grown} bytes more");
}

#[tokio::test]
async fn an_object_knows_its_memory_limit() {
    let abide = Site::fixture("[limits]\nmemory_bytes_max = 33554432").serve();
    let answer = abide.get("/fixture/a/memory").await.ok();
    let (now, max) = answer.split_once(' ').expect("two numbers");
    assert_eq!(max, "33554432");
    assert!(
        now.parse::<u64>()
            .is_ok_and(|now| (65_536..33_554_432).contains(&now)),
        "{answer}"
    );
}

#[tokio::test]
async fn memory_of_instances_that_are_gone_is_given_back() {
    let abide = Site::fixture("").serve();
    let hoard = async |round: u32| {
        for n in 0..4 {
            abide
                .get(&format!("/fixture/r{round}-{n}/keep?bytes=50000000"))
                .await
                .ok();
            abide
                .get(&format!("/fixture/r{round}-{n}/trap"))
                .await
                .is_error("reset", "");
        }
    };
    hoard(0).await;
    let resident_bytes = abide.resident_bytes();
    for round in 1..5 {
        hoard(round).await;
    }
    let grown = abide.resident_bytes().saturating_sub(resident_bytes);
    assert!(
        grown < 150_000_000,
        "16 instances of 50 MB left {grown} bytes behind"
    );
}

#[tokio::test]
async fn an_object_that_recurses_for_ever_is_reset_alone() {
    let abide = Site::fixture("").serve();
    assert_eq!(abide.get("/fixture/b/events").await.number(), 1);
    abide
        .get("/fixture/a/recurse?depth=1")
        .await
        .is_error("reset", "");
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
    assert_eq!(abide.get("/fixture/b/events").await.number(), 2);
}

#[tokio::test]
async fn a_trap_tells_all_callers_of_the_instance_and_the_next_event_finds_a_fresh_one() {
    let abide = Site::fixture("").serve();
    let held: Vec<_> = (0..5)
        .map(|_| {
            let client = abide.client();
            tokio::spawn(async move { client.get("/fixture/a/hold").await })
        })
        .collect();
    until("all are there", async || {
        abide.get("/fixture/a/events").await.number() > 5
    })
    .await;
    abide.get("/fixture/a/trap").await.is_error("reset", "");
    for answer in held {
        answer.await.expect("an answer").is_error("reset", "");
    }
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
}

#[tokio::test]
async fn the_reason_of_a_trap_is_in_the_log_with_class_and_id() {
    let abide = Site::fixture("").serve();
    let id = abide.get("/fixture/a/id").await.ok();
    abide.get("/fixture/a/trap").await.is_error("reset", "");
    until("the log tells of the trap", async || {
        abide.log().lines().any(|line| {
            line.contains(&id) && line.contains("fixture") && line.contains("unreachable")
        })
    })
    .await;
}

#[tokio::test]
async fn the_cause_of_each_failed_answer_is_in_the_log_once() {
    let abide = Site::fixture("[limits]\nidle_timeout_ms = 60000").serve();
    let id = abide.get("/fixture/a/id").await.ok();
    let causes = [
        ("fail?message=well-then", "well-then"),
        ("trap", "unreachable"),
        ("bad-status", "must be from 200 to 599"),
        ("write-then-abort", "abort"),
    ];
    for (route, cause) in causes {
        let path = format!("/fixture/a/{route}");
        assert!(abide.get(&path).await.status >= 500, "{route}");
        let path = path.split('?').next().unwrap_or_default();
        let mut told = 0;
        until("the log tells the cause", async || {
            let log = abide.log();
            let about = |part: &&str| part.contains(path) && part.contains(cause);
            let lines: Vec<_> = log.lines().filter(about).collect();
            for part in [&id, "class=\"fixture\"", "name=\"a\"", "method=GET"] {
                assert!(lines.iter().all(|line| line.contains(part)), "{lines:?}");
            }
            told = lines.len();
            told > 0
        })
        .await;
        assert_eq!(told, 1, "{}", abide.log());
    }
    // An object that always fails does not fill the disk, nor hide what others do.
    let begin = Instant::now();
    for _ in 0..3_000 {
        abide.get("/fixture/loud/fail?message=again").await;
    }
    let lines_max = 1_100 + 100 * begin.elapsed().as_secs() as usize;
    abide.get("/fixture/quiet/fail?message=quietly").await;
    let count = |what: &str| {
        let log = abide.log();
        log.lines().filter(|line| line.contains(what)).count()
    };
    until("the other's line is there", async || count("quietly") == 1).await;
    assert!(count("again") < lines_max, "{} lines", count("again"));
}

#[tokio::test]
async fn what_an_object_prints_is_in_the_log_with_class_and_id() {
    let abide = Site::fixture("").serve();
    let id = abide.get("/fixture/a/id").await.ok();
    abide
        .get("/fixture/a/print?out=to-stdout&err=to-stderr")
        .await
        .ok();
    for text in ["to-stdout", "to-stderr"] {
        until("the log has the line", async || {
            let log = abide.log();
            log.lines()
                .any(|line| line.contains(text) && line.contains("fixture") && line.contains(&id))
        })
        .await;
    }
}

#[tokio::test]
async fn the_log_in_json_is_json_line_by_line() {
    let abide = Site::fixture("").serve_with(|command| {
        command.args(["--log-format", "json"]);
    });
    abide
        .get("/fixture/a/print?out=%22quoted%22&err=%1b[31mred")
        .await
        .ok();
    abide.says("quoted").await;
    for line in abide.log().lines() {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[tokio::test]
async fn an_object_cannot_flood_the_log_with_one_line_that_never_ends() {
    let abide = Site::fixture("").serve();
    assert_eq!(
        abide
            .get("/fixture/a/print-much?lines=20000")
            .await
            .number(),
        20_000
    );
    assert_eq!(abide.get("/fixture/b/events").await.number(), 1);
    let resident_bytes = abide.resident_bytes();
    abide.get("/fixture/a/print-line?bytes=50000000").await;
    let grown = abide.resident_bytes().saturating_sub(resident_bytes);
    assert!(
        grown < 150_000_000,
        "the host holds {grown} bytes of one line"
    );
}

#[tokio::test]
async fn a_mailbox_that_is_full_refuses_at_once() {
    let abide = Site::fixture("[limits]\nmailbox_events_max = 10").serve();
    let answers = join_all((0..50).map(|_| abide.get("/fixture/slow-to-start-500/events"))).await;
    let (done, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert!(
        !done.is_empty() && !refused.is_empty(),
        "{} done, {} refused",
        done.len(),
        refused.len()
    );
    for answer in refused {
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        answer.is_error("overloaded", "");
    }
    assert!(
        abide.get("/fixture/slow-to-start-500/events").await.status == 200,
        "it goes on afterwards"
    );
}

#[tokio::test]
async fn a_storage_limit_is_an_error_and_not_the_end() {
    let abide = Site::fixture("[limits]\nstorage_bytes_max = 2000000").serve();
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    let mut full = None;
    for n in 0..10 {
        let answer = abide
            .post(&format!("/fixture/a/put-bytes?key=k{n}&bytes=500000"), "")
            .await;
        if answer.status != 200 {
            full = Some(answer);
            break;
        }
    }
    let full = full.expect("5 MB do not fit into 2 MB");
    assert!(
        full.text().contains("full") || full.header("abide-error") == Some("reset"),
        "{full:?}"
    );
    assert_eq!(abide.get("/fixture/a/read").await.number(), 1);
    assert_eq!(abide.post("/fixture/b/add", "").await.number(), 1);
}

/// The host keeps something for each of them.
#[tokio::test]
async fn an_object_that_opens_sections_without_end_is_reset_alone() {
    let abide = Site::fixture("").serve();
    assert_eq!(abide.get("/fixture/b/events").await.number(), 1);
    let resident_bytes = abide.resident_bytes();
    abide
        .get("/fixture/a/open-sections?count=20000000")
        .await
        .is_error("reset", "more than 10000 open sections");
    let grown = abide
        .resident_bytes_at_most()
        .saturating_sub(resident_bytes);
    assert!(grown < 100_000_000, "the host holds {grown} bytes more");
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
    assert_eq!(abide.get("/fixture/b/events").await.number(), 2);
}
