//! Milliseconds since the process began, for ages and deadlines.

use std::sync::LazyLock;
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

pub fn now_ms() -> u64 {
    START.elapsed().as_millis() as u64
}
