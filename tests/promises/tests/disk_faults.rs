//! What do clients see of a disk that fails, and what is left when it recovers?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use promises::{Abide, Disk, FlakyDisk, Ledger, Outcome, Site, until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::workload::{Load, Shape, check, seed};

async fn serve(settings: &str) -> (Site, FlakyDisk, Abide) {
    let site = Site::forgetful(settings);
    let disk = FlakyDisk::of(&site);
    disk.faults("");
    let abide = site.serve_with(|command| disk.attach(command));
    (site, disk, abide)
}

/// Breaks the disk under one object and checks what that object and others say, then
/// mends it and checks that the object goes on, and that it keeps what it said.
async fn check_fault(fault: &str, written_before: bool) {
    let (site, disk, abide) = serve("").await;
    let mut sure = 0;
    if written_before {
        sure = abide.post("/fixture/a/add", "").await.number();
    }
    let id = abide.get("/fixture/a/id").await.ok();

    disk.faults(&fault.replace("OBJECT", &id));
    let mut asked = sure;
    for _ in 0..3 {
        let answer = abide.post("/fixture/a/add", "").await;
        asked += 1;
        assert!(answer.status >= 500, "{answer:?}");
        let kind = answer.header("abide-error").unwrap_or_default().to_string();
        assert!(
            ["reset", "unavailable", "exception"].contains(&kind.as_str()),
            "{answer:?}"
        );
        assert!(
            !answer.text().contains(&site.data().display().to_string()),
            "paths are nobody's business: {answer:?}"
        );
        let other = abide.post("/fixture/b/add", "").await;
        assert_eq!(
            other.status, 200,
            "an object whose files are sound: {other:?}"
        );
    }
    assert_eq!(abide.get("/fixture/b/read").await.number(), 3);

    disk.faults("");
    let mut sure_now = 0;
    until("the object recovers by itself", async || {
        let answer = abide.post("/fixture/a/add", "").await;
        asked += 1;
        if answer.status == 200 {
            sure_now = answer.number();
        }
        answer.status == 200
    })
    .await;
    assert!(
        (sure + 1..=asked).contains(&sure_now),
        "{sure} were sure, {asked} asked for, now it is {sure_now}"
    );

    // What was acknowledged since then does not rest on anything that was lost.
    let left = TempDir::new().expect("a folder for a test");
    Disk::write(
        &Disk::default()
            .replay(&disk.recording())
            .after_power_loss(Outcome::Strict),
        left.path(),
    );
    let survivor = site.with_data(left.path()).serve();
    let kept = survivor.get("/fixture/a/read").await.number();
    assert!(
        (sure_now..=asked).contains(&kept),
        "{sure_now} were acknowledged, a power loss leaves {kept}"
    );
    assert_eq!(survivor.get("/fixture/b/read").await.number(), 3);
}

#[tokio::test]
async fn a_failed_sync_acknowledges_nothing_and_stays_with_its_object() {
    check_fault("sync EIO OBJECT", true).await;
}

#[tokio::test]
async fn a_failed_first_sync_acknowledges_nothing_and_stays_with_its_object() {
    check_fault("sync EIO OBJECT", false).await;
}

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_stays_with_its_object() {
    check_fault("write ENOSPC OBJECT", true).await;
}

#[tokio::test]
async fn a_disk_too_full_for_a_first_write_acknowledges_nothing() {
    check_fault("write ENOSPC OBJECT", false).await;
}

#[tokio::test]
async fn a_disk_too_full_for_a_new_file_acknowledges_nothing() {
    check_fault("create ENOSPC OBJECT", false).await;
}

#[tokio::test]
async fn a_disk_that_cannot_write_acknowledges_nothing_and_stays_with_its_object() {
    check_fault("write EIO OBJECT", true).await;
}

/// So many objects at once that one sync serves them all.
#[tokio::test]
async fn a_failed_sync_of_the_whole_disk_acknowledges_nothing() {
    let (_site, disk, abide) = serve("").await;
    let add = async |n: usize| abide.post(&format!("/fixture/o{n}/add"), "").await;
    // On a disk that takes so long for each file the server asks for one sync of all.
    disk.faults("sync delay-ms 20");
    until("the whole disk is synced at once", async || {
        for answer in futures::future::join_all((0..50).map(add)).await {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        Disk::default().replay(&disk.recording()).syncs_of_all() > 2
    })
    .await;
    let before = abide.get("/fixture/o0/read").await.number();
    disk.faults("sync EIO");
    for answer in futures::future::join_all((0..50).map(add)).await {
        assert_eq!(answer.status, 500, "{answer:?}");
    }
    disk.faults("");
    for n in 0..50 {
        until("every object recovers", async || add(n).await.status == 200).await;
        let found = abide.get(&format!("/fixture/o{n}/read")).await.number();
        assert!(
            found > before,
            "o{n} holds {found} after {before} acknowledged increments and one more"
        );
    }
}

/// A kernel forgets that it failed to write a page, and goes on showing it: also to the
/// next process, to which the page looks as if it were on the disk.
#[tokio::test]
async fn what_a_killed_server_failed_to_write_is_not_built_upon_by_the_next() {
    for written_before in [0, 1] {
        let (site, disk, abide) = serve("").await;
        for n in 1..=written_before {
            assert_eq!(abide.post("/fixture/a/add", "").await.number(), n);
        }
        let id = abide.get("/fixture/a/id").await.ok();
        disk.faults(&format!("sync hang {id}"));
        let before = disk.position();
        let fail = async {
            until("the write has been made", async || {
                disk.position() > before + 4096
            })
            .await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            // The log cannot be cut back either.
            disk.faults(&format!("sync EIO {id}\nwrite EIO {id}"));
        };
        let (answer, ()) = futures::join!(abide.post("/fixture/a/add", ""), fail);
        assert!(answer.status >= 500, "{answer:?}");
        abide.kill();

        let replayed = Disk::default().replay(&disk.recording());
        let on_disk = replayed.after_power_loss(Outcome::Strict);
        assert!(on_disk != replayed.seen(), "the kernel must know more");
        let disk = FlakyDisk::of(&site);
        Disk::write(&on_disk, &disk.truth());
        let before = Disk::of(site.data()).that_holds(&on_disk);
        let abide = site.serve_with(|command| disk.attach(command));
        let acknowledged = abide.post("/fixture/a/add", "").await.number();
        abide.kill();

        let left = TempDir::new().expect("a folder for a test");
        let replayed = before.replay(&disk.recording());
        Disk::write(&replayed.after_power_loss(Outcome::Strict), left.path());
        let survivor = site.with_data(left.path()).serve();
        let kept = survivor.get("/fixture/a/read").await.number();
        assert!(
            kept >= acknowledged,
            "{acknowledged} were acknowledged, a power loss leaves {kept}"
        );
    }
}

/// A power loss may leave a database without its log: their names become durable one
/// after the other.
#[tokio::test]
async fn a_log_that_is_made_anew_is_found_after_a_power_loss() {
    let site = Site::fixture("[limits]\nidle_timeout_ms = 100");
    let abide = site.serve();
    // More than what is left in the log of an object that sleeps.
    let entry = "/fixture/a/entry?bytes=100000";
    assert_eq!(abide.post(entry, "").await.number(), 1);
    let id = abide.get("/fixture/a/id").await.ok();
    until("its log is folded", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Disk::of(site.data()).is_folded()
    })
    .await;
    abide.stop().await;
    let log = format!("fixture/{}/{id}.sqlite-wal", &id[..2]);
    std::fs::remove_file(site.data().join(log)).expect("the log was there");

    let disk = FlakyDisk::of(&site);
    let before = Disk::of(site.data());
    let abide = site.serve_with(|command| disk.attach(command));
    // Whoever reads makes a log, too.
    assert_eq!(abide.get("/fixture/a/check").await.number(), 1);
    assert_eq!(abide.post(entry, "").await.number(), 2);
    abide.kill();

    let left = TempDir::new().expect("a folder for a test");
    let replayed = before.replay(&disk.recording());
    Disk::write(&replayed.after_power_loss(Outcome::Strict), left.path());
    let survivor = site.with_data(left.path()).serve();
    assert_eq!(survivor.get("/fixture/a/check").await.number(), 2);
}

/// Files that are open still go on taking writes, which nobody will find again.
#[tokio::test]
async fn no_write_is_acknowledged_into_a_directory_that_was_removed() {
    let site = Site::forgetful("[limits]\nidle_timeout_ms = 200");
    let abide = site.serve();
    for name in ["awake", "asleep"] {
        assert_eq!(
            abide
                .post(&format!("/fixture/{name}/add"), "")
                .await
                .number(),
            1
        );
    }
    until("both objects have left", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        abide.get("/fixture/asleep/events").await.number() == 1
    })
    .await;
    assert_eq!(abide.post("/fixture/awake/add", "").await.number(), 2);
    std::fs::remove_dir_all(site.data()).expect("the data folder can be removed");
    let answer = abide.post("/fixture/awake/add", "").await;
    assert!(answer.status >= 500, "{answer:?}");
    for (name, what) in [("awake", "add"), ("new", "add")] {
        let answer = abide.post(&format!("/fixture/{name}/{what}"), "").await;
        assert!(answer.status >= 500, "{answer:?}");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = abide.get("/fixture/asleep/read").await;
    assert!(
        answer.status >= 500,
        "an object that wrote must not read as empty: {answer:?}"
    );
    abide.says("removed or replaced").await;
    abide.says(&site.data().display().to_string()).await;
}

/// An object that only reads has nothing to fear from a disk that cannot write.
#[tokio::test]
async fn a_full_disk_does_not_keep_objects_from_answering_what_they_know() {
    let (_site, disk, abide) = serve("").await;
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    disk.faults("write ENOSPC\ncreate ENOSPC");
    assert_eq!(abide.get("/fixture/a/read").await.number(), 1);
    assert_eq!(abide.get("/fixture/never-seen/events").await.number(), 1);
}

/// So that it can make room. Its log is folded, so that nothing is left to write over.
#[tokio::test]
async fn an_object_can_delete_everything_on_a_full_disk() {
    let (site, disk, abide) = serve("[limits]\nidle_timeout_ms = 20").await;
    let path = "/fixture/archive-0/entry?bytes=100000";
    assert_eq!(abide.post(path, "").await.number(), 1);
    until("the log is folded", async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Disk::of(site.data()).is_folded()
    })
    .await;
    disk.faults("write ENOSPC");
    let answer = abide.post("/fixture/archive-0/delete-all", "").await;
    assert_eq!(answer.ok(), "deleted");
    let recording = disk.recording();
    disk.faults("");
    assert_eq!(abide.post(path, "").await.number(), 1);
    abide.kill();
    let left = TempDir::new().expect("a folder for a test");
    let replayed = Disk::default().replay(&recording);
    Disk::write(&replayed.after_power_loss(Outcome::Strict), left.path());
    let survivor = site.with_data(left.path()).serve();
    assert_eq!(survivor.get("/fixture/archive-0/check").await.number(), 0);
}

#[tokio::test]
async fn an_object_whose_disk_became_read_only_can_be_read() {
    let (_site, disk, abide) = serve("[limits]\nidle_timeout_ms = 20").await;
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    disk.faults("open EROFS\nwrite EROFS\ncreate EROFS");
    until("the object has left", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        abide.get("/fixture/a/events").await.number() == 1
    })
    .await;
    assert_eq!(abide.get("/fixture/a/read").await.number(), 1);
    let answer = abide.post("/fixture/a/add", "").await;
    assert!(answer.status >= 500, "{answer:?}");
    assert_eq!(abide.get("/fixture/a/read").await.number(), 1);
    disk.faults("");
    until("it can be written to when the disk can", async || {
        abide.post("/fixture/a/add", "").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn slow_a_disk_that_fails_now_and_then_loses_nothing_that_was_acknowledged() {
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    let shape = Shape {
        clients: 8,
        counters: 4,
        archives: 4,
        payload_bytes_max: 100_000,
        errors_expected: true,
    };
    let mut acknowledged = 0;
    for _ in 0..4 {
        let site = Site::fixture("[limits]\nidle_timeout_ms = 200");
        let disk = Arc::new(FlakyDisk::of(&site));
        disk.faults("");
        let abide = site.serve_with(|command| disk.attach(command));
        let now = disk.clone();
        let load = Load::begin(
            &abide,
            &shape,
            Ledger::holding(&BTreeMap::new()),
            chance.random(),
            move || now.position(),
        );
        for _ in 0..8 {
            let faults = [
                "sync EIO",
                "write ENOSPC",
                "write EIO",
                "sync EIO -wal",
                "write ENOSPC -wal",
                "create ENOSPC",
            ];
            disk.faults(faults[chance.random_range(0..faults.len())]);
            tokio::time::sleep(Duration::from_millis(chance.random_range(5..60))).await;
            disk.faults("sync delay-ms 3");
            tokio::time::sleep(Duration::from_millis(chance.random_range(50..250))).await;
        }
        let before_recovery = load.acknowledged();
        until("work goes on when the disk is sound", async || {
            load.acknowledged() > before_recovery
        })
        .await;
        let recorded = disk.recording();
        abide.kill();
        let ledger = load.end().await;
        acknowledged += ledger.acknowledged();

        println!("killed");
        let abide = site.serve();
        check(&abide, &ledger, u64::MAX).await;
        abide.kill();
        for outcome in [Outcome::Strict, Outcome::Torn(chance.random())] {
            println!("power loss, {outcome:?}");
            let left = TempDir::new().expect("a folder for a test");
            Disk::write(
                &Disk::default().replay(&recorded).after_power_loss(outcome),
                left.path(),
            );
            check(
                &site.with_data(left.path()).serve(),
                &ledger,
                recorded.len() as u64,
            )
            .await;
        }
    }
    println!("{acknowledged} acknowledged increments survived");
    assert!(
        acknowledged > 100,
        "so few requests prove nothing: {acknowledged}"
    );
}
