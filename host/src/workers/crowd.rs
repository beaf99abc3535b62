//! Lets few of those work at a time who come in crowds.
//!
//! To make an instance takes a worker a good part of a tick, and so does putting one
//! to sleep. One event may have thousands of objects woken, and all of them become
//! idle at the same moment. If all stood in the workers' queue at once, whoever comes
//! after them would wait for all of them. So they stand in a queue of their own, and
//! as many as there are cores in that of the workers.
//!
//! Invariant: a turn ends once, with the work, with its first wait, or when it blocks
//! for long, whichever comes first.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::Poll;

use tokio::sync::Semaphore;

use super::{cores, watch};

static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

/// Does `work`, up to its first wait, when it is its turn. To be called from within a
/// watched poll.
pub async fn in_turn<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    TURNS.acquire().await.expect("it is never closed").forget();
    watch::begin_turn();
    let begun = futures::poll!(work.as_mut());
    watch::end_turn();
    match begun {
        Poll::Ready(done) => done,
        Poll::Pending => work.await,
    }
}

/// A turn has ended.
pub(super) fn next() {
    TURNS.add_permits(1);
}

#[cfg(test)]
mod tests {
    //! Who waits or works for long after the beginning of its work keeps nobody from
    //! theirs.

    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::{Duration, Instant};

    use futures::FutureExt;
    use futures::executor::block_on;
    use futures::future::{join_all, pending, ready};
    use parking_lot::{Mutex, MutexGuard};

    use super::super::reserve;
    use super::super::watch::Watched;
    use super::*;

    /// The turns are the process's, and a test that fails may lose some.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock();
        assert_eq!(TURNS.available_permits(), cores());
        alone
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn those_that_wait_let_others_work() {
        let _alone = alone();
        let mut waiting: Vec<_> = (0..3 * cores())
            .map(|_| Box::pin(in_turn(pending::<()>())))
            .collect();
        for work in &mut waiting {
            assert!(work.now_or_never().is_none());
        }
        block_on(join_all((0..3 * cores()).map(|_| in_turn(ready(())))));
        assert_eq!(TURNS.available_permits(), cores());
    }

    #[test]
    fn those_that_block_let_others_work() {
        let _alone = alone();
        let all_began = all_begin(|blocks| watch::apart(blocks), || {});
        assert!(all_began);
        assert_eq!(TURNS.available_permits(), cores());
    }

    #[test]
    fn those_that_are_seen_to_last_let_others_work() {
        let _alone = alone();
        // As many workers as will be stuck stand ready.
        for _ in 0..3 * cores() {
            reserve::release();
        }
        let look = || {
            watch::look();
        };
        assert!(all_begin(|lasts| lasts(), look));
        assert_eq!(TURNS.available_permits(), cores());
    }

    /// Whether so many can begin before the first of them ends, each on a thread of its
    /// own, while `meanwhile` is done again and again.
    fn all_begin(work: fn(&dyn Fn()), meanwhile: impl Fn()) -> bool {
        let crowd = 3 * cores();
        let (begins, begun) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let ends = Arc::new(Mutex::new(ends));
        let threads: Vec<_> = (0..crowd)
            .map(|_| {
                let (begins, ends) = (begins.clone(), ends.clone());
                let lasts = move || {
                    begins.send(()).expect("the test listens");
                    // Until the test drops the other end.
                    let _ = ends.lock().recv();
                };
                thread::spawn(move || block_on(Watched::new(in_turn(async { work(&lasts) }))))
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        let mut count = 0;
        while count < crowd && Instant::now() < deadline {
            meanwhile();
            count += begun.recv_timeout(Duration::from_millis(1)).iter().count();
        }
        drop(end);
        let all_began = count == crowd;
        if all_began {
            for thread in threads {
                thread.join().expect("it ends");
            }
        }
        // Else some may never get a turn.
        all_began
    }
}
