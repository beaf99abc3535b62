//! Which calls and requests of an instance are not answered yet. They keep it awake.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;

use super::error::ObjectError;
use crate::memory;

/// What unanswered calls of one instance may hold of arguments and whole bodies:
/// two of the largest. Each is a copy outside of the instance's own memory.
const BYTES_MAX: usize = 64 << 20;

#[derive(Default)]
pub struct Outgoing {
    calls: AtomicUsize,
    bytes: AtomicUsize,
    waker: AtomicWaker,
}

/// A call that is not answered, until this is dropped.
pub struct Outstanding {
    all: Arc<Outgoing>,
    bytes: usize,
}

impl Outgoing {
    /// A call begins that holds so many bytes. Fails when they are too many.
    pub fn begin(self: &Arc<Self>, bytes: usize) -> Result<Outstanding, ObjectError> {
        self.calls.fetch_add(1, Ordering::AcqRel);
        let before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let outstanding = Outstanding {
            all: self.clone(),
            bytes,
        };
        if before > 0 && before + bytes > BYTES_MAX {
            return Err(ObjectError::overloaded(format!(
                "Durable Object is overloaded. Its unanswered calls hold more than {BYTES_MAX} \
                 bytes."
            )));
        }
        if bytes > 0 && memory::is_full() {
            return Err(ObjectError::overloaded(memory::FULL));
        }
        Ok(outstanding)
    }

    /// Ready when every call was answered.
    pub fn poll_none(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.calls.load(Ordering::Acquire) == 0 {
            return Poll::Ready(());
        }
        self.waker.register(cx.waker());
        match self.calls.load(Ordering::Acquire) {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        if self.all.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all.waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is begun is counted until it ends.

    use std::task::Waker;

    use super::*;

    #[test]
    fn so_many_bytes_wait_and_no_more_but_one_call_may_have_any_size() {
        let outgoing = Arc::<Outgoing>::default();
        let cx = &mut Context::from_waker(Waker::noop());
        let large = outgoing.begin(BYTES_MAX + 1).unwrap();
        assert!(outgoing.begin(1).is_err() && outgoing.begin(0).is_err());
        assert!(outgoing.poll_none(cx).is_pending());
        drop(large);
        assert!(outgoing.poll_none(cx).is_ready());
        let half = outgoing.begin(BYTES_MAX / 2).unwrap();
        assert!(outgoing.begin(BYTES_MAX / 2).is_ok());
        assert!(outgoing.begin(BYTES_MAX).is_err());
        drop(half);
        assert!(outgoing.begin(BYTES_MAX).is_ok());
    }
}
