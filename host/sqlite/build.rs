//! How SQLite is built.
//!
//! `libsqlite3-sys` brings SQLite's source with its bindings, but the parser in it
//! was generated without ORDER BY and LIMIT for UPDATE and DELETE. This script
//! takes that source, gives it the parser that SQLite's own generator makes with
//! these clauses, bounds the terms of a full-text query (all of them are looked up
//! in one step that nothing can interrupt), and compiles it. rusqlite's feature `in_gecko` leaves exactly
//! that to others: it brings bindings and neither compiles nor links.
//!
//! The patches fit one version of SQLite alone, so that a new version fails the
//! build instead of meeting the parser of an old one. To renew that of the parser, take
//! `sqlite3.c` of the new version, made from SQLite's source tree by
//!
//! ```text
//! make sqlite3.c OPTS=-DSQLITE_ENABLE_UPDATE_DELETE_LIMIT=1
//! ```
//!
//! (the npm package `better-sqlite3` holds one; see `deps/download.sh` there), and
//! compare the parsers alone:
//!
//! ```text
//! part() { sed -n '/Begin file parse.c/,/End of parse.c/p' "$1"; }
//! diff -U3 --label a/parse.c --label b/parse.c <(part OLD) <(part NEW)
//! ```

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};

/// What is changed, and in which part of SQLite's one file.
const PATCHES: [Patch; 2] = [
    Patch {
        file: "update-delete-limit.patch",
        part_begins: "/************** Begin file parse.c",
        part_ends: "/************** Begin file tokenize.c",
    },
    Patch {
        file: "search-terms.patch",
        part_begins: "/************** Begin file fts5.c",
        part_ends: "/************** End of fts5.c",
    },
];

struct Patch {
    file: &'static str,
    part_begins: &'static str,
    part_ends: &'static str,
}

/// What is set at compile time; `storage` says at each use why it wants what.
const SETTINGS: &[(&str, Option<&str>)] = &[
    ("SQLITE_CORE", None),
    ("SQLITE_ENABLE_UPDATE_DELETE_LIMIT", None),
    ("SQLITE_ENABLE_FTS5", None),
    ("SQLITE_ENABLE_RTREE", None),
    ("SQLITE_ENABLE_MATH_FUNCTIONS", None),
    ("SQLITE_SOUNDEX", None),
    ("SQLITE_ENABLE_LOAD_EXTENSION", Some("1")),
    ("SQLITE_ENABLE_COLUMN_METADATA", None),
    ("SQLITE_DEFAULT_FOREIGN_KEYS", Some("1")),
    ("SQLITE_USE_URI", None),
    ("SQLITE_PRINTF_PRECISION_LIMIT", Some("100000")),
    // A connection belongs to one task at a time and needs no mutex of its own;
    // statistics of memory cost time in each call.
    ("SQLITE_THREADSAFE", Some("2")),
    ("SQLITE_DEFAULT_MEMSTATUS", Some("0")),
    ("SQLITE_OMIT_SHARED_CACHE", None),
    // A connection reserves little memory before it needs it.
    ("SQLITE_DEFAULT_LOOKASIDE", Some("1200,16")),
    ("SQLITE_DEFAULT_PCACHE_INITSZ", Some("0")),
    // A term costs a look into the index, a prefix a walk through a part of it.
    ("ABIDE_FTS5_TERMS_MAX", Some("1024")),
    ("ABIDE_FTS5_PREFIX_WEIGHT", Some("16")),
    ("HAVE_USLEEP", Some("1")),
    ("HAVE_ISNAN", None),
    ("HAVE_LOCALTIME_R", None),
];

fn main() -> Result<()> {
    let source = libsqlite3_sys()?.join("sqlite3");
    let original = source.join("sqlite3.c");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", original.display());
    let mut text = read(&original)?;
    for patch in PATCHES {
        println!("cargo:rerun-if-changed={}", patch.file);
        text = patch.apply(&text)?;
    }
    let patched = PathBuf::from(env::var("OUT_DIR")?).join("sqlite3.c");
    std::fs::write(&patched, text)?;

    let mut build = cc::Build::new();
    build.file(patched).include(source).warnings(false);
    for (name, value) in SETTINGS {
        build.define(name, *value);
    }
    // Whole: nothing in this crate asks for it, and the linker need not know that
    // rusqlite will.
    build.link_lib_modifier("+whole-archive");
    build.try_compile("sqlite3")?;
    Ok(())
}

impl Patch {
    fn apply(&self, sqlite: &str) -> Result<String> {
        let name = self.file;
        let start = sqlite.find(self.part_begins);
        let end = sqlite.find(self.part_ends);
        let (Some(start), Some(end)) = (start, end) else {
            return Err(anyhow!("sqlite3.c has no part that {name} is for"));
        };
        let text = read(Path::new(name))?;
        let patch = diffy::Patch::from_str(&text).context(name)?;
        let part = diffy::apply(&sqlite[start..end], &patch).map_err(|error| {
            anyhow!(
                "{name} is for another version of SQLite than libsqlite3-sys brings ({error}); \
                 build.rs says how to renew it"
            )
        })?;
        Ok(format!("{}{part}{}", &sqlite[..start], &sqlite[end..]))
    }
}

/// Where cargo keeps the source of `libsqlite3-sys`.
fn libsqlite3_sys() -> Result<PathBuf> {
    let target = env::var("TARGET")?;
    let metadata = |network: &[&str]| {
        Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--format-version", "1", "--filter-platform"])
            .arg(&target)
            .args(network)
            .output()
            .context("cargo metadata")
    };
    let mut output = metadata(&["--offline"])?;
    if !output.status.success() {
        output = metadata(&[])?;
    }
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "libsqlite3-sys")
        .and_then(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .map(Path::to_owned)
        .context("libsqlite3-sys is not among the dependencies")
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
