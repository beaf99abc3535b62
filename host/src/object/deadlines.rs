//! Decides when an instance may leave, and when it has taken too long.
//!
//! ```text
//! starting ─ started() ─► serving ─ idle time-out, or told and quiet ─► Leave
//!     └────────────────────────┴─── a limit has passed ───────────────► Reset
//! ```
//!
//! Invariants:
//!
//! * Every limit holds from outside: it needs nothing of the instance's own code.
//! * An instance in which something still runs is never told that it was idle.
//!
//! This module decides; it has no clock and no timer.

/// How long a constructor may take.
pub const START_MS_MAX: u64 = 30_000;
/// How long code may hold back other events.
pub const SECTION_MS_MAX: u64 = 30_000;
/// How long one call of an instance may keep it from everything else, for example
/// a blocking sleep.
pub const BLOCKED_MS_MAX: u64 = 30_000;
/// How long events may go on after their instance was told to leave.
pub const LEAVING_MS_MAX: u64 = 5_000;
/// How long an instance is quiet before it rests. Objects that are asked once a second
/// or more often would pay for a new connection each time.
const REST_MS: u64 = 1500;
/// How often an instance that works is looked at.
const LOOK_MS: u64 = 5_000;

const START_TOO_LONG: &str = "The constructor of a Durable Object took too long. It was canceled \
     and the Durable Object was reset.";
const SECTION_TOO_LONG: &str = "A call to blockConcurrencyWhile() in a Durable Object waited for \
     too long. The call was canceled and the Durable Object was reset.";
const SECTION_LEFT_OPEN: &str = "The Durable Object was reset: it held back other events, by \
     blockConcurrencyWhile() or a transaction, and nothing was left that could end that.";
const BLOCKED_TOO_LONG: &str = "The Durable Object was reset: one call blocked it for too long, so \
     that no other event could run. Wait with the timers interface instead.";

/// What has to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing before this time, unless something changes.
    GoOn { until_ms: u64 },
    /// It was told to, or nothing happened for the idle time-out.
    Leave,
    /// It was quiet for a while: let it give back what it can have again.
    Rest,
    Reset {
        message: &'static str,
        /// Do the events that wait in the mailbox get the message too?
        reaches_waiting: bool,
    },
}

/// What there is to know about an instance, at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlines {
    idle_ms_max: u64,
    /// While the constructor runs: since when.
    starting_since_ms: Option<u64>,
    /// Since when neither an event nor its background work runs.
    quiet_since_ms: Option<u64>,
    /// It has rested since then.
    rested: bool,
    /// When it was told to leave, and what its events are told.
    told: Option<(u64, &'static str)>,
    /// When the instance last came back to the host.
    reached_ms: u64,
}

impl Deadlines {
    /// An instance whose constructor begins.
    pub fn starting(now_ms: u64) -> Deadlines {
        Deadlines {
            idle_ms_max: 0,
            starting_since_ms: Some(now_ms),
            quiet_since_ms: None,
            rested: false,
            told: None,
            reached_ms: now_ms,
        }
    }

    /// An instance that takes events.
    pub fn serving(now_ms: u64, idle_ms_max: u64) -> Deadlines {
        Deadlines {
            idle_ms_max,
            starting_since_ms: None,
            ..Deadlines::starting(now_ms)
        }
    }

    /// An instance that takes events once its constructor has ended, which began at
    /// `since_ms`.
    pub fn serving_after_start(now_ms: u64, idle_ms_max: u64, since_ms: u64) -> Deadlines {
        Deadlines {
            starting_since_ms: Some(since_ms),
            ..Deadlines::serving(now_ms, idle_ms_max)
        }
    }

    /// The constructor has ended.
    pub fn started(&mut self) {
        self.starting_since_ms = None;
    }

    /// The instance has come back to the host, and something may enter. What then
    /// blocks it has its whole time before it.
    pub fn came_back(&mut self, now_ms: u64) {
        self.reached_ms = now_ms;
    }

    /// The instance came back to the host; `quiet` says whether nothing runs.
    pub fn reached(&mut self, now_ms: u64, quiet: bool) {
        self.reached_ms = now_ms;
        match (quiet, self.quiet_since_ms) {
            (false, _) => self.quiet_since_ms = None,
            (true, None) => {
                self.quiet_since_ms = Some(now_ms);
                self.rested = false;
            }
            (true, Some(_)) => {}
        }
    }

    /// The instance rests.
    pub fn rested(&mut self) {
        self.rested = true;
    }

    /// Something entered, however short.
    pub fn touched(&mut self) {
        self.quiet_since_ms = None;
    }

    /// The instance has to leave.
    pub fn told(&mut self, now_ms: u64, message: &'static str) {
        self.told.get_or_insert((now_ms, message));
    }

    pub fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// What has to happen now. `section_since_ms`: since when other events are
    /// held back.
    pub fn verdict(&self, now_ms: u64, section_since_ms: Option<u64>) -> Verdict {
        let reset = |message| Verdict::Reset {
            message,
            reaches_waiting: true,
        };
        if section_since_ms.is_some() && self.quiet_since_ms.is_some() {
            return reset(SECTION_LEFT_OPEN);
        }
        if let (Some(_), Some(_)) = (self.told, self.quiet_since_ms) {
            return Verdict::Leave;
        }
        let leaving = self.told.map(|(since_ms, message)| {
            let verdict = Verdict::Reset {
                message,
                reaches_waiting: false,
            };
            (since_ms + LEAVING_MS_MAX, verdict)
        });
        // The constructor is a section as well, and has a message of its own.
        let section_since_ms = section_since_ms.filter(|_| self.starting_since_ms.is_none());
        let limits = [
            section_since_ms.map(|since_ms| (since_ms + SECTION_MS_MAX, reset(SECTION_TOO_LONG))),
            self.starting_since_ms
                .map(|since_ms| (since_ms + START_MS_MAX, reset(START_TOO_LONG))),
            leaving,
            match self.quiet_since_ms {
                Some(since_ms) => {
                    let leave = Verdict::Leave;
                    Some((since_ms + self.idle_ms_max, leave))
                }
                None => Some((self.reached_ms + BLOCKED_MS_MAX, reset(BLOCKED_TOO_LONG))),
            },
        ];
        let mut until_ms = match self.quiet_since_ms {
            Some(_) => u64::MAX,
            None => now_ms + LOOK_MS,
        };
        for (end_ms, verdict) in limits.into_iter().flatten() {
            if end_ms <= now_ms {
                return verdict;
            }
            until_ms = until_ms.min(end_ms);
        }
        if let (Some(since_ms), false) = (self.quiet_since_ms, self.rested) {
            let rest_ms = since_ms + REST_MS;
            if rest_ms <= now_ms {
                return Verdict::Rest;
            }
            until_ms = until_ms.min(rest_ms);
        }
        Verdict::GoOn { until_ms }
    }
}

#[cfg(test)]
mod tests {
    //! What is known, against what has to happen.

    use super::*;

    fn check(deadlines: Deadlines, now_ms: u64, section: Option<u64>, expected: Verdict) {
        assert_eq!(
            deadlines.verdict(now_ms, section),
            expected,
            "{deadlines:?}"
        );
    }

    fn reset(message: &'static str) -> Verdict {
        Verdict::Reset {
            message,
            reaches_waiting: true,
        }
    }

    #[test]
    fn an_instance_leaves_when_it_was_quiet_for_its_time_out() {
        let mut deadlines = Deadlines::serving(0, 4_000);
        deadlines.reached(500, true);
        check(deadlines, 500, None, Verdict::GoOn { until_ms: 2_000 });
        check(deadlines, 2_000, None, Verdict::Rest);
        deadlines.rested();
        check(deadlines, 4_499, None, Verdict::GoOn { until_ms: 4_500 });
        check(deadlines, 4_500, None, Verdict::Leave);
        deadlines.touched();
        deadlines.reached(4_400, true);
        check(deadlines, 4_500, None, Verdict::GoOn { until_ms: 5_900 });
    }

    #[test]
    fn a_busy_instance_is_looked_at_now_and_then() {
        let deadlines = Deadlines::serving(0, 1_000);
        check(deadlines, 100, None, Verdict::GoOn { until_ms: 5_100 });
    }

    #[test]
    fn who_is_told_leaves_as_soon_as_it_is_quiet() {
        let mut deadlines = Deadlines::serving(0, 1_000);
        deadlines.told(100, "go");
        deadlines.told(900, "again");
        check(deadlines, 200, None, Verdict::GoOn { until_ms: 5_100 });
        let late = Verdict::Reset {
            message: "go",
            reaches_waiting: false,
        };
        check(deadlines, 5_100, None, late);
        deadlines.reached(300, true);
        check(deadlines, 300, None, Verdict::Leave);
    }

    #[test]
    fn a_constructor_has_a_limit_and_a_section_that_goes_on_after_it() {
        let mut deadlines = Deadlines::serving_after_start(5, 1_000, 0);
        deadlines.reached(29_000, false);
        let end = Verdict::GoOn { until_ms: 30_000 };
        check(deadlines, 29_000, Some(0), end);
        check(deadlines, 30_000, Some(0), reset(START_TOO_LONG));
        deadlines.started();
        check(
            deadlines,
            30_000,
            Some(10),
            Verdict::GoOn { until_ms: 30_010 },
        );
        check(deadlines, 30_010, Some(10), reset(SECTION_TOO_LONG));
    }

    #[test]
    fn a_section_that_nothing_can_end_resets_at_once() {
        let mut deadlines = Deadlines::serving(0, 1_000);
        deadlines.reached(5, true);
        check(deadlines, 5, Some(1), reset(SECTION_LEFT_OPEN));
    }

    #[test]
    fn a_call_that_blocks_the_instance_has_a_limit() {
        let mut deadlines = Deadlines::serving(0, 1_000);
        deadlines.reached(40_000, false);
        let end = Verdict::GoOn { until_ms: 70_000 };
        check(deadlines, 66_000, None, end);
        check(deadlines, 70_000, None, reset(BLOCKED_TOO_LONG));
    }

    #[test]
    fn what_blocks_a_quiet_instance_has_its_whole_time() {
        let mut deadlines = Deadlines::serving(0, 60_000);
        deadlines.reached(0, true);
        deadlines.came_back(40_000);
        deadlines.touched();
        check(deadlines, 69_999, None, Verdict::GoOn { until_ms: 70_000 });
        check(deadlines, 70_000, None, reset(BLOCKED_TOO_LONG));
    }
}
