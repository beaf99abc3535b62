//! Do objects outlive what happens to the names of their classes?

use std::fs;

use promises::{
    Development, Disk, FlakyDisk, Outcome, Protocol, Site, alarm_clock, fixture, until, whole,
};
use tempfile::TempDir;

/// Serves the fixture as these classes, after these migrations.
fn config(classes: &[&str], migrations: &[&str]) -> String {
    let mut text = "show_errors = true\ndata = \"data\"\n".to_owned();
    for class in classes {
        text += &format!("[classes.{class}]\ncomponent = {:?}\n", fixture());
    }
    for (number, migration) in migrations.iter().enumerate() {
        text += &format!("[[migrations]]\ntag = \"v{}\"\n{migration}\n", number + 1);
    }
    text
}

const RENAME: &str = "renamed_classes = [{ from = \"room\", to = \"chat\" }]";

#[tokio::test]
async fn a_renamed_class_keeps_its_objects_with_their_ids_and_names() {
    let site = Site::configured(&config(&["room"], &[]));
    let abide = site.serve();
    assert_eq!(abide.post("/room/a/add", "").await.number(), 1);
    let id = abide.get("/room/a/id").await.ok();
    abide.kill();

    site.configure(&config(&["chat"], &[RENAME]));
    let abide = site.serve();
    assert_eq!(abide.post("/chat/a/add", "").await.number(), 2);
    assert_eq!(abide.get("/chat/a/id").await.ok(), id);
    assert_eq!(abide.get("/chat/a/name").await.ok(), "a");
    let by_id = abide.post(&format!("/chat/id:{id}/add"), "").await;
    assert_eq!(by_id.number(), 3);
    assert_eq!(abide.get("/room/a/read").await.status, 404);
    abide.kill();

    // The old name may be used anew, for other objects.
    site.configure(&config(
        &["chat", "room"],
        &[RENAME, "new_classes = [\"room\"]"],
    ));
    for _ in 0..2 {
        let abide = site.serve();
        assert_eq!(abide.get("/chat/a/read").await.number(), 3);
        assert_eq!(abide.get("/room/a/read").await.number(), 0);
        assert_ne!(abide.get("/room/a/id").await.ok(), id);
        let foreign = abide.get(&format!("/room/id:{id}/read")).await;
        assert_eq!(foreign.status, 400, "{foreign:?}");
        abide.kill();
    }
    let abide = site.serve();
    assert_eq!(abide.post("/room/a/add", "").await.number(), 1);
    assert_eq!(abide.get("/chat/a/read").await.number(), 3);
}

#[tokio::test]
async fn a_class_that_vanished_is_missed_if_it_has_data() {
    let site = Site::configured(&config(&["room", "user"], &[]));
    let abide = site.serve();
    abide.post("/room/a/add", "").await.ok();
    abide.get("/user/a/read").await.ok();
    abide.kill();
    site.configure(&config(&["chat"], &[]));
    site.refusal().names(&[
        "class \"room\"",
        "1 object has data",
        "renamed_classes = [{ from = \"room\"",
        "deleted_classes = [\"room\"]",
    ]);
    site.configure(&config(&["chat", "room"], &[]));
    assert_eq!(site.serve().get("/room/a/read").await.number(), 1);
}

#[tokio::test]
async fn a_class_is_deleted_with_its_data_once_that_is_confirmed() {
    let site = Site::configured(&config(&["room", "user"], &[]));
    let abide = site.serve();
    for path in ["/room/a/add", "/room/b/add", "/user/a/add"] {
        abide.post(path, "").await.ok();
    }
    let id = abide.get("/room/a/id").await.ok();
    abide.kill();
    let delete = "deleted_classes = [\"room\"]";
    site.configure(&config(&["user"], &[delete]));
    let way_out = "--confirm-delete room";
    site.refusal().names(&[
        "abide.toml:6:",
        "\"v1\"",
        "class \"room\"",
        "2 objects",
        way_out,
    ]);
    let confirm = |class: &'static str| {
        move |command: &mut std::process::Command| {
            command.args(["--confirm-delete", class]);
        }
    };
    let refusal = site.refusal_with(confirm("user"));
    refusal.names(&["--confirm-delete", "\"user\""]);
    assert!(site.data().join("room").exists());
    let abide = site.serve_with(confirm("room"));
    assert_eq!(abide.get("/user/a/read").await.number(), 1);
    assert!(!site.data().join("room").exists());
    abide.kill();

    // Nothing of it comes back, not even its ids.
    site.configure(&config(
        &["user", "room"],
        &[delete, "new_classes = [\"room\"]"],
    ));
    let abide = site.serve();
    assert_eq!(abide.get("/room/a/read").await.number(), 0);
    assert_ne!(abide.get("/room/a/id").await.ok(), id);
    assert_eq!(abide.get("/user/a/read").await.number(), 1);
}

#[tokio::test]
async fn what_was_applied_is_not_edited_moved_or_taken_away() {
    let (new, rename) = ("new_classes = [\"room\"]", RENAME);
    let site = Site::configured(&config(&["chat"], &[new, rename]));
    let abide = site.serve();
    abide.post("/chat/a/add", "").await.ok();
    abide.kill();
    let elsewhere = "renamed_classes = [{ from = \"room\", to = \"hall\" }]";
    site.configure(&config(&["hall"], &[new, elsewhere]));
    site.refusal()
        .names(&["abide.toml:9:", "\"v2\" was edited", RENAME]);
    site.configure(&config(&["chat", "room"], &[new]));
    site.refusal()
        .names(&["abide.toml:9: ", "\"v2\"", "is gone", "number 2", RENAME]);
    site.configure(&config(&["chat"], &[rename]).replace("v1", "v2"));
    site.refusal()
        .names(&["abide.toml:6: ", "\"v1\"", "is gone", "number 1", new]);
    let swapped = config(&["chat", "room"], &[rename, new]);
    let swapped = swapped.replace("\"v1\"", "\"x\"");
    let swapped = swapped.replace("\"v2\"", "\"v1\"");
    site.configure(&swapped.replace("\"x\"", "\"v2\""));
    let moved = "\"v2\" stands before \"v1\"";
    site.refusal().names(&["abide.toml:8:", moved]);
    site.configure(&config(&["chat"], &[new, rename]));
    assert_eq!(site.serve().get("/chat/a/read").await.number(), 1);
}

#[tokio::test]
async fn data_from_before_there_were_migrations_is_renamed_too() {
    let site = Site::configured(&config(&["room"], &[]));
    let abide = site.serve();
    abide.post("/room/a/add", "").await.ok();
    abide.kill();
    fs::remove_file(site.data().join("classes.toml")).expect("it was written");
    site.configure(&config(&["chat"], &[]));
    site.refusal().names(&["abide.toml:4: class \"room\""]);
    site.configure(&config(&["chat"], &[RENAME]));
    assert_eq!(site.serve().get("/chat/a/read").await.number(), 1);
}

#[tokio::test]
async fn a_class_moves_from_one_data_directory_to_another() {
    let other = Site::configured(&config(&["room", "user"], &[]));
    let abide = other.serve();
    for path in ["/room/a/add", "/user/a/add"] {
        abide.post(path, "").await.ok();
    }
    let id = abide.get("/room/a/id").await.ok();
    let fetch = format!(
        "transferred_classes = [{{ from_data = {:?}, from = \"room\", to = \"hall\" }}]",
        other.data()
    );
    let site = Site::configured(&config(&["room", "hall"], &[&fetch]));
    // Not while it is used there.
    let in_use = "is already in use by process";
    site.refusal()
        .names(&["abide.toml:8:", "\"v1\"", "class \"room\"", in_use]);
    abide.kill();
    let abide = site.serve();
    assert_eq!(abide.post("/hall/a/add", "").await.number(), 2);
    assert_eq!(abide.get("/hall/a/id").await.ok(), id);
    assert_eq!(abide.get("/hall/a/name").await.ok(), "a");
    // The class that has the old name here is another one.
    assert_eq!(abide.post("/room/a/add", "").await.number(), 1);
    assert_ne!(abide.get("/room/a/id").await.ok(), id);
    abide.kill();
    assert_eq!(site.serve().get("/hall/a/read").await.number(), 2);
    let abide = other.serve();
    assert_eq!(abide.get("/user/a/read").await.number(), 1);
    assert_eq!(abide.get("/room/a/read").await.number(), 0);
}

#[tokio::test]
async fn alarms_follow_their_objects_to_another_name_and_end_with_a_deleted_class() {
    let clocks = |classes: &[&str], migration: &str| {
        config(classes, &[migration])
            .replace(&format!("{:?}", fixture()), &format!("{:?}", alarm_clock()))
    };
    let site = Site::configured(&clocks(&["clock", "gone"], ""));
    let abide = site.serve();
    abide.get("/clock/ann/set?in=1500").await.ok();
    abide.get("/gone/bob/set?in=1500").await.ok();
    abide.kill();
    let migrate = "renamed_classes = [{ from = \"clock\", to = \"bell\" }]\n\
                   deleted_classes = [\"gone\"]";
    let migrated = clocks(&["bell"], migrate).replace("\"v1\"", "\"v2\"");
    site.configure(&(migrated + "[[migrations]]\ntag = \"v3\"\n"));
    site.refusal().names(&["migration \"v1\"", "is gone"]);
    let first = "[[migrations]]\ntag = \"v1\"\n";
    let both = clocks(&["bell"], migrate).replace("\"v1\"", "\"v2\"");
    site.configure(&both.replace("[[migrations]]", &format!("{first}[[migrations]]")));
    let abide = site.serve_with(|command| {
        command.args(["--confirm-delete", "gone"]);
    });
    until("the alarm has run", async || {
        abide.get("/bell/ann/runs").await.ok() == "0 false ann none\n"
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let log = abide.log();
    assert!(
        !log.contains("is due of an object that is not served"),
        "{log}"
    );
}

/// A server that cannot start for another reason has applied nothing.
#[tokio::test]
async fn a_start_that_fails_applies_nothing() {
    let site = Site::configured(&config(&["room"], &[]));
    let abide = site.serve();
    abide.post("/room/a/add", "").await.ok();
    abide.kill();
    let broken = config(&["chat"], &[RENAME]) + "[classes.broken]\ncomponent = \"nowhere\"\n";
    site.configure(&broken);
    site.refusal().names(&["nowhere"]);
    site.configure(&config(&["room"], &[]));
    assert_eq!(site.serve().get("/room/a/read").await.number(), 1);
}

/// The power fails at every moment of a start that renames one class and deletes
/// another; the next start finds the classes before or those after, and finishes.
#[tokio::test]
async fn slow_a_power_loss_amid_migrations_leaves_all_or_nothing() {
    const MOMENTS: u64 = 14;
    let site = Site::configured(&config(&["room", "user", "gone"], &[]));
    let abide = site.serve();
    for path in ["/room/a/add", "/user/a/add", "/gone/a/add"] {
        abide.post(path, "").await.ok();
    }
    let id = abide.get("/room/a/id").await.ok();
    abide.kill();
    let migrations = [RENAME, "deleted_classes = [\"gone\"]"];
    let (before, after) = (
        config(&["room", "user", "gone"], &[]),
        config(&["chat", "user"], &migrations),
    );
    site.configure(&after);
    let disk_before = Disk::of(site.data());
    let recorded = FlakyDisk::of(&site);
    recorded.faults("");
    let confirmed = |command: &mut std::process::Command| {
        command.args(["--confirm-delete", "gone"]);
    };
    let abide = site.serve_with(|command| {
        recorded.attach(command);
        confirmed(command);
    });
    assert_eq!(abide.get("/chat/a/read").await.number(), 1);
    abide.kill();
    let recording = recorded.recording();
    let mut disk = disk_before;
    let (mut were, mut are) = (0, 0);
    for moment in 0..=MOMENTS {
        let position = recording.len() as u64 * moment / MOMENTS;
        disk = disk.replay_until(&recording, position);
        for outcome in [Outcome::Strict, Outcome::Torn(moment)] {
            let left = TempDir::new().expect("a folder for a test");
            Disk::write(&disk.after_power_loss(outcome), left.path());
            let there = site.with_data(left.path());
            there.configure(&before);
            let check = async |abide: &promises::Abide, room: &str| {
                assert_eq!(abide.get(&format!("/{room}/a/read")).await.number(), 1);
                assert_eq!(abide.get(&format!("/{room}/a/id")).await.ok(), id);
                assert_eq!(abide.get("/user/a/read").await.number(), 1);
            };
            // The classes before are all there, or none of it is as before.
            match there.try_serve() {
                Ok(abide) => {
                    were += 1;
                    check(&abide, "room").await;
                    assert_eq!(abide.get("/gone/a/read").await.number(), 1);
                    abide.kill();
                }
                Err(refused) => {
                    are += 1;
                    assert!(refused.contains("\"v1\""), "{refused}");
                }
            }
            there.configure(&after);
            let abide = there.serve_with(confirmed);
            check(&abide, "chat").await;
            assert!(!left.path().join("gone").exists());
            abide.kill();
        }
    }
    assert!(were > 0 && are > 0, "{were} before, {are} after");
}

#[tokio::test]
async fn somebody_who_develops_is_not_held_up() {
    let dev = Development::default();
    dev.write("abide.toml", config(&["room"], &[]));
    let abide = dev.dev("abide.toml");
    let answers = async |path: &str, text: &str| {
        until(&format!("{path} answers {text}"), async || {
            let answer = abide.ask(Protocol::Http1, "GET", path, whole("")).await;
            answer.is_ok_and(|answer| answer.text() == text)
        })
        .await;
    };
    assert_eq!(abide.post("/room/a/add", "").await.number(), 1);

    // A class that vanished is told, and comes back with its data.
    dev.write("abide.toml", config(&["user"], &[]));
    answers("/user/a/read", "0").await;
    let told = "class \\\"room\\\", of which 1 object has data, is gone";
    until("it is told", async || {
        let log = abide.log().replace('"', "\\\"").replace("\\\\", "\\");
        log.contains(told)
    })
    .await;
    dev.write("abide.toml", config(&["room", "user"], &[]));
    answers("/room/a/read", "1").await;

    // A migration takes effect when it is written down.
    dev.write("abide.toml", config(&["chat", "user"], &[RENAME]));
    answers("/chat/a/read", "1").await;

    // What cannot be applied changes nothing.
    let delete = "deleted_classes = [\"chat\"]";
    dev.write("abide.toml", config(&["user"], &[RENAME, delete]));
    abide.says("--confirm-delete chat").await;
    answers("/chat/a/read", "1").await;
    dev.write("abide.toml", config(&["chat"], &[]));
    abide
        .says("is gone from the configuration; put it back as number 1")
        .await;
    answers("/chat/a/read", "1").await;
}
