//! The object's alarm: one row, in its own database.
//!
//! It says when the handler runs next, and keeps the object's name, so that an
//! object that only its alarm wakes knows who it is. It stays while the handler
//! runs; whoever runs it tells by its number whether the row is still that alarm.
//!
//! ```text
//! none ─ set_alarm() ─► set ─ the handler has failed: delay_alarm() ─► waits for a retry
//!   ▲                    │                                                    │
//!   └────────────────────┴─ end_alarm(), delete_alarm(), delete_all() ────────┘
//! ```
//!
//! Invariants:
//!
//! * An alarm is committed only after the index has durably been given notice of it.
//! * The index is told of a commit only when that is durable, see `AlarmNews`.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::Storage;
use super::alarm_index::{AlarmIndex, Notice, ObjectName, Ticket};
use super::errors::StorageError;
use super::own_tables::OwnTable;
use super::statement::Param;
use super::value::Value;

/// The alarm of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// For when it was set, in milliseconds since 1970.
    pub time_ms: i64,
    /// When its handler is to run: later than that while it waits for a retry.
    pub due_ms: i64,
    /// How often its handler has failed.
    pub retries: u32,
    /// Tells it from those that are set before and after it.
    pub number: i64,
    /// The object's name, if it has one that it may see.
    pub name: Option<String>,
}

/// What the index does not know yet of this object's alarm.
#[derive(Default)]
pub struct AlarmChanges {
    /// What must be done before the next commit.
    notice: Option<Arc<Notice>>,
    /// The newest change, whether it is committed or not.
    newest: Option<Ticket>,
}

/// What a commit made of an object's alarm, for the index.
pub struct AlarmNews {
    index: AlarmIndex,
    object: ObjectName,
    ticket: Ticket,
    due_ms: Option<i64>,
}

const GET: &str = "SELECT time, due, retries, number, name FROM _cf_ALARM";
const SET: &str = "INSERT INTO _cf_ALARM (one, time, due, retries, number, name) \
     VALUES (1, ?1, ?1, 0, ?2, ?3) ON CONFLICT (one) DO UPDATE SET time = excluded.time, \
     due = excluded.due, retries = 0, number = excluded.number, \
     name = coalesce(excluded.name, name)";
const DELAY: &str = "UPDATE _cf_ALARM SET due = ?2, retries = ?3 WHERE number = ?1";
const END: &str = "DELETE FROM _cf_ALARM WHERE number = ?1";
const DELETE: &str = "DELETE FROM _cf_ALARM";

impl Storage {
    /// The object's alarm, also while its handler runs.
    pub fn alarm(&mut self) -> Result<Option<Alarm>, StorageError> {
        self.call(Self::find_alarm)
    }

    /// Sets the alarm, and replaces the one before.
    pub fn set_alarm(&mut self, time_ms: i64, name: Option<&str>) -> Result<(), StorageError> {
        self.call(|storage| {
            let number = Param::Integer(rand::random());
            let name = name.map_or(Param::Null, |name| Param::Text(name.as_bytes()));
            let database = storage.begin_write_to(OwnTable::Alarm)?;
            database.execute(SET, &[Param::Integer(time_ms), number, name])?;
            let object = storage.files.object_name();
            let (ticket, notice) = storage.committer.alarms().give_notice(&object);
            storage.alarm_changes = AlarmChanges {
                notice: Some(notice),
                newest: Some(ticket),
            };
            Ok(())
        })
    }

    /// Removes the alarm, if there is one.
    pub fn delete_alarm(&mut self) -> Result<(), StorageError> {
        self.call(|storage| storage.change_alarm(DELETE, &[]))
    }

    /// The handler of this alarm has failed: it waits until `due_ms`. Does nothing to
    /// another alarm.
    pub fn delay_alarm(
        &mut self,
        number: i64,
        due_ms: i64,
        retries: u32,
    ) -> Result<(), StorageError> {
        let retries = Param::Integer(retries.into());
        let params = [Param::Integer(number), Param::Integer(due_ms), retries];
        self.call(|storage| storage.change_alarm(DELAY, &params))
    }

    /// This alarm is over. Does nothing to another one.
    pub fn end_alarm(&mut self, number: i64) -> Result<(), StorageError> {
        self.call(|storage| storage.change_alarm(END, &[Param::Integer(number)]))
    }

    /// The index may believe something else than is true, though nothing changed.
    pub fn doubt_alarm(&mut self) {
        let object = self.files.object_name();
        self.alarm_changes.newest = Some(self.committer.alarms().touch(&object));
    }

    /// Somebody must look how the object's alarm stands: it cannot be told now.
    pub fn look_at_alarm_soon(&self) {
        let object = self.files.object_name();
        self.committer.alarms().look_soon(&object);
    }

    /// What to tell the index as soon as the newest commit is durable. None when it
    /// knows all that is committed. An alarm that is `running` is no news: it is known
    /// until its handler has ended.
    pub fn take_alarm_news(
        &mut self,
        running: Option<i64>,
    ) -> Result<Option<AlarmNews>, StorageError> {
        let Some(ticket) = self.alarm_changes.newest else {
            return Ok(None);
        };
        if self.began || self.in_transaction() {
            return Ok(None);
        }
        let alarm = self.alarm()?;
        if let Some(alarm) = &alarm
            && Some(alarm.number) == running
        {
            return Ok(None);
        }
        self.alarm_changes.newest = None;
        Ok(Some(AlarmNews {
            index: self.committer.alarms().clone(),
            object: self.files.object_name(),
            ticket,
            due_ms: alarm.map(|alarm| alarm.due_ms),
        }))
    }

    /// Ready when the turn can be committed without waiting: the index was given notice
    /// of its alarm.
    pub fn poll_notice(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.alarm_changes.notice {
            Some(notice) if self.began && !self.in_transaction() => notice.poll(cx),
            _ => Poll::Ready(()),
        }
    }

    /// Waits until the index was given notice of what is to be committed. Blocks for
    /// a sync, unless it was given before.
    pub(super) fn await_notice(&mut self) -> Result<(), StorageError> {
        match self.alarm_changes.notice.take() {
            None => Ok(()),
            Some(notice) => notice.wait().map_err(|cause| {
                StorageError::Broken(format!("the alarm cannot be set now: {cause}"))
            }),
        }
    }

    /// Nothing that was announced is to be committed.
    pub(super) fn forget_notice(&mut self) {
        self.alarm_changes.notice = None;
    }

    fn find_alarm(&mut self) -> Result<Option<Alarm>, StorageError> {
        if !self.has_table(OwnTable::Alarm)? {
            return Ok(None);
        }
        let Some(database) = self.open()? else {
            return Ok(None);
        };
        let mut found = None;
        database.run(GET, &[], |columns| {
            found = Some(Alarm {
                time_ms: columns.integer(0),
                due_ms: columns.integer(1),
                retries: u32::try_from(columns.integer(2)).unwrap_or(u32::MAX),
                number: columns.integer(3),
                name: match columns.value(4) {
                    Value::Text(name) => Some(name),
                    _ => None,
                },
            });
            Ok(())
        })?;
        Ok(found)
    }

    fn change_alarm(
        &mut self,
        statement: &'static str,
        params: &[Param<'_>],
    ) -> Result<(), StorageError> {
        if self.find_alarm()?.is_none() {
            return Ok(());
        }
        self.begin_write()?.execute(statement, params)?;
        self.doubt_alarm();
        Ok(())
    }
}

impl AlarmNews {
    /// The commit is durable.
    pub fn tell(self) {
        self.index.tell(&self.object, self.ticket, self.due_ms);
    }

    /// The commit is lost: whoever looks next finds what was there before.
    pub fn retract(self) {
        self.index.look_soon(&self.object);
    }
}
