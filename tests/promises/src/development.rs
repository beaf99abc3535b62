//! On what does `abide dev` work in a test?
//!
//! Most of its promises are about files, not about compilers. For them `cargo` is a
//! script here: it takes `object.wasm` from the source folder for what it compiled,
//! and fails where there is a file `broken`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use tempfile::TempDir;

use crate::abide::{Abide, Refusal};
use crate::{artifacts, smallest};

const CARGO: &str = r#"#!/bin/sh
case "$1" in
--version) echo "cargo 1.97.0" ;;
locate-project) echo "$PWD/Cargo.toml" ;;
build)
    echo "build in $PWD" >>"$CARGO_LOG"
    if [ -e slow ]; then
        sleep 600 &
        echo $! >"$CARGO_LOG.slow"
        wait
    fi
    if [ -e writes ]; then
        date >>written
        sleep 2
    fi
    if [ -e broken ]; then
        echo "error: this is broken: $(cat broken)" >&2
        exit 101
    fi
    while [ "$1" != --target-dir ]; do shift; done
    mkdir -p "$2"
    cp object.wasm "$2/object.wasm"
    echo "$2/object.wasm: $PWD/object.wasm" >"$2/object.d"
    cat <<END
{"reason":"compiler-artifact","package_id":"path+file://$PWD","manifest_path":"$PWD/Cargo.toml","target":{"crate_types":["cdylib"]},"filenames":["$2/object.wasm"],"fresh":false}
END
    ;;
esac
"#;

/// A folder to develop in, and tools.
#[derive(Clone)]
pub struct Development {
    folder: Arc<TempDir>,
}

impl Default for Development {
    fn default() -> Self {
        let folder = TempDir::with_prefix("abide-dev-").expect("a folder for a test");
        let development = Development {
            folder: Arc::new(folder),
        };
        let cargo = development.path("tools/cargo");
        development.write("tools/cargo", CARGO);
        fs::set_permissions(cargo, PermissionsExt::from_mode(0o755)).expect("a script");
        development
    }
}

impl Development {
    /// With an object's source in the folder `o`, which answers `text`.
    pub fn answering(text: &str) -> Development {
        let development = Development::default();
        development.source("o", "counter", text);
        development
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub fn write(&self, below: &str, content: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(path, content).expect("the test's files can be written");
    }

    pub fn remove(&self, below: &str) {
        fs::remove_file(self.path(below)).expect("it was there");
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("it can be renamed");
    }

    /// A package whose object answers `text`.
    pub fn source(&self, folder: &str, package: &str, text: &str) {
        self.write(
            &format!("{folder}/Cargo.toml"),
            format!("[package]\nname = {package:?}\n"),
        );
        self.write(&format!("{folder}/object.wasm"), smallest::answering(text));
    }

    /// A copy of a folder of the tests.
    pub fn copy(&self, from: &str, below: &str) {
        let from = artifacts::workspace().join("tests/promises").join(from);
        copy_folder(&from, &self.path(below));
    }

    /// `abide dev` on a file or folder below, which must come up.
    pub fn dev(&self, below: &str) -> Abide {
        Abide::start(self.command(&["dev"], below), self.folder.clone())
    }

    /// `abide dev` on a Cloudflare project below, with the real tools.
    pub fn worker(&self, below: &str, arguments: &[&str]) -> Abide {
        self.share_sdk();
        let mut command = self.command(&["dev"], below);
        command.args(arguments);
        Abide::start(command, self.folder.clone())
    }

    /// `abide serve` on a file that says what is made of a Cloudflare project below, which
    /// must fail.
    pub fn worker_refusal(&self, file: &str) -> Refusal {
        let mut command = self.command(&["serve", "--config"], file);
        command.args(["--listen", "127.0.0.1:0"]);
        self.share_sdk();
        Refusal::of(command)
    }

    /// Has the SDK where it lasts: what it is made with is installed once.
    fn share_sdk(&self) {
        let lasting = artifacts::cache().join("sdk");
        fs::create_dir_all(&lasting).expect("a cache");
        fs::create_dir_all(self.path("cache")).expect("a folder");
        let _ = std::os::unix::fs::symlink(lasting, self.path("cache/sdk"));
    }

    /// A command on something below that must fail.
    pub fn refusal(&self, command: &[&str], below: &str) -> Refusal {
        Refusal::of(self.command(command, below))
    }

    pub fn command(&self, command: &[&str], below: &str) -> Command {
        let path = env::var_os("PATH").unwrap_or_default();
        let tools = env::join_paths(
            [self.path("tools")]
                .into_iter()
                .chain(env::split_paths(&path)),
        );
        let mut abide = Command::new(artifacts::abide());
        abide.args(command).arg(self.path(below));
        abide.current_dir(self.folder.path());
        abide.env("PATH", tools.expect("paths without colons"));
        abide.env("CARGO_LOG", self.path("cargo.log"));
        abide.env("ABIDE_CACHE", self.path("cache"));
        if command == ["dev"] {
            abide.args(["--listen", "127.0.0.1:0"]);
        }
        abide
    }

    /// How often cargo was asked to build.
    pub fn builds(&self) -> usize {
        let log = fs::read_to_string(self.path("cargo.log")).unwrap_or_default();
        log.lines().count()
    }
}

/// Real source in Rust, with the real cargo: the counter of the examples, in a folder
/// that lasts, so that not every run compiles the SDK anew.
pub fn counter(name: &str) -> PathBuf {
    let example = artifacts::workspace().join("examples/counter/rust");
    let copy = artifacts::cache().join("sources").join(name);
    let _ = fs::remove_dir_all(&copy);
    copy_folder(&example, &copy);
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from)
        .expect("a folder of the repository")
        .flatten()
    {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true if entry.file_name() == "target" || entry.file_name() == "node_modules" => {}
            true => copy_folder(&path, &copy),
            false => fs::write(copy, fs::read(path).expect("a file")).expect("a copy"),
        }
    }
}
