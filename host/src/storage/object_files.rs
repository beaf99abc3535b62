//! Which files belong to one object, and how they come into being.
//!
//! ```text
//! <data>/<class>/<first 2 digits>/<id>.sqlite       the database
//! <data>/<class>/<first 2 digits>/<id>.sqlite-wal   what is not moved into it yet
//! ```
//!
//! A database is created by writing one page that was made in memory: SQLite
//! would take several syncs and a journal for the same.
//!
//! Invariants:
//!
//! * A database shorter than its first page was never used: it is written anew.
//! * A new database never meets a WAL that was there before it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use anyhow::{Result, bail};
use cap_std::fs::{Dir, Metadata, MetadataExt as _, OpenOptions};
use rusqlite::Connection;
use rustix::fs::AtFlags;

use super::alarm_index::ObjectName;
use super::data_dir::{Claim, DataDir};
use super::disk;
use super::limits::PAGE_BYTES;
use super::memory;
use super::regular;
use super::snapshot_file::SnapshotFile;

/// How much of an object's files is proven durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// Nothing, not even that the files exist.
    Nothing,
    /// The database, and so many bytes of its WAL.
    WalBytes(u64),
}

/// What `ObjectFiles::find` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Database { wal_bytes: u64 },
}

/// The files of one object.
#[derive(Clone, Debug)]
pub struct ObjectFiles {
    data: Arc<DataDir>,
    /// Relative to the data directory.
    database: PathBuf,
    wal: PathBuf,
}

impl ObjectFiles {
    pub(super) fn new(data: Arc<DataDir>, class: &str, id: &str) -> Result<Self> {
        if !is_plain_name(class) {
            bail!("class name {class:?} cannot be the name of a directory");
        }
        if !is_plain_name(id) || id.len() < 2 {
            bail!("object id {id:?} cannot be the name of a file");
        }
        let database = database_name(class, id);
        Ok(Self {
            data,
            wal: database.with_extension("sqlite-wal"),
            database,
        })
    }

    /// Files of the same data directory at other names, for a while.
    pub(super) fn beside(&self, database: &str, wal: &str) -> ObjectFiles {
        ObjectFiles {
            data: self.data.clone(),
            database: database.into(),
            wal: wal.into(),
        }
    }

    /// What tells the object from others in this data directory.
    pub(super) fn name(&self) -> &Path {
        &self.database
    }

    /// Which object it is.
    pub(super) fn object_name(&self) -> ObjectName {
        let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into();
        ObjectName {
            folder: text(self.database.iter().next()),
            id: text(self.database.file_stem()),
        }
    }

    /// Takes the right to open the database; see `DataDir::claim`.
    pub(super) fn claim(&self) -> Claim {
        self.data.claim(&self.database)
    }

    /// The data directory.
    pub(super) fn data_path(&self) -> &Path {
        self.data.path()
    }

    /// The absolute path of the database, for SQLite.
    pub(super) fn database_path(&self) -> PathBuf {
        self.data.path().join(&self.database)
    }

    /// Looks for the object's database.
    pub(super) fn find(&self) -> io::Result<Found> {
        self.data.require_found()?;
        let database = match self.metadata(&self.database)? {
            Some(database) if database.len() > 0 => database,
            _ => return Ok(Found::Nothing),
        };
        let wal = self.metadata(&self.wal)?;
        if wal.is_none() {
            self.data.set_log_nameless(&self.database);
        }
        let wal_bytes = wal.map_or(0, |wal| wal.len());
        if self.data.may_be_cached_only(database.ino()) {
            self.forget_cached(wal_bytes)?;
        }
        Ok(Found::Database { wal_bytes })
    }

    /// Makes SQLite read from the disk what a sync may have failed to write.
    ///
    /// That is the log, and the page that a new database begins with. Any other page
    /// of a database is written only while the log has it too, see `checkpoint`.
    fn forget_cached(&self, wal_bytes: u64) -> io::Result<()> {
        let dir = self.data.dir();
        let first_page = PAGE_BYTES.cast_signed();
        let mut options = OpenOptions::new();
        options.read(true);
        let database = regular::open(dir, &self.database, &options)?;
        disk::forget_cached(&database, first_page)?;
        if wal_bytes > 0 {
            disk::forget_cached(&regular::open(dir, &self.wal, &options)?, 0)?;
        }
        Ok(())
    }

    /// Fails when what is written to this WAL would not be found again.
    pub(super) fn require_found(&self, wal: &File) -> io::Result<()> {
        let open = wal.metadata()?;
        let found = rustix::fs::statat(self.data.dir(), &self.wal, AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|found| (found.st_dev, found.st_ino) == (open.dev(), open.ino())) {
            return Ok(());
        }
        Err(io::Error::new(
            ErrorKind::NotFound,
            "the object's log was removed or replaced under the server",
        ))
    }

    /// Whether the database is one page of zeros, or a part of one.
    pub(super) fn is_blank(&self) -> io::Result<bool> {
        let mut page = Vec::new();
        self.open_database()?
            .take(PAGE_BYTES + 1)
            .read_to_end(&mut page)?;
        Ok(page.len() as u64 <= PAGE_BYTES && page.iter().all(|byte| *byte == 0))
    }

    /// Creates the database with one empty page.
    pub(super) fn create(&self) -> io::Result<()> {
        self.data.require_found()?;
        match self.create_once() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.data.dir().create_dir_all(self.directory())?;
                self.data.set_directory_created(self.directory());
                self.create_once()
            }
            other => other,
        }
    }

    fn create_once(&self) -> io::Result<()> {
        let dir = self.data.dir();
        // A WAL that is left from another database must be gone before this one exists.
        remove_if_there(dir, &self.wal)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = regular::open(dir, &self.database, &options)?;
        file.write_all(&TEMPLATE)
    }

    /// Opens the WAL for syncs, and creates it if need be.
    pub(super) fn open_wal(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        regular::open(self.data.dir(), &self.wal, &options)
    }

    /// Opens the database for a sync.
    pub(super) fn open_database(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        regular::open(self.data.dir(), &self.database, &options)
    }

    /// Opens the database and its log to look at them, as far as they are there.
    pub(super) fn open_to_look(&self) -> io::Result<(Option<File>, Option<File>)> {
        self.data.require_found()?;
        let mut options = OpenOptions::new();
        options.read(true);
        let open = |path: &Path| match regular::open(self.data.dir(), path, &options) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        Ok((open(&self.database)?, open(&self.wal)?))
    }

    /// Is there a database? Touches nothing.
    pub fn exist(&self) -> io::Result<bool> {
        Ok(self.metadata(&self.database)?.is_some())
    }

    /// Makes a file at a path of the data directory, to be written.
    pub(super) fn open_new(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        Ok(self.data.dir().open_with(path, &options)?.into_std())
    }

    /// Takes over the database of `new`, which is whole and durable, and is in use by
    /// nobody. Its name is durable when this returns.
    pub(super) fn adopt(&self, new: &ObjectFiles) -> io::Result<()> {
        let dir = self.data.dir();
        dir.create_dir_all(self.directory())?;
        self.data.set_directory_created(self.directory());
        remove_if_there(dir, &new.wal)?;
        if self.metadata(&self.wal)?.is_some() {
            // It must not come back beside another database.
            dir.remove_file(&self.wal)?;
            disk::sync_directory(&self.data.path().join(self.directory()))?;
        }
        dir.rename(&new.database, dir, &self.database)?;
        let named = self.sync_directories();
        if named.is_err() {
            let _ = remove_if_there(dir, &self.database);
        }
        named
    }

    /// Removes the files, which belong to nothing.
    pub(super) fn remove_all(&self) -> io::Result<()> {
        let dir = self.data.dir();
        remove_if_there(dir, &self.wal)?;
        remove_if_there(dir, &self.database)
    }

    /// Where the object's memory is kept while it sleeps.
    pub fn snapshot(&self) -> SnapshotFile {
        SnapshotFile::new(self.data.clone(), &self.database)
    }

    /// Does a power loss make the log vanish, whatever was synced in it?
    pub(super) fn is_log_nameless(&self) -> bool {
        self.data.is_log_nameless(&self.database)
    }

    /// Makes the existence of the files durable: their names in their directories.
    pub(super) fn sync_directories(&self) -> io::Result<()> {
        // Up to where a name is durable already.
        for directory in self.directory().ancestors() {
            disk::sync_directory(&self.data.path().join(directory))?;
            if self.data.is_directory_durable(directory) {
                break;
            }
        }
        for directory in self.directory().ancestors() {
            self.data.set_directory_durable(directory);
        }
        self.data.set_log_named(&self.database);
        Ok(())
    }

    /// Removes the database, whose log is empty, and makes that durable.
    pub(super) fn remove(&self) -> io::Result<()> {
        let dir = self.data.dir();
        remove_if_there(dir, &self.database)?;
        disk::sync_directory(&self.data.path().join(self.directory()))?;
        // Whether this name comes back does not matter: see `create_once`.
        remove_if_there(dir, &self.wal)
    }

    /// Takes back what is not proven durable, so that it cannot appear again
    /// below what is written later.
    pub(super) fn discard_unproven(&self, proven: Proven) -> io::Result<()> {
        self.data.require_found()?;
        let dir = self.data.dir();
        match proven {
            Proven::Nothing => {
                remove_if_there(dir, &self.wal)?;
                remove_if_there(dir, &self.database)?;
            }
            Proven::WalBytes(bytes) => {
                let wal = self.open_wal()?;
                if wal.metadata()?.len() > bytes {
                    wal.set_len(bytes)?;
                }
                disk::sync_file(&wal)?;
            }
        }
        self.data.set_proven(&self.database);
        Ok(())
    }

    /// Remembers, past the life of the object's task, what is not proven.
    pub(super) fn set_unproven(&self, proven: Proven) {
        self.data.set_unproven(&self.database, proven);
    }

    pub(super) fn unproven(&self) -> Option<Proven> {
        self.data.unproven(&self.database)
    }

    fn directory(&self) -> &Path {
        self.database.parent().unwrap_or(Path::new(""))
    }

    fn metadata(&self, path: &Path) -> io::Result<Option<Metadata>> {
        match self.data.dir().metadata(path) {
            Ok(metadata) if !metadata.is_file() => Err(regular::refusal(path)),
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Where an object's database is, in the data directory.
pub fn database_name(class: &str, id: &str) -> PathBuf {
    let directory = Path::new(class).join(&id[..2]);
    directory.join(format!("{id}.sqlite"))
}

fn remove_if_there(dir: &Dir, path: &Path) -> io::Result<()> {
    match dir.remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether the name is one step down in a directory, and not hidden.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The first page of every database.
static TEMPLATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    template().unwrap_or_else(|error| panic!("SQLite cannot make a page in memory: {error}"))
});

fn template() -> rusqlite::Result<Vec<u8>> {
    /// Where the header of a database says how it is read and written; 2 is WAL.
    const FORMAT_VERSIONS: std::ops::Range<usize> = 18..20;
    memory::install();
    let connection = Connection::open_in_memory()?;
    // The first write, of whatever, makes the first page.
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA user_version = 0;")?;
    let mut page = connection.serialize("main")?.to_vec();
    assert_eq!(
        page.len() as u64,
        PAGE_BYTES,
        "a fresh database is one page"
    );
    page[FORMAT_VERSIONS].fill(2);
    Ok(page)
}
