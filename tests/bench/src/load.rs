//! How many correct answers does a server give in a closed loop, and how fast?
//!
//! One thread drives all connections; each sends its next request when the
//! answer to the last is there. Every answer is checked: the outcome names what
//! was wrong, and a caller takes no figure from an outcome with errors.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinHandle;

use crate::connection::Connection;
use crate::process;
use crate::statistics::percentile;

/// Longer than any answer may take, eviction of thousands of objects included.
const ANSWERS_WAIT_MAX: Duration = Duration::from_secs(60);

/// What to ask, how often, and what to expect.
#[derive(Clone)]
pub struct Plan {
    pub address: SocketAddr,
    /// The path is `before`, a number, `after`; see `names`.
    pub before: String,
    pub names: Names,
    pub after: String,
    pub connections: usize,
    /// A connection's requests are at least so far apart. An answer that is late
    /// delays the next ones, which count from when they were due.
    pub pace: Duration,
    /// How long to ask before anything is counted.
    pub warm_up: Duration,
    pub until: Until,
    pub expect: Expect,
}

#[derive(Clone, Copy)]
pub enum Names {
    /// This number: one object.
    Always(u64),
    /// A random number below this.
    Random(u64),
    /// 0, 1, 2, …
    Sequence,
}

#[derive(Clone, Copy)]
pub enum Until {
    Elapsed(Duration),
    Requests(u64),
    /// Until what it runs beside is over.
    Stopped,
}

#[derive(Clone, Copy)]
pub enum Expect {
    Exactly(&'static str),
    Prefix(&'static str),
    /// A number of at least this.
    NumberFrom(u64),
    /// Numbers that grow from answer to answer of one connection.
    Growing,
}

#[derive(Default)]
pub struct Outcome {
    /// Sorted latencies of what was asked after the warm-up.
    pub latencies_ns: Vec<u64>,
    pub elapsed: Duration,
    /// Correct answers, those of the warm-up included.
    pub acknowledged: u64,
    /// The sum of the answers that were numbers.
    pub sum: u64,
    pub errors: BTreeMap<String, u64>,
}

impl Outcome {
    pub fn p50_us(&self) -> Result<f64> {
        let median = percentile(&self.latencies_ns, 0.5).context("nothing was answered")?;
        Ok(median as f64 / 1000.0)
    }

    pub fn per_second(&self) -> f64 {
        self.latencies_ns.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Fails unless every answer was as expected.
    pub fn check(&self) -> Result<()> {
        let Some((error, count)) = self.errors.iter().max_by_key(|(_, count)| **count) else {
            return Ok(());
        };
        let all: u64 = self.errors.values().sum();
        bail!(
            "{all} wrong answers beside {} right ones, {count} of them: {error}",
            self.acknowledged
        )
    }
}

/// Runs the plan. `on_start` is called when the warm-up is over.
pub fn run(plan: &Plan, on_start: impl FnOnce()) -> Result<Outcome> {
    run_beside(plan, None, on_start)
}

/// Runs the plan while another one goes on, whose answers must be right too.
pub fn run_beside(plan: &Plan, attack: Option<&Plan>, on_start: impl FnOnce()) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Measured beside an attack is the server, not how long this thread waits for it.
    let _ahead = attack.map(|_| process::Ahead::of_others());
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let attacking = match attack {
            Some(attack) => Some(begin(attack).await?),
            None => None,
        };
        let outcome = drive(plan, on_start).await?;
        if let Some((shared, _)) = attacking {
            let attack = shared.outcome.borrow();
            attack.check().context("the attack")?;
            ensure!(attack.acknowledged > 0, "the attack was never answered");
        }
        Ok(outcome)
    })
}

/// One request on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = async {
        let mut connection = Connection::open(address).await?;
        let (status, body) = connection.ask(&request(address, path)).await?;
        let body = String::from_utf8_lossy(body).into_owned();
        ensure!(status == 200, "GET {path}: {status} {body}");
        Ok(body)
    };
    runtime.block_on(async { tokio::time::timeout(ANSWERS_WAIT_MAX, asked).await })?
}

struct Shared {
    next: Cell<u64>,
    counted_from: Instant,
    outcome: RefCell<Outcome>,
}

/// Opens the plan's connections and begins to ask.
async fn begin(plan: &Plan) -> Result<(Rc<Shared>, Vec<JoinHandle<()>>)> {
    let mut connections = Vec::new();
    for _ in 0..plan.connections {
        connections.push(Connection::open(plan.address).await?);
    }
    let shared = Rc::new(Shared {
        next: Cell::new(0),
        counted_from: Instant::now() + plan.warm_up,
        outcome: RefCell::default(),
    });
    shared.outcome.borrow_mut().latencies_ns.reserve(1 << 20);
    let loops = connections
        .into_iter()
        .enumerate()
        .map(|(number, connection)| {
            tokio::task::spawn_local(ask_in_a_loop(
                plan.clone(),
                shared.clone(),
                connection,
                number as u64,
            ))
        })
        .collect();
    Ok((shared, loops))
}

async fn drive(plan: &Plan, on_start: impl FnOnce()) -> Result<Outcome> {
    let (shared, loops) = begin(plan).await?;
    let counted_from = shared.counted_from;
    tokio::time::sleep_until(counted_from.into()).await;
    on_start();
    let longest = ANSWERS_WAIT_MAX
        + match plan.until {
            Until::Elapsed(duration) => duration,
            Until::Requests(count) => Duration::from_millis(20 * count),
            Until::Stopped => Duration::ZERO,
        };
    let all = async {
        for one in loops {
            one.await?;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(longest, all)
        .await
        .with_context(|| format!("no end within {longest:?}"))??;
    let mut outcome = shared.outcome.take();
    outcome.elapsed = counted_from.elapsed();
    outcome.latencies_ns.sort_unstable();
    Ok(outcome)
}

async fn ask_in_a_loop(plan: Plan, shared: Rc<Shared>, mut connection: Connection, seed: u64) {
    let mut asked = Vec::new();
    let mut written = None;
    let mut random = Random::new(seed);
    let mut last = 0;
    let mut due = Instant::now();
    loop {
        let begun = wait_until_due(&mut due, plan.pace).await;
        let place = shared.next.get();
        let over = match plan.until {
            Until::Elapsed(duration) => begun >= shared.counted_from + duration,
            Until::Requests(count) => place >= count,
            Until::Stopped => false,
        };
        if over {
            return;
        }
        shared.next.set(place + 1);
        let number = match plan.names {
            Names::Always(number) => number,
            Names::Random(count) => random.below(count),
            Names::Sequence => place,
        };
        if written != Some(number) {
            written = Some(number);
            write_request(&mut asked, plan.address, &plan.before, number, &plan.after);
        }
        let wrong = match connection.ask(&asked).await {
            Ok((200, body)) => match judge(plan.expect, body, last) {
                Ok(number) => {
                    let mut outcome = shared.outcome.borrow_mut();
                    outcome.acknowledged += 1;
                    outcome.sum += number;
                    last = number;
                    if begun >= shared.counted_from {
                        outcome.latencies_ns.push(begun.elapsed().as_nanos() as u64);
                    }
                    continue;
                }
                Err(text) => text,
            },
            Ok((status, body)) => format!("{status} {}", beginning(body)),
            Err(error) => {
                // The connection is gone; its successor may do better.
                match Connection::open(plan.address).await {
                    Ok(fresh) => connection = fresh,
                    Err(refused) => {
                        shared.outcome.borrow_mut().note(format!("{refused:#}"));
                        return;
                    }
                }
                format!("{error:#}")
            }
        };
        shared.outcome.borrow_mut().note(wrong);
    }
}

/// From when the next request counts: now, or earlier if it should have been sent
/// when the one before was not answered yet.
async fn wait_until_due(due: &mut Instant, pace: Duration) -> Instant {
    if pace.is_zero() {
        return Instant::now();
    }
    let was_due = *due;
    *due += pace;
    if was_due < Instant::now() {
        return was_due;
    }
    tokio::time::sleep_until(was_due.into()).await;
    Instant::now()
}

impl Outcome {
    fn note(&mut self, error: String) {
        *self.errors.entry(error).or_default() += 1;
    }
}

/// The number that a correct answer carries, or 0; otherwise what is wrong.
fn judge(expect: Expect, body: &[u8], last: u64) -> Result<u64, String> {
    let number = || {
        std::str::from_utf8(body)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    let right = match expect {
        Expect::Exactly(text) => (body == text.as_bytes()).then_some(0),
        Expect::Prefix(text) => body.starts_with(text.as_bytes()).then_some(0),
        Expect::NumberFrom(least) => number().filter(|number| *number >= least),
        Expect::Growing => number().filter(|number| *number > last),
    };
    right.ok_or_else(|| match expect {
        Expect::Exactly(text) => format!("expected {text:?}, got {}", beginning(body)),
        Expect::Prefix(text) => format!("expected {text:?}…, got {}", beginning(body)),
        Expect::NumberFrom(least) => {
            format!("expected a number from {least}, got {}", beginning(body))
        }
        Expect::Growing => "a counter went backwards or answered no number".to_string(),
    })
}

fn beginning(body: &[u8]) -> String {
    format!(
        "{:?}",
        String::from_utf8_lossy(&body[..body.len().min(100)])
    )
}

fn request(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes()
}

fn write_request(into: &mut Vec<u8>, address: SocketAddr, before: &str, number: u64, after: &str) {
    into.clear();
    write!(
        into,
        "GET {before}{number}{after} HTTP/1.1\r\nHost: {address}\r\n\r\n"
    )
    .expect("writing to memory");
}

/// Xorshift: numbers that need only look random, for the price of three shifts.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[cfg(test)]
mod tests {
    //! An answer taken for right that was wrong would be a figure for nothing.
    use super::*;

    #[test]
    fn answers_are_judged() {
        assert_eq!(judge(Expect::Exactly("ok"), b"ok", 0), Ok(0));
        assert!(judge(Expect::Exactly("ok"), b"ok ", 0).is_err());
        assert_eq!(judge(Expect::Prefix("row-"), b"row-7", 0), Ok(0));
        assert_eq!(judge(Expect::NumberFrom(2), b"2", 0), Ok(2));
        assert!(judge(Expect::NumberFrom(2), b"1", 0).is_err());
        assert_eq!(judge(Expect::Growing, b"8", 7), Ok(8));
        assert!(judge(Expect::Growing, b"7", 7).is_err());
        assert!(judge(Expect::Growing, b"x", 7).is_err());
    }

    #[test]
    fn an_outcome_with_an_error_is_no_figure() {
        let mut outcome = Outcome::default();
        assert!(outcome.check().is_ok());
        outcome.note("500 \"oops\"".to_string());
        outcome.note("500 \"oops\"".to_string());
        assert!(
            outcome
                .check()
                .unwrap_err()
                .to_string()
                .contains("2 of them: 500")
        );
    }

    #[test]
    fn random_numbers_reach_every_object() {
        let mut seen = [false; 64];
        let mut random = Random::new(3);
        for _ in 0..2000 {
            seen[random.below(64) as usize] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
