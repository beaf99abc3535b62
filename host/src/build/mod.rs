//! From an object's source folder to a component, with the tools of its language.

mod bundler;
mod freshness;
mod javascript;
mod new;
mod node;
mod place;
mod rust;
mod sdk;
mod tools;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::config::wrangler::{self, Worker};
use crate::instance::script::Script;

use self::bundler::Bundler;
pub use self::javascript::check_exports;
pub use self::new::{Dialect, Kind, new};
pub use self::tools::{GivenUp, Tools};

/// What is built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// To serve in earnest: small and fast, as the source folder says.
    Release,
    /// To be tried: built soonest.
    Dev,
}

/// With what and where things are built.
#[derive(Clone)]
pub struct Workshop {
    pub tools: Tools,
    pub profile: Profile,
    /// Keeps what may be used again.
    pub cache: PathBuf,
    bundler: Bundler,
}

impl Workshop {
    pub fn new(tools: Tools, profile: Profile, cache: &Path) -> Workshop {
        Workshop {
            tools,
            profile,
            cache: cache.into(),
            bundler: Bundler::default(),
        }
    }
}

/// What came of a build.
pub struct Built {
    pub made: Made,
    /// Every file that went into it, also from outside of the source folder.
    pub sources: Vec<PathBuf>,
}

pub enum Made {
    Component(PathBuf),
    /// To be begun; what that leaves goes into this file.
    Script {
        script: Script,
        file: PathBuf,
    },
}

/// The source does not compile.
#[derive(Debug)]
pub struct Failed {
    summary: String,
    /// What the compiler said, as on the terminal.
    pub said: String,
}

impl Failed {
    /// `said` may have colors.
    fn new(summary: String, said: &str) -> Failed {
        let said = anstream::adapter::strip_str(said).to_string();
        Failed { summary, said }
    }

    /// It was bundled, and its top level threw.
    pub fn at_top_level(said: String) -> Failed {
        let summary = format!("the script's top level threw, which runs when it is built: {said}");
        Failed { summary, said }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)
    }
}

impl std::error::Error for Failed {}

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

/// Builds the object in `source`.
///
/// Fails when the folder's language is unknown or not built by this version, when
/// a tool is missing, and when the source does not compile; the tool's own output
/// goes to the terminal.
pub fn build(source: &Path, workshop: &Workshop) -> Result<Built> {
    match language(source)? {
        Language::Rust => rust::build(source, workshop),
        Language::JavaScript => javascript::build_folder(source, workshop),
        other => bail!(
            "{}: this version of abide builds Rust and JavaScript only, not {other:?}; \
             build the component yourself and name it with component = \"FILE.wasm\"",
            source.display()
        ),
    }
}

/// Runs the tests of the object in `source` with the tool of its language, which also
/// gets `arguments`; its output goes to the terminal.
pub fn test(source: &Path, arguments: &[String], workshop: &Workshop) -> Result<ExitCode> {
    match language(source)? {
        Language::Rust => rust::test(source, arguments, workshop),
        Language::JavaScript => node::test(source, arguments, workshop),
        other => bail!(
            "{}: this version of abide tests Rust and JavaScript only, not {other:?}; use the \
             language's own tool",
            source.display()
        ),
    }
}

/// What is most likely wrong when the component of `source` is refused.
pub fn hint(source: &Path) -> String {
    match language(source) {
        Ok(Language::Rust) => format!(
            "{}: is durable_object::export! missing, or the dependency durable-object?",
            source.display()
        ),
        _ => source.display().to_string(),
    }
}

/// The name of the class in a source folder without configuration.
pub fn class_name(source: &Path) -> Result<String> {
    match language(source)? {
        Language::Rust => rust::package_name(source),
        Language::JavaScript => javascript::package_name(source),
        _ => folder_name(source),
    }
}

/// Builds a Cloudflare project.
pub fn build_worker(worker: &Worker, workshop: &Workshop) -> Result<Built> {
    javascript::build_worker(worker, workshop)
}

/// Is there an object's source, in whatever state?
pub fn is_source(folder: &Path) -> bool {
    language(folder).is_ok()
}

pub fn folder_name(source: &Path) -> Result<String> {
    let whole = source.canonicalize()?;
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    Ok(name.into_owned())
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
        None if wrangler::find(source).is_some() => Ok(Language::JavaScript),
        None => bail!(
            "{} holds no object's source: neither one of {} is there nor a wrangler file; abide new \
             makes a folder to begin with",
            source.display(),
            MARKS.map(|(mark, _)| mark).join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    //! A folder's files tell its language.

    use super::*;

    #[test]
    fn a_folder_s_files_tell_its_language() {
        let folder = tempfile::tempdir().unwrap();
        let why = language(folder.path()).unwrap_err().to_string();
        for word in ["Cargo.toml", "package.json", "a wrangler file", "abide new"] {
            assert!(why.contains(word), "{why}");
        }
        for (mark, expected) in [
            ("wrangler.toml", Language::JavaScript),
            ("requirements.txt", Language::Python),
            ("Cargo.toml", Language::Rust),
        ] {
            std::fs::write(folder.path().join(mark), "").unwrap();
            assert_eq!(language(folder.path()).unwrap(), expected);
        }
    }
}
