//! From an object's source folder to a component, with the tools of its language.

mod rust;
mod sdk;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// A language that objects are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    Rust,
    Go,
    JavaScript,
    Python,
}

/// Files that tell a folder's language.
const MARKS: [(&str, Language); 5] = [
    ("Cargo.toml", Language::Rust),
    ("go.mod", Language::Go),
    ("package.json", Language::JavaScript),
    ("pyproject.toml", Language::Python),
    ("requirements.txt", Language::Python),
];

/// Builds the object in `source` and returns its component. `cache` keeps what
/// may be used again.
///
/// Fails when the folder's language is unknown or not built by this version, when
/// a tool is missing, and when the source does not compile; the tool's own output
/// goes to the terminal.
pub fn build(source: &Path, cache: &Path) -> Result<PathBuf> {
    match language(source)? {
        Language::Rust => rust::build(source, cache),
        other => bail!(
            "{}: this version of abide builds Rust only, not {other:?}; \
             build the component yourself and name it with component = \"FILE.wasm\"",
            source.display()
        ),
    }
}

/// The name of the class in a source folder without configuration.
pub fn class_name(source: &Path) -> Result<String> {
    match language(source)? {
        Language::Rust => rust::package_name(source),
        _ => {
            let whole = source.canonicalize()?;
            let name = whole.file_name().unwrap_or_default().to_string_lossy();
            Ok(name.into_owned())
        }
    }
}

fn language(source: &Path) -> Result<Language> {
    if !source.is_dir() {
        bail!(
            "{} is not a folder with an object's source",
            source.display()
        );
    }
    let found = MARKS.iter().find(|(mark, _)| source.join(mark).is_file());
    match found {
        Some((_, language)) => Ok(*language),
        None => bail!(
            "{} holds no object's source: none of {} is there",
            source.display(),
            MARKS.map(|(mark, _)| mark).join(", ")
        ),
    }
}
