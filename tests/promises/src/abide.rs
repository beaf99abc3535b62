//! How does a server come up, what did it say, and how does it end?

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::ops::Deref;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::DEADLINE;
use crate::client::Client;

/// Compiling a large component for the first time takes this long on a slow machine.
const READY_DEADLINE: Duration = Duration::from_secs(300);

/// A server that runs. It is killed when this is dropped.
pub struct Abide {
    child: Child,
    address: SocketAddr,
    log: Log,
    client: Client,
    /// Its data must not vanish while it runs.
    _folder: Arc<TempDir>,
}

/// A server can be asked whatever a client can ask.
impl Deref for Abide {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Abide {
    pub(crate) fn start(command: Command, folder: Arc<TempDir>) -> Abide {
        Abide::try_start(command, folder).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Starts a server, or tells how that ended.
    pub(crate) fn try_start(mut command: Command, folder: Arc<TempDir>) -> Result<Abide, String> {
        let mut child = spawn(&mut command);
        let log = Log::of(child.stderr.take().expect("stderr is a pipe"));
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let (sender, lines) = mpsc::channel();
        // Goes on reading after the ready line, or the server could block on its output.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        match lines.recv_timeout(READY_DEADLINE) {
            Ok(line) => {
                let address = line
                    .strip_prefix("abide: listening on http")
                    .map(|rest| rest.trim_start_matches("s"))
                    .and_then(|rest| rest.strip_prefix("://"))
                    .and_then(|rest| rest.parse().ok());
                let address =
                    address.unwrap_or_else(|| panic!("the first line of the server was {line:?}"));
                Ok(Abide {
                    child,
                    address,
                    log,
                    client: Client::of(address),
                    _folder: folder,
                })
            }
            Err(reason) => {
                let _ = child.kill();
                let _ = child.wait();
                let hung = reason == RecvTimeoutError::Timeout;
                let outcome = if hung {
                    "did not come up"
                } else {
                    "ended at once"
                };
                Err(format!("{command:?} {outcome}:\n{}", log.whole()))
            }
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks this server, also when the test has parted with it.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until the log has these words: a line may arrive after the answer that it
    /// belongs to.
    pub async fn says(&self, words: &str) {
        let begin = Instant::now();
        while !self.log().contains(words) {
            let waited = begin.elapsed();
            assert!(
                waited < DEADLINE,
                "{words:?} is not in the log:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reads the log, also when the test has parted with the server.
    pub fn later_log(&self) -> impl Fn() -> String + use<> {
        let text = self.log.text.clone();
        move || text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Memory of the process that lies in RAM.
    pub fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most that it ever was.
    pub fn resident_bytes_at_most(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the server runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("a process has a {name}"));
        line.trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .unwrap_or_else(|_| panic!("{name} is a number of kB"))
            * 1024
    }

    /// Time that the process has spent on processors.
    pub fn cpu_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).expect("the server runs");
        // After the name, which may contain anything, comes field 3.
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().expect("a time is a number"))
            .sum();
        // Linux counts hundredths of a second here, whatever its clock does.
        Duration::from_millis(ticks * 10)
    }

    /// Reads nothing of what the server logs any more.
    pub fn stall_log(&self) {
        self.log.is_stalled.store(true, Ordering::Relaxed);
    }

    /// Ends the server as `kill -9` does, without a chance to write anything.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    pub fn signal(&self, signal: i32) {
        assert_eq!(
            unsafe { libc::kill(self.child.id() as i32, signal) },
            0,
            "the server is gone"
        );
    }

    /// Asks the server to stop and waits until it has.
    pub async fn stop(self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.ended().await
    }

    /// Waits until the server has ended by itself. Clients go on meanwhile.
    pub async fn ended(mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(begin.elapsed() < DEADLINE, "the server does not stop");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Abide {
    fn drop(&mut self) {
        self.log.is_stalled.store(false, Ordering::Relaxed);
        let _ = self.child.kill();
        let _ = self.child.wait();
        let text = self.log.text();
        if std::thread::panicking() {
            eprintln!("---- log of the server ----\n{}----", end_of(&text));
        } else {
            refuse_panics(&text);
        }
    }
}

/// Starts a server that needs no folder of its own, which must come up.
pub fn start(command: &mut Command) -> Abide {
    let folder = TempDir::with_prefix("abide-promises-").expect("a folder for a test");
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    for (name, value) in command.get_envs() {
        copy.env(name, value.unwrap_or_default());
    }
    if let Some(folder) = command.get_current_dir() {
        copy.current_dir(folder);
    }
    Abide::start(copy, Arc::new(folder))
}

/// How a server said that it will not serve.
#[derive(Debug)]
pub struct Refusal {
    pub code: Option<i32>,
    pub stderr: String,
}

impl Refusal {
    pub(crate) fn of(mut command: Command) -> Refusal {
        let mut child = spawn(&mut command);
        let stdout = Log::of(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Log::of(child.stderr.take().expect("stderr is a pipe"));
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status;
            }
            let listens = stdout.text().contains("listening");
            if listens || begin.elapsed() > DEADLINE {
                let _ = child.kill();
                panic!("{command:?} did not refuse:\n{}", stderr.text());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let stderr = stderr.whole();
        refuse_panics(&stderr);
        Refusal {
            code: status.code(),
            stderr,
        }
    }

    /// Checks that the refusal is an error and its message names all of this.
    #[track_caller]
    pub fn names(&self, parts: &[&str]) {
        assert!(
            self.code.is_some_and(|code| code != 0),
            "the exit code is {:?}:\n{}",
            self.code,
            self.stderr
        );
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "the message does not name {part:?}:\n{}",
                self.stderr
            );
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

/// The last lines of a log, and no more of each than one can read.
fn end_of(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(60)..];
    last.iter()
        .map(|line| line.chars().take(500).chain(['\n']).collect::<String>())
        .collect()
}

/// The host has no panics; a guest's are its own affair and carry its class.
fn refuse_panics(log: &str) {
    let panic = log
        .lines()
        .find(|line| line.contains("panicked at") && !line.contains("class"));
    assert!(
        panic.is_none(),
        "the host panicked: {}\n{log}",
        panic.unwrap_or_default()
    );
}

/// Everything that a process wrote to one of its outputs.
struct Log {
    text: Arc<Mutex<String>>,
    is_stalled: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl Log {
    fn of(output: impl Read + Send + 'static) -> Log {
        let text = Arc::new(Mutex::new(String::new()));
        let into = text.clone();
        let is_stalled = Arc::new(AtomicBool::new(false));
        let stalls = is_stalled.clone();
        let reader = std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                let text = String::from_utf8_lossy(&line);
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&text);
                line.clear();
                while stalls.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        Log {
            text,
            is_stalled,
            reader,
        }
    }

    fn text(&self) -> String {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All of it; the process must have ended.
    fn whole(self) -> String {
        let _ = self.reader.join();
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
