//! Work that is kept or undone as a whole.

pub(crate) mod order;

use crate::{Error, Kv, Result, Sql, Storage, host};
use order::{Level, LevelState};
use std::rc::Rc;

impl Storage {
    /// Runs work without a wait; what it wrote is kept when it returns `Ok`, and
    /// undone when it returns `Err`. Covers kv, sql and the alarm, and nests; while a
    /// [`transaction`](Storage::transaction) is open it lies in that, wherever it is
    /// called.
    ///
    /// Fails with the error of the work. Deferred foreign keys are checked when the
    /// outermost `transaction` ends, and otherwise at the end of the turn: one that
    /// is violated then resets the object.
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
        let transaction = Transaction::new(order::savepoint()?);
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Runs work that may wait; what it wrote is kept when it returns `Ok`, and
    /// undone when it returns `Err` or its future is dropped. Covers kv, sql and
    /// the alarm.
    ///
    /// One that the work of another begins lies in that other. One that is begun
    /// anywhere else while another is open, for example beside it in a `join!` or in
    /// a [`spawn`](crate::spawn), waits until that has ended, in the order of the
    /// first polls: what it keeps does not depend on how the other ends. So work
    /// must not wait for a transaction that is begun outside of it: it would wait
    /// until its 30 seconds are over.
    ///
    /// Earlier writes of the event are committed first. Until the work ends, other
    /// events are held back, and all waits that were begun outside of it: a
    /// [`timeout`](crate::timeout) around it ends only after it, one within it in time.
    /// It lets in calls of a [`Function`](crate::Function) that was given out in it; what
    /// these write and begin lies within. Work that takes more than 30 seconds resets the
    /// object.
    ///
    /// Fails with the error of the work, or, outside of other transactions, when a
    /// deferred foreign key is violated; or when one that the work began is open
    /// still, because its future was given away: both are undone then.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::sleep;
    /// use std::time::Duration;
    ///
    /// let storage = state.storage();
    /// // `async |txn| …`: a closure `|txn| async move { … }` cannot lend `txn` to its future.
    /// let sum = storage.transaction(async |txn| {
    ///     txn.kv().put_as("stock", &1)?;
    ///     sleep(Duration::from_millis(5)).await;
    ///     txn.sql().one::<i64>("SELECT 40 + 2", ())
    /// }).await?;
    /// assert_eq!(sum, 42);
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn transaction<T>(
        &self,
        work: impl AsyncFnOnce(&Transaction) -> Result<T>,
    ) -> Result<T> {
        let transaction = Transaction::new(order::begin().await?);
        let result = order::run(&transaction.level, work(&transaction)).await?;
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
    level: Rc<Level>,
}

impl Transaction {
    fn new(level: Rc<Level>) -> Self {
        Self { level }
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
    /// let n = state.storage().transaction_sync(|txn| txn.sql().one::<i64>("SELECT 1", ()))?;
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
        match self.level.state() {
            LevelState::Open => self.level.rollback(),
            _ => Ok(()),
        }
    }

    fn commit(self) -> Result<()> {
        match self.level.state() {
            LevelState::Open => self.level.commit(),
            LevelState::Swept => Err(order::swept()),
            LevelState::Committed | LevelState::RolledBack => Ok(()),
        }
    }

    fn guard(&self) -> Guard {
        Guard(Some(self.level.clone()))
    }
}

impl Drop for Transaction {
    /// What was not committed is undone, and what is open still within it: the work
    /// failed, or its future was dropped, or the commit was refused.
    ///
    /// Other events are held back as long as it is open. So if the host refuses to
    /// undo it, the object is reset at once instead of after the 30 seconds.
    fn drop(&mut self) {
        if self.level.state() == LevelState::Open
            && let Err(error) = self.level.undo()
            && !std::thread::panicking()
        {
            host::state::abort(
                Some(&format!("A transaction cannot be undone: {error}")),
                true,
            );
        }
    }
}

/// Refuses calls through a transaction that was rolled back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard(Option<Rc<Level>>);

impl Guard {
    pub fn check(&self, call: &str) -> Result<()> {
        match &self.0 {
            Some(level) => match level.state() {
                LevelState::Open | LevelState::Committed => Ok(()),
                LevelState::RolledBack | LevelState::Swept => Err(Error::new(format!(
                    "Cannot {call}() on rolled back transaction"
                ))),
            },
            None => Ok(()),
        }
    }
}
