//! How an object forgets everything.

use super::errors::StorageError;
use super::{Place, Storage};

impl Storage {
    /// Removes all tables, keys and the alarm, as one commit of its own. What the
    /// turn wrote before is committed first. Open cursors end with an error.
    pub fn delete_all(&mut self) -> Result<(), StorageError> {
        self.call(|storage| {
            if !storage.stack.is_empty() {
                return Err(StorageError::Invalid(
                    "Cannot call deleteAll() within a transaction".to_owned(),
                ));
            }
            if storage.began {
                storage.commit_turn()?;
            }
            storage.cursors.cancel();
            if storage.open()?.is_none() {
                return Ok(());
            }
            storage.attach_wal()?;
            let Place::Open(database) = &mut storage.place else {
                return Ok(());
            };
            database.reset()?;
            let pages = database.take_committed_pages();
            storage.kv_table = Some(false);
            storage.record(pages);
            Ok(())
        })
    }
}
