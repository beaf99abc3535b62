//! `types`: errors, between the world and the host.

use crate::instance::bindings::durable::object::types::{
    Error, ErrorFlags, Host, SqliteError, StorageError as WorldError,
};
use crate::instance::context::Context;
use crate::object::error::ObjectError;
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
        ObjectError::exception(error.name, error.message)
    }
}

/// What an interface answers that this host does not serve yet.
pub fn not_served(interface: &str) -> Error {
    Error {
        name: "NotSupportedError".into(),
        message: not_served_message(interface),
        flags: ErrorFlags::empty(),
    }
}

pub fn not_served_message(interface: &str) -> String {
    format!("durable:object/{interface} is not served by this version of the host")
}
