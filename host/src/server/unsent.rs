//! How much of what objects answered waits for its clients?
//!
//! A whole body lies in memory until its client has taken it, and a client may ask
//! for many and take none. So what waits is counted, per connection and for the
//! process, and an answer that is too much is refused instead of held. A stream
//! needs no refusal: it is read only as its client takes it.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicU64, AtomicUsize};

use bytes::{Buf, Bytes};

use super::vigil::now_ms;

/// Connections report to the process in steps of this size: the common small
/// answer touches only its own connection's count.
const STEP_BYTES: usize = 16 * 1024;

/// What waits for all connections.
#[derive(Default)]
pub struct UnsentTotal {
    bytes: AtomicUsize,
    pub bytes_max: usize,
}

/// What waits for one connection.
pub struct Unsent {
    bytes: AtomicUsize,
    bytes_max: usize,
    /// When the client last took something, or began to owe it.
    moved_ms: AtomicU64,
    total: Arc<UnsentTotal>,
}

/// Bytes on their way to a client; counted until they are taken.
pub struct Chunk {
    bytes: Bytes,
    unsent: Arc<Unsent>,
    /// Held until they are taken.
    _said: Said,
}

/// What is on its way of one body.
#[derive(Clone, Default)]
pub struct Said(Arc<()>);

impl Said {
    /// Is some of it yet to be sent?
    pub fn is_on_its_way(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl UnsentTotal {
    pub fn new(bytes_max: usize) -> UnsentTotal {
        UnsentTotal {
            bytes: AtomicUsize::new(0),
            bytes_max,
        }
    }
}

impl Unsent {
    pub fn new(bytes_max: usize, total: Arc<UnsentTotal>) -> Unsent {
        Unsent {
            bytes: AtomicUsize::new(0),
            bytes_max,
            moved_ms: AtomicU64::new(0),
            total,
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes.load(Acquire)
    }

    pub fn moved_ms(&self) -> u64 {
        self.moved_ms.load(Relaxed)
    }

    /// May so many bytes more wait? A body that is alone may have any size, for an
    /// object may answer with it.
    pub fn has_room(&self, bytes: usize) -> bool {
        let fits = |waiting: usize, max: usize| waiting == 0 || waiting + bytes <= max;
        fits(self.bytes(), self.bytes_max)
            && fits(self.total.bytes.load(Relaxed), self.total.bytes_max)
    }

    pub fn add(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, AcqRel);
        if before == 0 {
            self.moved_ms.store(now_ms(), Relaxed);
        }
        let steps = (before + bytes) / STEP_BYTES - before / STEP_BYTES;
        if steps > 0 {
            self.total.bytes.fetch_add(steps * STEP_BYTES, Relaxed);
        }
    }

    pub fn remove(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, AcqRel);
        let after = before - bytes;
        if after > 0 {
            self.moved_ms.store(now_ms(), Relaxed);
        }
        let steps = before / STEP_BYTES - after / STEP_BYTES;
        if steps > 0 {
            self.total.bytes.fetch_sub(steps * STEP_BYTES, Relaxed);
        }
    }
}

impl Chunk {
    /// Counts these bytes, which are some of what is said.
    pub fn new(bytes: Bytes, unsent: Arc<Unsent>, said: Said) -> Chunk {
        unsent.add(bytes.len());
        Chunk {
            bytes,
            unsent,
            _said: said,
        }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.unsent.remove(count);
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.unsent.remove(self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is added is taken off again, in both counts.

    use super::*;

    #[test]
    fn both_counts_return_to_nothing() {
        let total = Arc::new(UnsentTotal::new(1_000_000));
        let unsent = Arc::new(Unsent::new(100_000, total.clone()));
        let mut chunks: Vec<_> = (0..50)
            .map(|n| Chunk::new(vec![0; n * 1_000].into(), unsent.clone(), Said::default()))
            .collect();
        assert_eq!(unsent.bytes(), 49 * 50 / 2 * 1_000);
        assert!(unsent.bytes() - total.bytes.load(Relaxed) < STEP_BYTES);
        chunks
            .iter_mut()
            .for_each(|chunk| chunk.advance(chunk.remaining() / 2));
        drop(chunks);
        assert_eq!((unsent.bytes(), total.bytes.load(Relaxed)), (0, 0));
    }

    #[test]
    fn what_is_too_much_has_no_room() {
        let total = Arc::new(UnsentTotal::new(200_000));
        let unsent = |bytes_max| Unsent::new(bytes_max, total.clone());
        let (one, other) = (unsent(100_000), unsent(100_000));
        assert!(one.has_room(5_000_000), "a body that is alone");
        one.add(90_000);
        assert!(one.has_room(10_000) && !one.has_room(10_001));
        assert!(other.has_room(100_000) && !other.has_room(130_000));
    }
}
