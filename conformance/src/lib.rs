//! Does a host keep what durable objects promise?
//!
//! ```text
//! cases/*.cases ─parse─► Case ─expression─► request ─host─► answer ─pattern─► verdict
//! ```
//!
//! A case is data: scripts that the probe, an object served by the host, runs step
//! by step, and what each step must give. Nothing here knows a particular host or
//! the language of the probe; README.md states what both must do.

pub mod case;
pub mod expression;
pub mod host;
mod parse;
pub mod pattern;
pub mod run;
pub mod socket;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::case::Case;

/// The folder with the cases of this crate.
pub fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// Reads all `*.cases` files of a folder, in the order of their names.
pub fn read_cases(folder: &Path) -> Result<Vec<Case>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "cases")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let topic = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        cases.extend(parse::parse(&topic, &text).with_context(|| path.display().to_string())?);
    }
    Ok(cases)
}
