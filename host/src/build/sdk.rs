//! The copy of the SDKs and the contract that the binary carries, so that an object
//! builds anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

/// Path below the copy's root, and content.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// The folder of the Rust SDK in the copy.
pub fn rust(cache: &Path) -> Result<PathBuf> {
    Ok(unpacked(cache)?.join("guest-sdks/rust"))
}

/// The folder of the JavaScript SDK in the copy, and that of the contract.
pub fn javascript(cache: &Path) -> Result<(PathBuf, PathBuf)> {
    let root = unpacked(cache)?;
    Ok((root.join("guest-sdks/js"), root.join("wit")))
}

/// Unpacks the copy below `cache`, unless it is there.
fn unpacked(cache: &Path) -> Result<PathBuf> {
    let root = cache.join("sdk").join(version());
    if root.is_dir() {
        return Ok(root);
    }
    let parent = cache.join("sdk");
    let cannot = || {
        format!(
            "cannot unpack the SDK to {}; choose another cache with --cache DIR",
            parent.display()
        )
    };
    fs::create_dir_all(&parent).with_context(cannot)?;
    // Unpacked aside and renamed, so that nobody builds with half of it.
    let aside = tempfile::tempdir_in(&parent).with_context(cannot)?;
    for (path, content) in FILES {
        let file = aside.path().join(path);
        fs::create_dir_all(file.parent().expect("files lie in folders")).with_context(cannot)?;
        fs::write(&file, content).with_context(cannot)?;
    }
    let aside = aside.keep();
    if let Err(error) = fs::rename(&aside, &root) {
        // Another process may have been faster.
        let _ = fs::remove_dir_all(&aside);
        if !root.is_dir() {
            return Err(error).with_context(cannot);
        }
    }
    Ok(root)
}

/// A path to the Rust SDK that stays the same when this binary is replaced by a newer
/// one, for what is written down.
pub fn newest_rust(cache: &Path) -> Result<PathBuf> {
    rust(cache)?;
    let (version, newest) = (version(), cache.join("sdk/newest"));
    if fs::read_link(&newest).is_ok_and(|target| target == Path::new(&version)) {
        return Ok(newest.join("guest-sdks/rust"));
    }
    let cannot = || format!("cannot link {}", newest.display());
    let aside = cache
        .join("sdk")
        .join(format!("newest-{}", std::process::id()));
    let _ = fs::remove_file(&aside);
    std::os::unix::fs::symlink(&version, &aside).with_context(cannot)?;
    fs::rename(&aside, &newest).with_context(cannot)?;
    Ok(newest.join("guest-sdks/rust"))
}

fn version() -> String {
    let mut digest = Sha256::new();
    for (path, content) in FILES {
        digest.update((path.len() as u64).to_le_bytes());
        digest.update(path);
        digest.update((content.len() as u64).to_le_bytes());
        digest.update(content);
    }
    let digest = digest.finalize();
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
