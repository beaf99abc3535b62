//! Values by key.
//!
//! Keys are TEXT and compare byte by byte, NUL included. The table is created at
//! the first put, so that a fresh database is one page.

use super::errors::StorageError;
use super::limits::{ENTRY_BYTES_MAX, RESULT_BYTES_MAX};
use super::own_tables::OwnTable;
use super::statement::Param;
use super::{Place, Storage};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: Vec<u8>,
}

/// Which entries `list` returns. All conditions hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// First key, inclusive.
    pub start: Option<String>,
    /// First key, exclusive. Not together with `start`.
    pub start_after: Option<String>,
    /// Last key, exclusive.
    pub end: Option<String>,
    /// Only keys that begin with this.
    pub prefix: Option<String>,
    /// From the last key to the first. `start` and `end` keep their meaning.
    pub reverse: bool,
    /// At most so many entries; at least 1.
    pub limit: Option<u32>,
}

const GET: &str = "SELECT value FROM _cf_KV WHERE key = ?1";
const PUT: &str = "INSERT INTO _cf_KV (key, value) VALUES (?1, ?2) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM _cf_KV WHERE key = ?1";

/// The statement that lists keys under a condition, in a direction.
macro_rules! list {
    ($condition:literal, $direction:literal) => {
        concat!(
            "SELECT key, value FROM _cf_KV WHERE ",
            $condition,
            " ORDER BY key ",
            $direction,
            " LIMIT ?3"
        )
    };
}

impl Storage {
    /// The value of a key, or none.
    pub fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.call(|storage| storage.get_one(key))
    }

    /// The entries of those keys that exist, in key order, each once.
    pub fn get_many(&mut self, keys: &[String]) -> Result<Vec<Entry>, StorageError> {
        self.call(|storage| {
            let mut found = Found::default();
            for key in sorted(keys) {
                if let Some(value) = storage.get_one(key)? {
                    found.push(key.to_owned(), value)?;
                }
            }
            Ok(found.entries)
        })
    }

    /// The entries of a range, in key order. An empty range gives none.
    pub fn list(&mut self, options: &ListOptions) -> Result<Vec<Entry>, StorageError> {
        self.call(|storage| {
            if options.start.is_some() && options.start_after.is_some() {
                return Err(StorageError::Invalid(
                    "A list takes start or start-after, not both.".to_owned(),
                ));
            }
            if options.limit == Some(0) {
                return Err(StorageError::Invalid(
                    "List limit must be positive.".to_owned(),
                ));
            }
            if !storage.has_table(OwnTable::Keys)? {
                return Ok(Vec::new());
            }
            let range = Range::new(options);
            let params = [
                Param::Text(bound(range.from)),
                range
                    .to
                    .as_deref()
                    .map_or(Param::Null, |to| Param::Text(bound(to))),
                Param::Integer(options.limit.map_or(-1, i64::from)),
            ];
            let mut found = Found::default();
            let Some(database) = storage.open()? else {
                return Ok(Vec::new());
            };
            database.run(range.statement(options.reverse), &params, |columns| {
                found.push(columns.text(0), columns.blob(1))
            })?;
            Ok(found.entries)
        })
    }

    /// Stores a value.
    pub fn put(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.call(|storage| {
            require_size(key, value)?;
            storage.put_one(key, value)
        })
    }

    /// Stores all entries or, on an error, none. Of a repeated key the last counts.
    pub fn put_many(&mut self, entries: &[Entry]) -> Result<(), StorageError> {
        self.call(|storage| {
            for entry in entries {
                require_size(&entry.key, &entry.value)?;
            }
            match entries {
                [] => Ok(()),
                [entry] => storage.put_one(&entry.key, &entry.value),
                entries => storage.atomically(|storage| {
                    entries
                        .iter()
                        .try_for_each(|entry| storage.put_one(&entry.key, &entry.value))
                }),
            }
        })
    }

    /// Removes a key; says whether it was there.
    pub fn delete(&mut self, key: &str) -> Result<bool, StorageError> {
        self.call(|storage| Ok(storage.delete_all_of(&[key])? == 1))
    }

    /// Removes keys; says how many were there.
    pub fn delete_many(&mut self, keys: &[String]) -> Result<u64, StorageError> {
        self.call(|storage| {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            storage.delete_all_of(&keys)
        })
    }

    fn get_one(&mut self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        if key.len() > ENTRY_BYTES_MAX || !self.has_table(OwnTable::Keys)? {
            return Ok(None);
        }
        let mut value = None;
        if let Some(database) = self.open()? {
            database.run(GET, &[Param::Text(key.as_bytes())], |columns| {
                value = Some(columns.blob(0));
                Ok(())
            })?;
        }
        Ok(value)
    }

    fn put_one(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        let database = self.begin_write_to(OwnTable::Keys)?;
        database.execute(PUT, &[Param::Text(key.as_bytes()), Param::Blob(value)])
    }

    fn delete_all_of(&mut self, keys: &[&str]) -> Result<u64, StorageError> {
        if keys.is_empty() || !self.has_table(OwnTable::Keys)? {
            return Ok(0);
        }
        self.begin_write()?;
        let mut deleted = 0;
        let mut delete = |storage: &mut Self| {
            let Place::Open(database) = &mut storage.place else {
                return Ok(());
            };
            for key in keys.iter().filter(|key| key.len() <= ENTRY_BYTES_MAX) {
                database.execute(DELETE, &[Param::Text(key.as_bytes())])?;
                deleted += database.changes();
            }
            Ok(())
        };
        match keys {
            [_] => delete(self)?,
            _ => self.atomically(delete)?,
        }
        Ok(deleted)
    }
}

/// Keys between two bounds.
#[derive(Debug, PartialEq, Eq)]
struct Range<'a> {
    from: &'a [u8],
    /// Whether `from` itself is left out.
    after: bool,
    /// Exclusive. May be no valid UTF-8: it is only compared.
    to: Option<Vec<u8>>,
}

impl<'a> Range<'a> {
    fn new(options: &'a ListOptions) -> Self {
        let prefix = options.prefix.as_deref().unwrap_or_default().as_bytes();
        let (start, after) = match (&options.start, &options.start_after) {
            (_, Some(key)) => (key.as_bytes(), true),
            (Some(key), None) => (key.as_bytes(), false),
            (None, None) => (&b""[..], false),
        };
        let (from, after) = if prefix > start {
            (prefix, false)
        } else {
            (start, after)
        };
        let end = options.end.as_ref().map(|key| key.as_bytes().to_vec());
        let to = match (end, first_after_prefix(prefix)) {
            (Some(end), Some(last)) => Some(end.min(last)),
            (end, last) => end.or(last),
        };
        Self { from, after, to }
    }

    fn statement(&self, reverse: bool) -> &'static str {
        match (self.after, self.to.is_some(), reverse) {
            (false, false, false) => list!("key >= ?1", "ASC"),
            (false, false, true) => list!("key >= ?1", "DESC"),
            (false, true, false) => list!("key >= ?1 AND key < ?2", "ASC"),
            (false, true, true) => list!("key >= ?1 AND key < ?2", "DESC"),
            (true, false, false) => list!("key > ?1", "ASC"),
            (true, false, true) => list!("key > ?1", "DESC"),
            (true, true, false) => list!("key > ?1 AND key < ?2", "ASC"),
            (true, true, true) => list!("key > ?1 AND key < ?2", "DESC"),
        }
    }
}

/// What of a bound SQLite must see. Keys are shorter, so that they compare with
/// this as with the whole; SQLite takes no longer text.
fn bound(key: &[u8]) -> &[u8] {
    &key[..key.len().min(ENTRY_BYTES_MAX + 1)]
}

/// The smallest bytes above everything that begins with `prefix`; none if there are none.
fn first_after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let (last, rest) = prefix.split_last()?;
    // UTF-8 has no byte 0xff, so that the next one exists.
    let mut bound = rest.to_vec();
    bound.push(last + 1);
    Some(bound)
}

/// Entries for a result, up to its limit.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    size_bytes: usize,
}

impl Found {
    fn push(&mut self, key: String, value: Vec<u8>) -> Result<(), StorageError> {
        self.size_bytes += size_of::<Entry>() + key.len() + value.len();
        if self.size_bytes > RESULT_BYTES_MAX {
            return Err(StorageError::Invalid(format!(
                "The result is larger than {RESULT_BYTES_MAX} bytes; ask for fewer keys at a time."
            )));
        }
        self.entries.push(Entry { key, value });
        Ok(())
    }
}

fn sorted(keys: &[String]) -> Vec<&str> {
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn require_size(key: &str, value: &[u8]) -> Result<(), StorageError> {
    let size_bytes = key.len() + value.len();
    if size_bytes > ENTRY_BYTES_MAX {
        return Err(StorageError::Invalid(format!(
            "Key and value together have {size_bytes} bytes; at most {ENTRY_BYTES_MAX} are allowed."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Bounds are pure; the order of keys is that of their bytes.
    use super::*;

    #[test]
    fn start_prefix_and_end_narrow_each_other() {
        let check = |options: ListOptions, from: &str, after, to: Option<&[u8]>| {
            let range = Range::new(&options);
            let expected = Range {
                from: from.as_bytes(),
                after,
                to: to.map(<[u8]>::to_vec),
            };
            assert_eq!(range, expected, "{options:?}");
        };
        let options = |start: &str, end: &str, prefix: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            ListOptions {
                start: some(start),
                end: some(end),
                prefix: some(prefix),
                ..ListOptions::default()
            }
        };
        check(options("", "", ""), "", false, None);
        check(options("b", "d", ""), "b", false, Some(b"d"));
        check(options("", "", "ab"), "ab", false, Some(b"ac"));
        check(options("abc", "zz", "ab"), "abc", false, Some(b"ac"));
        check(options("a", "abd", "ab"), "ab", false, Some(b"abd"));
        check(options("", "", "\u{7f}"), "\u{7f}", false, Some(b"\x80"));
        let after = ListOptions {
            start_after: Some("ab".to_owned()),
            prefix: Some("ab".to_owned()),
            ..ListOptions::default()
        };
        check(after, "ab", true, Some(b"ac"));
    }
}
