//! When the database is opened, created, left and closed.

use std::io;
use std::sync::Arc;

use rusqlite::ffi;

use super::database::Database;
use super::errors::StorageError;
use super::imprint::Imprint;
use super::limits::{ASLEEP_WAL_BYTES_MAX, PAGE_BYTES};
use super::object_files::Found;
use super::{Place, Storage, durable};

const CHANGED: &str = "Durable Object reset because another program has changed its database.";

impl Storage {
    /// The database, if there is one.
    pub(super) fn open(&mut self) -> Result<Option<&mut Database>, StorageError> {
        if matches!(self.place, Place::Unopened) {
            self.place = self.find()?;
        }
        Ok(match &mut self.place {
            Place::Open(database) => Some(database),
            Place::Unopened | Place::Absent => None,
        })
    }

    /// The database to query: the object's, or an empty one while there is none.
    pub(super) fn open_to_query(&mut self) -> Result<&mut Database, StorageError> {
        self.open()?;
        match &mut self.place {
            Place::Open(database) => Ok(database),
            Place::Unopened | Place::Absent => match &mut self.empty {
                Some(database) => Ok(database),
                none => Ok(none.insert(Database::empty(&self.budget)?)),
            },
        }
    }

    /// The database to write to; creates it if need be.
    pub(super) fn open_for_write(&mut self) -> Result<&mut Database, StorageError> {
        if matches!(&self.place, Place::Open(database) if database.is_read_only()) {
            // Nothing of it can have been written. The disk may be in order again.
            self.detach();
        }
        if !matches!(self.place, Place::Open(_)) {
            self.open()?;
            if matches!(self.place, Place::Absent) {
                self.place = self.create()?;
            }
        }
        match &mut self.place {
            Place::Open(database) => Ok(database),
            Place::Unopened | Place::Absent => {
                Err(StorageError::Broken("the database is not open".to_owned()))
            }
        }
    }

    /// Whether there is a file.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.place, Place::Open(_))
    }

    /// Waits until nobody works on the files, and takes back what was never durable.
    pub(super) fn ready_files(&self) -> Result<(), StorageError> {
        self.committer.folding().reclaim(&self.files);
        match self.files.unproven() {
            None => Ok(()),
            Some(proven) => self
                .files
                .discard_unproven(proven)
                .map_err(|error| unavailable(&error)),
        }
    }

    fn find(&mut self) -> Result<Place, StorageError> {
        self.ready_files()?;
        if self.notice_change() {
            return Err(StorageError::Broken(CHANGED.to_owned()));
        }
        let files = self.files.clone();
        let Found::Database { wal_bytes } = files.find().map_err(|error| unavailable(&error))?
        else {
            return Ok(Place::Absent);
        };
        let mut database = match Database::open(&files, &self.limits, &self.budget) {
            // A power loss may leave the page of a database that was never used empty.
            Err(StorageError::Sqlite { code, .. })
                if code & 0xff == ffi::SQLITE_NOTADB && files.is_blank().unwrap_or(false) =>
            {
                return Ok(Place::Absent);
            }
            other => other?,
        };
        self.left = None;
        database.set_last_rowid(std::mem::take(&mut self.last_rowid));
        // The file may be longer than what is valid of it; SQLite writes over the rest.
        // One that can only be read does not tell; it is opened anew before a write.
        let pages = match wal_bytes {
            0 => 0,
            _ if database.is_read_only() => 0,
            _ => database.wal_pages()?,
        };
        self.wal_pages = pages;
        self.durable.opened(durable::wal_bytes(pages), wal_bytes);
        Ok(Place::Open(Box::new(database)))
    }

    fn create(&mut self) -> Result<Place, StorageError> {
        self.files.create().map_err(|error| cannot_create(&error))?;
        self.left = None;
        self.durable.created();
        let database = Database::open(&self.files, &self.limits, &self.budget)?;
        self.wal_pages = 0;
        if !self.cursors.any_running() {
            self.empty = None;
        }
        Ok(Place::Open(Box::new(database)))
    }

    /// Leaves the connection; the next call opens the file anew.
    pub(super) fn detach(&mut self) {
        self.cursors.clear();
        self.place = Place::Unopened;
        self.empty = None;
        self.own_tables.forget();
        self.settings_touched = false;
        self.last_rowid = 0;
    }

    /// Brings the object back after a failed sync: discards what was never proven
    /// durable and opens the file anew.
    ///
    /// Blocks. When it fails, every call of storage fails until it succeeds.
    pub fn recover_after_failed_sync(&mut self) -> Result<(), StorageError> {
        if self.durable.wait().is_ok() {
            return Ok(());
        }
        self.rollback_turn();
        self.counted(Self::detach);
        self.left = None;
        self.files
            .discard_unproven(self.durable.proven())
            .map_err(|error| unavailable(&error))?;
        self.durable.restart();
        Ok(())
    }

    /// Whether it can be closed without waiting for the disk.
    pub fn closes_at_once(&self) -> bool {
        self.durable.is_settled()
    }

    /// Ends the storage. What is not committed is undone, what is committed is
    /// durable when this returns without an error. Blocks.
    pub fn close(mut self) -> Result<(), StorageError> {
        self.shut()?;
        self.fold_soon(None);
        Ok(())
    }

    /// The same. Says how to know the database again if it is what it is now.
    pub fn close_with_imprint(mut self) -> Result<Imprint, StorageError> {
        self.shut()?;
        let imprint = match self.left.take() {
            // What was changed since is to show.
            Some(left) => Ok(left),
            None => self.imprint().map_err(|error| unavailable(&error)),
        };
        self.fold_soon(imprint.as_ref().ok());
        imprint
    }

    /// Is the database of this storage, which has not opened it yet, what it was when
    /// the imprint was taken?
    pub fn fits(&mut self, imprint: &Imprint) -> bool {
        self.committer.folding().reclaim(&self.files);
        let fits = self.files.unproven().is_none() && imprint.fits(&self.files);
        self.left = fits.then(|| imprint.clone());
        fits
    }

    fn shut(&mut self) -> Result<(), StorageError> {
        self.part();
        let settled = self.durable.settle(&self.files);
        if settled.is_err() {
            self.fold_soon(None);
        }
        settled.map_err(StorageError::Broken)
    }

    /// Parts from the connection; false when that was done before.
    fn part(&mut self) -> bool {
        if std::mem::replace(&mut self.closed, true) {
            return false;
        }
        self.rollback_turn();
        self.counted(Self::detach);
        true
    }

    fn fold_soon(&self, imprint: Option<&Imprint>) {
        if self.durable.wal_bytes() > ASLEEP_WAL_BYTES_MAX {
            let folding = self.committer.folding();
            folding.fold(self.files.clone(), imprint.cloned());
        }
    }

    /// Size of the database in bytes, free pages not counted.
    pub fn database_size(&mut self) -> Result<u64, StorageError> {
        self.call(|storage| {
            let Some(database) = storage.open()? else {
                return Ok(PAGE_BYTES);
            };
            let pages = database.integer("PRAGMA page_count")?.unwrap_or(1);
            let free = database.integer("PRAGMA freelist_count")?.unwrap_or(0);
            Ok(u64::try_from(pages - free).unwrap_or(1) * PAGE_BYTES)
        })
    }

    /// Runs one call of the interface: refuses it when storage is broken, limits
    /// its time, and finds out what an error has done.
    pub(super) fn call<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.require_whole()?;
        self.budget.restart();
        self.counted(|storage| {
            work(storage).map_err(|error| {
                let error = storage.judge(error);
                if let StorageError::Broken(message) = &error {
                    storage.lost = Some(message.clone());
                }
                error
            })
        })
    }

    /// Refuses to go on when the turn is lost or a sync has failed.
    pub(super) fn require_whole(&self) -> Result<(), StorageError> {
        match self.lost.clone().or_else(|| self.durable.failure()) {
            Some(message) => Err(StorageError::Broken(message)),
            None => Ok(()),
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if !self.part() {
            return;
        }
        // Whoever drops a storage must not wait for the disk.
        if self.durable.is_settled() {
            self.fold_soon(None);
        } else {
            let durable = Arc::clone(&self.durable);
            self.committer.folding().settle(self.files.clone(), durable);
        }
    }
}

fn unavailable(error: &io::Error) -> StorageError {
    StorageError::Broken(format!("the object's database is not available: {error}"))
}

fn cannot_create(error: &io::Error) -> StorageError {
    let code = match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => ffi::SQLITE_FULL,
        _ => ffi::SQLITE_CANTOPEN,
    };
    StorageError::Broken(
        StorageError::sqlite(code, &format!("cannot create the database: {error}"), None)
            .to_string(),
    )
}

// `Storage` moves between the threads of its task.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Storage>();
};
