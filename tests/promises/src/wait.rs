//! How long does a test wait for something that must happen?

use std::time::{Duration, Instant};

/// Long enough for a busy machine, short enough to end a test that hangs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again until the answer is yes; fails at the deadline.
pub async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !ask().await {
        assert!(begin.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
