//! What do neighbours notice of an attack, and what does it cost the machine?
//!
//! These tests measure, so each has the machine for itself: they take turns, and are
//! a binary of their own, which cargo runs while no other does.

mod space;
mod time;
mod waits;

use tokio::sync::{Mutex, MutexGuard};

/// Held by the test that measures.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
