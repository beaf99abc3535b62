//! Compiled functions, kept in memory while code is being written: whoever edits a
//! script changes data alone, and of a program few functions.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dashmap::DashMap;
use wasmtime::CacheStore;

/// Some dozen components. Then it begins anew.
const BYTES_MAX: usize = 256 << 20;

#[derive(Debug, Default)]
pub struct FunctionCache {
    functions: DashMap<Vec<u8>, Vec<u8>>,
    bytes: AtomicUsize,
}

impl CacheStore for FunctionCache {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let found = self.functions.get(key)?;
        Some(Cow::Owned(found.value().clone()))
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let bytes = key.len() + value.len();
        if self.bytes.fetch_add(bytes, Relaxed) + bytes > BYTES_MAX {
            self.functions.clear();
            self.bytes.store(bytes, Relaxed);
        }
        self.functions.insert(key.into(), value);
        true
    }
}
