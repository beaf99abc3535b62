//! Where does the build of a source folder keep its things?
//!
//! Each source folder has a place of its own below the cache, named by its path:
//! folders with one package name in a shared place would get each other's code.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

/// Of the folder's name in that of its place.
const NAME_LETTERS_MAX: usize = 40;

/// What belongs to the build of one source folder.
pub struct Place {
    dir: PathBuf,
}

impl Place {
    /// The place of `source`, which must exist.
    pub fn of(source: &Path, cache: &Path) -> Result<Place> {
        let whole = source
            .canonicalize()
            .with_context(|| format!("cannot find {}", source.display()))?;
        let digest = Sha256::digest(whole.as_os_str().as_encoded_bytes());
        let digest: String = digest[..8].iter().map(|it| format!("{it:02x}")).collect();
        let name = whole.file_name().unwrap_or_default().to_string_lossy();
        // For whoever looks. Paths of tools' own lists may have no colon.
        let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
        let name: String = name
            .chars()
            .filter(is_plain)
            .take(NAME_LETTERS_MAX)
            .collect();
        let dir = cache.join("build").join(format!("{name}-{digest}"));
        fs::create_dir_all(&dir).with_context(|| {
            format!(
                "cannot build in {}; choose another cache with --cache DIR",
                dir.display()
            )
        })?;
        Ok(Place { dir })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Puts our copy of the lock file in order and returns its path. The user's is
    /// only read: it is copied whenever it changed, and what cargo adds to the copy,
    /// for instance the SDK, stays with the copy.
    pub fn lock_file(&self, users: &Path) -> Result<PathBuf> {
        let (ours, seed) = (
            self.dir.join("Cargo.lock"),
            self.dir.join("Cargo.lock.seed"),
        );
        let cannot = || format!("cannot keep a copy of {}", users.display());
        match fs::read(users) {
            Ok(text) => {
                if !ours.exists() || fs::read(&seed).ok().as_ref() != Some(&text) {
                    fs::write(&ours, &text).with_context(cannot)?;
                    fs::write(&seed, &text).with_context(cannot)?;
                }
            }
            Err(_) => {
                let _ = fs::remove_file(&seed);
            }
        }
        Ok(ours)
    }
}
