//! After a crash at whatever step of sleep and wake, does memory still agree with the
//! data, and is nothing left of it?
//!
//! The object counts in its memory and in its database, and each count fails when they
//! differ.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use promises::{Abide, FlakyDisk, Site, until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::memory::{SLEEPY, serve, sleep};
use crate::workload::seed;

/// What is kept by an object that sleeps in memory, and by one that does in a file.
const SMALL: u64 = 10;
const LARGE: u64 = 3_000_000;

/// A step at which the process ends.
struct Step {
    name: &'static str,
    /// A write that ends it.
    fault: &'static str,
    kept_bytes: u64,
    leads_there: Leads,
    /// Does the last count survive?
    is_committed: bool,
}

/// What the object does until then.
#[derive(Clone, Copy, PartialEq)]
enum Leads {
    /// It counts once more, and falls asleep.
    Sleep,
    /// It sleeps, and is asked to count.
    Wake,
    /// It sleeps, and the server stops.
    Stop,
}

const STEPS: [Step; 6] = [
    Step {
        name: "a snapshot is being written",
        fault: "write kill .memory-new",
        kept_bytes: LARGE,
        leads_there: Leads::Sleep,
        is_committed: true,
    },
    Step {
        name: "it has woken, from memory, and commits",
        fault: "write kill .sqlite-wal",
        kept_bytes: SMALL,
        leads_there: Leads::Wake,
        is_committed: false,
    },
    Step {
        name: "it has woken, from a file, and commits",
        fault: "write kill .sqlite-wal",
        kept_bytes: LARGE,
        leads_there: Leads::Wake,
        is_committed: false,
    },
    Step {
        name: "a stopping server puts memory into a file",
        fault: "write kill .memory-new",
        kept_bytes: SMALL,
        leads_there: Leads::Stop,
        is_committed: true,
    },
    Step {
        name: "a stopping server leaves its roll, small",
        fault: "write kill sleepers",
        kept_bytes: SMALL,
        leads_there: Leads::Stop,
        is_committed: true,
    },
    Step {
        name: "a stopping server leaves its roll, large",
        fault: "write kill sleepers",
        kept_bytes: LARGE,
        leads_there: Leads::Stop,
        is_committed: true,
    },
];

async fn count(abide: &Abide) -> u64 {
    abide.get("/fixture/a/remember").await.number()
}

#[tokio::test]
async fn a_kill_at_each_step_leaves_memory_that_agrees_with_the_data() {
    for step in STEPS {
        println!("{}", step.name);
        let site = Site::fixture(SLEEPY);
        let disk = FlakyDisk::of(&site);
        disk.faults("");
        let abide = site.serve_with(|command| {
            command.env("RUST_LOG", "info,abide::life=debug");
            disk.attach(command);
        });
        let keep = format!("/fixture/a/keep?bytes={}", step.kept_bytes);
        abide.get(&keep).await.ok();
        if step.leads_there == Leads::Sleep {
            // It may fall asleep between any two events.
            disk.faults(step.fault);
        }
        let mut counted = 0;
        while counted < 3
            && let Ok(answer) = abide.try_post("/fixture/a/remember").await
        {
            counted += 1;
            assert_eq!(answer.number(), counted);
        }
        if step.leads_there != Leads::Sleep {
            sleep(&abide).await;
            // Its log is folded a moment later; that is no step of the object's.
            tokio::time::sleep(Duration::from_millis(800)).await;
            disk.faults(step.fault);
        }
        match step.leads_there {
            Leads::Sleep => {}
            Leads::Wake => {
                let asked = abide.try_post("/fixture/a/remember").await;
                assert!(asked.is_err(), "it was killed before it answered");
                counted += u64::from(step.is_committed);
            }
            Leads::Stop => abide.signal(libc::SIGTERM),
        }
        assert_eq!(abide.ended().await.code(), None, "it was killed");
        let abide = serve(&site);
        assert_eq!(count(&abide).await, counted + 1);
        assert_eq!(abide.get("/fixture/a/events").await.number(), 2);
        sleep(&abide).await;
        assert_eq!(count(&abide).await, counted + 2);
    }
}

/// How long kills at random moments go on.
const RANDOM_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn kills_at_random_moments_leave_memory_that_agrees_with_the_data() {
    let mut chance = StdRng::seed_from_u64(seed());
    let site = Site::fixture("[limits]\nidle_timeout_ms = 1");
    let objects: Vec<String> = (0..8).map(|n| format!("object-{n}")).collect();
    let mut acknowledged = vec![0; objects.len()];
    let (begin, mut kills, mut counts) = (Instant::now(), 0, 0u64);
    while begin.elapsed() < RANDOM_MAX {
        let abide = serve(&site);
        // Half of them are large enough for a file.
        for (n, object) in objects.iter().enumerate() {
            let kept_bytes = if n % 2 == 0 { SMALL } else { 400_000 };
            let keep = format!("/fixture/{object}/keep?bytes={kept_bytes}");
            abide.get(&keep).await.ok();
        }
        let end = Instant::now() + Duration::from_millis(chance.random_range(20..250));
        while Instant::now() < end {
            let n = chance.random_range(0..objects.len());
            let counted = abide
                .get(&format!("/fixture/{}/remember", objects[n]))
                .await;
            let counted = counted.number();
            assert!(
                counted > acknowledged[n],
                "{counted} after {}",
                acknowledged[n]
            );
            acknowledged[n] = counted;
            counts += 1;
            tokio::time::sleep(Duration::from_millis(chance.random_range(0..4))).await;
        }
        match chance.random_range(0..3) {
            0 => abide.kill(),
            1 => {
                abide.signal(libc::SIGTERM);
                tokio::time::sleep(Duration::from_millis(chance.random_range(0..30))).await;
                abide.kill();
            }
            _ => assert!(abide.stop().await.success()),
        }
        kills += 1;
    }
    println!("{counts} counts, {kills} ends");
    assert!(kills > 5 && counts > 50, "so few prove nothing");
}

/// The files of this ending in a data directory.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|is| is == ending) {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn what_a_killed_server_has_left_of_memory_is_removed() {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    for object in ["a", "b", "c"] {
        let keep = format!("/fixture/{object}/keep?bytes={LARGE}");
        abide.get(&keep).await.ok();
    }
    until("all sleep", async || {
        files(site.data(), "memory").len() == 3
    })
    .await;
    // As one leaves it that is killed while it writes.
    let half = files(site.data(), "memory")[0].with_extension("memory-new");
    std::fs::write(&half, b"compsnap").expect("a file");
    abide.kill();
    let abide = serve(&site);
    abide
        .says("removed the snapshots of a server that was killed")
        .await;
    until("nothing is left", async || {
        files(site.data(), "memory").is_empty() && files(site.data(), "memory-new").is_empty()
    })
    .await;
    // What sleeps from now on does not vanish.
    let keep = format!("/fixture/a/keep?bytes={LARGE}");
    assert_eq!(abide.get(&keep).await.number(), LARGE);
    sleep(&abide).await;
    assert!(abide.stop().await.success());
    let abide = serve(&site);
    assert_eq!(abide.get(&keep).await.number(), 2 * LARGE);
    assert!(!abide.log().contains("removed the snapshots"));
}
