//! Which statements stay prepared for their next use.
//!
//! Invariant: a statement in the cache is not running.

use std::collections::HashMap;

use super::limits::{CACHED_QUERY_BYTES_MAX, CACHED_STATEMENTS_MAX};
use super::rules::Seen;
use super::statement::Statement;

/// A statement, and what was learned when it was prepared.
#[derive(Debug)]
pub struct Prepared {
    pub statement: Statement,
    pub seen: Seen,
}

impl Prepared {
    /// Whether the statement needs a transaction.
    pub fn writes(&self) -> bool {
        !self.statement.is_readonly() || self.seen.writes()
    }
}

#[derive(Debug)]
struct Entry {
    prepared: Prepared,
    last_use: u64,
}

/// Statements by the text of their query; the one unused for longest goes first.
#[derive(Debug, Default)]
pub struct StatementCache {
    entries: HashMap<Box<str>, Entry>,
    uses: u64,
}

impl StatementCache {
    /// Takes a statement out for use.
    pub fn take(&mut self, query: &str) -> Option<(Box<str>, Prepared)> {
        let (query, entry) = self.entries.remove_entry(query)?;
        Some((query, entry.prepared))
    }

    /// Keeps a statement, which has been reset.
    pub fn put(&mut self, query: Box<str>, prepared: Prepared) {
        if query.len() > CACHED_QUERY_BYTES_MAX {
            return;
        }
        if self.entries.len() >= CACHED_STATEMENTS_MAX {
            self.drop_oldest();
        }
        self.uses += 1;
        let last_use = self.uses;
        self.entries.insert(query, Entry { prepared, last_use });
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    fn drop_oldest(&mut self) {
        let oldest = self
            .entries
            .iter()
            .min_by_key(|(_, entry)| entry.last_use)
            .map(|(query, _)| query.clone());
        if let Some(query) = oldest {
            self.entries.remove(&query);
        }
    }
}
