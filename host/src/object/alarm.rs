//! Decides what becomes of an alarm whose handler has run, or could not.
//!
//! ```text
//! due ─► runs ─┬─ well, or told not to be tried again ─► Over
//!    ▲         ├─ failed ─► Retry, a few times ─► GivenUp
//!    │         └─ cut short by the host ─┐
//!    └── again after a while, uncounted ◄┴─ nobody could run it
//! ```
//!
//! Only the first two end it. What the handler itself did to the alarm goes before all
//! of this: a new alarm, or none, is no business of the old one.
//!
//! This module decides; it has no clock and no dice: `chance` is from 0 to 1.

/// How often a handler that fails is tried again.
pub const RETRIES_MAX: u32 = 6;
/// How long the first retry waits; each further one waits twice as long as the one
/// before.
const FIRST_RETRY_MS: i64 = 2_000;
/// An object that the host cannot run waits for no longer than 1,024 seconds.
const DOUBLINGS_MAX: u32 = 9;

/// What is next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    Over,
    Retry {
        due_ms: i64,
        retries: u32,
    },
    /// It has failed for the last time.
    GivenUp,
}

/// What is next for an alarm whose handler has failed now, after `retries` failures
/// before.
pub fn after_failure(retries: u32, now_ms: i64, chance: f64) -> Next {
    if retries >= RETRIES_MAX {
        return Next::GivenUp;
    }
    Next::Retry {
        due_ms: now_ms.saturating_add(wait_ms(retries, chance)),
        retries: retries + 1,
    }
}

/// When to try again to run an alarm that the host could not run now, and so many
/// times before.
pub fn after_host_failure(failures: u32, now_ms: i64, chance: f64) -> i64 {
    now_ms.saturating_add(wait_ms(failures.min(DOUBLINGS_MAX), chance))
}

/// The time for which an alarm counts that is set for `time_ms`. One that has passed
/// is now: nobody gets ahead of others by a time long ago.
pub fn set_for(time_ms: i64, now_ms: i64) -> i64 {
    time_ms.max(now_ms)
}

fn wait_ms(doublings: u32, chance: f64) -> i64 {
    let wait_ms = FIRST_RETRY_MS << doublings;
    // Many that failed together must not come back together.
    wait_ms + (wait_ms as f64 / 4.0 * chance) as i64
}

#[cfg(test)]
mod tests {
    //! An alarm in virtual time.

    use super::*;

    #[test]
    fn a_handler_that_always_fails_runs_seven_times() {
        let check = |chance, expected: &[i64]| {
            let (mut runs, mut now_ms, mut retries) = (vec![0], 0, 0);
            while let Next::Retry {
                due_ms,
                retries: more,
            } = after_failure(retries, now_ms, chance)
            {
                assert_eq!(more, retries + 1);
                (now_ms, retries) = (due_ms, more);
                runs.push(now_ms / 1_000);
            }
            assert_eq!(runs, expected);
        };
        check(0.0, &[0, 2, 6, 14, 30, 62, 126]);
        check(1.0, &[0, 2, 7, 17, 37, 77, 157]);
    }

    #[test]
    fn the_last_failure_ends_it() {
        assert_eq!(after_failure(RETRIES_MAX, 5, 0.0), Next::GivenUp);
        assert_eq!(after_failure(u32::MAX, 5, 0.0), Next::GivenUp);
    }

    #[test]
    fn an_object_that_cannot_run_is_tried_at_ever_longer_intervals_without_end() {
        let check = |failures, chance, expected| {
            assert_eq!(after_host_failure(failures, 1_000, chance), expected);
        };
        check(0, 0.0, 3_000);
        check(1, 0.0, 5_000);
        check(9, 0.0, 1_025_000);
        check(1_000_000, 0.0, 1_025_000);
        check(0, 1.0, 3_500);
    }

    #[test]
    fn a_time_that_has_passed_is_now() {
        assert_eq!(set_for(1, 5), 5);
        assert_eq!(set_for(9, 5), 9);
        assert_eq!(
            after_failure(0, i64::MAX, 1.0),
            Next::Retry {
                due_ms: i64::MAX,
                retries: 1
            }
        );
    }
}
