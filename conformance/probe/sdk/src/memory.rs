//! What the probe keeps in its instance's memory.

use durable_object::sleep;
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

#[derive(Default)]
pub struct Memory {
    pub notes: RefCell<HashMap<String, Json>>,
    pub start_results: RefCell<Vec<Json>>,
    signals: RefCell<HashMap<String, u64>>,
}

impl Memory {
    pub fn signal(&self, name: &str) {
        *self.signals.borrow_mut().entry(name.into()).or_default() += 1;
    }

    /// Ends when so many signals of the name were given.
    pub async fn signalled(&self, name: &str, times: u64) {
        while self.signals.borrow().get(name).copied().unwrap_or(0) < times {
            sleep(Duration::from_millis(1)).await;
        }
    }
}
