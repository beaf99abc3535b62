//! The object's database as a whole, and its alarm.

use crate::host;
use crate::transaction::Guard;
use crate::{Error, Kv, Result, Sql};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The object's own database.
///
/// Nothing leaves the object before it is durable: a response waits until every
/// write that it may reveal survives a crash and a power loss. So nothing has to
/// be flushed by hand. Writes commit together when the object next waits or the
/// event ends; an error that a handler returns rolls nothing back.
///
/// ```
/// # durable_object::testing::run(async |state| {
/// let storage = state.storage();
/// storage.kv().put("greeting", "hello")?;
/// assert_eq!(storage.kv().get("greeting")?.unwrap(), b"hello");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Storage {
    pub(crate) _made_by_state: (),
}

impl Storage {
    /// Values by key.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// state.storage().kv().put("a", "1")?;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn kv(&self) -> Kv {
        Kv {
            guard: Guard::default(),
        }
    }

    /// The SQLite database.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// assert_eq!(state.storage().sql().one::<i64>("SELECT 1", ())?, 1);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn sql(&self) -> Sql {
        Sql {
            guard: Guard::default(),
        }
    }

    /// Commits at once, and ends when everything written before is durable. The
    /// call starts the work, waiting for it lets other events run. Does not end
    /// when that fails: the object is reset.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let storage = state.storage();
    /// storage.kv().put("a", "1")?;
    /// storage.sync().await?;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn sync(&self) -> impl Future<Output = Result<()>> + use<> {
        host::storage::sync()
    }

    /// Removes all tables, all keys and the alarm, as one commit of its own. Open
    /// cursors end with an error.
    ///
    /// Fails while a transaction is open.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let storage = state.storage();
    /// storage.kv().put("a", "1")?;
    /// storage.delete_all()?;
    /// assert_eq!(storage.kv().get("a")?, None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn delete_all(&self) -> Result<()> {
        host::storage::delete_all()
    }

    /// The time of the object's one alarm. None while its handler runs, unless
    /// that has set a new one; the original time while it waits for a retry.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// assert_eq!(state.storage().alarm()?, None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn alarm(&self) -> Result<Option<SystemTime>> {
        Ok(host::alarms::get()?.map(time))
    }

    /// Sets the alarm, to the millisecond, and replaces the one before. At that
    /// time [`AlarmHandler::alarm`](crate::AlarmHandler::alarm) runs, also when
    /// the object sleeps by then. A time that has passed runs at once.
    ///
    /// Fails with `setAlarm() cannot be called with an alarm time <= 0` for 1970
    /// and before.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use std::time::{Duration, SystemTime};
    ///
    /// let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    /// state.storage().set_alarm(tomorrow)?;
    /// assert!(state.storage().alarm()?.is_some());
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn set_alarm(&self, time: SystemTime) -> Result<()> {
        let time_ms = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis())
                .map_err(|_| Error::new("The alarm's time is too far in the future."))?,
            Err(_) => 0,
        };
        host::alarms::set(time_ms)
    }

    /// Sets the alarm to now plus `delay`, see [`Storage::set_alarm`].
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// state.storage().set_alarm_after(std::time::Duration::from_secs(60))?;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn set_alarm_after(&self, delay: Duration) -> Result<()> {
        match crate::now().checked_add(delay) {
            Some(time) => self.set_alarm(time),
            None => Err(Error::new("The alarm's time is too far in the future.")),
        }
    }

    /// Removes the alarm, or the retry that is pending.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let storage = state.storage();
    /// storage.set_alarm_after(std::time::Duration::from_secs(60))?;
    /// storage.delete_alarm()?;
    /// assert_eq!(storage.alarm()?, None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn delete_alarm(&self) -> Result<()> {
        host::alarms::delete()
    }
}

/// The time of so many milliseconds since 1970.
pub(crate) fn time(since_epoch_ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(since_epoch_ms.try_into().unwrap_or(0))
}
