//! Is the source as tidy as it says?

use std::path::{Path, PathBuf};

/// A big dependency, and the only places of the host that may name it.
const DOORS: [(&str, &[&str]); 7] = [
    ("hyper", &["host/src/server", "host/src/outbound"]),
    ("rustls", &["host/src/server", "host/src/outbound"]),
    ("wasmtime", &["host/src/instance"]),
    ("component_snapshot", &["host/src/instance"]),
    ("rusqlite", &["host/src/storage"]),
    ("tungstenite", &["host/src/websocket"]),
    ("flate2", &["host/src/websocket"]),
];

const LINES_MAX: usize = 800;

/// Folders that hold what was built, or what is not ours.
const SKIPPED: [&str; 6] = [
    "target",
    ".git",
    "node_modules",
    ".venv",
    "__pycache__",
    "dist",
];

fn sources(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().expect("an entry has a type");
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|is| extensions.iter().any(|extension| is == *extension))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(promises::workspace())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a line names a crate, as a path or in an import.
fn names(line: &str, dependency: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(dependency).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + dependency.len()..];
        let begins = before
            .is_none_or(|before| !before.is_alphanumeric() && !['_', '"', ','].contains(&before));
        // hyper_util and wasmtime_wasi pass through the same door.
        begins && (after.starts_with("::") || after.starts_with('_'))
    })
}

#[test]
fn each_big_dependency_has_one_door() {
    for path in sources(&promises::workspace().join("host/src"), &["rs"]) {
        for (dependency, doors) in DOORS {
            let shown = shown(&path);
            if doors.iter().any(|door| shown.starts_with(door)) {
                continue;
            }
            let offence = read(&path).lines().position(|line| names(line, dependency));
            assert!(
                offence.is_none(),
                "{shown}:{}: {dependency} belongs into {}",
                offence.unwrap_or(0) + 1,
                doors.join(" or ")
            );
        }
    }
}

#[test]
fn no_source_file_has_grown_too_long() {
    for path in sources(
        &promises::workspace(),
        &["rs", "go", "py", "js", "ts", "wit"],
    ) {
        let lines = read(&path).lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines; split it by question",
            shown(&path)
        );
    }
}

#[test]
fn each_rust_file_begins_with_the_question_it_answers() {
    for path in sources(&promises::workspace(), &["rs"]) {
        assert!(
            read(&path).starts_with("//! "),
            "{} does not begin with //!",
            shown(&path)
        );
    }
}

#[test]
fn no_file_is_named_for_nothing() {
    for path in sources(&promises::workspace(), &["rs"]) {
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        assert!(
            !["helpers", "utils", "util", "common", "misc"].contains(&stem),
            "{}: say what is in it",
            shown(&path)
        );
    }
}

/// The modules of the host from the top down: each may use what stands below it.
const LAYERS: [&str; 12] = [
    "cli",
    "build",
    "config",
    "server",
    "router",
    "admin",
    "life",
    "instance",
    "outbound",
    "websocket",
    "object",
    "storage",
];

#[test]
fn dependencies_of_the_host_point_one_way() {
    let source = promises::workspace().join("host/src");
    for path in sources(&source, &["rs"]) {
        let below = path.strip_prefix(&source).expect("it is below");
        let first = below.components().next().expect("a file").as_os_str();
        let own = first.to_string_lossy().trim_end_matches(".rs").to_string();
        let rank = LAYERS.iter().position(|layer| *layer == own);
        for (number, line) in read(&path).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (used, _) in code.match_indices("crate::") {
                let used: String = code[used + 7..]
                    .chars()
                    .take_while(|char| char.is_alphanumeric() || *char == '_')
                    .collect();
                let used = LAYERS.iter().position(|layer| *layer == used);
                // What is in no layer may be used by all, and uses none.
                let allowed = match (rank, used) {
                    (_, None) => true,
                    (Some(rank), Some(used)) => used >= rank,
                    (None, Some(_)) => own == "lib" || own == "main",
                };
                assert!(
                    allowed,
                    "{}:{}: {own} must not use what stands above it: {line}",
                    shown(&path),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn every_task_is_spawned_where_its_polls_are_seen() {
    for path in sources(&promises::workspace().join("host/src"), &["rs"]) {
        let shown = shown(&path);
        if shown.starts_with("host/src/workers") {
            continue;
        }
        for word in ["tokio::spawn", "task::spawn(", "TokioExecutor"] {
            assert!(
                !read(&path).contains(word),
                "{shown}: {word}: use workers::spawn, or a task can be forgotten by its worker"
            );
        }
    }
}
