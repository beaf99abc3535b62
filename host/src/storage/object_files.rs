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

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use anyhow::{Result, bail};
use cap_std::fs::{Dir, OpenOptions};
use rusqlite::Connection;

use super::data_dir::DataDir;
use super::limits::PAGE_BYTES;

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
        let directory = Path::new(class).join(&id[..2]);
        Ok(Self {
            data,
            database: directory.join(format!("{id}.sqlite")),
            wal: directory.join(format!("{id}.sqlite-wal")),
        })
    }

    /// The absolute path of the database, for SQLite.
    pub(super) fn database_path(&self) -> PathBuf {
        self.data.path().join(&self.database)
    }

    /// Looks for the object's database.
    pub(super) fn find(&self) -> io::Result<Found> {
        match self.length(&self.database)? {
            Some(length) if length >= PAGE_BYTES => Ok(Found::Database {
                wal_bytes: self.length(&self.wal)?.unwrap_or(0),
            }),
            _ => Ok(Found::Nothing),
        }
    }

    /// Whether the database is one page of zeros.
    pub(super) fn is_blank(&self) -> io::Result<bool> {
        let mut page = Vec::new();
        self.open_database()?
            .take(PAGE_BYTES + 1)
            .read_to_end(&mut page)?;
        Ok(page.len() as u64 == PAGE_BYTES && page.iter().all(|byte| *byte == 0))
    }

    /// Creates the database with one empty page.
    pub(super) fn create(&self) -> io::Result<()> {
        match self.create_once() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.data.dir().create_dir_all(self.directory())?;
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
        let mut file = dir.open_with(&self.database, &options)?;
        file.write_all(&TEMPLATE)
    }

    /// Opens the WAL for syncs, and creates it if need be.
    pub(super) fn open_wal(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let file = self.data.dir().open_with(&self.wal, &options)?;
        Ok(file.into_std())
    }

    /// Opens the database for a sync.
    pub(super) fn open_database(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = self.data.dir().open_with(&self.database, &options)?;
        Ok(file.into_std())
    }

    /// Makes the existence of the files durable: their names in their directories.
    pub(super) fn sync_directories(&self) -> io::Result<()> {
        for directory in self.directory().ancestors() {
            let path = self.data.path().join(directory);
            File::open(path)?.sync_all()?;
        }
        Ok(())
    }

    /// Takes back what is not proven durable, so that it cannot appear again
    /// below what is written later.
    pub(super) fn discard_unproven(&self, proven: Proven) -> io::Result<()> {
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
                wal.sync_all()?;
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

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match self.data.dir().metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
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
