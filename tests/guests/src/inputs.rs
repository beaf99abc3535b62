//! Has anything changed that a component was built from?
//!
//! The hash covers names and contents of all files below the given paths. What
//! tools leave beside sources does not count.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Folders that tools make inside a source folder.
const NOT_SOURCES: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// The hash of all files in `sources`, as hexadecimal digits.
pub fn hash(sources: &[PathBuf]) -> Result<String> {
    let mut hasher = Sha256::new();
    for source in sources {
        add(&mut hasher, source, source)?;
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn add(hasher: &mut Sha256, root: &Path, path: &Path) -> Result<()> {
    if path.is_dir() {
        for entry in entries(path)? {
            if !NOT_SOURCES.iter().any(|name| entry.ends_with(name)) {
                add(hasher, root, &entry)?;
            }
        }
        return Ok(());
    }
    let contents = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
    // The lengths keep two different trees from giving the same sequence of bytes.
    hasher.update((name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update((contents.len() as u64).to_le_bytes());
    hasher.update(&contents);
    Ok(())
}

/// What a folder holds, in the order of names.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    };
    let mut entries =
        read().with_context(|| format!("cannot read the folder {}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    //! A changed source must never pass for an unchanged one.

    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, contents) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("the parent");
            fs::write(path, contents).expect("the file");
        }
        folder
    }

    fn hash_of(files: &[(&str, &str)]) -> String {
        hash(&[tree(files).path().to_path_buf()]).expect("a hash")
    }

    #[test]
    fn the_same_files_elsewhere_have_the_same_hash() {
        let files = [("a.py", "one"), ("below/b.py", "two")];
        assert_eq!(hash_of(&files), hash_of(&files));
    }

    #[test]
    fn contents_names_and_places_of_files_count() {
        let before = hash_of(&[("a.py", "one"), ("b.py", "two")]);
        assert_ne!(before, hash_of(&[("a.py", "one"), ("b.py", "three")]));
        assert_ne!(before, hash_of(&[("a.py", "one"), ("c.py", "two")]));
        assert_ne!(before, hash_of(&[("a.py", "one"), ("below/b.py", "two")]));
        assert_ne!(before, hash_of(&[("a.py", "one")]));
        assert_ne!(before, hash_of(&[("a.py", "oneb.pytwo")]));
    }

    #[test]
    fn what_tools_leave_behind_does_not_count() {
        let before = hash_of(&[("a.py", "one")]);
        assert_eq!(
            before,
            hash_of(&[("a.py", "one"), ("__pycache__/a.pyc", "x")])
        );
    }

    #[test]
    fn a_source_that_is_missing_is_named() {
        let error = hash(&[PathBuf::from("/no/such/source")]).expect_err("no hash");
        assert!(
            format!("{error:#}").contains("/no/such/source"),
            "{error:#}"
        );
    }
}
