//! Where the memory of a sleeping object is kept on the disk: beside its database.
//!
//! ```text
//! <data>/<class>/<first 2 digits>/<id>.memory        and .memory-new, until it is whole
//! ```
//!
//! Such a file is a cache, and good once. It is never synced by itself, and it says
//! nothing about whether it is good: that is known to the process that wrote it, and to
//! the next if the process stopped in order.
//!
//! Invariants:
//!
//! * A file that has this name is whole, and is never written again: a live instance may
//!   have mapped it.
//! * It loses its name before anybody uses it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::OpenOptions;

use super::data_dir::DataDir;
use super::imprint::Stamp;
use super::regular;

/// How the name of a snapshot ends, and that of one that is being written.
pub const ENDING: &str = "memory";
pub const NEW_ENDING: &str = "memory-new";

/// The place of one object's memory. There may be nothing.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    data: Arc<DataDir>,
    /// Relative to the data directory.
    path: PathBuf,
}

impl SnapshotFile {
    pub(super) fn new(data: Arc<DataDir>, database: &Path) -> SnapshotFile {
        let path = database.with_extension(ENDING);
        SnapshotFile { data, path }
    }

    /// Where it is written.
    fn new_path(&self) -> PathBuf {
        self.path.with_extension(NEW_ENDING)
    }

    /// What tells it from those of other objects.
    pub fn name(&self) -> &Path {
        &self.path
    }

    /// Puts a file that `write` fills in the place of what was there. Says how to know
    /// it again.
    pub fn replace(&self, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Stamp> {
        self.data.require_found()?;
        let dir = self.data.dir();
        let new = self.new_path();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let opened = match regular::open(dir, &new, &options) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = self.path.parent().unwrap_or(Path::new(""));
                dir.create_dir_all(directory)?;
                self.data.set_directory_created(directory);
                regular::open(dir, &new, &options)
            }
            opened => opened,
        };
        let mut file = opened?;
        let written = write(&mut file).and_then(|()| dir.rename(&new, dir, &self.path));
        if let Err(error) = written {
            let _ = dir.remove_file(&new);
            return Err(error);
        }
        Stamp::of(&file)
    }

    /// Opens what is there, and says what it is like.
    pub fn open(&self) -> io::Result<(File, Stamp)> {
        let mut options = OpenOptions::new();
        options.read(true);
        let file = regular::open(self.data.dir(), &self.path, &options)?;
        let stamp = Stamp::of(&file)?;
        Ok((file, stamp))
    }

    /// Opens what is there, and takes its name away. Says what it was like before.
    pub fn take(&self) -> io::Result<(File, Stamp)> {
        let opened = self.open()?;
        self.data.dir().remove_file(&self.path)?;
        Ok(opened)
    }

    /// Removes what a process that was killed may have left. To be called when nothing
    /// is known of a snapshot of this object.
    pub fn remove_left(&self) {
        if self.data.was_killed() {
            self.remove();
            self.remove_file(&self.new_path());
        }
    }

    /// Removes what is there, if there is something.
    pub fn remove(&self) {
        self.remove_file(&self.path);
    }

    fn remove_file(&self, path: &Path) {
        let removed = self.data.dir().remove_file(path);
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(%error, file = ?path, "an old snapshot stays");
        }
    }
}
