//! What the probe keeps in its instance's memory.

use durable_object::{Cursor, Error, Result, Row, sleep};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

#[derive(Default)]
pub struct Memory {
    pub notes: RefCell<HashMap<String, Json>>,
    pub start_results: RefCell<Vec<Json>>,
    pub cursors: RefCell<HashMap<String, Cursor<Row>>>,
    signals: RefCell<HashMap<String, u64>>,
}

impl Memory {
    /// Up to so many further rows of a cursor.
    pub fn read(&self, label: &str, rows_max: usize) -> Result<Vec<Row>> {
        let mut cursors = self.cursors.borrow_mut();
        let cursor = cursors.get_mut(label);
        let none = || Error::new(format!("there is no cursor {label:?}"));
        cursor.ok_or_else(none)?.take(rows_max).collect()
    }

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
