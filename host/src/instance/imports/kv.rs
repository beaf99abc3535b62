//! `kv`: values by key.

use wasmtime::Result;

use crate::instance::bindings::durable::object::kv::{Entry, Host, ListOptions, StorageError};
use crate::instance::context::Context;
use crate::storage;

type Answer<T> = Result<std::result::Result<T, StorageError>>;

impl Host for Context {
    fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        Ok(self
            .storage(|storage| storage.get(&key))?
            .map_err(Into::into))
    }

    fn get_many(&mut self, keys: Vec<String>) -> Answer<Vec<Entry>> {
        let entries = self.storage(|storage| storage.get_many(&keys))?;
        Ok(entries.map(to_world).map_err(Into::into))
    }

    fn list(&mut self, options: ListOptions) -> Answer<Vec<Entry>> {
        let options = storage::ListOptions {
            start: options.start,
            start_after: options.start_after,
            end: options.end,
            prefix: options.prefix,
            reverse: options.reverse,
            limit: options.limit,
        };
        let entries = self.storage(|storage| storage.list(&options))?;
        Ok(entries.map(to_world).map_err(Into::into))
    }

    fn put(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        Ok(self
            .storage(|storage| storage.put(&key, &value))?
            .map_err(Into::into))
    }

    fn put_many(&mut self, entries: Vec<Entry>) -> Answer<()> {
        let entries: Vec<_> = entries.into_iter().map(Into::into).collect();
        Ok(self
            .storage(|storage| storage.put_many(&entries))?
            .map_err(Into::into))
    }

    fn delete(&mut self, key: String) -> Answer<bool> {
        Ok(self
            .storage(|storage| storage.delete(&key))?
            .map_err(Into::into))
    }

    fn delete_many(&mut self, keys: Vec<String>) -> Answer<u64> {
        Ok(self
            .storage(|storage| storage.delete_many(&keys))?
            .map_err(Into::into))
    }
}

fn to_world(entries: Vec<storage::Entry>) -> Vec<Entry> {
    let entries = entries.into_iter();
    entries
        .map(|storage::Entry { key, value }| Entry { key, value })
        .collect()
}

impl From<Entry> for storage::Entry {
    fn from(Entry { key, value }: Entry) -> storage::Entry {
        storage::Entry { key, value }
    }
}
