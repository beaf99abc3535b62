//! `types`: errors, between the world and the host.

use crate::instance::bindings::durable::object::types::{
    Error, ErrorFlags, Host, SqliteError, StorageError as WorldError,
};
use crate::instance::context::Context;
use crate::object::{self, error::ObjectError};
use crate::storage::StorageError;

impl Host for Context {}

impl From<StorageError> for WorldError {
    fn from(error: StorageError) -> WorldError {
        match error {
            StorageError::Invalid(message) => WorldError::Invalid(message),
            StorageError::Sqlite { code, message } => {
                WorldError::Sqlite(SqliteError { code, message })
            }
            // Ends the instance before it could see this.
            StorageError::Broken(message) => WorldError::Invalid(message),
        }
    }
}

impl From<Error> for ObjectError {
    fn from(error: Error) -> ObjectError {
        let has = |flag| error.flags.contains(flag);
        let flags = object::error::ErrorFlags {
            retryable: has(ErrorFlags::RETRYABLE),
            overloaded: has(ErrorFlags::OVERLOADED),
            remote: has(ErrorFlags::REMOTE),
            object_reset: has(ErrorFlags::DURABLE_OBJECT_RESET),
        };
        let exception = ObjectError {
            flags,
            ..ObjectError::exception(error.name, error.message)
        };
        exception.with_details(error.details.map(Into::into))
    }
}

impl From<ObjectError> for Error {
    fn from(error: ObjectError) -> Error {
        let flags = [
            (error.flags.retryable, ErrorFlags::RETRYABLE),
            (error.flags.overloaded, ErrorFlags::OVERLOADED),
            (error.flags.remote, ErrorFlags::REMOTE),
            (error.flags.object_reset, ErrorFlags::DURABLE_OBJECT_RESET),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set);
        Error {
            name: error.name,
            message: error.message,
            flags: flags.fold(ErrorFlags::empty(), |all, (_, flag)| all | flag),
            details: error.details.map(Into::into),
        }
    }
}
