//! Runs futures on one thread, with a clock that jumps to the next timer whenever
//! nothing else can go on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static SPAWNED: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
    static TIMERS: RefCell<BTreeMap<u64, Vec<Waker>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Notes that something may go on. One flag serves all tasks: a test is small.
#[derive(Default)]
struct Progress(AtomicBool);

impl Wake for Progress {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub fn run<T>(main: impl Future<Output = T>) -> T {
    let progress = Arc::new(Progress::default());
    let waker = Waker::from(progress.clone());
    let mut cx = Context::from_waker(&waker);
    let mut main = pin!(main);
    let mut result = None;
    let mut tasks: Vec<Task> = Vec::new();
    loop {
        progress.0.store(false, Ordering::Relaxed);
        if result.is_none()
            && let Poll::Ready(value) = main.as_mut().poll(&mut cx)
        {
            result = Some(value);
        }
        tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
        let spawned = SPAWNED.take();
        let is_idle = spawned.is_empty() && !progress.0.load(Ordering::Relaxed);
        tasks.extend(spawned);
        if tasks.is_empty()
            && let Some(result) = result.take()
        {
            return result;
        }
        if is_idle {
            jump_to_next_timer();
        }
    }
}

fn jump_to_next_timer() {
    let (time_ms, wakers) = TIMERS
        .with_borrow_mut(BTreeMap::pop_first)
        .expect("the test waits for what never happens");
    NOW_MS.set(time_ms);
    wakers.into_iter().for_each(Waker::wake);
}

pub fn spawn(future: impl Future<Output = ()> + 'static) {
    SPAWNED.with_borrow_mut(|spawned| spawned.push(Box::pin(future)));
}

pub fn sleep(duration_ms: u64) -> impl Future<Output = ()> {
    let end_ms = NOW_MS.get().saturating_add(duration_ms);
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
