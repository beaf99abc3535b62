//! The copy of the Rust SDK and the contract that the binary carries, so that an
//! object builds anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

/// Path below the copy's root, and content.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// Unpacks the copy below `cache`, unless it is there, and returns the folder of
/// the Rust SDK in it.
pub fn rust(cache: &Path) -> Result<PathBuf> {
    let root = cache.join("sdk").join(version());
    let sdk = root.join("guest-sdks/rust");
    if root.is_dir() {
        return Ok(sdk);
    }
    let parent = cache.join("sdk");
    let cannot = || format!("cannot unpack the SDK to {}", parent.display());
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
    Ok(sdk)
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
