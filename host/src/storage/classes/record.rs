//! What `classes.toml` in a data directory says, and how it is replaced at once.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cap_std::fs::OpenOptions;
use serde::{Deserialize, Serialize};

use super::migration::Changes;
use super::{Home, subfolders};
use crate::storage::{DataDir, disk};

const FILE: &str = "classes.toml";
const NEW_FILE: &str = "classes.toml.new";
const VERSION: u32 = 1;

const HEAD: &str = "\
# Written by abide: for each class its folder and the key that the ids of its objects are
# derived from, and the migrations that were applied. Who changes it may lose data.

";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    version: u32,
    /// Folders that belonged to a class once and are not given to another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<String>,
    /// Folders of deleted classes that may still be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<String>,
    /// The home of each class.
    #[serde(default)]
    pub classes: BTreeMap<String, Home>,
    /// Classes whose data may still be in another data directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arriving: Vec<Arrival>,
    /// In the order of applying.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<Applied>,
}

/// A migration that was applied, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    pub tag: String,
    pub changes: Changes,
}

/// A class that is fetched from another data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    pub from_data: PathBuf,
    /// Its name and its folder there.
    pub class: String,
    pub from: String,
    /// Its folder here.
    pub to: String,
}

impl Default for Record {
    fn default() -> Record {
        Record {
            version: VERSION,
            spent: Vec::new(),
            leaving: Vec::new(),
            classes: BTreeMap::new(),
            arriving: Vec::new(),
            applied: Vec::new(),
        }
    }
}

pub fn is_written(data: &DataDir) -> bool {
    data.dir().exists(FILE)
}

/// Where there is none yet, each folder is the home of a class of its name.
pub fn read(data: &DataDir) -> Result<Record> {
    let shown = data.path().join(FILE);
    let shown = shown.display();
    let text = match data.dir().read_to_string(FILE) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return of_folders(data),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    let way_out = "it is written by abide; restore it from a backup of the data directory";
    let record: Record = match toml::from_str(&text) {
        Ok(record) => record,
        Err(_) if version_of(&text).is_some_and(|version| version > VERSION) => {
            bail!("{shown} was written by a newer abide; serve its data with that")
        }
        Err(error) => bail!(
            "{shown} cannot be understood ({}); {way_out}",
            error.message()
        ),
    };
    let folders = record.classes.values().map(|home| &home.folder);
    let arriving = record.arriving.iter().flat_map(|it| [&it.from, &it.to]);
    let folders = folders.chain(arriving).chain(&record.leaving);
    for folder in folders.chain(&record.spent) {
        if !is_home(folder) {
            bail!("{shown} names a folder {folder:?}, which cannot be; {way_out}");
        }
    }
    Ok(record)
}

fn version_of(text: &str) -> Option<u32> {
    let table: toml::Table = text.parse().ok()?;
    table.get("version")?.as_integer()?.try_into().ok()
}

fn of_folders(data: &DataDir) -> Result<Record> {
    let folders = subfolders(data, Path::new("."));
    let folders = folders.with_context(|| {
        let path = data.path().display();
        format!("cannot look into data directory {path}")
    })?;
    let homes = folders.into_iter().filter(|it| is_home(it));
    Ok(Record {
        classes: homes.map(|name| (name.clone(), Home::of(&name))).collect(),
        ..Record::default()
    })
}

/// One step down in the data directory, and not hidden.
fn is_home(folder: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !folder.is_empty() && !folder.starts_with('.') && folder.bytes().all(fits)
}

/// Replaces the file; afterwards the new one survives a power loss, before it the old.
pub fn write(data: &DataDir, record: &Record) -> Result<()> {
    let text = toml::to_string(record).context("a record of classes can be written down")?;
    let replace = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = data.dir().open_with(NEW_FILE, &options)?.into_std();
        file.write_all(HEAD.as_bytes())?;
        file.write_all(text.as_bytes())?;
        disk::sync_file(&file)?;
        data.dir().rename(NEW_FILE, data.dir(), FILE)?;
        disk::sync_directory(data.path())
    };
    replace().with_context(|| format!("cannot write {}", data.path().join(FILE).display()))
}
