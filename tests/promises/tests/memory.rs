//! Does an object's memory survive its sleep, and never disagree with its data?

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use promises::{Abide, Language, Site, WebSocket, in_each_language, until};

in_each_language! {
    memory_survives_sleep_and_a_restart_and_not_a_kill,
}

/// Objects that sleep as soon as they can.
pub const SLEEPY: &str = "[limits]\nidle_timeout_ms = 30";

const ASLEEP: &str = "sleeps with its memory";
const WOKEN: &str = "wakes with its memory";

/// Serves so that the log tells who sleeps and who wakes.
pub fn serve(site: &Site) -> Abide {
    site.serve_with(|command| {
        command.env("RUST_LOG", "info,abide::life=debug");
    })
}

fn count(abide: &Abide, what: &str) -> usize {
    abide.log().matches(what).count()
}

/// Has object `a` print something, and waits until it sleeps after that. Takes an event.
pub async fn sleep(abide: &Abide) {
    static MARKS: AtomicUsize = AtomicUsize::new(0);
    let mark = format!("mark-{}-", MARKS.fetch_add(1, Ordering::Relaxed));
    let print = format!("/fixture/a/print?out={mark}");
    abide.get(&print).await.ok();
    until("the object sleeps", async || {
        let log = abide.log();
        let since = log.split_once(&mark);
        since.is_some_and(|(_, since)| since.contains(ASLEEP))
    })
    .await;
}

/// The file of an object with this ending.
pub fn file(site: &Site, ending: &str) -> PathBuf {
    let mut folders = vec![site.data().join("fixture")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|is| is == ending) {
                return path;
            }
        }
    }
    panic!("there is no file *.{ending}");
}

#[tokio::test]
async fn an_object_wakes_where_it_was_as_often_as_it_sleeps() {
    let abide = serve(&Site::fixture(SLEEPY));
    for n in 1..=10 {
        assert_eq!(abide.get("/fixture/a/remember").await.number(), n);
        sleep(&abide).await;
        assert_eq!(abide.get("/fixture/a/events").await.number(), 3 * n);
    }
    until("all wakes are logged", async || count(&abide, WOKEN) >= 10).await;
}

#[tokio::test]
async fn an_object_that_never_wrote_keeps_its_memory_too() {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    sleep(&abide).await;
    assert_eq!(abide.get("/fixture/a/events").await.number(), 2);
    sleep(&abide).await;
    abide.stop().await;
    assert_eq!(serve(&site).get("/fixture/a/events").await.number(), 4);
}

#[tokio::test]
async fn memory_that_is_to_be_dropped_is() {
    let config = format!(
        "show_errors = true\ndata = \"data\"\n{SLEEPY}\n[classes.fixture]\n\
         hibernate = \"drop-memory\"\ncomponent = {:?}\n",
        promises::fixture()
    );
    let abide = serve(&Site::configured(&config));
    for n in 1..=3 {
        assert_eq!(abide.get("/fixture/a/remember").await.number(), n);
        until("the object has left", async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            abide.get("/fixture/a/events").await.number() == 1
        })
        .await;
    }
    assert_eq!(count(&abide, ASLEEP), 0);
}

async fn memory_survives_sleep_and_a_restart_and_not_a_kill(language: Language) {
    let site = Site::guest(language, SLEEPY);
    let abide = serve(&site);
    let unread = abide.get("/guest/a/read").await.ok();
    let read = abide.post("/guest/a/read", "some text").await.ok();
    assert_ne!(read, unread);
    until("the object sleeps", async || count(&abide, ASLEEP) > 0).await;
    assert_eq!(abide.get("/guest/a/read").await.ok(), read);
    until("it has woken", async || count(&abide, WOKEN) > 0).await;
    for n in 1..=3 {
        assert_eq!(abide.post("/guest/a/kv", "").await.number(), n);
        assert_eq!(abide.get("/guest/b/read").await.ok(), unread);
    }
    // Awake or asleep, it goes on in the next process.
    assert!(abide.stop().await.success());
    let abide = serve(&site);
    assert_eq!(abide.get("/guest/a/read").await.ok(), read);
    assert_eq!(abide.get("/guest/b/read").await.ok(), unread);
    assert_eq!(abide.get("/guest/a/started").await.number(), 1);
    until("both have woken", async || count(&abide, WOKEN) > 1).await;
    assert_eq!(abide.post("/guest/a/kv", "").await.number(), 4);
    assert_eq!(abide.get("/guest/a/sleep?ms=20").await.number(), 1);
    until("the object sleeps", async || count(&abide, ASLEEP) > 0).await;
    abide.kill();
    let abide = serve(&site);
    assert_eq!(abide.get("/guest/a/read").await.ok(), unread);
    assert_eq!(abide.post("/guest/a/kv", "").await.number(), 5);
}

/// What an object remembers after something happened while it slept: all, or what its
/// data say. Small objects sleep in the memory of the process, large ones in files.
async fn check(keeps: bool, kept_bytes: u64, happens: impl AsyncFnOnce(&Site, Abide) -> Abide) {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    let keep = format!("/fixture/a/keep?bytes={kept_bytes}");
    abide.get(&keep).await.ok();
    for n in 1..=3 {
        assert_eq!(abide.get("/fixture/a/remember").await.number(), n);
    }
    sleep(&abide).await;
    let abide = happens(&site, abide).await;
    abide.get("/fixture/a/remembered").await.ok();
    let events = abide.get("/fixture/a/events").await.number();
    assert_eq!(events, if keeps { 7 } else { 2 });
    let kept = abide.get(&keep).await.number();
    assert_eq!(kept, if keeps { 2 } else { 1 } * kept_bytes);
    // And it goes on.
    abide.get("/fixture/a/remember").await.ok();
    sleep(&abide).await;
    abide.get("/fixture/a/remember").await.ok();
    assert_eq!(abide.get(&keep).await.number(), kept + kept_bytes);
}

const SMALL: u64 = 10;
const LARGE: u64 = 3_000_000;

#[tokio::test]
async fn memory_survives_when_nothing_happens() {
    for kept_bytes in [SMALL, LARGE] {
        check(true, kept_bytes, async |_, abide| abide).await;
    }
}

#[tokio::test]
async fn memory_survives_a_restart() {
    for kept_bytes in [SMALL, LARGE] {
        check(true, kept_bytes, async |site, abide| {
            assert!(abide.stop().await.success());
            serve(site)
        })
        .await;
    }
}

#[tokio::test]
async fn memory_survives_restarts_in_which_nothing_happens_to_it() {
    check(true, SMALL, async |site, abide| {
        assert!(abide.stop().await.success());
        for _ in 0..3 {
            let abide = serve(site);
            abide.get("/fixture/b/remember").await.ok();
            assert!(abide.stop().await.success());
        }
        serve(site)
    })
    .await;
}

#[tokio::test]
async fn after_a_kill_only_the_data_count() {
    for kept_bytes in [SMALL, LARGE] {
        check(false, kept_bytes, async |site, abide| {
            abide.kill();
            serve(site)
        })
        .await;
    }
    // Also when an earlier process had left a snapshot.
    check(false, LARGE, async |site, abide| {
        assert!(abide.stop().await.success());
        serve(site).kill();
        serve(site)
    })
    .await;
}

/// Changes the database as another program would.
fn run_sql(database: &Path, sql: &str) {
    let script = "import sqlite3, sys\n\
                  db = sqlite3.connect(sys.argv[1])\n\
                  db.executescript(sys.argv[2])\n\
                  db.close()";
    let python = Command::new("python3")
        .args(["-c", script])
        .arg(database)
        .arg(sql)
        .status();
    assert!(python.expect("python3 is there").success());
}

const EDIT: &str = "UPDATE _cf_KV SET value = CAST('77' AS BLOB) WHERE key = 'remembered'";

/// Does the server have this file open?
fn has_open(abide: &Abide, file: &Path) -> bool {
    let open = std::fs::read_dir(format!("/proc/{}/fd", abide.pid())).expect("it runs");
    let mut paths = open
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok());
    paths.any(|path| path == file)
}

#[tokio::test]
async fn a_database_that_is_changed_while_its_object_rests_ends_the_memory() {
    for falls_asleep in [false, true] {
        let idle_timeout_ms = if falls_asleep { 4_000 } else { 60_000 };
        let site = Site::fixture(&format!("[limits]\nidle_timeout_ms = {idle_timeout_ms}"));
        let abide = serve(&site);
        for n in 1..=3 {
            assert_eq!(abide.get("/fixture/a/remember").await.number(), n);
        }
        let database = file(&site, "sqlite");
        until("the object rests", async || !has_open(&abide, &database)).await;
        run_sql(&database, EDIT);
        if falls_asleep {
            abide.says(ASLEEP).await;
        }
        assert_eq!(abide.get("/fixture/a/remembered").await.number(), 77);
        assert_eq!(abide.get("/fixture/a/events").await.number(), 2);
        abide
            .says("somebody has changed the object's database")
            .await;
        abide.get("/fixture/a/remember").await.ok();
    }
}

/// Puts a pipe that nobody uses in the place of a file.
fn replace_by_pipe(file: &Path) {
    std::fs::remove_file(file).expect("a file");
    let made = Command::new("mkfifo").arg(file).status();
    assert!(made.expect("mkfifo is there").success());
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_holds_nobody_up() {
    check(false, LARGE, async |site, abide| {
        replace_by_pipe(&file(site, "memory"));
        abide
    })
    .await;
    for ending in ["sqlite", "sqlite-wal"] {
        let site = Site::fixture(SLEEPY);
        let abide = serve(&site);
        abide.get("/fixture/a/remember").await.ok();
        assert!(abide.stop().await.success());
        replace_by_pipe(&file(&site, ending));
        let abide = serve(&site);
        assert_eq!(abide.get("/fixture/a/remember").await.status, 500);
        abide
            .says("is not a regular file; remove what is there")
            .await;
        assert_eq!(abide.get("/fixture/b/remember").await.number(), 1);
        assert!(abide.stop().await.success());
    }
}

#[tokio::test]
async fn a_database_that_another_program_has_changed_ends_the_memory() {
    for kept_bytes in [SMALL, LARGE] {
        check(false, kept_bytes, async |site, abide| {
            run_sql(&file(site, "sqlite"), EDIT);
            let remembered = abide.get("/fixture/b/remembered").await;
            assert_eq!(remembered.number(), 0, "others go on");
            abide
        })
        .await;
        check(false, kept_bytes, async |site, abide| {
            assert!(abide.stop().await.success());
            run_sql(&file(site, "sqlite"), EDIT);
            serve(site)
        })
        .await;
    }
}

#[tokio::test]
async fn a_database_that_was_brought_back_ends_the_memory() {
    check(false, SMALL, async |site, abide| {
        assert!(abide.stop().await.success());
        let (database, copy) = (file(site, "sqlite"), site.folder().join("copy"));
        std::fs::copy(&database, &copy).expect("a copy");
        let abide = serve(site);
        abide.get("/fixture/a/remember").await.ok();
        assert!(abide.stop().await.success());
        std::fs::copy(&copy, &database).expect("a copy");
        let _ = std::fs::remove_file(file(site, "sqlite-wal"));
        serve(site)
    })
    .await;
}

/// Changes the bytes of a file.
type Damage = fn(&mut Vec<u8>);

#[tokio::test]
async fn a_snapshot_that_somebody_has_touched_is_refused() {
    let damages: [(&str, Damage); 5] = [
        ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", Vec::clear),
        ("another head", |bytes| bytes[100] ^= 1),
        ("another page", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
        ("longer", |bytes| bytes.extend([0; 4096])),
    ];
    for (what, damage) in damages {
        println!("{what}");
        let touch = |site: &Site| {
            let path = file(site, "memory");
            let mut bytes = std::fs::read(&path).expect("a snapshot");
            damage(&mut bytes);
            std::fs::write(&path, bytes).expect("a snapshot");
        };
        check(false, LARGE, async |site, abide| {
            touch(site);
            abide
        })
        .await;
        check(false, LARGE, async |site, abide| {
            assert!(abide.stop().await.success());
            touch(site);
            serve(site)
        })
        .await;
    }
}

#[tokio::test]
async fn a_snapshot_of_another_time_or_object_is_refused() {
    // An older one of the same object, whose database is the same still.
    check(false, LARGE, async |site, abide| {
        assert!(abide.stop().await.success());
        let (path, old) = (file(site, "memory"), site.folder().join("old"));
        std::fs::copy(&path, &old).expect("a copy");
        let abide = serve(site);
        abide.get("/fixture/a/remembered").await.ok();
        assert!(abide.stop().await.success());
        std::fs::copy(&old, &path).expect("a copy");
        serve(site)
    })
    .await;
    // One of another object that has done the same.
    let other = Site::fixture(SLEEPY);
    let abide = serve(&other);
    abide
        .get(&format!("/fixture/other/keep?bytes={LARGE}"))
        .await
        .ok();
    assert!(abide.stop().await.success());
    check(false, LARGE, async |site, abide| {
        assert!(abide.stop().await.success());
        std::fs::copy(file(&other, "memory"), file(site, "memory")).expect("a copy");
        serve(site)
    })
    .await;
}

#[tokio::test]
async fn other_code_or_another_environment_ends_the_memory() {
    let component = promises::fixture();
    let mut bytes = std::fs::read(&component).expect("a component");
    // A custom section named "x": other bytes, and the same code.
    bytes.extend([0, 2, 1, b'x']);
    let check_with = async |keeps, changed: &str| {
        check(keeps, SMALL, async |site, abide| {
            assert!(abide.stop().await.success());
            let other = site.folder().join("other.wasm");
            std::fs::write(&other, &bytes).expect("a component");
            let config = std::fs::read_to_string(site.config()).expect("a configuration");
            let changed = changed.replace("OTHER", &format!("{other:?}"));
            let config: Vec<_> = config
                .lines()
                .filter(|line| !changed.starts_with("component") || !line.starts_with("component"))
                .collect();
            site.configure(&format!("{}\n{changed}\n", config.join("\n")));
            serve(site)
        })
        .await;
    };
    check_with(false, "component = OTHER").await;
    check_with(false, "env = { MODE = \"other\" }").await;
    check_with(true, "limits = { mailbox_events_max = 10 }").await;
}

#[tokio::test]
async fn a_clock_and_the_streams_are_right_after_a_wake() {
    let site = Site::fixture(SLEEPY);
    let mut abide = serve(&site);
    let mut before_ms = 0;
    for round in 0..4 {
        abide.get("/fixture/a/print?out=to-output").await.ok();
        abide.get("/fixture/a/print?err=to-errors").await.ok();
        sleep(&abide).await;
        let now_ms = abide.get("/fixture/a/since-begin").await.number();
        assert!(now_ms >= before_ms, "{now_ms} after {before_ms}");
        before_ms = now_ms;
        if round % 2 == 1 {
            assert!(abide.stop().await.success());
            abide = serve(&site);
        }
        abide.get("/fixture/a/print?out=to-output-again").await.ok();
        abide.get("/fixture/a/print?err=to-errors-again").await.ok();
        until("both are logged", async || {
            let log = abide.log();
            let level = |words: &str| {
                let line = log.lines().find(|line| line.contains(words));
                line.map(|line| line.contains("WARN"))
            };
            level("to-output-again") == Some(false) && level("to-errors-again") == Some(true)
        })
        .await;
    }
}

#[tokio::test]
async fn numbers_that_an_object_remembers_come_to_mean_nothing_else() {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    for _ in 0..2 {
        abide.get("/fixture/a/leave-cursor").await.ok();
    }
    sleep(&abide).await;
    let used = abide.get("/fixture/a/use-cursor").await.ok();
    assert!(used.starts_with("not open"), "{used}");
    assert!(abide.stop().await.success());
    let used = serve(&site).get("/fixture/a/use-cursor").await.ok();
    assert!(used.starts_with("not open"), "{used}");
}

#[tokio::test]
async fn sockets_are_the_same_after_a_sleep_and_their_ends_are_heard_before_a_stop() {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    let listed = abide.get("/fixture/a/sockets?what=list").await.ok();
    for n in 0..3 {
        sleep(&abide).await;
        let message = format!("message {n}");
        assert_eq!(socket.ask(&message).await, message);
        assert_eq!(abide.get("/fixture/a/sockets?what=list").await.ok(), listed);
    }
    // Opening, and in each round printing, a message and a question.
    assert_eq!(abide.get("/fixture/a/events").await.number(), 12);
    assert!(abide.stop().await.success());
    let abide = serve(&site);
    let ends = abide.get("/fixture/a/sockets?what=ends").await.ok();
    assert!(ends.contains("1012"), "{ends}");
    assert_eq!(abide.get("/fixture/a/events").await.number(), 15);
    // A socket of now is not taken for the one of then.
    let _socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    assert_ne!(abide.get("/fixture/a/sockets?what=list").await.ok(), listed);
}

#[tokio::test]
async fn many_objects_fall_asleep_when_the_server_stops() {
    let site = Site::fixture("");
    let abide = serve(&site);
    for n in 0..200 {
        abide
            .get(&format!("/fixture/object-{n}/remember"))
            .await
            .ok();
    }
    assert!(abide.stop().await.success());
    let abide = serve(&site);
    for n in 0..200 {
        let object = format!("/fixture/object-{n}");
        assert_eq!(abide.get(&format!("{object}/remember")).await.number(), 2);
        assert_eq!(abide.get(&format!("{object}/events")).await.number(), 3);
    }
}
