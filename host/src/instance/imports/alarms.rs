//! `alarms`: not served yet; every call says so.

use wasmtime::Result;

use super::types::not_served_message;
use crate::instance::bindings::durable::object::alarms::{Host, StorageError};
use crate::instance::context::Context;

type Answer<T> = Result<std::result::Result<T, StorageError>>;

fn not_served<T>() -> Answer<T> {
    Ok(Err(StorageError::Invalid(not_served_message("alarms"))))
}

impl Host for Context {
    fn get(&mut self) -> Answer<Option<i64>> {
        not_served()
    }

    fn set(&mut self, _time: i64) -> Answer<()> {
        not_served()
    }

    fn delete(&mut self) -> Answer<()> {
        not_served()
    }
}
