//! Does the log cost lines and never the server?

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use promises::{DEADLINE, Site, until};

/// A server whose log nobody reads, at its address. Killed when dropped.
struct Unread {
    child: Child,
    address: SocketAddr,
}

impl Unread {
    fn start(site: &Site, stderr: Stdio) -> Unread {
        let mut command = site.command_of_server();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut child = command.spawn().expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().rsplit('/').next().expect("an address");
        Unread {
            address: address.parse().unwrap_or_else(|_| panic!("{line:?}")),
            child,
        }
    }

    /// The answer to a GET, in text, or what went wrong.
    fn get(&self, path: &str) -> String {
        use std::io::Write as _;
        let asked = || {
            let mut stream = std::net::TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        };
        asked().unwrap_or_else(|error| format!("{path}: {error}"))
    }

    fn stop(&mut self) {
        assert_eq!(
            unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) },
            0
        );
        let begin = Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "the server does not stop"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let site = Site::fixture("");
    // Nobody reads the pipe, which holds 64 KiB.
    let mut server = Unread::start(&site, Stdio::piped());
    for object in ["a", "b", "c"] {
        let answer = server.get(&format!("/fixture/{object}/print-much?lines=900"));
        assert!(answer.ends_with("\r\n\r\n900"), "{answer}");
    }
    assert!(server.get("/fixture/d/events").ends_with("\r\n\r\n1"));
    assert!(server.get("/unknown/a/x").starts_with("HTTP/1.1 404"));
    server.stop();
}

#[test]
fn a_log_whose_reader_has_gone_stops_nobody() {
    let site = Site::fixture("");
    let mut server = Unread::start(&site, Stdio::piped());
    drop(server.child.stderr.take());
    for _ in 0..3 {
        let answer = server.get("/fixture/a/print?out=x&err=y");
        assert!(answer.ends_with("\r\n\r\nprinted"), "{answer}");
    }
    server.stop();
}

#[test]
fn a_server_starts_without_standard_output_and_error() {
    let site = Site::fixture("");
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("an address")
    };
    for closing in ["1>&-", "2>&-", "1>&- 2>&-"] {
        let command = site.command_of_server();
        let words = [command.get_program()]
            .into_iter()
            .chain(command.get_args());
        let words = words.map(|word| format!("'{}'", word.to_str().expect("text")));
        let line = words
            .collect::<Vec<_>>()
            .join(" ")
            .replace("127.0.0.1:0", &port.to_string());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {line} {closing}")]);
        shell
            .env("ABIDE_CACHE", promises_cache(&command))
            .stdin(Stdio::null());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        let child = shell.spawn().expect("a shell");
        let mut server = Unread {
            child,
            address: port,
        };
        let begin = Instant::now();
        loop {
            let answer = server.get("/fixture/a/print?out=x&err=y");
            if answer.ends_with("\r\n\r\nprinted") {
                break;
            }
            assert!(begin.elapsed() < DEADLINE, "{closing}: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server.stop();
    }
}

fn promises_cache(command: &Command) -> std::ffi::OsString {
    let mut envs = command.get_envs();
    let cache = envs.find(|(name, _)| *name == "ABIDE_CACHE");
    cache.and_then(|(_, value)| value).expect("a cache").into()
}

#[tokio::test]
async fn what_an_object_prints_too_much_is_counted_and_dropped() {
    let abide = Site::fixture("").serve();
    abide.get("/fixture/a/print-much?lines=5000").await.ok();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    abide
        .get("/fixture/a/print?out=afterwards&err=x")
        .await
        .ok();
    abide.says("lines of this object were dropped").await;
    let log = abide.log();
    let printed = log
        .lines()
        .filter(|line| line.contains("of a chatty object"))
        .count();
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("were dropped"))
        .collect();
    assert!((1_000..2_000).contains(&printed), "{printed} lines");
    let dropped: usize = told
        .iter()
        .filter_map(|line| {
            line.split("dropped=")
                .nth(1)?
                .split_whitespace()
                .next()?
                .parse::<usize>()
                .ok()
        })
        .sum();
    assert_eq!(printed + dropped, 5_000, "{told:?}");
    assert!(told.len() <= 3, "{told:?}");
    // Another object's lines are not affected.
    abide.get("/fixture/b/print?out=from-b&err=x").await.ok();
    abide.says("from-b").await;
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_an_object_prints_stays_readable_and_in_its_line() {
    let abide = Site::fixture("").serve();
    // Characters that are cut at the borders of writes, and of parts of a line.
    let text = "grüße € 😀\n";
    for at_once in [1, 2, 3] {
        let path = format!("/fixture/a/print-hex?at-once={at_once}&bytes={}", hex(text));
        assert_eq!(abide.get(&path).await.status, 200);
    }
    let forging = "harmless\rINFO forged by return\x1b[2J\u{9b}2J\x07\u{85}end\n";
    let path = format!("/fixture/a/print-hex?at-once=1000&bytes={}", hex(forging));
    assert_eq!(abide.get(&path).await.status, 200);
    abide.says("harmless").await;
    let log = abide.log();
    assert_eq!(log.matches(text.trim_end()).count(), 3, "{log}");
    assert!(!log.contains('\u{fffd}'), "{log}");
    let line = log
        .lines()
        .find(|line| line.contains("harmless"))
        .expect("the line");
    assert!(
        line.contains("\\rINFO") && line.ends_with("end") | line.contains("end class"),
        "{line:?}"
    );
    assert!(
        line.chars().all(|character| !character.is_control()),
        "{line:?}"
    );
}

#[tokio::test]
async fn a_storm_of_traps_does_not_fill_the_log() {
    let abide = Site::fixture("").serve();
    let begin = Instant::now();
    let storm = (0..8).map(|_| async {
        for _ in 0..400 {
            let answer = abide.get("/fixture/a/trap").await;
            assert_eq!(answer.status, 500);
        }
    });
    futures::future::join_all(storm).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    abide.get("/fixture/a/trap").await.is_error("reset", "");
    abide.says("were dropped").await;
    let told = abide.log().matches("trapped and was reset").count();
    let allowed = 1_000 + 100 * (begin.elapsed().as_secs() as usize + 1);
    assert!(told <= allowed, "{told} lines where {allowed} are allowed");
}

#[tokio::test]
async fn the_cause_of_a_failure_is_in_the_log_however_long_it_is() {
    let abide = Site::fixture("").serve();
    let path = "/fixture/a/write-then-fail?times=200000";
    assert_eq!(abide.get(path).await.status, 500);
    until("the log has the beginning of the cause", async || {
        let log = abide.log();
        log.contains("after a write after a write") && log.contains("bytes)")
    })
    .await;
    let longest = abide.log().lines().map(str::len).max();
    assert!(longest.is_some_and(|bytes| bytes < 20_000), "{longest:?}");
}
