//! Runs futures on one thread, with a clock that jumps to the next timer whenever
//! nothing else can go on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Work = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    future: Work,
    /// Is it not waited for at the end?
    is_background: bool,
}

thread_local! {
    static SPAWNED: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
    static BEGIN: Cell<Option<SystemTime>> = const { Cell::new(None) };
    static TIMERS: RefCell<BTreeMap<u64, Vec<Waker>>> = const { RefCell::new(BTreeMap::new()) };
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// Notes that something may go on. One flag serves all tasks: a test is small.
#[derive(Default)]
struct Progress(AtomicBool);

impl Wake for Progress {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `main` and what it spawns, but for background tasks, to the end.
#[track_caller]
pub fn run<T>(main: impl Future<Output = T>) -> T {
    let progress = Arc::new(Progress::default());
    let waker = Waker::from(progress.clone());
    let mut cx = Context::from_waker(&waker);
    let mut main = pin!(main);
    let mut result = None;
    let mut tasks: Vec<Task> = Vec::new();
    loop {
        progress.0.store(false, Ordering::Relaxed);
        // An alarm of this millisecond comes before what the test does in it.
        tasks.retain_mut(|task| task.future.as_mut().poll(&mut cx).is_pending());
        if result.is_none()
            && let Poll::Ready(value) = main.as_mut().poll(&mut cx)
        {
            result = Some(value);
        }
        let spawned = SPAWNED.take();
        let is_idle = spawned.is_empty() && !progress.0.load(Ordering::Relaxed);
        tasks.extend(spawned);
        if tasks.iter().all(|task| task.is_background)
            && let Some(result) = result.take()
        {
            return result;
        }
        if is_idle && !jump_to_next_timer() {
            panic!("the test waits for what never happens");
        }
    }
}

fn jump_to_next_timer() -> bool {
    let next = TIMERS.with_borrow_mut(BTreeMap::pop_first);
    let Some((time_ms, wakers)) = next else {
        return false;
    };
    NOW_MS.set(time_ms.max(NOW_MS.get()));
    wakers.into_iter().for_each(Waker::wake);
    true
}

/// Runs a future beside what runs.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    push(future, false);
}

/// Runs a future that nobody waits for at the end.
pub fn spawn_in_background(future: impl Future<Output = ()> + 'static) {
    push(future, true);
}

fn push(future: impl Future<Output = ()> + 'static, is_background: bool) {
    let future = Box::pin(future);
    SPAWNED.with_borrow_mut(|spawned| {
        spawned.push(Task {
            future,
            is_background,
        });
    });
}

pub fn sleep(duration_ms: u64) -> impl Future<Output = ()> {
    until(NOW_MS.get().saturating_add(duration_ms))
}

/// Waits until a time in milliseconds since 1970.
pub fn sleep_until(time_ms: i64) -> impl Future<Output = ()> {
    let wait_ms = time_ms.saturating_sub(now_ms());
    sleep(wait_ms.try_into().unwrap_or(0))
}

fn until(end_ms: u64) -> impl Future<Output = ()> {
    poll_fn(move |cx| {
        if NOW_MS.get() >= end_ms {
            return Poll::Ready(());
        }
        TIMERS.with_borrow_mut(|timers| {
            timers.entry(end_ms).or_default().push(cx.waker().clone());
        });
        Poll::Pending
    })
}

/// The virtual time in milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

/// The virtual time, which begins when the test does, and has whole milliseconds as
/// alarms do.
pub fn now() -> SystemTime {
    let begin = BEGIN.get().unwrap_or_else(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let begin_ms = since.as_millis() as u64 - NOW_MS.get();
        let begin = UNIX_EPOCH + Duration::from_millis(begin_ms);
        BEGIN.set(Some(begin));
        begin
    });
    begin + Duration::from_millis(NOW_MS.get())
}

/// A number that was not given out before.
pub fn number() -> u64 {
    NUMBER.set(NUMBER.get() + 1);
    NUMBER.get()
}
