//! How does a class come from one data directory into another?
//!
//! Both are locked meanwhile. The class is written down here first, then it is struck
//! out there, then its folder is moved, in one step. Whoever is interrupted goes on at
//! the next start: at any moment the data is in one of both, whole.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

use super::Home;
use super::record::{self, Arrival};
use crate::storage::{DataDir, disk};

/// The home of a class in another data directory. Fails when it cannot be moved here.
pub fn find(data: &DataDir, from_data: &Path, class: &str) -> Result<Home> {
    let source = open(data, from_data)?;
    let file_system = |data: &DataDir| std::fs::metadata(data.path()).map(|it| it.dev());
    let is_same = file_system(data).and_then(|here| Ok(file_system(&source)? == here));
    if !is_same.context("cannot look at a data directory")? {
        bail!(
            "it lies on another file system than {}; copy it there first",
            data.path().display()
        );
    }
    let record = record::read(&source)?;
    match record.classes.get(class) {
        Some(home) => Ok(home.clone()),
        None => {
            let classes: Vec<_> = record.classes.keys().cloned().collect();
            bail!("it has no class {class:?}, only {classes:?}")
        }
    }
}

/// Moves the folder of a class here, unless that is done already.
pub fn fetch(data: &DataDir, arrival: &Arrival) -> Result<()> {
    let Arrival {
        from_data,
        class,
        from,
        to,
    } = arrival;
    let shown = from_data.display();
    let source = open(data, from_data)
        .with_context(|| format!("class {class:?} is being fetched from {shown}"))?;
    let mut there = record::read(&source)?;
    if there
        .classes
        .get(class)
        .is_some_and(|home| home.folder == *from)
    {
        there.classes.remove(class);
        there.spent.push(from.clone());
        record::write(&source, &there)?;
    }
    match source.dir().rename(from, data.dir(), to) {
        // It had no data, or they are here.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        moved => moved.with_context(|| format!("cannot move {from} from {shown}"))?,
    }
    // Here first, so that it is never in neither.
    disk::sync_directory(data.path())
        .and_then(|()| disk::sync_directory(source.path()))
        .context("cannot make a move durable")?;
    tracing::info!(class, "fetched the data of a class from {shown}");
    Ok(())
}

fn open(data: &DataDir, from_data: &Path) -> Result<Arc<DataDir>> {
    let found = from_data.canonicalize();
    let found = found.context("there is no such data directory")?;
    if found == data.path() {
        bail!("that is this data directory itself; use renamed_classes");
    }
    DataDir::open(&found)
}
