//! Threads that durability rests on.
//!
//! If one of them panics, nobody would hear of a commit again, and all that wait
//! would wait for ever. What was acknowledged is on disk, so the process ends, and
//! whoever started it starts it anew.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

/// What they run is shallow.
const STACK_BYTES: usize = 256 << 10;

/// Starts a thread whose panic ends the process.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let shown = name.to_owned();
    let builder = Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    builder.spawn(move || {
        // What `work` holds is not used again.
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!(
                thread = shown,
                "a thread that writes rest on has panicked; the process ends, what it has \
                 acknowledged is on disk"
            );
            std::process::abort();
        }
    })
}
