//! What happens between objects, and at a time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::{Measured, Measurer, WARM_UP, metered, plan};
use crate::disturbance::Meter;
use crate::load::{self, Names, Plan, Until};
use crate::rows::Class;
use crate::servers::Server;
use crate::statistics::percentile;

/// As the classes of the benchmark have it.
const CALLS_PER_REQUEST: f64 = 100.0;
const ALARMS: u64 = 300;
const ALARM_EVERY: Duration = Duration::from_millis(10);
/// Enough to set all of them before the first one is due.
const ALARMS_AHEAD: Duration = Duration::from_secs(6);

impl Measurer {
    pub(super) fn measure_stub_call(&mut self, server: &Server) -> Result<Measured> {
        self.wait_for_quiet();
        let plan = Plan {
            names: Names::Always(0),
            warm_up: WARM_UP,
            until: Until::Elapsed(self.loop_duration),
            ..plan(server, Class::Caller, &self.fresh_path(Class::Caller), 1, 0)
        };
        let (outcome, usage) = metered(server, &plan, None)?;
        let value = outcome.p50_us()? / CALLS_PER_REQUEST;
        Ok(Measured::timed(value, &outcome, usage))
    }

    pub(super) fn measure_alarms(&mut self, server: &Server) -> Result<Measured> {
        self.wait_for_quiet();
        let before = self.fresh_path(Class::Bell);
        let meter = Meter::start(server.pid());
        let first = SystemTime::now() + ALARMS_AHEAD;
        let begun = Instant::now();
        for number in 0..ALARMS {
            let at = first + ALARM_EVERY * u32::try_from(number)?;
            let at_ms = at.duration_since(UNIX_EPOCH)?.as_millis();
            load::get(server.address, &format!("{before}{number}/at/{at_ms}"))?;
        }
        ensure!(
            begun.elapsed() < ALARMS_AHEAD,
            "{ALARMS} alarms could not be set within {ALARMS_AHEAD:?}"
        );
        let last = ALARMS_AHEAD + ALARM_EVERY * u32::try_from(ALARMS)?;
        std::thread::sleep(last.saturating_sub(begun.elapsed()) + Duration::from_millis(500));
        let usage = meter.end();
        let mut within_ms = Vec::new();
        for number in 0..ALARMS {
            let answer = load::get(server.address, &format!("{before}{number}/within"))?;
            within_ms.push(answer.parse::<u64>().context("a number of milliseconds")?);
        }
        within_ms.sort_unstable();
        let value = percentile(&within_ms, 0.99).context("no alarm rang")?;
        Ok(Measured {
            value: value as f64,
            answers: ALARMS,
            p99_us: None,
            usage: Some(usage),
        })
    }
}
