//! What does a neighbour notice of an attack?
//!
//! Two innocent objects are asked at a steady pace, alone and then beside the
//! attack, in rounds; the 99th percentile of a round must not rise above twice the
//! one alone plus [`ROOM`].
//!
//! * A request that was due while another was not answered counts from then on, so
//!   that one long standstill is as many slow answers as would have come meanwhile.
//! * The best of the rounds counts: what else the machine does spoils some of them, and
//!   an attack that is felt spoils all. Where all are spoilt there are others, up to
//!   [`ATTEMPTS`] times.
//! * A write may take, in addition, twice as long as the disk alone takes meanwhile:
//!   others may be at work on it, and their sync must end before the write's own begins.
//! * Threads with blocking sockets ask, ahead of others in the machine's queue where
//!   that is allowed: measured is the server, not the test.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{Abide, Client};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(800);
const READ_PACE: Duration = Duration::from_millis(3);
/// Slower, since a disk makes no more than some hundred writes durable in a second.
const WRITE_PACE: Duration = Duration::from_millis(10);
/// What a neighbour may notice, beside twice the time that it takes alone.
const ROOM: Duration = Duration::from_millis(5);
/// How often it is measured before it counts as noticed.
const ATTEMPTS: u32 = 3;
/// An answer that is late by so much ends its round, and counts for all of it.
const STANDSTILL: Duration = Duration::from_secs(2);
/// Niceness of the thread that asks.
const AHEAD: i32 = -15;
/// What an attack needs to be in full swing.
const RUN_UP: Duration = Duration::from_millis(300);

/// The best of some rounds: how long things took at the 99th percentile.
#[derive(Clone, Copy, Default)]
struct Latency {
    read: Duration,
    write: Duration,
    /// An append to a file of the test's own, and its sync.
    disk: Duration,
}

impl fmt::Display for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [read, write, disk] =
            [self.read, self.write, self.disk].map(|duration| duration.as_secs_f64() * 1_000.0);
        write!(
            formatter,
            "reads {read:.2} ms, writes {write:.2} ms (the disk {disk:.2} ms)"
        )
    }
}

/// An attack that runs until this is dropped.
pub struct Attack {
    tasks: JoinSet<()>,
}

impl Attack {
    /// So many attackers at once, each of which does this again and again.
    pub fn of<Blow, Done>(abide: &Abide, attackers: usize, blow: Blow) -> Attack
    where
        Blow: Fn(Client, usize, usize) -> Done + Clone + Send + 'static,
        Done: Future<Output = ()> + Send,
    {
        let mut tasks = JoinSet::new();
        for attacker in 0..attackers {
            let (client, blow) = (abide.client(), blow.clone());
            tasks.spawn(async move {
                for count in 0.. {
                    blow(client.clone(), attacker, count).await;
                }
            });
        }
        Attack { tasks }
    }

    /// Has an attacker fallen?
    fn is_over(&mut self) -> bool {
        self.tasks.try_join_next().is_some()
    }
}

/// Two innocent objects, one that only answers and one that writes, and how long
/// they take when nobody attacks.
pub struct Neighbour<'a> {
    abide: &'a Abide,
    reader: Arc<Mutex<Asker>>,
    writer: Arc<Mutex<Asker>>,
    alone: Latency,
}

impl<'a> Neighbour<'a> {
    /// Measures the neighbours alone.
    pub async fn alone(abide: &'a Abide) -> Neighbour<'a> {
        let reader = Asker::of(abide.address(), "/fixture/neighbour/events", READ_PACE);
        let writer = Asker::of(
            abide.address(),
            "/fixture/writing-neighbour/add",
            WRITE_PACE,
        );
        let mut neighbour = Neighbour {
            abide,
            reader: Arc::new(Mutex::new(reader)),
            writer: Arc::new(Mutex::new(writer.with_disk())),
            alone: Latency::default(),
        };
        neighbour.alone = neighbour.measure().await;
        neighbour
    }

    /// Measures the neighbours beside an attack, and checks that they hardly notice it.
    /// What else the machine does disturbs one measurement, but seldom all of them.
    pub async fn holds_beside(&self, mut attack: Attack) -> Attack {
        tokio::time::sleep(RUN_UP).await;
        for left in (0..ATTEMPTS).rev() {
            let (alone, cpu_before, begin) = (self.alone, self.abide.cpu_time(), Instant::now());
            let beside = self.measure().await;
            let cpu = self.abide.cpu_time() - cpu_before;
            let cores = cpu.as_secs_f64() / begin.elapsed().as_secs_f64();
            println!(
                "alone: {alone}; beside the attack: {beside}; the server used {cores:.2} cores"
            );
            assert!(!attack.is_over(), "the attack gave up");
            let noticed = [
                ("a read", alone.read, beside.read, Duration::ZERO),
                ("a write", alone.write, beside.write, beside.disk),
            ]
            .into_iter()
            .find(|(_, alone, beside, disk)| *beside > 2 * *alone + 2 * *disk + ROOM);
            let Some((what, alone, beside, _)) = noticed else {
                break;
            };
            assert!(
                left > 0,
                "{what} of a neighbour takes {alone:?} alone and {beside:?} beside the attack"
            );
        }
        attack
    }

    async fn measure(&self) -> Latency {
        let rounds = |asker: &Arc<Mutex<Asker>>| {
            let asker = asker.clone();
            tokio::task::spawn_blocking(move || {
                let mut asker = asker.lock().expect("nobody else asks");
                set_niceness(AHEAD);
                let rounds: Vec<_> = (0..ROUNDS).map(|_| asker.round()).collect();
                set_niceness(0);
                let (answers, syncs) = rounds.into_iter().unzip();
                (best(answers), median(syncs))
            })
        };
        let (reads, writes) = (rounds(&self.reader), rounds(&self.writer));
        let (read, _) = reads.await.expect("the neighbour can be asked");
        let (write, disk) = writes.await.expect("the neighbour can be asked");
        Latency { read, write, disk }
    }
}

/// Asks one object at a steady pace.
struct Asker {
    address: SocketAddr,
    path: &'static str,
    pace: Duration,
    connection: TcpStream,
    /// Written and synced after each answer, where the disk matters.
    file: Option<File>,
}

impl Asker {
    fn of(address: SocketAddr, path: &'static str, pace: Duration) -> Asker {
        Asker {
            address,
            path,
            pace,
            connection: connect(address),
            file: None,
        }
    }

    fn with_disk(self) -> Asker {
        let file = tempfile::tempfile().expect("a file for a test");
        Asker {
            file: Some(file),
            ..self
        }
    }

    /// The 99th percentiles of one round: of the answers, and of the disk.
    fn round(&mut self) -> (Duration, Duration) {
        let (mut latencies, mut syncs) = (Vec::new(), Vec::new());
        let begin = Instant::now();
        for n in 0..ROUND.div_duration_f64(self.pace) as u32 {
            let mut due = begin + self.pace * n;
            if let Some(ahead) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(ahead);
                // When this thread woke is not the server's affair.
                due = Instant::now();
            }
            let answered = ask(&mut self.connection, self.path);
            let latency = due.elapsed();
            if !answered || latency > STANDSTILL {
                self.connection = connect(self.address);
                return (STANDSTILL, Duration::ZERO);
            }
            latencies.push(latency);
            let free_until = begin + self.pace * (n + 1);
            if let Some(file) = &mut self.file
                && Instant::now() < free_until
            {
                let begin = Instant::now();
                file.write_all(&[0; 4096]).expect("the disk takes it");
                file.sync_data().expect("the disk takes it");
                syncs.push(begin.elapsed());
            }
        }
        (percentile_99(latencies), percentile_99(syncs))
    }
}

fn best(durations: Vec<Duration>) -> Duration {
    durations.into_iter().min().unwrap_or_default()
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations[durations.len() / 2]
}

fn percentile_99(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort();
    let place = latencies.len().saturating_sub(1) * 99 / 100;
    latencies.get(place).copied().unwrap_or_default()
}

fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).expect("the server takes connections");
    connection.set_nodelay(true).expect("a socket can do that");
    connection
        .set_read_timeout(Some(STANDSTILL))
        .expect("a socket can do that");
    connection
}

/// Asks and reads the whole answer; no when there is none for too long.
fn ask(connection: &mut TcpStream, path: &str) -> bool {
    let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    if connection.write_all(request.as_bytes()).is_err() {
        return false;
    }
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match connection.read(&mut buffer) {
            Ok(count) if count > 0 => answer.extend_from_slice(&buffer[..count]),
            _ => return false,
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.split("\r\n").next())
            .and_then(|length| length.parse().ok());
        if body.len() >= length.expect("the answer says how long it is") {
            assert!(head.starts_with("http/1.1 200"), "a neighbour got {text}");
            return true;
        }
    }
}

/// Puts this thread before or among others that want a processor, where that is allowed.
fn set_niceness(niceness: i32) {
    // SAFETY: the call takes numbers only; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) };
}
