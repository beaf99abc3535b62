//! How is one figure taken from one server?
//!
//! Invariants:
//!
//! * Every attempt works on objects of its own, so none inherits anything.
//! * A figure exists only when all answers were right. Counters must add up:
//!   the sum that the objects remember is the number of answered writes.
//! * Of several attempts the one that others disturbed least counts, whatever
//!   its value.

mod calls;
mod evicted;
mod sockets;

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::disturbance::{Meter, QUIET_SHARE, Usage, wait_for_quiet};
use crate::load::{self, Expect, Names, Outcome, Plan, Until};
use crate::prepare::Prepared;
use crate::process::proportional_memory_kb;
use crate::rows::{Attack, Class, Row, Task, Unit};
use crate::servers::{EVICTED_AFTER, Kind, Residence, Server, Touched};
use crate::statistics::{median, percentile};

/// How often a disturbed measurement is taken, at most.
const ATTEMPTS_MAX: u32 = 3;
/// How long the whole run waits for a quiet machine, at most.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(300);
/// A wait that is worth a word.
const LONG_WAIT: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_millis(500);
/// Objects per measurement of a first touch or a wake.
const TOUCHES: u64 = 500;
const LIVE_OBJECTS: u64 = 2000;
const STARTS: u32 = 5;
/// How often a neighbour under attack is asked: rarely, so that it alone is no load.
const PACE: Duration = Duration::from_millis(4);
const ATTACKERS: usize = 16;
/// Long enough for allocators and background work to come to rest.
const SETTLE: Duration = Duration::from_secs(2);

pub struct Measurer {
    loop_duration: Duration,
    hasty: bool,
    quiet_wait_left: Duration,
    /// Makes the names of objects unique.
    used_names: u64,
}

/// One figure and what is needed to judge it.
pub struct Measured {
    pub value: f64,
    pub answers: u64,
    pub p99_us: Option<f64>,
    /// Unknown where nothing was timed.
    pub usage: Option<Usage>,
}

impl Measurer {
    pub fn new(loop_duration: Duration, hasty: bool) -> Measurer {
        let quiet_wait_left = if hasty {
            Duration::ZERO
        } else {
            QUIET_WAIT_MAX
        };
        Measurer {
            loop_duration,
            hasty,
            quiet_wait_left,
            used_names: 0,
        }
    }

    /// Takes a figure from a server that other figures are taken from too.
    pub fn measure(&mut self, row: &Row, server: &mut Server) -> Result<Measured> {
        let mut best: Option<Measured> = None;
        for _ in 0..ATTEMPTS_MAX {
            server.check_alive()?;
            let measured = match row.task {
                Task::Loop {
                    class,
                    objects,
                    connections,
                } => self.measure_loop(row.unit, server, class, objects, connections),
                Task::Neighbour { attack } => self.measure_neighbour(server, attack),
                Task::FirstTouch { class } => self.measure_first_touch(server, class),
                Task::Wake { class, writes } => self.measure_wake(server, class, writes),
                Task::StubCall => self.measure_stub_call(server),
                Task::Alarms => self.measure_alarms(server),
                Task::SocketWake => self.measure_socket_wake(server),
                Task::FanOut => self.measure_fan_out(server),
                Task::Chat => self.measure_chat(server),
                Task::Memory { .. }
                | Task::EvictedMemory
                | Task::SocketMemory { .. }
                | Task::Start => {
                    unreachable!("{} needs a server of its own", row.name)
                }
            };
            let measured = measured.inspect_err(|_| {
                if let Err(ended) = server.check_alive() {
                    eprintln!("  {ended:#}");
                }
            })?;
            let quiet = measured.others() <= QUIET_SHARE;
            if best
                .as_ref()
                .is_none_or(|best| measured.others() < best.others())
            {
                best = Some(measured);
            }
            if quiet || self.hasty {
                break;
            }
        }
        best.context("nothing was measured")
    }

    /// Takes a figure that needs a server of its own.
    pub fn measure_alone(
        &mut self,
        row: &Row,
        kind: Kind,
        prepared: &Prepared,
    ) -> Result<Measured> {
        match row.task {
            Task::Memory { class } => self.measure_memory(kind, class, prepared),
            Task::EvictedMemory => self.measure_evicted_memory(kind, prepared),
            Task::SocketMemory { per_object } => {
                self.measure_socket_memory(kind, per_object, prepared)
            }
            Task::Start => self.measure_start(kind, prepared),
            _ => unreachable!("{} is measured on a server that is up", row.name),
        }
    }

    pub fn wait_for_quiet(&mut self) {
        let begun = Instant::now();
        wait_for_quiet(self.quiet_wait_left);
        let waited = begun.elapsed();
        self.quiet_wait_left = self.quiet_wait_left.saturating_sub(waited);
        if waited > LONG_WAIT {
            let (waited_s, left_s) = (waited.as_secs(), self.quiet_wait_left.as_secs());
            eprintln!(
                "  waited {waited_s} s for an idle machine, will wait {left_s} s more at most"
            );
        }
    }

    fn measure_loop(
        &mut self,
        unit: Unit,
        server: &Server,
        class: Class,
        objects: u64,
        connections: usize,
    ) -> Result<Measured> {
        let before = self.fresh_path(class);
        let prepared = load::run(&plan(server, class, &before, 8, objects), || ())?;
        prepared.check()?;
        self.wait_for_quiet();
        let plan = Plan {
            names: if objects == 1 {
                Names::Always(0)
            } else {
                Names::Random(objects)
            },
            connections,
            warm_up: WARM_UP,
            until: Until::Elapsed(self.loop_duration),
            expect: match expected(server.kind, class) {
                // Only with one object do all numbers come from one counter.
                Expect::NumberFrom(_) if objects == 1 => Expect::Growing,
                other => other,
            },
            ..plan(server, class, &before, 8, objects)
        };
        let (outcome, usage) = metered(server, &plan, None)?;
        if class == Class::Counter {
            let written = prepared.acknowledged + outcome.acknowledged;
            check_counters(server, &before, objects, written)?;
        }
        let value = match unit {
            Unit::PerSecond => outcome.per_second(),
            _ => outcome.p50_us()?,
        };
        Ok(Measured::timed(value, &outcome, usage))
    }

    fn measure_neighbour(
        &mut self,
        server: &mut Server,
        attack: Option<Attack>,
    ) -> Result<Measured> {
        self.wait_for_quiet();
        let attack = attack.map(|attack| Plan {
            names: Names::Random(ATTACKERS as u64),
            after: format!("/{}", attack.path()),
            warm_up: WARM_UP,
            until: Until::Stopped,
            expect: Expect::NumberFrom(1),
            ..plan(
                server,
                Class::Greedy,
                &self.fresh_path(Class::Greedy),
                ATTACKERS,
                0,
            )
        });
        let plan = Plan {
            names: Names::Always(0),
            warm_up: WARM_UP,
            until: Until::Elapsed(self.loop_duration),
            pace: PACE,
            ..plan(server, Class::Echo, &self.fresh_path(Class::Echo), 1, 0)
        };
        let (outcome, usage) = metered(server, &plan, attack.as_ref())?;
        let p99_ns = percentile(&outcome.latencies_ns, 0.99).context("nothing was answered")?;
        Ok(Measured::timed(p99_ns as f64 / 1000.0, &outcome, usage))
    }

    fn measure_first_touch(&mut self, server: &mut Server, class: Class) -> Result<Measured> {
        load::run(&plan(server, class, &self.fresh_path(class), 1, 50), || ())?.check()?;
        self.wait_for_quiet();
        let before = self.fresh_path(class);
        let plan = Plan {
            expect: match expected(server.kind, class) {
                Expect::NumberFrom(_) => Expect::Exactly("1"),
                other => other,
            },
            ..plan(server, class, &before, 1, TOUCHES)
        };
        let (outcome, usage) = metered(server, &plan, None)?;
        if class != Class::Echo {
            server.touched = Some(Touched {
                class,
                before,
                writes_each: 1,
                at: Instant::now(),
            });
        }
        Ok(Measured::timed(outcome.p50_us()?, &outcome, usage))
    }

    fn measure_wake(
        &mut self,
        server: &mut Server,
        class: Class,
        writes: bool,
    ) -> Result<Measured> {
        let is_of_class = |touched: &Touched| touched.class == class;
        if !server.touched.as_ref().is_some_and(is_of_class) {
            self.measure_first_touch(server, class)?;
        }
        let mut touched = server
            .touched
            .take()
            .context("the first touches left no objects")?;
        std::thread::sleep(EVICTED_AFTER.saturating_sub(touched.at.elapsed()));
        self.wait_for_quiet();
        let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        // Each proves its eviction: by the birth of its instance, or, where that goes on
        // with its memory, in the server's log.
        let keeps_memory = server.keeps_memory(class);
        let born_from_ms = if keeps_memory { 1 } else { now_ms };
        let woken = server.woken();
        let mut plan = plan(server, class, &touched.before, 1, TOUCHES);
        if writes {
            touched.writes_each += 1;
            plan.expect = Expect::NumberFrom(touched.writes_each);
        } else {
            plan.after = "/born".to_string();
            plan.expect = Expect::NumberFrom(born_from_ms);
        }
        let (outcome, usage) = metered(server, &plan, None)?;
        if writes {
            let expected = TOUCHES * touched.writes_each;
            ensure!(
                outcome.sum == expected,
                "the counters add up to {}, not to {expected}",
                outcome.sum
            );
            let born: u64 =
                load::get(server.address, &format!("{}0/born", touched.before))?.parse()?;
            ensure!(
                born >= born_from_ms,
                "the objects were not evicted after {EVICTED_AFTER:?}"
            );
        }
        if keeps_memory {
            server.check_woken(woken + TOUCHES as usize)?;
        }
        touched.at = Instant::now();
        server.touched = Some(touched);
        Ok(Measured::timed(outcome.p50_us()?, &outcome, usage))
    }

    fn measure_memory(
        &mut self,
        kind: Kind,
        class: Class,
        prepared: &Prepared,
    ) -> Result<Measured> {
        let server = Server::start(kind, Residence::Resident, prepared)?;
        load::run(
            &plan(&server, class, &self.fresh_path(class), 1, 200),
            || (),
        )?
        .check()?;
        std::thread::sleep(SETTLE);
        let before_kb = proportional_memory_kb(server.pid())?;
        let outcome = load::run(
            &plan(&server, class, &self.fresh_path(class), 8, LIVE_OBJECTS),
            || (),
        )?;
        outcome.check()?;
        std::thread::sleep(SETTLE);
        let after_kb = proportional_memory_kb(server.pid())?;
        let value = (after_kb as f64 - before_kb as f64) / LIVE_OBJECTS as f64;
        ensure!(
            value > 0.0,
            "{LIVE_OBJECTS} live objects made the process no larger"
        );
        Ok(Measured::memory(value, outcome.acknowledged))
    }

    fn measure_start(&mut self, kind: Kind, prepared: &Prepared) -> Result<Measured> {
        // The first start may compile the component; what is compiled is kept.
        drop(Server::start(kind, Residence::Evicting, prepared)?);
        let mut times_ms = Vec::new();
        for _ in 0..STARTS {
            self.wait_for_quiet();
            times_ms.push(Server::start(kind, Residence::Evicting, prepared)?.ready_ms);
        }
        let value = median(&times_ms).context("nothing was started")?;
        Ok(Measured {
            value,
            answers: u64::from(STARTS),
            p99_us: None,
            usage: None,
        })
    }

    /// Where objects begin that no measurement has used.
    fn fresh_path(&mut self, class: Class) -> String {
        self.used_names += 1;
        format!("/{}/m{}-", class.path(), self.used_names)
    }
}

impl Measured {
    fn timed(value: f64, outcome: &Outcome, usage: Usage) -> Measured {
        let p99_us = percentile(&outcome.latencies_ns, 0.99).map(|ns| ns as f64 / 1000.0);
        Measured {
            value,
            answers: outcome.latencies_ns.len() as u64,
            p99_us,
            usage: Some(usage),
        }
    }

    fn memory(kilobytes: f64, answers: u64) -> Measured {
        Measured {
            value: kilobytes,
            answers,
            p99_us: None,
            usage: None,
        }
    }

    fn others(&self) -> f64 {
        self.usage.map_or(0.0, |usage| usage.others)
    }
}

/// Touches `count` objects once each.
fn plan(server: &Server, class: Class, before: &str, connections: usize, count: u64) -> Plan {
    Plan {
        address: server.address,
        before: before.to_string(),
        names: Names::Sequence,
        after: match class {
            Class::Counter | Class::Forgetful => "/sql",
            _ => "",
        }
        .to_string(),
        connections,
        pace: Duration::ZERO,
        warm_up: Duration::ZERO,
        until: Until::Requests(count),
        expect: expected(server.kind, class),
    }
}

fn expected(kind: Kind, class: Class) -> Expect {
    match class {
        Class::SqlRead if kind != Kind::Ceiling => Expect::Prefix("row-"),
        Class::Counter | Class::Forgetful if kind != Kind::Ceiling => Expect::NumberFrom(1),
        Class::Json => Expect::Exactly("101621"),
        Class::Sort => Expect::Exactly("1079773482"),
        _ => Expect::Exactly("ok"),
    }
}

/// Runs a plan, beside an attack if one is given, and says who used the CPU after
/// its warm-up.
fn metered(server: &Server, plan: &Plan, attack: Option<&Plan>) -> Result<(Outcome, Usage)> {
    let meter = Cell::new(None);
    let on_start = || meter.set(Some(Meter::start(server.pid())));
    let outcome = load::run_beside(plan, attack, on_start)?;
    let usage = meter.take().context("the load never began")?.end();
    outcome.check()?;
    Ok((outcome, usage))
}

fn check_counters(server: &Server, before: &str, objects: u64, written: u64) -> Result<()> {
    let plan = Plan {
        after: "/get".to_string(),
        ..plan(server, Class::Counter, before, 8, objects)
    };
    let remembered = load::run(&plan, || ())?;
    remembered.check()?;
    ensure!(
        remembered.sum == written,
        "{written} writes were answered, the objects remember {}",
        remembered.sum
    );
    Ok(())
}
