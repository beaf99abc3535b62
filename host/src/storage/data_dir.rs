//! Where all objects of this process keep their data.
//!
//! Invariants:
//!
//! * One process at a time uses a data directory: it holds the lock on `abide.lock`.
//! * What the directory holds when it is opened is durable: a process that was
//!   killed may have left files that only the page cache knew. Its number is then
//!   still in `abide.lock`; a process that ends in order takes it out, when it has
//!   removed what is of no use.
//!   What that process failed to write is only in the page cache, and looks clean
//!   there: after it the log and the first page of a database are read from the disk.
//! * A WAL whose sync failed is not read again before `ObjectFiles::discard_unproven`.
//! * A database is open at most once: a second connection would corrupt it.
//! * Nothing is proven in a directory that is not found at its path any more.

use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use nix::unistd::{Uid, User};
use parking_lot::Mutex;

use super::build_flags;
use super::disk;
use super::fork;
use super::object_files::{ObjectFiles, Proven};
use super::snapshot_file;

const LOCK_NAME: &str = "abide.lock";

/// The open data directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    dir: Dir,
    /// Device and inode: what `path` must lead to.
    identity: (u64, u64),
    /// Its last user was killed.
    was_killed: bool,
    /// Nothing is left of it that is of no use.
    is_swept: AtomicBool,
    /// Whether the last look found another directory, or none, at `path`.
    is_lost: AtomicBool,
    /// Held for its lock; ends with the process, also when that is killed.
    lock: File,
    /// Databases that were closed while their newest commits were not proven
    /// durable, and how much of them is. Empty but for failing disks.
    unproven: Mutex<HashMap<PathBuf, Proven>>,
    /// Inodes of the databases that were opened since, if the last user was killed.
    read_from_disk: Mutex<HashSet<u64>>,
    /// Databases that a connection is open to.
    claimed: Mutex<HashSet<PathBuf>>,
    /// Databases that had no log when they were opened: the name of the new one is
    /// not durable yet. A power loss leaves such ones.
    nameless_logs: Mutex<HashSet<PathBuf>>,
    /// Directories of objects whose own names are durable.
    durable_directories: Mutex<HashSet<PathBuf>>,
}

/// The right to open a database; there is one at a time.
#[derive(Debug)]
pub struct Claim {
    data: Arc<DataDir>,
    database: PathBuf,
}

impl DataDir {
    /// Was this directory ever opened as one?
    pub fn is_one(path: &Path) -> bool {
        path.join(LOCK_NAME).exists()
    }

    /// Fails when somebody else serves this directory, who could not write what this
    /// process makes there.
    pub fn require_owner(path: &Path) -> Result<()> {
        let shown = path.display();
        let lock = std::fs::metadata(path.join(LOCK_NAME))
            .with_context(|| format!("cannot look at data directory {shown}"))?;
        let (owner, us) = (Uid::from_raw(lock.uid()), Uid::effective());
        if owner != us {
            let (owner, us) = (user(owner), user(us));
            bail!(
                "data directory {shown} belongs to user {owner}, who could not write what user \
                 {us} makes in it; run this as user {owner}"
            );
        }
        Ok(())
    }

    /// Opens the directory, creates it if need be, and locks it.
    ///
    /// Blocks until everything in it is durable, if its last user was killed.
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        build_flags::check()?;
        let shown = path.display();
        match create_durably(path) {
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
        let metadata = std::fs::metadata(&path)
            .with_context(|| format!("cannot look at data directory {shown}"))?;
        if was_killed {
            disk::sync_file_system(&lock)
                .with_context(|| format!("cannot make data directory {shown} durable"))?;
            fork::remove_left(&dir);
        }
        Ok(Arc::new(Self {
            path,
            dir,
            identity: (metadata.dev(), metadata.ino()),
            was_killed,
            is_swept: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            lock,
            unproven: Mutex::default(),
            read_from_disk: Mutex::default(),
            claimed: Mutex::default(),
            nameless_logs: Mutex::default(),
            durable_directories: Mutex::default(),
        }))
    }

    /// The absolute path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Was the last user of the directory killed?
    pub(super) fn was_killed(&self) -> bool {
        self.was_killed
    }

    /// The files of one object. Touches no disk.
    ///
    /// Fails when class or id is no plain file name.
    pub fn object(self: &Arc<Self>, class: &str, id: &str) -> Result<ObjectFiles> {
        ObjectFiles::new(Arc::clone(self), class, id)
    }

    /// May there be snapshots that an earlier process has left?
    pub fn has_leftovers(&self) -> bool {
        self.was_killed && !self.is_swept.load(Ordering::Acquire)
    }

    /// All of them were removed.
    pub fn no_leftovers(&self) {
        self.is_swept.store(true, Ordering::Release);
    }

    /// Gives the id of each object in a class's folder to `found`, until that says
    /// false. Blocks.
    pub fn each_object(&self, folder: &str, found: impl FnMut(String) -> bool) -> io::Result<()> {
        self.each_file(folder, &["sqlite"], found)
    }

    /// The same of each object that has a snapshot, or one that is being written.
    pub fn each_snapshot(&self, folder: &str, found: impl FnMut(String) -> bool) -> io::Result<()> {
        let endings = [snapshot_file::ENDING, snapshot_file::NEW_ENDING];
        self.each_file(folder, &endings, found)
    }

    fn each_file(
        &self,
        folder: &str,
        endings: &[&str],
        mut found: impl FnMut(String) -> bool,
    ) -> io::Result<()> {
        let groups = match self.dir.read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            groups => groups?,
        };
        for group in groups {
            let group = group?;
            if !group.file_type()?.is_dir() {
                continue;
            }
            for file in group.open_dir()?.entries()? {
                let name = file?.file_name();
                let parts = name.to_str().and_then(|name| name.rsplit_once('.'));
                if let Some((id, ending)) = parts
                    && endings.contains(&ending)
                    && !found(id.to_owned())
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A file on the file system of the directory, for `syncfs`. Each has a memory of
    /// its own for errors that it has not told yet.
    pub(super) fn open_for_syncfs(&self) -> io::Result<File> {
        File::open(self.path.join(LOCK_NAME))
    }

    /// Whether what the page cache holds of a database and its log may never have
    /// reached the disk. Says so once of each, since then it is read from there.
    pub(super) fn may_be_cached_only(&self, database_inode: u64) -> bool {
        self.was_killed && self.read_from_disk.lock().insert(database_inode)
    }

    /// Fails when the directory was removed or replaced: what is written to files
    /// that are open still would not be found again.
    pub(super) fn require_found(&self) -> io::Result<()> {
        let found = std::fs::metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        let was_lost = self.is_lost.swap(!found, Ordering::Relaxed);
        if found {
            return Ok(());
        }
        if !was_lost {
            tracing::error!(
                data = ?self.path,
                "the data directory was removed or replaced under the server; nothing is written \
                 until it is back, or the server is started anew"
            );
        }
        Err(io::Error::new(
            ErrorKind::NotFound,
            "the data directory was removed or replaced under the server; start it anew",
        ))
    }

    /// Takes the right to open a database.
    ///
    /// # Panics
    ///
    /// When it is open already. Two connections without locks between them would
    /// corrupt it, so that only a bug can have asked for a second, and the process
    /// must not go on.
    pub(super) fn claim(self: &Arc<Self>, database: &Path) -> Claim {
        let is_new = self.claimed.lock().insert(database.to_owned());
        assert!(is_new, "{} is to be opened twice", database.display());
        Claim {
            data: Arc::clone(self),
            database: database.to_owned(),
        }
    }

    pub(super) fn is_directory_durable(&self, directory: &Path) -> bool {
        self.durable_directories.lock().contains(directory)
    }

    /// The name of this directory is durable in its parent.
    pub(super) fn set_directory_durable(&self, directory: &Path) {
        self.durable_directories.lock().insert(directory.to_owned());
    }

    /// This directory, and those above it, may have been created anew.
    pub(super) fn set_directory_created(&self, directory: &Path) {
        let mut durable = self.durable_directories.lock();
        for directory in directory.ancestors() {
            durable.remove(directory);
        }
    }

    pub(super) fn set_log_nameless(&self, database: &Path) {
        self.nameless_logs.lock().insert(database.to_owned());
    }

    pub(super) fn is_log_nameless(&self, database: &Path) -> bool {
        self.nameless_logs.lock().contains(database)
    }

    pub(super) fn set_log_named(&self, database: &Path) {
        self.nameless_logs.lock().remove(database);
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
            && !self.has_leftovers()
            && let Err(error) = self.lock.set_len(0)
        {
            tracing::warn!(%error, "cannot mark the data directory as closed in order");
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.data.claimed.lock().remove(&self.database);
    }
}

/// How a user is called.
fn user(id: Uid) -> String {
    let found = User::from_uid(id).ok().flatten();
    found.map_or_else(|| id.to_string(), |user| user.name)
}

/// Creates a directory with its parents, and makes their names durable.
fn create_durably(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let is_missing = |path: &&Path| !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    std::fs::create_dir_all(&path)?;
    for parent in missing.iter().filter_map(|created| created.parent()) {
        disk::sync_directory(parent)?;
    }
    Ok(())
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
    fn a_directory_that_is_replaced_is_noticed() {
        let parent = tempfile::tempdir().unwrap();
        let (path, aside) = (parent.path().join("data"), parent.path().join("aside"));
        let data = DataDir::open(&path).unwrap();
        data.require_found().unwrap();
        std::fs::rename(&path, &aside).unwrap();
        assert!(data.require_found().is_err());
        std::fs::create_dir(&path).unwrap();
        assert!(data.require_found().is_err());
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        data.require_found().unwrap();
    }

    #[test]
    #[should_panic(expected = "is to be opened twice")]
    fn a_database_is_claimed_once_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        let path = Path::new("class/ab/ab.sqlite");
        drop(data.claim(path));
        let _first = data.claim(path);
        data.claim(path);
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
