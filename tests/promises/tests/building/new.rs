//! Does a new object build, and do its tests run, wherever it lies?

use std::fs;
use std::process::{Command, Output};

use promises::{Development, cache};
use tempfile::TempDir;

#[test]
fn a_name_that_would_not_work_later_is_refused() {
    let dev = Development::default();
    let new = ["new", "--lang", "rust"];
    for name in ["1st", "My-Object", "a_b", "a b", "test"] {
        dev.refusal(&new, name)
            .names(&["cannot be named", &format!("{name:?}")]);
        assert!(!dev.path(name).exists(), "{name}");
    }
    fs::create_dir(dev.path("there")).expect("a folder");
    dev.refusal(&new, "there").names(&["there already"]);
    dev.refusal(&["new", "--lang", "cobol"], "object")
        .names(&["cobol", "rust"]);
}

/// Runs `abide` in a folder with the real tools, in a cache that lasts.
fn abide(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut abide = Command::new(promises::abide());
    abide.args(arguments).current_dir(folder.path());
    abide.env("ABIDE_CACHE", cache());
    // So that not every run compiles SQLite anew.
    abide.env("CARGO_TARGET_DIR", cache().join("tests-of-new-objects"));
    abide.output().expect("abide runs")
}

#[test]
fn slow_a_new_object_is_tested_and_built_by_anybody() {
    let folder = TempDir::new().expect("a folder");
    let check = |arguments: &[&str], expected: &str| {
        let ended = abide(&folder, arguments);
        let said = String::from_utf8_lossy(&ended.stderr) + String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && said.contains(expected),
            "{arguments:?} does not say {expected:?}: {said}"
        );
    };
    check(
        &["new", "my-object", "--lang", "rust"],
        "abide dev my-object",
    );
    check(&["test", "my-object"], "it_counts_and_remembers ... ok");
    check(
        &["test", "my-object", "--", "no_such_test"],
        "1 filtered out",
    );
    check(&["build", "my-object"], "built my-object.wasm");

    // Cargo and editors, which know nothing of abide, find the SDK too.
    let metadata = Command::new("cargo")
        .args(["metadata", "--format-version", "1"])
        .current_dir(folder.path().join("my-object"))
        .output();
    let metadata = metadata.expect("cargo runs");
    let said = String::from_utf8_lossy(&metadata.stderr).into_owned();
    assert!(metadata.status.success(), "{said}");

    // A test that fails fails.
    let source = folder.path().join("my-object/src/lib.rs");
    let text = fs::read_to_string(&source).expect("source");
    fs::write(&source, text.replace("count += 1", "count += 2")).expect("source");
    let ended = abide(&folder, &["test", "my-object"]);
    assert_eq!(ended.status.code(), Some(101));
}
