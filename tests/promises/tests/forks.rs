//! Does a copy of an object have all that it should, and does the object keep all it had?

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use promises::{
    Abide, Disk, FlakyDisk, Language, Outcome, Site, WebSocket, in_each_language, until,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::memory::{SLEEPY, file, serve, sleep};
use crate::workload::seed;

in_each_language! {
    a_copy_has_the_data_and_the_memory_in_every_language,
}

/// Runs a command that must do what it says. Returns what it says.
fn done(mut command: Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("abide can be run");
    let (out, err) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "{out}{err}");
    out.into()
}

/// Copies an object of the fixture.
fn fork(site: &Site, name: &str, new_name: &str) -> String {
    done(site.objects(&["fork", "fixture", name, new_name]))
}

/// Runs a command that must refuse. Its error has these words.
fn refused(mut command: Command, words: &[&str]) {
    let output = command.output().expect("abide can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for word in words {
        assert!(said.contains(word), "{said:?} lacks {word:?}");
    }
    assert!(output.stdout.is_empty(), "{output:?}");
}

const WITH_MEMORY: &str = "it has the database and the memory";
const WITHOUT_MEMORY: &str = "it has the database alone";

async fn number(abide: &Abide, object: &str, route: &str) -> u64 {
    abide
        .get(&format!("/fixture/{object}/{route}"))
        .await
        .number()
}

async fn text(abide: &Abide, object: &str, route: &str) -> String {
    abide.get(&format!("/fixture/{object}/{route}")).await.ok()
}

const SMALL: u64 = 10;
const LARGE: u64 = 3_000_000;

/// Makes an object that remembers 3, and keeps so many bytes; it has seen 4 events.
async fn begin(abide: &Abide, kept_bytes: u64) {
    number(abide, "a", &format!("keep?bytes={kept_bytes}")).await;
    for n in 1..=3 {
        assert_eq!(number(abide, "a", "remember").await, n);
    }
}

/// Both objects are what the one was, and go on by themselves.
async fn check_both(abide: &Abide, kept_bytes: u64, events: u64, memory: bool) {
    let first = text(abide, "a", "id").await;
    assert_eq!(text(abide, "b", "forked-from").await, first);
    assert_ne!(text(abide, "b", "id").await, first);
    assert_eq!(text(abide, "b", "name").await, "b");
    assert_eq!(text(abide, "a", "forked-from").await, "(none)");
    let (a, b) = (
        number(abide, "a", "random").await,
        number(abide, "b", "random").await,
    );
    assert_ne!(a, b);
    for n in 4..=6 {
        assert_eq!(number(abide, "a", "remember").await, n);
    }
    assert_eq!(number(abide, "b", "remember").await, 4);
    assert_eq!(number(abide, "a", "events").await, events + 7);
    let copied = if memory { events } else { 0 };
    assert_eq!(number(abide, "b", "events").await, copied + 6);
    let keep = format!("keep?bytes={kept_bytes}");
    let kept = if memory { 2 } else { 1 } * kept_bytes;
    assert_eq!(number(abide, "b", &keep).await, kept);
}

#[tokio::test]
async fn an_object_is_copied_awake_and_asleep_while_it_is_served() {
    for kept_bytes in [SMALL, LARGE] {
        for sleeps in [false, true] {
            let site = Site::fixture(if sleeps { SLEEPY } else { "" });
            let abide = serve(&site);
            begin(&abide, kept_bytes).await;
            let mut events = 4;
            if sleeps {
                sleep(&abide).await;
                events += 1;
            }
            let said = fork(&site, "a", "b");
            assert!(said.contains(WITH_MEMORY), "{said}");
            assert!(
                said.contains("alarm and WebSockets were not copied"),
                "{said}"
            );
            check_both(&abide, kept_bytes, events, true).await;
            // Both go on in the next process.
            let (a, b) = (
                number(&abide, "a", "events").await,
                number(&abide, "b", "events").await,
            );
            assert!(abide.stop().await.success());
            let abide = serve(&site);
            assert_eq!(number(&abide, "a", "events").await, a + 1);
            assert_eq!(number(&abide, "b", "events").await, b + 1);
            assert_eq!(number(&abide, "a", "remember").await, 7);
            assert_eq!(number(&abide, "b", "remember").await, 5);
        }
    }
}

#[tokio::test]
async fn an_object_is_copied_while_no_server_runs() {
    for kept_bytes in [SMALL, LARGE] {
        let site = Site::fixture(SLEEPY);
        let abide = serve(&site);
        begin(&abide, kept_bytes).await;
        assert!(abide.stop().await.success());
        let said = fork(&site, "a", "b");
        assert!(said.contains(WITH_MEMORY), "{said}");
        let said = fork(&site, "b", "c");
        assert!(said.contains(WITH_MEMORY), "{said}");
        let abide = serve(&site);
        check_both(&abide, kept_bytes, 4, true).await;
        assert_eq!(
            text(&abide, "c", "forked-from").await,
            text(&abide, "b", "id").await
        );
        assert_eq!(number(&abide, "c", "remember").await, 4);
        assert_eq!(number(&abide, "c", "events").await, 7);
    }
}

async fn a_copy_has_the_data_and_the_memory_in_every_language(language: Language) {
    let site = Site::guest(language, SLEEPY);
    let fork = |from, to| done(site.objects(&["fork", "guest", from, to]));
    let abide = serve(&site);
    assert_eq!(abide.post("/guest/a/kv", "").await.number(), 1);
    let unread = abide.get("/guest/a/read").await.ok();
    let read = abide.post("/guest/a/read", "some text").await.ok();
    assert_ne!(read, unread);
    let said = fork("a", "b");
    assert!(said.contains(WITH_MEMORY), "{said}");
    assert!(abide.stop().await.success());
    let said = fork("a", "c");
    assert!(said.contains(WITH_MEMORY), "{said}");
    let abide = serve(&site);
    for object in ["a", "b", "c"] {
        let path = |route| format!("/guest/{object}/{route}");
        assert_eq!(abide.get(&path("read")).await.ok(), read, "{object}");
        assert_eq!(abide.get(&path("started")).await.number(), 1, "{object}");
        assert_eq!(abide.post(&path("kv"), "").await.number(), 2, "{object}");
        let who = abide.get(&path("who")).await.ok();
        assert!(who.starts_with(&format!("guest {object} -> ")), "{who}");
    }
}

#[tokio::test]
async fn what_was_killed_is_copied_without_its_memory() {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    begin(&abide, LARGE).await;
    sleep(&abide).await;
    abide.kill();
    let said = fork(&site, "a", "b");
    assert!(said.contains(WITHOUT_MEMORY), "{said}");
    let abide = serve(&site);
    let said = fork(&site, "a", "c");
    assert!(said.contains("the object has none to go on from"), "{said}");
    for object in ["a", "b", "c"] {
        assert_eq!(number(&abide, object, "remember").await, 4, "{object}");
        assert_eq!(number(&abide, object, "events").await, 2, "{object}");
    }
}

#[tokio::test]
async fn memory_of_another_state_of_the_data_is_not_copied() {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    begin(&abide, SMALL).await;
    assert!(abide.stop().await.success());
    let database = file(&site, "sqlite");
    let bytes = std::fs::read(&database).expect("a database");
    std::fs::write(&database, bytes).expect("a database");
    let said = fork(&site, "a", "b");
    assert!(said.contains("somebody has changed"), "{said}");
    let abide = serve(&site);
    assert_eq!(number(&abide, "b", "remember").await, 4);
    assert_eq!(number(&abide, "b", "events").await, 2);
}

#[tokio::test]
async fn of_a_class_that_drops_memory_the_database_is_copied() {
    let site = Site::forgetful("");
    let abide = serve(&site);
    begin(&abide, SMALL).await;
    let said = fork(&site, "a", "b");
    let why = "objects of class \"fixture\" keep their data alone";
    assert!(
        said.contains(WITHOUT_MEMORY) && said.contains(why),
        "{said}"
    );
    assert_eq!(number(&abide, "b", "remember").await, 4);
    assert_eq!(number(&abide, "b", "events").await, 2);
    assert!(abide.stop().await.success());
    let said = fork(&site, "a", "c");
    assert!(said.contains(WITHOUT_MEMORY), "{said}");
    assert_eq!(number(&serve(&site), "c", "remember").await, 4);
}

#[tokio::test]
async fn an_object_that_never_wrote_is_copied() {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    assert_eq!(number(&abide, "a", "events").await, 1);
    fork(&site, "a", "b");
    assert_eq!(number(&abide, "b", "events").await, 2);
    assert_eq!(
        text(&abide, "b", "forked-from").await,
        text(&abide, "a", "id").await
    );
    assert!(abide.stop().await.success());
    fork(&site, "a", "c");
    let abide = serve(&site);
    assert_eq!(number(&abide, "c", "events").await, 3);
    assert_eq!(number(&abide, "c", "remember").await, 1);
}

#[tokio::test]
async fn a_copy_has_no_alarm_and_the_first_keeps_its_own() {
    let site = Site::alarm_clock(SLEEPY);
    let abide = site.serve();
    let fork = |to| done(site.objects(&["fork", "clock", "ann", to]));
    abide
        .get("/clock/ann/set?in=3000&plan=&also=set")
        .await
        .ok();
    fork("bob");
    let alarm = async |abide: &Abide, object| abide.get(&format!("/clock/{object}/get")).await.ok();
    assert_eq!(alarm(&abide, "bob").await, "none");
    assert_ne!(alarm(&abide, "ann").await, "none");
    assert!(abide.stop().await.success());
    fork("cid");
    let abide = site.serve();
    until("the alarm has run", async || {
        abide.get("/clock/ann/runs").await.ok() != ""
    })
    .await;
    for object in ["bob", "cid"] {
        assert_eq!(alarm(&abide, object).await, "none");
        assert_eq!(abide.get(&format!("/clock/{object}/runs")).await.ok(), "");
    }
}

#[tokio::test]
async fn sockets_stay_with_the_first() {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws").await;
    assert_eq!(socket.ask("one").await, "one");
    let listed = text(&abide, "a", "sockets?what=list").await;
    fork(&site, "a", "b");
    assert_eq!(socket.ask("two").await, "two");
    assert_eq!(text(&abide, "a", "sockets?what=list").await, listed);
    assert_ne!(text(&abide, "b", "sockets?what=list").await, listed);
    // A socket of the copy is its own.
    let mut other = WebSocket::open(&abide, "/fixture/b/ws").await;
    assert_eq!(other.ask("three").await, "three");
    assert_eq!(socket.ask("four").await, "four");
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_with_the_way_out() {
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    let check = |site: &Site| {
        let fork = |class, name, new| site.objects(&["fork", class, name, new]);
        refused(fork("other", "a", "c"), &["no class \"other\"", "fixture"]);
        refused(fork("fixture", "nobody", "c"), &["no object \"nobody\""]);
        refused(fork("fixture", "a", "b"), &["an object \"b\" already"]);
        refused(fork("fixture", "a", "a"), &["an object \"a\" already"]);
        refused(
            fork("fixture", "id:12", "c"),
            &["\"id:12\"", "64 hex digits"],
        );
        refused(
            fork("fixture", "a", "id:12"),
            &["\"id:12\"", "choose a name"],
        );
    };
    begin(&abide, SMALL).await;
    // Whether it has data or memory alone.
    number(&abide, "b", "events").await;
    check(&site);
    let id = format!("id:{}", text(&abide, "a", "id").await);
    done(site.objects(&["fork", "fixture", &id, "by-id"]));
    assert_eq!(number(&abide, "by-id", "remember").await, 4);
    sleep(&abide).await;
    check(&site);
    assert!(abide.stop().await.success());
    check(&site);
    let nowhere = site.with_data(&site.folder().join("nowhere"));
    refused(
        nowhere.objects(&["fork", "fixture", "a", "c"]),
        &["no data directory", "nowhere", "--data DIR"],
    );
    assert!(!nowhere.data().exists());
    refused(
        site.with_data(site.folder())
            .objects(&["fork", "fixture", "a", "c"]),
        &["no server has ever used", "--data DIR"],
    );
    let abide = serve(&site);
    assert_eq!(number(&abide, "a", "remember").await, 4);
}

#[tokio::test]
async fn an_object_that_is_busy_for_long_is_not_copied_and_goes_on() {
    let site = Site::fixture("");
    let abide = serve(&site);
    begin(&abide, SMALL).await;
    let client = abide.client();
    let held = tokio::spawn(async move { client.get("/fixture/a/hold").await.ok() });
    until("it is held", async || {
        number(&abide, "a", "events").await > 5
    })
    .await;
    let seen = number(&abide, "a", "events").await;
    let command = site.objects(&["fork", "fixture", "a", "b"]);
    let begin = Instant::now();
    let forking = tokio::task::spawn_blocking(|| refused(command, &["is busy", "try again later"]));
    forking.await.expect("it is refused");
    assert!(begin.elapsed() < Duration::from_secs(8));
    assert_eq!(number(&abide, "a", "events").await, seen + 1);
    text(&abide, "a", "release").await;
    assert_eq!(held.await.expect("an answer"), "released");
    // The name is free still.
    fork(&site, "a", "b");
    assert_eq!(number(&abide, "b", "remember").await, 4);
}

#[tokio::test]
async fn events_of_both_wait_for_the_copy() {
    let site = Site::fixture("");
    let abide = serve(&site);
    begin(&abide, SMALL).await;
    let client = abide.client();
    let slow = tokio::spawn(async move { client.get("/fixture/a/add-then-sleep?ms=3000").await });
    until("it has begun", async || {
        number(&abide, "a", "read").await == 1
    })
    .await;
    let command = site.objects(&["fork", "fixture", "a", "b"]);
    let forking = tokio::task::spawn_blocking(|| done(command));
    // By then the command has begun, also on a busy machine.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    // Neither is answered before the copy is made.
    let (first, copy) = tokio::join!(
        number(&abide, "a", "remember"),
        number(&abide, "b", "remember")
    );
    assert_eq!((first, copy), (4, 4));
    assert_eq!(slow.await.expect("an answer").number(), 1);
    forking.await.expect("it is done");
    assert_eq!(number(&abide, "b", "read").await, 1);
}

#[tokio::test]
async fn an_object_with_a_socket_of_its_own_instance_keeps_it() {
    let site = Site::fixture("");
    let abide = serve(&site);
    let mut socket = WebSocket::open(&abide, "/fixture/a/ws?plain=1").await;
    assert_eq!(socket.ask("one").await, "one");
    let command = site.objects(&["fork", "fixture", "a", "b"]);
    let forking = tokio::task::spawn_blocking(|| refused(command, &["without hibernation"]));
    forking.await.expect("it is refused");
    assert_eq!(socket.ask("two").await, "two");
}

/// The SDK of JavaScript keeps an object's id, as code may that uses it.
#[tokio::test]
async fn a_copy_in_javascript_knows_who_it_is() {
    let site = Site::javascript(SLEEPY);
    let abide = serve(&site);
    let who = async |object: &str| abide.get(&format!("/objects/{object}/who")).await.ok();
    let first = who("a").await;
    let id = first.strip_suffix(" null a").expect("an id, and no origin");
    done(site.objects(&["fork", "objects", "a", "b"]));
    let copy = who("b").await;
    assert!(copy.ends_with(&format!(" {id} b")), "{copy}");
    assert!(!copy.starts_with(id), "{copy}");
    assert_eq!(who("a").await, first);
}

/// What was drawn before may have left something in memory that both have.
#[tokio::test]
async fn a_copy_draws_what_the_first_does_not() {
    let in_rust = (Site::fixture(SLEEPY), "fixture", "random");
    let in_javascript = (Site::javascript(SLEEPY), "objects", "chance");
    for (site, class, route) in [in_rust, in_javascript] {
        let abide = serve(&site);
        let draw = async |object: &str| abide.get(&format!("/{class}/{object}/{route}")).await.ok();
        let mut drawn = vec![draw("a").await];
        done(site.objects(&["fork", class, "a", "b"]));
        for object in ["a", "b", "a", "b"] {
            drawn.push(draw(object).await);
        }
        let each: Vec<_> = drawn.iter().flat_map(|text| text.lines()).collect();
        let different: HashSet<_> = each.iter().collect();
        assert_eq!(different.len(), each.len(), "{class}: {each:?}");
    }
}

/// What a copy has is durable when the command says that it is made.
#[tokio::test]
async fn a_copy_survives_a_power_loss_as_soon_as_it_is_said_to_be_made() {
    for runs in [true, false] {
        let site = Site::fixture(SLEEPY);
        let disk = FlakyDisk::of(&site);
        disk.faults("");
        let abide = site.serve_with(|command| disk.attach(command));
        begin(&abide, SMALL).await;
        let mut command = site.objects(&["fork", "fixture", "a", "b"]);
        match runs {
            true => {
                done(command);
                abide.kill();
            }
            false => {
                assert!(abide.stop().await.success());
                disk.attach(&mut command);
                done(command);
            }
        }
        let recorded = Disk::default().replay(&disk.recording());
        for outcome in [Outcome::Strict, Outcome::Torn(1), Outcome::Torn(2)] {
            let left = TempDir::new().expect("a folder for a test");
            Disk::write(&recorded.after_power_loss(outcome), left.path());
            let abide = site.with_data(left.path()).serve();
            for object in ["a", "b"] {
                assert_eq!(number(&abide, object, "remember").await, 4, "{outcome:?}");
            }
        }
    }
}

/// Whoever is killed has made a copy, or none.
#[tokio::test]
async fn a_kill_amid_copying_leaves_no_half_copy() {
    let mut chance = StdRng::seed_from_u64(seed());
    let site = Site::fixture(SLEEPY);
    let abide = serve(&site);
    begin(&abide, LARGE).await;
    text(&abide, "a", "fill?rows=20000").await;
    assert!(abide.stop().await.success());
    let (mut whole, mut none) = (0, 0);
    for round in 0..12 {
        let name = format!("copy-{round}");
        let mut command = site.objects(&["fork", "fixture", "a", &name]);
        let wait = Duration::from_millis(chance.random_range(0..60));
        if round % 2 == 0 {
            let mut forking = command.spawn().expect("abide can be run");
            tokio::time::sleep(wait).await;
            let _ = forking.kill();
            forking.wait().expect("it has ended");
        } else {
            let abide = serve(&site);
            let mut forking = command.spawn().expect("abide can be run");
            tokio::time::sleep(wait).await;
            abide.kill();
            forking.wait().expect("it has ended");
        }
        let abide = serve(&site);
        assert_eq!(number(&abide, "a", "remembered").await, 3);
        assert_eq!(leftovers(site.data()), Vec::<String>::new());
        match number(&abide, &name, "remembered").await {
            3 => {
                whole += 1;
                assert_eq!(
                    text(&abide, &name, "forked-from").await,
                    text(&abide, "a", "id").await
                );
            }
            count => {
                none += 1;
                assert_eq!(count, 0);
                assert_eq!(text(&abide, &name, "forked-from").await, "(none)");
            }
        }
        assert!(abide.stop().await.success());
    }
    println!("{whole} copies were made, {none} were not");
}

/// What lies in a data directory while a copy is made, and must not afterwards.
fn leftovers(data: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(data).expect("a data directory").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("fork")).collect()
}

/// Nobody else may ask the server to do anything.
#[tokio::test]
async fn only_the_owner_reaches_the_socket_and_it_goes_with_the_server() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let site = Site::fixture("");
    let socket = site.data().join("abide.sock");
    // One that a killed server has left is no hindrance.
    serve(&site).kill();
    assert!(socket.exists());
    let abide = serve(&site);
    let found = std::fs::metadata(&socket).expect("a socket");
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert_eq!(number(&abide, "a", "remember").await, 1);
    fork(&site, "a", "b");
    assert!(abide.stop().await.success());
    assert!(!socket.exists());
    // And it has closed the data directory in order.
    let lock = std::fs::metadata(site.data().join("abide.lock")).expect("a file");
    assert_eq!(lock.len(), 0);
}

#[tokio::test]
async fn who_asks_nothing_keeps_no_command_waiting() {
    use std::os::unix::net::UnixStream;
    let site = Site::fixture("");
    let abide = serve(&site);
    assert_eq!(number(&abide, "a", "remember").await, 1);
    let connect = |_| UnixStream::connect(site.data().join("abide.sock")).expect("a server");
    let _silent: Vec<_> = (0..100).map(connect).collect();
    let begin = Instant::now();
    fork(&site, "a", "b");
    let waited = begin.elapsed();
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

/// What another user made there, the server could not write.
#[tokio::test]
async fn only_the_owner_of_the_data_copies_without_a_server() {
    use std::os::unix::fs::{MetadataExt, chown};
    let site = Site::fixture("");
    let abide = serve(&site);
    assert_eq!(number(&abide, "a", "remember").await, 1);
    assert!(abide.stop().await.success());
    let lock = site.data().join("abide.lock");
    let us = std::fs::metadata(&lock).expect("a file").uid();
    if chown(&lock, Some(us + 4321), None).is_err() {
        // Only root can give files away.
        return;
    }
    let owner = format!("user {}", us + 4321);
    let words = [owner.as_str(), "user root", "run this as"];
    refused(site.objects(&["fork", "fixture", "a", "b"]), &words);
    assert!(leftovers(site.data()).is_empty());
    chown(&lock, Some(us), None).expect("root may");
    fork(&site, "a", "b");
}

/// Whatever comes over the socket, the server answers or hangs up, and goes on.
#[tokio::test]
async fn nonsense_on_the_socket_is_refused() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    let site = Site::fixture("");
    let abide = serve(&site);
    let long = vec![b'x'; 1 << 20];
    let asked: [&[u8]; 6] = [
        b"\n",
        b"{}\n",
        b"\xff\xfe\n",
        b"{\"fork\":{}}\n",
        b"",
        &long,
    ];
    for question in asked {
        let mut stream = UnixStream::connect(site.data().join("abide.sock")).expect("a server");
        let _ = stream.write_all(question);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        // One that is too long may hear of the end before it hears why.
        assert!(
            answer.contains("does not understand") || (answer.is_empty() && question == long),
            "{answer}"
        );
    }
    assert_eq!(number(&abide, "a", "remember").await, 1);
}
