//! Milliseconds: since the process began, for ages and deadlines, and since 1970, for
//! what must mean the same after a restart.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

pub fn now_ms() -> u64 {
    START.elapsed().as_millis() as u64
}

/// Since 1970. May go back when the clock of the machine is set.
pub fn wall_ms() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_millis() as i64
}
