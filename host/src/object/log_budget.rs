//! How much may one object write into the log?
//!
//! The log belongs to the operator, and a disk takes only so much of it. What is
//! beyond an object's budget is dropped and counted. Once some was dropped, more is
//! until a second's worth is back: so the log tells of it once a second at most.

use std::borrow::Cow;

use parking_lot::Mutex;

/// What an object may log at once: enough for the report of a bad moment.
const LINES_BURST: u64 = 1_000;
const BYTES_BURST: u64 = 1024 * 1024;

/// What comes back in a second. A thousand objects that use it up fill a disk
/// with 64 MB a second, which an operator has time to notice.
const LINES_PER_SECOND: u64 = 100;
const BYTES_PER_SECOND: u64 = 64 * 1024;

/// Of a longer text the log has the beginning.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Units of a budget, such that a millisecond brings whole ones.
const UNITS: u64 = 1_000;

#[derive(Debug)]
pub struct LogBudget(Mutex<State>);

#[derive(Debug)]
struct State {
    lines: u64,
    bytes: u64,
    refilled_ms: u64,
    dropped: u64,
    /// Some was dropped, and too little has come back since.
    is_over: bool,
}

impl Default for LogBudget {
    fn default() -> LogBudget {
        LogBudget(Mutex::new(State {
            lines: LINES_BURST * UNITS,
            bytes: BYTES_BURST * UNITS,
            refilled_ms: 0,
            dropped: 0,
            is_over: false,
        }))
    }
}

/// A text of an object as the log has it: the whole of it, unless it is very long.
pub fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return text.into();
    }
    let beginning = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    format!("{beginning}… ({} bytes)", text.len()).into()
}

impl LogBudget {
    /// May a line of so many bytes be logged? If so, gives the number of lines that
    /// were dropped before it, which is to be logged too; otherwise counts it.
    pub fn take(&self, bytes: usize, now_ms: u64) -> Option<u64> {
        let mut state = self.0.lock();
        let passed_ms = now_ms.saturating_sub(state.refilled_ms);
        state.refilled_ms = now_ms.max(state.refilled_ms);
        let refilled = |left: u64, per_second: u64, burst: u64| {
            let brought = passed_ms.saturating_mul(per_second);
            left.saturating_add(brought).min(burst * UNITS)
        };
        state.lines = refilled(state.lines, LINES_PER_SECOND, LINES_BURST);
        state.bytes = refilled(state.bytes, BYTES_PER_SECOND, BYTES_BURST);
        let bytes = bytes as u64 * UNITS;
        let (lines_min, bytes_min) = match state.is_over {
            true => (
                LINES_PER_SECOND * UNITS,
                bytes.max(BYTES_PER_SECOND * UNITS),
            ),
            false => (UNITS, bytes),
        };
        state.is_over = state.lines < lines_min || state.bytes < bytes_min;
        if state.is_over {
            state.dropped += 1;
            return None;
        }
        state.lines -= UNITS;
        state.bytes -= bytes;
        Some(std::mem::take(&mut state.dropped))
    }

    /// Is all of it there, and nothing left to tell of?
    pub fn is_whole(&self, now_ms: u64) -> bool {
        let state = self.0.lock();
        let passed_ms = now_ms.saturating_sub(state.refilled_ms);
        let is_refilled = |left: u64, per_second: u64, burst: u64| {
            left.saturating_add(passed_ms.saturating_mul(per_second)) >= burst * UNITS
        };
        state.dropped == 0
            && is_refilled(state.lines, LINES_PER_SECOND, LINES_BURST)
            && is_refilled(state.bytes, BYTES_PER_SECOND, BYTES_BURST)
    }

    /// The lines that were dropped and not yet told of.
    pub fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.0.lock().dropped)
    }
}

#[cfg(test)]
mod tests {
    //! What is dropped is counted, once; time brings the budget back.

    use super::*;

    #[test]
    fn lines_over_the_budget_are_dropped_and_counted_once() {
        let budget = LogBudget::default();
        let logged = (0..5_000).filter(|_| budget.take(10, 0).is_some()).count();
        assert_eq!(logged as u64, LINES_BURST);
        // There is room for a line after 10 ms, but it would tell of the others.
        assert_eq!(budget.take(10, 10), None);
        assert_eq!(budget.take(10, 1_000), Some(5_001 - LINES_BURST));
        assert_eq!(budget.take(10, 1_000), Some(0));
        assert!(!budget.is_whole(1_000) && budget.is_whole(20_000));
        assert_eq!(budget.take_dropped(), 0);
    }

    #[test]
    fn of_a_very_long_text_the_beginning_is_logged() {
        assert_eq!(shortened("short"), "short");
        let long = "é".repeat(TEXT_BYTES_MAX);
        let expected = format!("{}… ({} bytes)", "é".repeat(TEXT_BYTES_MAX / 2), long.len());
        assert_eq!(shortened(&long), expected);
        // Not amid a character.
        assert!(shortened(&format!("x{long}")).starts_with("xéé"));
    }

    #[test]
    fn long_lines_use_the_budget_up_sooner() {
        let budget = LogBudget::default();
        let logged = (0..5_000).filter(|_| budget.take(16_384, 0).is_some());
        assert_eq!(logged.count() as u64, BYTES_BURST / 16_384);
        assert!(budget.take_dropped() > 4_000);
    }
}
