//! Work that is kept or undone as a whole.

use crate::host::transactions as host;
use crate::{Error, Kv, Result, Sql, Storage};
use std::cell::Cell;
use std::rc::Rc;

impl Storage {
    /// Runs work without a wait; what it wrote is kept when it returns `Ok`, and
    /// undone when it returns `Err`. Covers kv, sql and the alarm, and nests.
    ///
    /// Fails with the error of the work, or when its writes cannot be kept, for
    /// example because a deferred foreign key is violated.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::{Error, Result};
    ///
    /// let storage = state.storage();
    /// storage.transaction_sync(|txn| txn.kv().put("a", "1"))?;
    /// let undone: Result<()> = storage.transaction_sync(|txn| {
    ///     txn.kv().put("a", "2")?;
    ///     Err(Error::new("no"))
    /// });
    /// assert_eq!(undone.unwrap_err().message(), "no");
    /// assert_eq!(storage.kv().get("a")?.unwrap(), b"1");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn transaction_sync<T>(&self, work: impl FnOnce(&Transaction) -> Result<T>) -> Result<T> {
        let transaction = Transaction::new(host::savepoint()?);
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Runs work that may wait; what it wrote is kept when it returns `Ok`, and
    /// undone when it returns `Err` or its future is dropped. Covers kv, sql and
    /// the alarm, and nests.
    ///
    /// Earlier writes of the event are committed first. Until the work ends, other
    /// events and what they wait for are held back. Work that takes more than 30
    /// seconds resets the object.
    ///
    /// Fails with the error of the work, or when its writes cannot be kept, for
    /// example because a deferred foreign key is violated.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::{params, sleep};
    /// use std::time::Duration;
    ///
    /// let storage = state.storage();
    /// let sum = storage.transaction(async |txn| {
    ///     txn.kv().put_as("stock", &1)?;
    ///     sleep(Duration::from_millis(5)).await;
    ///     txn.sql().one::<i64>("SELECT 40 + 2", params![])
    /// }).await?;
    /// assert_eq!(sum, 42);
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn transaction<T>(
        &self,
        work: impl AsyncFnOnce(&Transaction) -> Result<T>,
    ) -> Result<T> {
        let transaction = Transaction::new(host::begin()?);
        let result = work(&transaction).await?;
        transaction.commit()?;
        Ok(result)
    }
}

/// An open transaction, see [`Storage::transaction`] and
/// [`Storage::transaction_sync`].
///
/// What the [`Storage`] itself writes meanwhile belongs to it too; its own
/// [`kv`](Transaction::kv) and [`sql`](Transaction::sql) notice a rollback.
///
/// ```
/// # durable_object::testing::run(async |state| {
/// let storage = state.storage();
/// storage.transaction_sync(|txn| {
///     txn.kv().put("a", "1")?;
///     storage.transaction_sync(|inner| {
///         inner.kv().put("a", "2")?;
///         inner.rollback()
///     })?;
///     assert_eq!(txn.kv().get("a")?.unwrap(), b"1");
///     Ok(())
/// })?;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Transaction {
    number: u64,
    rolled_back: Rc<Cell<bool>>,
    committed: bool,
}

impl Transaction {
    fn new(number: u64) -> Self {
        Self {
            number,
            rolled_back: Rc::default(),
            committed: false,
        }
    }

    /// Values by key, as in [`Storage::kv`]. After a rollback each call fails, for
    /// example with `Cannot get() on rolled back transaction`.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// state.storage().transaction_sync(|txn| {
    ///     txn.rollback()?;
    ///     let error = txn.kv().get("a").unwrap_err();
    ///     assert_eq!(error.message(), "Cannot get() on rolled back transaction");
    ///     Ok(())
    /// })?;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn kv(&self) -> Kv {
        Kv {
            guard: self.guard(),
        }
    }

    /// The database, as in [`Storage::sql`]. After a rollback each call fails with
    /// `Cannot exec() on rolled back transaction`.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::params;
    ///
    /// let n = state.storage().transaction_sync(|txn| txn.sql().one::<i64>("SELECT 1", params![]))?;
    /// assert_eq!(n, 1);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn sql(&self) -> Sql {
        Sql {
            guard: self.guard(),
        }
    }

    /// Undoes what was written since the transaction began, and ends it. May be
    /// repeated. Fails while a transaction within this one is open.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let storage = state.storage();
    /// storage.transaction_sync(|txn| {
    ///     txn.kv().put("a", "1")?;
    ///     txn.rollback()?;
    ///     txn.rollback()
    /// })?;
    /// assert_eq!(storage.kv().get("a")?, None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn rollback(&self) -> Result<()> {
        if !self.rolled_back.get() {
            host::rollback(self.number)?;
            self.rolled_back.set(true);
        }
        Ok(())
    }

    fn commit(mut self) -> Result<()> {
        if !self.rolled_back.get() {
            host::commit(self.number)?;
            self.committed = true;
        }
        Ok(())
    }

    fn guard(&self) -> Guard {
        Guard(Some(self.rolled_back.clone()))
    }
}

impl Drop for Transaction {
    /// What was not committed is undone: the work failed, or its future was
    /// dropped, or the commit was refused.
    fn drop(&mut self) {
        if !self.committed && self.rollback().is_err() {
            // The host has ended it, for example because it was reset.
            self.rolled_back.set(true);
        }
    }
}

/// Refuses calls through a transaction that was rolled back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard(Option<Rc<Cell<bool>>>);

impl Guard {
    pub fn check(&self, call: &str) -> Result<()> {
        match &self.0 {
            Some(rolled_back) if rolled_back.get() => Err(Error::new(format!(
                "Cannot {call}() on rolled back transaction"
            ))),
            _ => Ok(()),
        }
    }
}
