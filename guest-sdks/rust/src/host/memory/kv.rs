//! Values by key, as rows of a table.

use super::{sql, with};
use crate::kv::{Entry, ListOptions};
use crate::{Error, Result};
use std::collections::BTreeSet;

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS _cf_KV (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";

const ENTRY_BYTES_MAX: usize = 2_097_152;

/// Whether there is a key at all: a fresh database has no table for them.
fn has_any() -> Result<bool> {
    with(|memory| memory.has_table("_cf_KV"))
}

fn entries() -> Result<Vec<Entry>> {
    if !has_any()? {
        return Ok(Vec::new());
    }
    let query = "SELECT CAST(key AS TEXT), value FROM _cf_KV ORDER BY key";
    let rows = sql::own(query, &[])?;
    Ok(crate::Rows::new(rows.columns, rows.rows, 0)
        .all::<(String, Vec<u8>)>()?
        .into_iter()
        .map(Entry::from)
        .collect())
}

pub fn get(key: &str) -> Result<Option<Vec<u8>>> {
    if !has_any()? {
        return Ok(None);
    }
    let query = "SELECT value FROM _cf_KV WHERE key = ?";
    let rows = sql::own(query, &crate::params![key.as_bytes()])?;
    crate::Rows::new(rows.columns, rows.rows, 0).optional()
}

pub fn get_many(keys: &[String]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for key in BTreeSet::from_iter(keys) {
        found.extend(get(key)?.map(|value| Entry::from((key.as_str(), value))));
    }
    Ok(found)
}

pub fn list(options: &ListOptions) -> Result<Vec<Entry>> {
    if options.start.is_some() && options.start_after.is_some() {
        let text = "A list takes start or start-after, not both.";
        return Err(Error::new(text));
    }
    if options.limit == Some(0) {
        return Err(Error::new("List limit must be positive."));
    }
    let mut found = entries()?;
    found.retain(|Entry { key, .. }| {
        options.start.as_ref().is_none_or(|start| key >= start)
            && options.start_after.as_ref().is_none_or(|after| key > after)
            && options.end.as_ref().is_none_or(|end| key < end)
            && options
                .prefix
                .as_ref()
                .is_none_or(|prefix| key.starts_with(prefix))
    });
    if options.reverse {
        found.reverse();
    }
    found.truncate(options.limit.map_or(usize::MAX, |limit| limit as usize));
    Ok(found)
}

pub fn put(key: &str, value: &[u8]) -> Result<()> {
    put_many(&[Entry::from((key, value))])
}

pub fn put_many(entries: &[Entry]) -> Result<()> {
    let mut sizes = (entries.iter()).map(|entry| entry.key.len() + entry.value.len());
    if let Some(size_bytes) = sizes.find(|size_bytes| *size_bytes > ENTRY_BYTES_MAX) {
        return Err(Error::new(format!(
            "Key and value together have {size_bytes} bytes; at most {ENTRY_BYTES_MAX} are allowed."
        )));
    }
    if entries.is_empty() {
        return Ok(());
    }
    sql::own(TABLE, &[])?;
    for entry in entries {
        let (key, value) = (entry.key.as_bytes(), &entry.value[..]);
        sql::own(
            "INSERT OR REPLACE INTO _cf_KV VALUES (?, ?)",
            &crate::params![key, value],
        )?;
    }
    Ok(())
}

pub fn delete(key: &str) -> Result<bool> {
    Ok(delete_many(&[key.to_owned()])? == 1)
}

pub fn delete_many(keys: &[String]) -> Result<u64> {
    let mut count = 0;
    if !has_any()? {
        return Ok(count);
    }
    for key in keys {
        let query = "DELETE FROM _cf_KV WHERE key = ?";
        count += sql::own(query, &crate::params![key.as_bytes()])?.changes;
    }
    Ok(count)
}
