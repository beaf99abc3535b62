//! Time, and work beside the handler.

use crate::host;
use std::time::Duration;

/// Waits at least so long, to the millisecond. Other events run meanwhile, and the
/// object stays awake.
///
/// ```
/// use durable_object::sleep;
/// use std::time::Duration;
///
/// # durable_object::testing::run(async |_| {
/// sleep(Duration::from_millis(20)).await;
/// # Ok(()) }).unwrap();
/// ```
pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    let duration_ms = duration.as_nanos().div_ceil(1_000_000);
    host::timers::sleep(duration_ms.try_into().unwrap_or(u64::MAX))
}

/// Runs a future beside the handler, also after its response has left. The event
/// ends when both have; the object stays awake meanwhile.
///
/// The work is lost when the object is reset. What must not be lost belongs into
/// the storage, with an alarm to pick it up.
///
/// ```
/// use durable_object::{sleep, spawn};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// # durable_object::testing::run(async |_| {
/// let done = Rc::new(Cell::new(false));
/// let flag = done.clone();
/// spawn(async move { flag.set(true) });
/// assert!(!done.get());
/// sleep(Duration::from_millis(1)).await;
/// assert!(done.get());
/// # Ok(()) }).unwrap();
/// ```
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    host::spawn(future);
}
