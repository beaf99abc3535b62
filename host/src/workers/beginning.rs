//! Lets few of those begin at a time whose beginning is long.
//!
//! To make an instance takes a worker a good part of a tick, and one event may have
//! thousands of objects woken. If all of them stood in the workers' queue at once,
//! whoever comes after them would wait for all of them. So they stand in a queue of
//! their own, and as many as there are cores in that of the workers.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::Poll;

use tokio::sync::Semaphore;

use super::cores;

static BEGINNING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

/// Does `work`, which begins when it is its turn, up to its first wait.
pub async fn in_turn<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let permit = BEGINNING.acquire().await;
    let begun = futures::poll!(work.as_mut());
    drop(permit);
    match begun {
        Poll::Ready(done) => done,
        Poll::Pending => work.await,
    }
}

#[cfg(test)]
mod tests {
    //! Who waits after its beginning keeps nobody from theirs.

    use futures::FutureExt;
    use futures::executor::block_on;
    use futures::future::{join_all, pending, ready};

    use super::*;

    #[test]
    fn those_that_wait_let_others_begin() {
        let mut waiting: Vec<_> = (0..3 * cores())
            .map(|_| Box::pin(in_turn(pending::<()>())))
            .collect();
        for work in &mut waiting {
            assert!(work.now_or_never().is_none());
        }
        block_on(join_all((0..3 * cores()).map(|_| in_turn(ready(())))));
    }
}
