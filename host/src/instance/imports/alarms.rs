//! `alarms`: the object's one alarm.

use wasmtime::Result;

use crate::clock;
use crate::instance::bindings::durable::object::alarms::{Host, StorageError};
use crate::instance::context::Context;
use crate::object::alarm;

const NO_TIME: &str = "setAlarm() cannot be called with an alarm time <= 0";
const NO_HANDLER: &str =
    "Your Durable Object class must have an alarm() handler in order to call setAlarm()";

type Answer<T> = Result<std::result::Result<T, StorageError>>;

impl Host for Context {
    fn get(&mut self) -> Answer<Option<i64>> {
        let alarm = match self.storage(|storage| storage.alarm())? {
            Ok(alarm) => alarm,
            Err(error) => return Ok(Err(error.into())),
        };
        let set = alarm.filter(|alarm| !self.alarms.is_running(alarm));
        Ok(Ok(set.map(|alarm| alarm.time_ms)))
    }

    fn set(&mut self, time: i64) -> Answer<()> {
        if time <= 0 {
            return Ok(Err(StorageError::Invalid(NO_TIME.into())));
        }
        if !self.alarms.has_handler {
            return Ok(Err(StorageError::Invalid(NO_HANDLER.into())));
        }
        let time_ms = alarm::set_for(time, clock::wall_ms());
        let identity = self.parts.identity.clone();
        Ok(self
            .storage(|storage| storage.set_alarm(time_ms, identity.name()))?
            .map_err(Into::into))
    }

    fn delete(&mut self) -> Answer<()> {
        Ok(self
            .storage(|storage| storage.delete_alarm())?
            .map_err(Into::into))
    }
}
