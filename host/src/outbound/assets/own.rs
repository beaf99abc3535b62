//! Which files are a project's own, so that nobody gets them even where they lie among
//! the static files?

use std::path::{Path, PathBuf};

/// Files and folders of these names, wherever they lie.
const NAMES: [&str; 9] = [
    ".dev.vars",
    ".env",
    ".git",
    ".wrangler",
    "abide.toml",
    "node_modules",
    "wrangler.json",
    "wrangler.jsonc",
    "wrangler.toml",
];

/// What begins with one of these names and a dot is of its kind: `.env.local`.
const KINDS: [&str; 2] = [".dev.vars.", ".env."];

/// A disk may see no difference between small letters and others.
pub fn is_own(file: &str) -> bool {
    let begins = |part: &str, kind: &str| {
        let begin = part.as_bytes().get(..kind.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(kind.as_bytes()))
    };
    file.split('/').any(|part| {
        NAMES.iter().any(|name| part.eq_ignore_ascii_case(name))
            || KINDS.iter().any(|kind| begins(part, kind))
    })
}

/// Is this the folder, or a file or folder in it?
pub fn is_within(file: &str, folder: &str) -> bool {
    let begin = file.as_bytes().get(..folder.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(folder.as_bytes()))
        && (folder.is_empty() || matches!(file.as_bytes().get(folder.len()), None | Some(b'/')))
}

/// Where `data` lies below `directory`, if it does. A directory that lies in `data` is
/// all of it.
pub fn place_of(data: &Path, directory: &Path) -> Option<String> {
    let (data, directory) = (whole(data), whole(directory));
    if directory.starts_with(&data) {
        return Some(String::new());
    }
    let below = data.strip_prefix(&directory).ok()?;
    let parts = below.components().map(|part| part.as_os_str());
    let parts: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
    Some(parts.join("/"))
}

/// Does a folder lie in the other, or is it the other?
pub fn holds(directory: &Path, folder: &Path) -> bool {
    whole(folder).starts_with(whole(directory))
}

/// A path without links, also of what is not there yet.
fn whole(path: &Path) -> PathBuf {
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => whole(parent).join(name),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    //! Secrets, settings and data are a project's own, and little else.

    use super::*;

    #[test]
    fn a_project_keeps_its_own_files() {
        for file in [
            ".env",
            ".env.local",
            "sub/.Dev.Vars",
            ".dev.vars.staging",
            "wrangler.jsonc",
            "node_modules/x/y.js",
            ".git/config",
            "a/.GIT/HEAD",
            "abide.toml",
        ] {
            assert!(is_own(file), "{file}");
        }
        for file in [
            ".well-known/x",
            ".environment",
            "env",
            "git/x",
            "wrangler.html",
            "é",
        ] {
            assert!(!is_own(file), "{file}");
        }
    }

    #[test]
    fn a_data_directory_is_found_among_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |below: &str| folder.path().join(below);
        std::fs::create_dir_all(path("public/deep")).unwrap();
        std::os::unix::fs::symlink(path("public"), path("link")).unwrap();
        let place = |data: &str| place_of(&path(data), &path("public"));
        assert_eq!(place("public/abide-data").unwrap(), "abide-data");
        assert_eq!(place("link/deep/data").unwrap(), "deep/data");
        assert_eq!(place("abide-data"), None);
        assert_eq!(place("").unwrap(), "");
        assert!(holds(&path("public"), &path("link/deep")) && !holds(&path("public"), &path("")));
        assert!(is_within("deep/data/x", "deep/data") && is_within("Deep/data", "deep/data"));
        assert!(!is_within("deep/data2", "deep/data") && is_within("anything", ""));
    }
}
