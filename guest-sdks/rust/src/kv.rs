//! Values by key, in the object's own database.

use crate::host;
use crate::transaction::Guard;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Values by key: bytes, or what serde makes of them.
///
/// Keys are text, ordered by their UTF-8 bytes. Reads see the object's own writes
/// at once, and no call lets another event in, so a read and the write that
/// depends on it cannot be torn apart.
///
/// [`put`](Kv::put) and [`get`](Kv::get) move bytes. [`put_as`](Kv::put_as) and
/// [`get_as`](Kv::get_as) move values, stored as JSON.
///
/// Limits: key and value together at most 2,097,152 bytes; the result of one call
/// at most 67,108,864 bytes. A call that breaks one fails and changes nothing.
///
/// ```
/// # durable_object::testing::run(async |state| {
/// let kv = state.storage().kv();
/// let visits = kv.get_as::<u64>("visits")?.unwrap_or(0) + 1;
/// kv.put_as("visits", &visits)?;
/// assert_eq!(kv.get_as("visits")?, Some(1));
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Kv {
    pub(crate) guard: Guard,
}

impl Kv {
    /// The bytes of a key, or none.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// assert_eq!(state.storage().kv().get("nothing")?, None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.guard.check("get")?;
        host::kv::get(key)
    }

    /// The value of a key, or none. Fails when what is stored is not the JSON of
    /// a `T`.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let kv = state.storage().kv();
    /// kv.put_as("colours", &["red", "blue"])?;
    /// let colours: Option<Vec<String>> = kv.get_as("colours")?;
    /// assert_eq!(colours.unwrap(), ["red", "blue"]);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn get_as<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(json) = self.get(key)? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&json)
            .map_err(|error| Error::new(format!("kv value {key:?}: {error}")))?;
        Ok(Some(value))
    }

    /// The entries of those keys that exist, in key order, each once.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let kv = state.storage().kv();
    /// kv.put("b", "2")?;
    /// let found = kv.get_many(["c", "b", "a"])?;
    /// assert_eq!(found.len(), 1);
    /// assert_eq!(found[0].key, "b");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn get_many(&self, keys: impl IntoIterator<Item: Into<String>>) -> Result<Vec<Entry>> {
        self.guard.check("get")?;
        host::kv::get_many(&texts(keys))
    }

    /// The entries of a range, in key order. An empty range gives none.
    ///
    /// Fails with `A list takes start or start-after, not both.` and with `List
    /// limit must be positive.`
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::ListOptions;
    ///
    /// let kv = state.storage().kv();
    /// kv.put_many([("user:ada", "1"), ("user:bob", "2"), ("zoo", "3")])?;
    /// let users = kv.list(ListOptions::new().prefix("user:").reverse())?;
    /// let keys: Vec<_> = users.iter().map(|entry| entry.key.as_str()).collect();
    /// assert_eq!(keys, ["user:bob", "user:ada"]);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn list(&self, options: ListOptions) -> Result<Vec<Entry>> {
        self.guard.check("list")?;
        host::kv::list(&options)
    }

    /// Stores bytes.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let kv = state.storage().kv();
    /// kv.put("greeting", "hello")?;
    /// kv.put("bytes", [1, 2, 3])?;
    /// assert_eq!(kv.get("greeting")?.unwrap(), b"hello");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn put(&self, key: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.guard.check("put")?;
        host::kv::put(key, value.as_ref())
    }

    /// Stores the JSON of a value. Fails when the value has no JSON form, such as
    /// a map whose keys are not text.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// #[derive(serde::Serialize)]
    /// struct Tea { minutes: f64 }
    ///
    /// let kv = state.storage().kv();
    /// kv.put_as("mate", &Tea { minutes: 5.5 })?;
    /// assert_eq!(kv.get("mate")?.unwrap(), br#"{"minutes":5.5}"#);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn put_as(&self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        self.put(key, serde_json::to_vec(value)?)
    }

    /// Stores all entries or, on an error, none. Of a repeated key the last counts.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let kv = state.storage().kv();
    /// kv.put_many([("a", "1"), ("b", "2")])?;
    /// assert_eq!(kv.get("b")?.unwrap(), b"2");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn put_many(&self, entries: impl IntoIterator<Item: Into<Entry>>) -> Result<()> {
        self.guard.check("put")?;
        let entries: Vec<Entry> = entries.into_iter().map(Into::into).collect();
        host::kv::put_many(&entries)
    }

    /// Removes a key; says whether it was there.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let kv = state.storage().kv();
    /// kv.put("a", "1")?;
    /// assert!(kv.delete("a")?);
    /// assert!(!kv.delete("a")?);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn delete(&self, key: &str) -> Result<bool> {
        self.guard.check("delete")?;
        host::kv::delete(key)
    }

    /// Removes keys; says how many were there.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let kv = state.storage().kv();
    /// kv.put_many([("a", "1"), ("b", "2")])?;
    /// assert_eq!(kv.delete_many(["a", "b", "c"])?, 2);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn delete_many(&self, keys: impl IntoIterator<Item: Into<String>>) -> Result<u64> {
        self.guard.check("delete")?;
        host::kv::delete_many(&texts(keys))
    }
}

fn texts(keys: impl IntoIterator<Item: Into<String>>) -> Vec<String> {
    keys.into_iter().map(Into::into).collect()
}

/// A key and its value.
///
/// ```
/// let entry = durable_object::Entry::from(("tea", "green"));
/// assert_eq!(entry.value, b"green");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value, as it was put.
    pub value: Vec<u8>,
}

impl Entry {
    /// The value that [`Kv::put_as`] stored. Fails when the value is not the JSON
    /// of a `T`.
    ///
    /// ```
    /// let entry = durable_object::Entry::from(("answer", "42"));
    /// assert_eq!(entry.value_as::<u8>().unwrap(), 42);
    /// ```
    pub fn value_as<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.value)
            .map_err(|error| Error::new(format!("kv value {:?}: {error}", self.key)))
    }
}

impl<K: Into<String>, V: Into<Vec<u8>>> From<(K, V)> for Entry {
    fn from((key, value): (K, V)) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// Which entries [`Kv::list`] returns. All conditions hold together.
///
/// ```
/// use durable_object::ListOptions;
///
/// let page = ListOptions::new().start_after("b").end("x").limit(100);
/// assert_ne!(page, ListOptions::new());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    pub(crate) start: Option<String>,
    pub(crate) start_after: Option<String>,
    pub(crate) end: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) reverse: bool,
    pub(crate) limit: Option<u32>,
}

/// ```
/// # durable_object::testing::run(async |state| {
/// use durable_object::ListOptions;
///
/// let kv = state.storage().kv();
/// kv.put_many(["a", "b", "c", "d"].map(|key| (key, "")))?;
/// let keys = |options| -> durable_object::Result<String> {
///     Ok(kv.list(options)?.into_iter().map(|entry| entry.key).collect())
/// };
/// assert_eq!(keys(ListOptions::new())?, "abcd");
/// assert_eq!(keys(ListOptions::new().start("b").end("d"))?, "bc");
/// assert_eq!(keys(ListOptions::new().start_after("b"))?, "cd");
/// assert_eq!(keys(ListOptions::new().prefix("c"))?, "c");
/// assert_eq!(keys(ListOptions::new().reverse().limit(2))?, "dc");
/// # Ok(()) }).unwrap();
/// ```
impl ListOptions {
    /// All entries, from the first key to the last.
    pub fn new() -> Self {
        Self::default()
    }

    /// First key, inclusive.
    pub fn start(mut self, key: impl Into<String>) -> Self {
        self.start = Some(key.into());
        self
    }

    /// First key, exclusive. Not together with [`start`](Self::start).
    pub fn start_after(mut self, key: impl Into<String>) -> Self {
        self.start_after = Some(key.into());
        self
    }

    /// Last key, exclusive.
    pub fn end(mut self, key: impl Into<String>) -> Self {
        self.end = Some(key.into());
        self
    }

    /// Only keys that begin with this.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// From the last key to the first. `start` and `end` keep their meaning.
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// At most so many entries; at least 1.
    pub fn limit(mut self, entries_max: u32) -> Self {
        self.limit = Some(entries_max);
        self
    }
}
