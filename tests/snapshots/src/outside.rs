//! What is the world like in which an object lives? It stays when the object sleeps.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use parking_lot::Mutex;
use rand::TryRng;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

use crate::dice::Dice;

/// An object's world: its database, and time and chance as it sees them. Time passes
/// only when somebody says so.
#[derive(Clone)]
pub struct Outside(Arc<Mutex<World>>);

struct World {
    values: BTreeMap<String, Vec<u8>>,
    now_ms: u64,
    /// What waits, by the time at which it ends.
    sleeping: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    waits: u64,
    dice: Dice,
}

impl Outside {
    pub fn new(seed: u64) -> Outside {
        Outside(Arc::new(Mutex::new(World {
            values: BTreeMap::new(),
            now_ms: 1_000_000,
            sleeping: BTreeMap::new(),
            waits: 0,
            dice: Dice::new(seed),
        })))
    }

    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().values.get(key).cloned()
    }

    pub fn put(&self, key: String, value: Vec<u8>) {
        self.0.lock().values.insert(key, value);
    }

    /// Ends when that much time has passed.
    pub fn sleep(&self, duration_ms: u64) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut world = self.0.lock();
        world.waits += 1;
        let end = (world.now_ms.saturating_add(duration_ms), world.waits);
        world.sleeping.insert(end, sender);
        receiver
    }

    /// Lets time pass until the next wait ends.
    pub fn pass_time(&self) {
        let mut world = self.0.lock();
        if let Some(((end_ms, _), sender)) = world.sleeping.pop_first() {
            world.now_ms = world.now_ms.max(end_ms);
            let _ = sender.send(()); // nobody may wait any more
        }
    }

    fn since_begin(&self) -> Duration {
        Duration::from_millis(self.0.lock().now_ms)
    }
}

impl HostWallClock for Outside {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.since_begin()
    }
}

impl HostMonotonicClock for Outside {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        self.since_begin().as_nanos() as u64
    }
}

impl TryRng for Outside {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.lock().dice.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.lock().dice.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.lock().dice.try_fill_bytes(bytes)
    }
}
