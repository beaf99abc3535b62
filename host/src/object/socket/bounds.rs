//! How much may wait for an object, and for its peers?

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::memory;

/// Messages of sockets that one object may have before it, counted in pieces of
/// `PIECE_BYTES`: 2,048 small ones, or one of 32 MiB. Who has more to bring waits,
/// and its connection is not read. Fetches do not count, so they still find room.
const PIECES_MAX: u32 = 2_048;
const PIECE_BYTES: usize = 16 * 1024;

/// What was said to one peer and not yet taken. More than this much, or as long as
/// memory is full more than one message, and the socket is given up. A message of
/// the largest size that is alone always fits.
pub const UNREAD_BYTES_MAX: usize = 16 << 20;

/// What a message costs beside its contents while it waits.
pub const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// How often who waits for memory looks whether there is some.
const MEMORY_LOOK: Duration = Duration::from_millis(50);

/// What may wait for one object.
pub struct Room(Arc<Semaphore>);

/// A part of it, until this is dropped.
#[derive(Debug)]
pub struct Share(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit);

impl Default for Room {
    fn default() -> Room {
        Room(Arc::new(Semaphore::new(PIECES_MAX as usize)))
    }
}

impl Room {
    /// Room for so many bytes, if nobody has to be waited for.
    pub fn try_take(&self, bytes: usize) -> Option<Share> {
        if memory::is_full() {
            return None;
        }
        let share = self.0.clone().try_acquire_many_owned(pieces(bytes)).ok()?;
        Some(Share(share))
    }

    /// The same, in the order of asking.
    pub fn take(&self, bytes: usize) -> impl Future<Output = Share> + Send + use<> {
        let room = self.0.clone();
        async move {
            while memory::is_full() {
                tokio::time::sleep(MEMORY_LOOK).await;
            }
            let share = room.acquire_many_owned(pieces(bytes)).await;
            Share(share.expect("it is never closed"))
        }
    }
}

fn pieces(bytes: usize) -> u32 {
    u32::try_from(1 + bytes / PIECE_BYTES).map_or(PIECES_MAX, |pieces| pieces.min(PIECES_MAX))
}

#[cfg(test)]
mod tests {
    //! Few large messages fit, or many small ones.

    use super::*;

    #[test]
    fn room_is_shared_by_size() {
        let room = Room::default();
        let small: Vec<_> = (0..2_047).map(|_| room.try_take(10).unwrap()).collect();
        assert!(room.try_take(20_000).is_none());
        let last = room.try_take(0).unwrap();
        assert!(room.try_take(0).is_none());
        drop((small, last));
        let large = room.try_take(usize::MAX).unwrap();
        assert!(room.try_take(0).is_none());
        drop(large);
        assert!(room.try_take(0).is_some());
    }
}
