//! How the files of one object become those of another.
//!
//! ```text
//! fill(): a copy at a name of its own ─► without the alarm, with its origin ─► the log
//! folded, all of it durable ─► adopt(): its own name, durably
//! ```
//!
//! Invariants:
//!
//! * Whoever is interrupted has made nothing: the copy gets its name in one step, when
//!   it is whole and durable. What lies at the other name is removed at the next start.
//! * The object that is copied is only read, and stands still meanwhile.

use std::io;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use parking_lot::Mutex;

use super::Storage;
use super::budget::Budget;
use super::database::Database;
use super::disk;
use super::errors::StorageError;
use super::imprint::Imprint;
use super::limits::StorageLimits;
use super::object_files::{Found, ObjectFiles};
use super::own_tables::OwnTable;
use super::statement::Param;
use super::value::Value;

/// Where a copy is made, in the data directory.
pub const NEW_FILE: &str = "fork.sqlite-new";
const NEW_LOG: &str = "fork.sqlite-new-wal";

/// One copy is made at a time.
static MAKING: Mutex<()> = Mutex::new(());

const SET_ORIGIN: &str = "INSERT INTO _cf_ORIGIN (one, id) VALUES (1, ?1) \
     ON CONFLICT (one) DO UPDATE SET id = excluded.id";
const ORIGIN: &str = "SELECT id FROM _cf_ORIGIN";
const NO_ALARM: &str = "DELETE FROM _cf_ALARM";

impl Storage {
    /// Copies what is committed to another object, which does not exist. What an
    /// instance could see of the connection is lost, so there must be none. Blocks
    /// until all of it is durable. Says how to know the copy's database again.
    pub fn fork(&mut self, to: &ObjectFiles) -> Result<Imprint, StorageError> {
        self.rollback_turn();
        self.counted(Self::detach);
        self.durable.wait().map_err(StorageError::Broken)?;
        self.ready_files()?;
        fork(&self.files, to)
    }

    /// The id of the object that this one was copied from, if it was.
    pub fn origin(&mut self) -> Result<Option<String>, StorageError> {
        self.call(|storage| {
            if !storage.has_table(OwnTable::Origin)? {
                return Ok(None);
            }
            let Some(database) = storage.open()? else {
                return Ok(None);
            };
            let mut found = None;
            database.run(ORIGIN, &[], |columns| {
                if let Value::Text(id) = columns.value(0) {
                    found = Some(id);
                }
                Ok(())
            })?;
            Ok(found)
        })
    }
}

/// Copies the files of an object that nobody has open to another, which does not exist.
/// Blocks until that is durable. Says how to know the copy's database again.
pub fn fork(from: &ObjectFiles, to: &ObjectFiles) -> Result<Imprint, StorageError> {
    let _making = MAKING.lock();
    let new = from.beside(NEW_FILE, NEW_LOG);
    let forked = fill(from, &new)
        .and_then(|()| to.adopt(&new).map_err(|error| cannot(&error)))
        .and_then(|()| Imprint::take(to).map_err(|error| cannot(&error)));
    if forked.is_err() {
        let _ = new.remove_all();
    }
    forked
}

/// Removes what a process left that was killed while it made a copy.
pub fn remove_left(dir: &Dir) {
    for file in [NEW_LOG, NEW_FILE] {
        match dir.remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, file, "cannot remove what is left of a copy");
            }
            _ => {}
        }
    }
}

fn fill(from: &ObjectFiles, new: &ObjectFiles) -> Result<(), StorageError> {
    let copied = new.remove_all().and_then(|()| copy(from, new));
    copied.map_err(|error| cannot(&error))?;
    let limits = StorageLimits {
        storage_bytes_max: u64::MAX,
    };
    let mut database = Database::open(new, &limits, &Arc::<Budget>::default())?;
    if database.integer(OwnTable::Alarm.exists())?.is_some() {
        database.execute(NO_ALARM, &[])?;
    }
    database.execute(OwnTable::Origin.create(), &[])?;
    let id = from.object_name().id;
    database.execute(SET_ORIGIN, &[Param::Text(id.as_bytes())])?;
    database.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
    drop(database);
    let synced = new.open_database().and_then(|file| disk::sync_file(&file));
    synced.map_err(|error| cannot(&error))
}

/// Copies the database and its log, or makes an empty database.
fn copy(from: &ObjectFiles, new: &ObjectFiles) -> io::Result<()> {
    if from.find()? == Found::Nothing {
        return new.create();
    }
    let (database, log) = from.open_to_look()?;
    for (file, path) in [(database, new.name()), (log, Path::new(NEW_LOG))] {
        if let Some(mut file) = file {
            io::copy(&mut file, &mut new.open_new(path)?)?;
        }
    }
    Ok(())
}

fn cannot(error: &io::Error) -> StorageError {
    StorageError::Broken(format!("the database cannot be copied: {error}"))
}
