//! Has cargo overlooked a change?
//!
//! Cargo goes by times: a file is new when it was modified after the last build. A
//! file that was moved into place, unpacked or copied with its times may be another
//! and yet look old. So the contents that a component was built from are recorded
//! beside it, and what differs from the record must have been compiled.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A package whose source lies on this machine, after a build.
pub struct PathPackage {
    pub id: String,
    pub folder: PathBuf,
    /// Cargo saw nothing to do.
    pub fresh: bool,
}

/// The contents that the newest component was built from, by file.
pub struct Record {
    file: PathBuf,
    begun: SystemTime,
    known: Contents,
}

#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
struct Contents(BTreeMap<PathBuf, String>);

impl Record {
    /// The record of a folder's builds in a profile. Made before cargo runs.
    pub fn of(place: &Path, profile: &str) -> Record {
        let file = place.join(format!("{profile}.sources"));
        let known = fs::read(&file).ok();
        Record {
            known: known
                .and_then(|text| serde_json::from_slice(&text).ok())
                .unwrap_or_default(),
            file,
            begun: SystemTime::now(),
        }
    }

    /// Packages that cargo did not compile though their source is another.
    pub fn overlooked<'a>(
        &self,
        component: &Path,
        packages: &'a [PathPackage],
    ) -> Vec<&'a PathPackage> {
        let changed: Vec<PathBuf> = sources(component)
            .into_iter()
            .filter(|file| self.known.0.get(file) != Some(&content(file)))
            .collect();
        let owner = |file: &Path| {
            let around = packages.iter().filter(|it| file.starts_with(&it.folder));
            around.max_by_key(|it| it.folder.as_os_str().len())
        };
        let is_of = |file: &PathBuf, package: &PathPackage| match owner(file) {
            Some(owner) => owner.id == package.id,
            // Outside of all packages, so any of them may include it.
            None => true,
        };
        let fresh = packages.iter().filter(|package| package.fresh);
        fresh
            .filter(|package| changed.iter().any(|file| is_of(file, package)))
            .collect()
    }

    /// Records what `component` was built from, and returns those files.
    pub fn write(&self, component: &Path) -> Result<Vec<PathBuf>> {
        let sources = sources(component);
        let contents = sources
            .iter()
            // Changed while it was compiled: nobody knows which content that was.
            .filter(|file| !changed_since(file, self.begun))
            .map(|file| (file.clone(), content(file)));
        let contents = Contents(contents.collect());
        if contents != self.known {
            let text = serde_json::to_vec(&contents).expect("paths that cargo wrote as text");
            fs::write(&self.file, text)
                .with_context(|| format!("cannot write {}", self.file.display()))?;
        }
        Ok(sources)
    }
}

/// Every file of this machine that went into `component`, as cargo wrote them
/// beside it in the language of make.
fn sources(component: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(component.with_extension("d")).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let Some((_, files)) = line.split_once(": ") else {
        return Vec::new();
    };
    let spaces = files.replace("\\ ", "\0");
    let files = spaces.split_whitespace();
    files.map(|file| file.replace('\0', " ").into()).collect()
}

fn content(file: &Path) -> String {
    match fs::read(file) {
        Ok(bytes) => {
            let digest = Sha256::digest(bytes);
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        Err(error) => error.kind().to_string(),
    }
}

/// By the time that nobody can set, which has steps, of 10 ms at most.
fn changed_since(file: &Path, time: SystemTime) -> bool {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = since.saturating_sub(Duration::from_millis(10));
    let changed = fs::metadata(file).map(|it| (it.ctime(), it.ctime_nsec()));
    changed.is_ok_and(|(seconds, nanoseconds)| {
        (seconds, nanoseconds) >= (since.as_secs() as i64, since.subsec_nanos().into())
    })
}

#[cfg(test)]
mod tests {
    //! A file that looks old and is another is found.

    use super::*;

    #[test]
    fn a_file_with_other_content_is_overlooked_only_where_cargo_did_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("my object/src")).unwrap();
        fs::create_dir_all(at("shared")).unwrap();
        let (mine, shared) = (at("my object/src/lib.rs"), at("shared/lib.rs"));
        fs::write(&mine, "one").unwrap();
        fs::write(&shared, "one").unwrap();
        let (component, escaped) = (at("o.wasm"), mine.display().to_string().replace(' ', "\\ "));
        let made_of = format!("{}: {escaped} {}\n", component.display(), shared.display());
        fs::write(at("o.d"), made_of).unwrap();
        let package = |name: &str, fresh| PathPackage {
            id: name.into(),
            folder: at(name),
            fresh,
        };
        let packages = [package("my object", true), package("shared", true)];
        let overlooked = |packages: &[PathPackage]| {
            let record = Record::of(folder.path(), "test");
            let found = record.overlooked(&component, packages);
            found.iter().map(|it| it.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(overlooked(&packages), ["my object", "shared"], "no record");
        std::thread::sleep(std::time::Duration::from_millis(20));
        let record = Record::of(folder.path(), "test");
        assert_eq!(
            record.write(&component).unwrap(),
            [mine.clone(), shared.clone()]
        );
        assert!(overlooked(&packages).is_empty());

        fs::write(&mine, "two").unwrap();
        assert_eq!(overlooked(&packages), ["my object"]);
        let compiled = [package("my object", false), package("shared", true)];
        assert!(overlooked(&compiled).is_empty());

        let record = Record::of(folder.path(), "test");
        fs::write(&mine, "three, while it was compiled").unwrap();
        record.write(&component).unwrap();
        assert_eq!(overlooked(&packages), ["my object"], "not trusted");
    }
}
