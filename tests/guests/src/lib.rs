//! Where does a test get an object's component in Rust, Go, Python or JavaScript?
//!
//! The four guests beside this crate's `src/` implement the same object on raw
//! bindings of the whole world `durable-object`. [`component`] builds one of
//! them when its sources have changed and returns the path of the component;
//! `cargo run -p guests` builds all.
//!
//! What every guest answers, by method and by the path after `/<class>/<name>`:
//!
//! | Route | Answer |
//! |---|---|
//! | `GET /started` | how often `lifecycle.start` ran in this instance |
//! | `GET /who` | class name, a space, the object's name or `-`, ` -> `, its id |
//! | `POST /echo` | the request's body, chunk by chunk as it arrives |
//! | `POST /read` | how many bytes the body had and how it ended: `3 bytes, ok` |
//! | `GET /read` | what the last `/read` would have answered, or `none` |
//! | `POST /first` | how many bytes came first; the rest of the body is not read |
//! | `GET /broken` | `begun`, and then the body breaks off: `broken on purpose` |
//! | `POST /kv` | adds one to the number under the key `count`; the new number |
//! | `POST /sql` | the same in the table `counter` |
//! | `GET /sleep?ms=N` | after N ms, the most events that were in flight meanwhile |
//! | `GET /wait` | `released`, once a later `/release` comes |
//! | `GET /release` | lets every `/wait` go on; `ok` |
//! | `GET /sync` | `synced`, after `storage.sync` |
//! | `GET /relay?name=X` | what the object X of the same class answers to `/who` |
//! | `POST /relay?name=X` | what X answers to `/echo` with the same body, chunk by chunk |
//! | `GET /error` | the error `Error: refused on purpose` |
//! | `GET /throw` | the error `<type>: thrown on purpose`; Rust panics, which traps |
//! | `GET /trap` | none: the instance traps |
//! | `GET /later` | what `alarms.get` says: the error's text, the time, or `none` |
//!
//! Anything else is status 404. An event is in flight from the call of the
//! handler until it has a response; a body that still streams does not count.
//! `<type>` is `*errors.errorString` in Go, `ValueError` in Python and
//! `RangeError` in JavaScript.
//!
//! Outputs lie under `target/guests/` of the workspace:
//!
//! * `<language>.wasm`, the component, replaced at once and never half written;
//! * `<language>.inputs`, the hash of what it was built from;
//! * `<language>.lock`, held by the process that builds;
//! * `<language>/`, what the toolchain keeps for the next time.

mod go;
mod inputs;
mod javascript;
mod module;
mod python;
mod rust;
mod tool;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

pub use module::{gateway_module, module};

/// A language in which there is a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    Rust,
    Go,
    Python,
    JavaScript,
}

impl Language {
    pub const ALL: [Language; 4] = [
        Language::Rust,
        Language::Go,
        Language::Python,
        Language::JavaScript,
    ];

    /// The name of the language's folder and files.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Go => "go",
            Language::Python => "python",
            Language::JavaScript => "javascript",
        }
    }
}

/// The path of a guest's component, built from its sources unless that was done.
///
/// Waits for another process that builds the same guest.
pub fn component(language: Language) -> Result<PathBuf> {
    let name = language.name();
    let folders = Folders::of(language);
    fs::create_dir_all(&folders.work)
        .with_context(|| format!("cannot create {}", folders.work.display()))?;

    let lock = folders.outputs.join(format!("{name}.lock"));
    let _lock = locked(&lock).with_context(|| format!("cannot lock {}", lock.display()))?;

    let component = folders.outputs.join(format!("{name}.wasm"));
    let stamp = folders.outputs.join(format!("{name}.inputs"));
    let inputs = inputs::hash(&folders.sources(language))?;
    if component.exists() && fs::read_to_string(&stamp).is_ok_and(|built_from| built_from == inputs)
    {
        return Ok(component);
    }

    eprintln!("guests: building {name}");
    let begin = Instant::now();
    let built = match language {
        Language::Rust => rust::build(&folders),
        Language::Go => go::build(&folders),
        Language::Python => python::build(&folders),
        Language::JavaScript => javascript::build(&folders),
    }
    .with_context(|| {
        format!(
            "cannot build the {name} guest in {}",
            folders.guest.display()
        )
    })?;
    fs::rename(&built, &component)
        .with_context(|| format!("cannot move {} to {}", built.display(), component.display()))?;
    fs::write(&stamp, inputs).with_context(|| format!("cannot write {}", stamp.display()))?;
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("guests: built {} in {seconds:.1} s", component.display());
    Ok(component)
}

/// Holds the lock until the file is closed.
fn locked(path: &Path) -> Result<File> {
    let file = File::create(path)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => eprintln!(
            "guests: waiting for the process that holds {}",
            path.display()
        ),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    file.lock()?;
    Ok(file)
}

/// Where a guest's build reads and writes.
struct Folders {
    workspace: PathBuf,
    /// The guest's sources.
    guest: PathBuf,
    /// The contract.
    wit: PathBuf,
    /// Where the components go.
    outputs: PathBuf,
    /// The toolchain's own files, kept between builds.
    work: PathBuf,
}

impl Folders {
    fn of(language: Language) -> Folders {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = guests
            .parent()
            .and_then(Path::parent)
            .expect("this crate lies in tests/guests/")
            .to_path_buf();
        let outputs = workspace.join("target").join("guests");
        Folders {
            guest: guests.join(language.name()),
            wit: workspace.join("wit"),
            work: outputs.join(language.name()),
            outputs,
            workspace,
        }
    }

    /// Everything that a component depends on, this crate included.
    fn sources(&self, language: Language) -> Vec<PathBuf> {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut sources = vec![
            guests.join("Cargo.toml"),
            guests.join("src"),
            self.guest.clone(),
            self.wit.clone(),
        ];
        if language == Language::Go {
            sources.push(self.go_runtime());
        }
        sources
    }

    /// The Go module that generated bindings run on.
    fn go_runtime(&self) -> PathBuf {
        self.workspace.join("guest-sdks").join("go").join("runtime")
    }
}
