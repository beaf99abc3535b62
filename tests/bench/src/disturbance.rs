//! How much of the machine did others use while something was measured?

use std::fs;
use std::time::{Duration, Instant};

use crate::process::{cpu_ticks, ticks_per_second};

/// A measurement during which others used more than this share is disturbed.
/// Not less: the kernel's threads use some of it to write what a server syncs.
pub const QUIET_SHARE: f64 = 0.1;

/// A machine of which no more than this is used is idle.
const IDLE_SHARE: f64 = 0.05;

/// CPU time so far, in clock ticks.
#[derive(Clone, Copy)]
struct Ticks {
    busy: u64,
    all: u64,
    server: u64,
    generator: u64,
}

/// Compares the use of the whole machine with that of the measured server and
/// of this process. What is left was others: other programs, other servers
/// under measurement, the kernel's own threads, the hypervisor.
pub struct Meter {
    server_pid: u32,
    start: Ticks,
}

/// Who used the CPU.
#[derive(Clone, Copy)]
pub struct Usage {
    /// The share of the machine that others used, 0 to 1.
    pub others: f64,
    pub server_s: f64,
    pub generator_s: f64,
}

impl Meter {
    pub fn start(server_pid: u32) -> Meter {
        Meter {
            server_pid,
            start: ticks(server_pid),
        }
    }

    pub fn end(&self) -> Usage {
        usage(self.start, ticks(self.server_pid), ticks_per_second())
    }
}

fn usage(from: Ticks, to: Ticks, ticks_per_second: u64) -> Usage {
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second as f64;
    let server = to.server.saturating_sub(from.server);
    let generator = to.generator.saturating_sub(from.generator);
    let others = to
        .busy
        .saturating_sub(from.busy)
        .saturating_sub(server + generator);
    let all = to.all.saturating_sub(from.all).max(1);
    Usage {
        others: others as f64 / all as f64,
        server_s: seconds(server),
        generator_s: seconds(generator),
    }
}

fn ticks(server_pid: u32) -> Ticks {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let (busy, all) = parse_machine(&stat).unwrap_or((0, 0));
    Ticks {
        busy,
        all,
        server: cpu_ticks(server_pid),
        generator: cpu_ticks(std::process::id()),
    }
}

/// Busy and all time of all processors.
fn parse_machine(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    // user nice system idle iowait irq softirq steal; guest time is in user already.
    let fields: Vec<u64> = line
        .split_whitespace()
        .take(8)
        .map_while(|field| field.parse().ok())
        .collect();
    let all: u64 = fields.iter().sum();
    Some((all - fields.get(3)? - fields.get(4)?, all))
}

/// Waits until the machine has been idle for half a second, for `patience` at most.
pub fn wait_for_quiet(patience: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        let from = ticks(0);
        std::thread::sleep(Duration::from_millis(500));
        if usage(from, ticks(0), 1).others < IDLE_SHARE {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    //! The bench judges its own figures by this share.
    use super::*;

    #[test]
    fn what_neither_server_nor_generator_used_was_others() {
        let from = Ticks {
            busy: 100,
            all: 1000,
            server: 10,
            generator: 5,
        };
        let to = Ticks {
            busy: 200,
            all: 1400,
            server: 60,
            generator: 35,
        };
        let usage = usage(from, to, 100);
        assert_eq!(usage.others, 0.05);
        assert_eq!(usage.server_s, 0.5);
        assert_eq!(usage.generator_s, 0.3);
    }

    #[test]
    fn waiting_for_the_disk_is_not_busy() {
        assert_eq!(
            parse_machine("cpu  10 0 20 500 70 1 2 3 9 9\ncpu0 1"),
            Some((36, 606))
        );
        assert_eq!(parse_machine("nonsense"), None);
    }
}
