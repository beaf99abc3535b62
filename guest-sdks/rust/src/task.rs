//! Time, and work beside the handler.

use crate::{Error, Result, host};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

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

/// Waits for a future, but no longer than so long; then the future is dropped, and
/// the error is a `TimeoutError`.
///
/// ```
/// use durable_object::{sleep, timeout};
/// use std::time::Duration;
///
/// # durable_object::testing::run(async |_| {
/// let second = Duration::from_secs(1);
/// assert!(timeout(second, sleep(second / 2)).await.is_ok());
/// assert_eq!(timeout(second, sleep(second * 2)).await.unwrap_err().name(), "TimeoutError");
/// # Ok(()) }).unwrap();
/// ```
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Result<T> {
    let (mut future, mut end) = (pin!(future), pin!(sleep(duration)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => end.as_mut().poll(cx).map(|()| {
            let message = format!("it took more than {duration:?}");
            Err(Error::named("TimeoutError", message))
        }),
    })
    .await
}

/// The time. Use it instead of `SystemTime::now()`, and tests can move it.
///
/// ```
/// use durable_object::{now, sleep};
/// use std::time::Duration;
///
/// # durable_object::testing::run(async |_| {
/// let (before, day) = (now(), Duration::from_secs(86_400));
/// sleep(day).await; // which takes no time here
/// assert_eq!(now().duration_since(before)?, day);
/// # Ok(()) }).unwrap();
/// ```
pub fn now() -> SystemTime {
    host::timers::now()
}

/// Runs a future beside the handler, also after its response has left. The event
/// ends when both have; the object stays awake meanwhile.
///
/// It may give `()` or a `Result<()>`, whose error is logged. It owns what it uses:
/// clone the [`State`](crate::State) into it.
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
pub fn spawn(future: impl Future<Output: Ended> + 'static) {
    host::spawn(async { future.await.log() });
}

/// What a spawned future may give.
pub trait Ended {
    #[doc(hidden)]
    fn log(self);
}

impl Ended for () {
    fn log(self) {}
}

impl Ended for Result<()> {
    fn log(self) {
        if let Err(error) = self {
            eprintln!("spawned work failed: {error:?}");
        }
    }
}
