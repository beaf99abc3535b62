//! What do files and folders look like now?
//!
//! A look sees everything by which a change can be told without reading files:
//! names, times, lengths, and which file it is that has the name. So it notices
//! files that were written to, renamed over, deleted and put back, links that point
//! elsewhere, and whole folders that were replaced.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Folders whose content is a result, or nobody's source.
const RESULTS: [&str; 12] = [
    "node_modules",
    ".wrangler",
    "abide-data",
    "__pycache__",
    ".git",
    ".hg",
    ".jj",
    ".svn",
    ".venv",
    // What editors and desktops remember.
    ".idea",
    ".vscode",
    ".DS_Store",
];

/// How names end that editors give to what they write beside a file that is open; and logs.
const PASSING: [&str; 7] = [".swp", ".swx", "-swp", "~", ".tmp", ".log", "___"];

/// Where build tools mark folders that can be made again.
const RESULT_MARK: &str = "CACHEDIR.TAG";

/// A source folder has some hundred files; whoever names his home folder shall not
/// have all of it read again and again.
const ENTRIES_MAX: usize = 50_000;

/// What was seen.
#[derive(PartialEq, Eq, Default)]
pub struct View {
    digest: u64,
    /// The folders that were looked into, where changes show first.
    pub folders: BTreeSet<PathBuf>,
    /// There was more than is looked at.
    pub cut: bool,
}

/// Looks at files, and at folders with all that is below them, but for `skipped`
/// and what is no source.
pub fn at<'a>(paths: impl IntoIterator<Item = &'a PathBuf>, skipped: &[PathBuf]) -> View {
    let mut look = Look {
        hasher: DefaultHasher::new(),
        view: View::default(),
        skipped,
        entries: 0,
    };
    for path in paths {
        look.at(path);
        if let Some(parent) = path.parent().filter(|it| it.is_dir()) {
            look.view.folders.insert(parent.into());
        }
    }
    View {
        digest: look.hasher.finish(),
        ..look.view
    }
}

/// Does a look at `top` see the file? Not below a folder of results, or if it is named
/// like what editors leave; code may be made of such a file all the same.
pub fn sees(top: &Path, file: &Path, skipped: &[PathBuf]) -> bool {
    let Ok(below) = file.strip_prefix(top) else {
        return false;
    };
    let mut folder = top.to_owned();
    below.components().all(|part| {
        let path = folder.join(part);
        let is_source = is_source(&folder, &path, skipped);
        folder = path;
        is_source
    })
}

struct Look<'a> {
    hasher: DefaultHasher,
    view: View,
    skipped: &'a [PathBuf],
    entries: usize,
}

impl Look<'_> {
    fn at(&mut self, path: &Path) {
        path.hash(&mut self.hasher);
        self.entries += 1;
        if let Ok(target) = fs::read_link(path) {
            target.hash(&mut self.hasher);
        }
        match fs::metadata(path) {
            Ok(folder) if folder.is_dir() => self.below(path, &folder),
            Ok(file) => identity(&file).hash(&mut self.hasher),
            Err(error) => (error.kind() == ErrorKind::NotFound).hash(&mut self.hasher),
        }
    }

    /// The times of a folder change with results that are put into it, so its
    /// identity alone counts.
    fn below(&mut self, folder: &Path, metadata: &Metadata) {
        (metadata.dev(), metadata.ino()).hash(&mut self.hasher);
        // A link may lead back up.
        let real = folder.canonicalize().unwrap_or_else(|_| folder.into());
        if !self.view.folders.insert(real) {
            return;
        }
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if self.entries >= ENTRIES_MAX {
                self.view.cut = true;
                return;
            }
            if is_source(folder, &path, self.skipped) {
                self.at(&path);
            }
        }
    }
}

fn is_source(folder: &Path, path: &Path, skipped: &[PathBuf]) -> bool {
    let name = path.file_name().unwrap_or_default();
    let is_built = || name == "target" && folder.join("Cargo.toml").exists();
    let is_result = RESULTS.iter().any(|result| name == *result) || is_built();
    let is_skipped = skipped.iter().any(|skipped| path == skipped);
    let name = name.to_string_lossy();
    let is_passing = name.starts_with(".#")
        || name.starts_with('#') && name.ends_with('#')
        || PASSING.iter().any(|end| name.ends_with(end));
    !is_result && !is_skipped && !is_passing && !path.join(RESULT_MARK).exists()
}

fn identity(file: &Metadata) -> impl Hash {
    (
        (file.dev(), file.ino(), file.len()),
        (file.mtime(), file.mtime_nsec()),
        // The time that nobody can set.
        (file.ctime(), file.ctime_nsec()),
    )
}

#[cfg(test)]
mod tests {
    //! Each way of changing a file is seen; results are not.

    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_way_to_change_a_file_is_seen_and_results_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at_path = |path: &str| folder.path().join(path);
        let (source, skipped) = (at_path("o"), at_path("o/data"));
        fs::create_dir_all(at_path("o/src")).unwrap();
        fs::write(at_path("o/src/lib.rs"), "1").unwrap();
        fs::write(at_path("o/Cargo.toml"), "").unwrap();
        symlink("lib.rs", at_path("o/src/link.rs")).unwrap();
        symlink("..", at_path("o/src/up")).unwrap();
        let old = fs::metadata(at_path("o/src/lib.rs"))
            .unwrap()
            .modified()
            .unwrap();

        let seen = || at([&source], std::slice::from_ref(&skipped)).digest;
        let mut before = seen();
        let mut check = |what: &str, differs: bool, change: &dyn Fn()| {
            change();
            let after = seen();
            assert_eq!(after != before, differs, "{what}");
            before = after;
        };
        check("nothing", false, &|| {});
        check("written to", true, &|| {
            fs::write(at_path("o/src/lib.rs"), "2").unwrap()
        });
        check("written to, its time put back", true, &|| {
            fs::write(at_path("o/src/lib.rs"), "3").unwrap();
            let file = fs::File::options()
                .append(true)
                .open(at_path("o/src/lib.rs"));
            file.unwrap().set_modified(old).unwrap();
        });
        check("renamed over", true, &|| {
            fs::write(at_path("new"), "3").unwrap();
            fs::rename(at_path("new"), at_path("o/src/lib.rs")).unwrap();
        });
        check("deleted", true, &|| {
            fs::remove_file(at_path("o/src/lib.rs")).unwrap()
        });
        check("put back", true, &|| {
            fs::write(at_path("o/src/lib.rs"), "3").unwrap()
        });
        check("a link elsewhere", true, &|| {
            fs::remove_file(at_path("o/src/link.rs")).unwrap();
            symlink("../Cargo.toml", at_path("o/src/link.rs")).unwrap();
        });
        check("an empty folder", true, &|| {
            fs::create_dir(at_path("o/more")).unwrap()
        });
        check("the folder replaced by the same files", true, &|| {
            fs::rename(at_path("o"), at_path("old")).unwrap();
            fs::create_dir(at_path("o")).unwrap();
            for entry in fs::read_dir(at_path("old")).unwrap().flatten() {
                fs::rename(entry.path(), at_path("o").join(entry.file_name())).unwrap();
            }
        });
        check("results", false, &|| {
            for result in [
                "target",
                "abide-data",
                "data",
                "node_modules",
                ".idea",
                "marked",
            ] {
                fs::create_dir(at_path("o").join(result)).unwrap();
                fs::write(at_path("o").join(result).join(RESULT_MARK), "").unwrap();
            }
            for passing in [
                ".lib.rs.swp",
                ".lib.rs.kate-swp",
                "lib.rs~",
                "#lib.rs#",
                "lib.rs___jb_tmp___",
            ] {
                fs::write(at_path("o").join(passing), "").unwrap();
            }
            symlink("me@here.1", at_path("o/.#lib.rs")).unwrap();
        });
        check("the folder gone", true, &|| {
            fs::rename(at_path("o"), at_path("x")).unwrap()
        });
    }

    #[test]
    fn a_source_with_the_name_of_a_result_is_known_not_to_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        let sees = |path: &str| sees(top, &top.join(path), &[top.join("data")]);
        assert!(sees("src/lib.rs") && sees(""));
        for path in ["src/words.log", "node_modules/a/index.js", "data/a"] {
            assert!(!sees(path), "{path}");
        }
        assert!(!super::sees(top, Path::new("/elsewhere"), &[]));
    }
}
