//! Does everything that was acknowledged survive a loss of power?
//!
//! The server runs on a recorded disk. A loss of power is played at moments of the
//! recording, mostly right after an acknowledgement, and the server must find all
//! that was acknowledged until then on what such a loss leaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use promises::{Abide, Disk, FlakyDisk, Ledger, Outcome, Site, until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::workload::{Load, Shape, check, seed};

/// Large payloads, so that the log is copied into the database now and then.
const SHAPE: Shape = Shape {
    clients: 12,
    counters: 6,
    archives: 6,
    payload_bytes_max: 200_000,
    errors_expected: false,
};

#[tokio::test]
async fn slow_a_power_loss_at_any_moment_loses_nothing_that_was_acknowledged() {
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    let mut acknowledged = 0;
    for settings in ["", "[limits]\nidle_timeout_ms = 30", ""] {
        let site = Site::fixture(settings);
        let mut counts = BTreeMap::new();
        // The second round begins with what a loss of power left of the first.
        for _ in 0..2 {
            let before = Disk::of(site.data());
            let disk = Arc::new(FlakyDisk::of(&site));
            disk.faults(["", "sync delay-ms 10"][chance.random_range(0..2)]);
            let abide = site.serve_with(|command| disk.attach(command));
            let now = disk.clone();
            let load = Load::begin(
                &abide,
                &SHAPE,
                Ledger::holding(&counts),
                chance.random(),
                move || now.position(),
            );
            tokio::time::sleep(Duration::from_millis(chance.random_range(500..1500))).await;
            abide.kill();
            let ledger = load.end().await;
            acknowledged += ledger.acknowledged();
            counts = lose_power(&site, before, &disk, &ledger, &mut chance).await;
        }
    }
    println!("{acknowledged} acknowledged increments survived");
    assert!(
        acknowledged > 200,
        "so few requests prove nothing: {acknowledged}"
    );
}

/// Plays losses of power at several moments, and leaves the site with what the last
/// one left; says what the objects hold there.
async fn lose_power(
    site: &Site,
    mut disk: Disk,
    recorded: &FlakyDisk,
    ledger: &Ledger,
    chance: &mut StdRng,
) -> BTreeMap<String, u64> {
    let recording = recorded.recording();
    let end = recording.len() as u64;
    let mut moments: Vec<_> = (0..4)
        .filter_map(|_| ledger.some_acknowledgement(chance.random()))
        .collect();
    moments.push(end);
    moments.sort();
    let mut counts = BTreeMap::new();
    for moment in moments {
        disk = disk.replay_until(&recording, moment);
        for outcome in [
            Outcome::Strict,
            Outcome::Torn(chance.random()),
            Outcome::Torn(chance.random()),
        ] {
            println!("power loss at {moment} of {end}, {outcome:?}");
            let left = TempDir::new().expect("a folder for a test");
            let files = disk.after_power_loss(outcome);
            Disk::write(&files, left.path());
            let abide = site.with_data(left.path()).serve();
            counts = check(&abide, ledger, moment).await;
            abide.kill();
            if moment == end {
                site.replace_data(&files);
            }
        }
    }
    counts
}

/// Their logs are moved into their databases, many at a time, while nobody asks.
#[tokio::test]
async fn a_power_loss_amid_the_folding_of_sleeping_objects_loses_nothing() {
    const OBJECTS: usize = 10;
    let site = Site::fixture("[limits]\nidle_timeout_ms = 20");
    let disk = FlakyDisk::of(&site);
    disk.faults("sync delay-ms 5");
    let abide = site.serve_with(|command| disk.attach(command));
    let write = async |n: usize, entries: u64| {
        let path = format!("/fixture/archive-{n}/entry?bytes=30000");
        assert_eq!(abide.post(&path, "").await.number(), entries);
    };
    let mut recorded = Disk::default();
    let mut moments = Vec::new();
    // The second round writes to logs that were folded before.
    for round in [1, 2] {
        futures::future::join_all((0..OBJECTS).map(|n| write(n, round))).await;
        let acknowledged = disk.position();
        until("all logs are folded", async || {
            recorded = Disk::default().replay(&disk.recording());
            recorded.is_folded()
        })
        .await;
        // Above all when the logs have just been cut, which nothing has made durable.
        let cuts = Disk::cuts(&disk.recording());
        let cuts = cuts.into_iter().filter(|cut| *cut > acknowledged);
        let cuts: Vec<_> = cuts.collect();
        let some = [0, 1, 2, 3].map(|n| cuts[(cuts.len() - 1) * n / 3]);
        moments.push((acknowledged, round));
        moments.extend(some.map(|cut| (cut, round)));
        moments.push((disk.position(), round));
    }
    assert!(abide.stop().await.success());
    let recording = disk.recording();
    let mut replayed = Disk::default();
    for (index, (moment, entries)) in moments.into_iter().enumerate() {
        replayed = replayed.replay_until(&recording, moment);
        for outcome in [Outcome::Strict, Outcome::Torn(index as u64)] {
            println!("power loss at {moment} of {}, {outcome:?}", recording.len());
            let left = TempDir::new().expect("a folder for a test");
            Disk::write(&replayed.after_power_loss(outcome), left.path());
            let abide = site.with_data(left.path()).serve();
            for n in 0..OBJECTS {
                let found = abide.get(&format!("/fixture/archive-{n}/check")).await;
                assert_eq!(found.number(), entries, "archive-{n}");
            }
            abide.kill();
        }
    }
}

/// The recording is only worth something when it is complete.
#[tokio::test]
async fn the_recorder_sees_every_write_of_the_server() {
    let site = Site::fixture("[limits]\nidle_timeout_ms = 30");
    let disk = Arc::new(FlakyDisk::of(&site));
    let abide = site.serve_with(|command| disk.attach(command));
    let now = disk.clone();
    let load = Load::begin(&abide, &SHAPE, Ledger::default(), 0, move || now.position());
    tokio::time::sleep(Duration::from_millis(500)).await;
    load.end().await;
    assert!(abide.stop().await.success());
    let (recorded, found) = (
        Disk::default().replay(&disk.recording()).seen(),
        Disk::of(site.data()).seen(),
    );
    assert_eq!(
        recorded.keys().collect::<Vec<_>>(),
        found.keys().collect::<Vec<_>>()
    );
    for (path, bytes) in &found {
        assert!(
            recorded[path] == *bytes,
            "the recorder does not know the content of {path}"
        );
    }
}

/// What a clean stop leaves is no worse than what a loss of power leaves.
#[tokio::test]
async fn a_power_loss_right_after_a_clean_stop_loses_nothing() {
    let site = Site::fixture("");
    let disk = FlakyDisk::of(&site);
    let abide = site.serve_with(|command| disk.attach(command));
    for n in 1..=20 {
        assert_eq!(
            abide
                .post("/fixture/archive-0/entry?bytes=100000", "")
                .await
                .number(),
            n
        );
    }
    assert!(abide.stop().await.success());
    let left = TempDir::new().expect("a folder for a test");
    Disk::write(
        &Disk::default()
            .replay(&disk.recording())
            .after_power_loss(Outcome::Strict),
        left.path(),
    );
    let abide = site.with_data(left.path()).serve();
    assert_eq!(abide.get("/fixture/archive-0/check").await.number(), 20);
}

#[tokio::test]
async fn what_was_deleted_stays_deleted_and_what_came_after_stays_too() {
    let site = Site::fixture("");
    let disk = FlakyDisk::of(&site);
    let abide = site.serve_with(|command| disk.attach(command));
    for n in 1..=10 {
        let answer = abide
            .post("/fixture/archive-0/entry?bytes=100000", "")
            .await;
        assert_eq!(answer.number(), n);
    }
    assert_eq!(
        abide.post("/fixture/archive-0/delete-all", "").await.ok(),
        "deleted"
    );
    let deleted = disk.position();
    assert_eq!(
        abide
            .post("/fixture/archive-0/entry?bytes=1000", "")
            .await
            .number(),
        1
    );
    abide.kill();
    let recording = disk.recording();
    for (moment, entries) in [(deleted, 0..=1), (recording.len() as u64, 1..=1)] {
        let replayed = Disk::default().replay_until(&recording, moment);
        for outcome in [
            Outcome::Strict,
            Outcome::Torn(1),
            Outcome::Torn(2),
            Outcome::Torn(3),
        ] {
            let left = TempDir::new().expect("a folder for a test");
            Disk::write(&replayed.after_power_loss(outcome), left.path());
            let abide = site.with_data(left.path()).serve();
            let found = abide.get("/fixture/archive-0/check").await.number();
            assert!(entries.contains(&found), "{outcome:?}: {found} entries");
        }
    }
}

/// The files exist, but nothing has made them durable yet.
#[tokio::test]
async fn a_database_that_only_an_undone_write_created_is_made_durable_with_the_next() {
    let site = Site::fixture("[limits]\nidle_timeout_ms = 20");
    let disk = FlakyDisk::of(&site);
    let abide = site.serve_with(|command| disk.attach(command));
    abide
        .get("/fixture/a/write-then-trap")
        .await
        .is_error("reset", "");
    check_next_write(&site, &disk, abide).await;
}

#[tokio::test]
async fn a_database_that_a_full_disk_left_empty_is_made_durable_with_the_next_write() {
    let site = Site::fixture("[limits]\nidle_timeout_ms = 20");
    let disk = FlakyDisk::of(&site);
    disk.faults("write ENOSPC -wal");
    let abide = site.serve_with(|command| disk.attach(command));
    assert!(abide.post("/fixture/a/add", "").await.status >= 500);
    disk.faults("");
    check_next_write(&site, &disk, abide).await;
}

/// Lets object `a` fall asleep, writes, and loses power.
async fn check_next_write(site: &Site, disk: &FlakyDisk, abide: Abide) {
    until("the object has left", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        abide.get("/fixture/a/events").await.number() == 1
    })
    .await;
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    let left = TempDir::new().expect("a folder for a test");
    let replayed = Disk::default().replay(&disk.recording());
    Disk::write(&replayed.after_power_loss(Outcome::Strict), left.path());
    let abide = site.with_data(left.path()).serve();
    assert_eq!(abide.get("/fixture/a/read").await.number(), 1);
}
