//! Where all objects of this process keep their data.
//!
//! Invariants:
//!
//! * One process at a time uses a data directory: it holds the lock on `abide.lock`.
//! * What the directory holds when it is opened is durable: a process that was
//!   killed may have left files that only the page cache knew. Its number is then
//!   still in `abide.lock`; a process that ends in order takes it out.
//! * A WAL whose sync failed is not read again before `ObjectFiles::discard_unproven`.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use parking_lot::Mutex;

use super::disk;
use super::object_files::{ObjectFiles, Proven};

const LOCK_NAME: &str = "abide.lock";

/// The open data directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    dir: Dir,
    /// Held for its lock; ends with the process, also when that is killed.
    lock: File,
    /// Databases that were closed while their newest commits were not proven
    /// durable, and how much of them is. Empty but for failing disks.
    unproven: Mutex<HashMap<PathBuf, Proven>>,
}

impl DataDir {
    /// Opens the directory, creates it if need be, and locks it.
    ///
    /// Blocks until everything in it is durable, if its last user was killed.
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        let shown = path.display();
        match std::fs::create_dir_all(path) {
            Ok(()) => {}
            Err(_) if path.exists() && !path.is_dir() => {
                bail!("data directory {shown} is not a directory; choose another with --data DIR")
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("cannot create data directory {shown}; choose another with --data DIR")
                });
            }
        }
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot find data directory {shown}"))?;
        if path.to_str().is_none() {
            bail!(
                "the path of data directory {shown} is not UTF-8; choose another with --data DIR"
            );
        }
        let (lock, was_killed) = lock(&path)?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())
            .with_context(|| format!("cannot open data directory {shown}"))?;
        if was_killed {
            disk::sync_file_system(&lock)
                .with_context(|| format!("cannot make data directory {shown} durable"))?;
        }
        Ok(Arc::new(Self {
            path,
            dir,
            lock,
            unproven: Mutex::default(),
        }))
    }

    /// The absolute path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The files of one object. Touches no disk.
    ///
    /// Fails when class or id is no plain file name.
    pub fn object(self: &Arc<Self>, class: &str, id: &str) -> Result<ObjectFiles> {
        ObjectFiles::new(Arc::clone(self), class, id)
    }

    /// A file on the file system of the directory, for `syncfs`.
    pub(super) fn any_file(&self) -> &File {
        &self.lock
    }

    pub(super) fn set_unproven(&self, database: &Path, proven: Proven) {
        self.unproven.lock().insert(database.to_owned(), proven);
    }

    pub(super) fn unproven(&self, database: &Path) -> Option<Proven> {
        self.unproven.lock().get(database).copied()
    }

    pub(super) fn set_proven(&self, database: &Path) {
        self.unproven.lock().remove(database);
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // Every object that wrote holds the directory until it is durable.
        if self.unproven.lock().is_empty()
            && let Err(error) = self.lock.set_len(0)
        {
            tracing::warn!(%error, "cannot mark the data directory as closed in order");
        }
    }
}

/// Takes the lock of the directory and leaves the number of this process in it.
/// Says whether a process before was killed while it held the lock.
fn lock(directory: &Path) -> Result<(File, bool)> {
    let path = directory.join(LOCK_NAME);
    let shown = directory.display();
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => anyhow!(
                "data directory {shown} is not writable ({error}); \
                 change its permissions or choose another with --data DIR"
            ),
            _ => anyhow!("cannot open {}: {error}", path.display()),
        })?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).unwrap_or_default();
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                number => format!("process {number}"),
            };
            bail!(
                "data directory {shown} is already in use by {holder}; \
                 end that or choose another with --data DIR"
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    let was_killed = file.metadata().is_ok_and(|metadata| metadata.len() > 0);
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok((file, was_killed))
}

#[cfg(test)]
mod tests {
    //! A data directory must be refused with a text that says what to do.
    use super::*;

    #[test]
    fn a_directory_in_use_names_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        let error = DataDir::open(directory.path()).unwrap_err().to_string();
        let expected = format!("is already in use by process {}", std::process::id());
        assert!(error.contains(&expected), "{error}");
        drop(data);
        let lock = directory.path().join(LOCK_NAME);
        assert_eq!(std::fs::metadata(lock).unwrap().len(), 0);
        DataDir::open(directory.path()).unwrap();
    }

    #[test]
    fn a_directory_is_created_with_its_parents() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(&directory.path().join("a/b")).unwrap();
        assert!(data.path().ends_with("a/b"));
    }

    #[test]
    fn a_file_is_not_a_data_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::open(file.path()).unwrap_err().to_string();
        assert!(error.contains("is not a directory"), "{error}");
    }

    #[test]
    fn names_that_leave_the_directory_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        for (class, id) in [
            ("..", "ab"),
            ("a/b", "ab"),
            ("", "ab"),
            ("c", "../x"),
            ("c", "a"),
            ("c", "\u{e9}\u{e9}"),
            (".hidden", "ab"),
            ("c", "a\0b"),
        ] {
            assert!(data.object(class, id).is_err(), "{class:?} {id:?}");
        }
        assert!(data.object("counter", "ab01").is_ok());
    }
}
