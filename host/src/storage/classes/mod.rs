//! Which classes have data in a data directory, and where?
//!
//! A class's name may change, its objects' ids must not. So each class has a **home**
//! from its first day: the folder of its objects' files, and the key that their ids are
//! derived from. A file, `classes.toml`, says which home belongs to which name, and
//! which migrations have been applied.
//!
//! ```text
//! settle():  read ─► plan (pure) ─► the file replaced at once ─► folders removed of
//!                      │              = all of it applied        classes that are deleted,
//!                      └─ refused: nothing has changed           fetched of those that come
//! ```
//!
//! Invariants:
//!
//! * All migrations that were pending are applied, or none is: they take effect with
//!   one renaming of one file.
//! * A folder belongs to one class for ever. A later class of the same name gets another,
//!   so that it never meets ids or files of the former.
//! * What is to be removed or fetched is written down first, and done at the next start
//!   if this one does not get so far.

mod arrival;
mod migration;
mod plan;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use self::plan::Objects;
use self::record::Record;
use super::DataDir;
use super::disk;
use super::limits::PATH_BYTES_MAX;
use super::object_files::database_name;

pub use self::migration::{Changes, Migration, Renaming, Transfer};
pub use self::plan::{Vanished, Wanted};

/// The id of an object, in the names of its files.
const ID_DIGITS: usize = 64;

/// Where a class's data is, and what its objects' ids are derived from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Home {
    pub folder: String,
    pub key: String,
}

impl Home {
    /// That of a class which has always been here.
    pub fn of(folder: &str) -> Home {
        Home {
            folder: folder.into(),
            key: folder.into(),
        }
    }
}

/// The home of each class that has data, by its name. Changes nothing.
pub fn homes(data: &DataDir) -> Result<BTreeMap<String, Home>> {
    Ok(record::read(data)?.classes)
}

/// Fails when the classes that are wanted do not go with those that are there.
/// Changes nothing.
pub fn check(data: &DataDir, wanted: &Wanted) -> Result<()> {
    let record = record::read(data)?;
    let plan = wanted.plan(&record, &Folders(data))?;
    require_room(data, &plan.record)
}

/// Fails when SQLite could not open the databases of a class, for their paths.
fn require_room(data: &DataDir, record: &Record) -> Result<()> {
    for (class, home) in &record.classes {
        let database = database_name(&home.folder, &"0".repeat(ID_DIGITS));
        let path = data.path().join(database);
        let over = path.as_os_str().len().saturating_sub(PATH_BYTES_MAX);
        if over > 0 {
            let shown = data.path().display();
            bail!(
                "the path of data directory {shown} is {over} bytes too long for databases of \
                 class {class:?}; choose a shorter one with --data DIR"
            );
        }
    }
    Ok(())
}

/// Applies the migrations that are pending, and returns the home of each class. No
/// object of the data directory may be live.
pub fn settle(data: &DataDir, wanted: &Wanted) -> Result<BTreeMap<String, Home>> {
    let before = record::read(data)?;
    let plan = wanted.plan(&before, &Folders(data))?;
    let mut record = plan.record;
    require_room(data, &record)?;
    for applied in &record.applied[before.applied.len()..] {
        let (tag, changes) = (&applied.tag, &applied.changes);
        tracing::info!(tag, "applying a migration: {changes}");
    }
    for warning in plan.warnings {
        tracing::warn!("{warning}");
    }
    if !record::is_written(data) || record != before {
        record::write(data, &record)?;
    }
    if !record.leaving.is_empty() || !record.arriving.is_empty() {
        remove_homes(data, &record)?;
        for arrival in &record.arriving {
            arrival::fetch(data, arrival)?;
        }
        record.leaving.clear();
        record.arriving.clear();
        record::write(data, &record)?;
    }
    Ok(record.classes)
}

fn remove_homes(data: &DataDir, record: &Record) -> Result<()> {
    for home in &record.leaving {
        let removed = match data.dir().remove_dir_all(home) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        removed.with_context(|| {
            let path = data.path().join(home);
            format!("cannot remove {} of a deleted class", path.display())
        })?;
        tracing::info!(folder = home, "removed the data of a deleted class");
    }
    disk::sync_directory(data.path()).context("cannot make a removal durable")
}

/// The folders of a data directory.
struct Folders<'a>(&'a DataDir);

impl Objects for Folders<'_> {
    fn elsewhere(&self, from_data: &Path, class: &str) -> Result<Home> {
        arrival::find(self.0, from_data, class)
    }

    fn count(&self, home: &Home, at_most: usize) -> Result<usize> {
        let home = home.folder.as_str();
        let count = || -> io::Result<usize> {
            let mut count = 0;
            for folder in subfolders(self.0, Path::new(home))? {
                for entry in self.0.dir().read_dir(Path::new(home).join(folder))? {
                    let name = entry?.file_name();
                    let is_database = Path::new(&name).extension() == Some("sqlite".as_ref());
                    count += usize::from(is_database);
                    if count >= at_most {
                        return Ok(count);
                    }
                }
            }
            Ok(count)
        };
        match count() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            counted => counted.with_context(|| {
                let path = self.0.path().join(home);
                format!("cannot look for objects in {}", path.display())
            }),
        }
    }
}

/// The names of the folders in a folder of the data directory.
fn subfolders(data: &DataDir, folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in data.dir().read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
