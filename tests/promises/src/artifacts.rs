//! Where are the things that the tests run?
//!
//! Each is built when a test first asks for it, in the profile of the tests and into
//! their target folder; a build that has nothing to do takes a moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The folder that the repository is in.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("this crate lies in tests/promises/")
        .to_path_buf()
}

/// The binary under test: `ABIDE_BIN`, or the one of this workspace.
pub fn abide() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let find = || match std::env::var_os("ABIDE_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            // With all of the workspace's features, or what `cargo test --workspace` has
            // compiled would be compiled again with fewer.
            build(
                Command::new(cargo())
                    .args(["build", "--quiet", "--workspace", "--bin", "abide"])
                    .args(profile_arguments()),
            );
            profile_folder().join("abide")
        }
    };
    BINARY.get_or_init(find).clone()
}

/// The library that records and refuses what a process asks of its disk.
pub fn power_loss() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        build(
            Command::new(cargo())
                .args(["build", "--quiet", "-p", "power-loss"])
                .args(profile_arguments()),
        );
        profile_folder().join("libpower_loss.so")
    };
    LIBRARY.get_or_init(find).clone()
}

/// The component of `fixture/`.
pub fn fixture() -> PathBuf {
    component("fixture")
}

/// The classes of `javascript/objects.mjs`.
const JAVASCRIPT: [(&str, &str); 3] = [
    ("objects", "Objects"),
    ("old", "Old"),
    ("sockets", "Sockets"),
];

/// The component of these classes.
pub fn javascript() -> PathBuf {
    static COMPONENT: OnceLock<PathBuf> = OnceLock::new();
    let main = workspace().join("tests/promises/javascript/objects.mjs");
    let build = || guests::module("promises-javascript", &main, &JAVASCRIPT);
    COMPONENT
        .get_or_init(|| build().unwrap_or_else(|error| panic!("{error:#}")))
        .clone()
}

/// The component of the gateway in `javascript/`.
pub fn javascript_gateway() -> PathBuf {
    static COMPONENT: OnceLock<PathBuf> = OnceLock::new();
    let main = workspace().join("tests/promises/javascript/gateway.mjs");
    let build = || guests::gateway_module("promises-javascript-gateway", &main, &JAVASCRIPT);
    COMPONENT
        .get_or_init(|| build().unwrap_or_else(|error| panic!("{error:#}")))
        .clone()
}

/// The component of `alarm-clock/`.
pub fn alarm_clock() -> PathBuf {
    component("alarm-clock")
}

/// The component of `gateway/`.
pub fn gateway() -> PathBuf {
    component("gateway")
}

/// The component of `front/`.
pub fn front() -> PathBuf {
    component("front")
}

/// The component of `front-alone/`.
pub fn front_alone() -> PathBuf {
    component("front-alone")
}

/// The component of `foreign-clock/`.
pub fn foreign_clock() -> PathBuf {
    component("foreign-clock")
}

/// The component that runs the steps of the conformance tests.
pub fn probe() -> PathBuf {
    component_in(&workspace().join("conformance/probe/rust"), "probe")
}

/// The component of the package in this folder of this crate.
fn component(name: &'static str) -> PathBuf {
    component_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), name)
}

/// The component of the package of this name in this folder, which is built once.
fn component_in(folder: &Path, name: &'static str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    // Cargo would let only one build at a time into their folder anyway.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let component = built.entry(name);
    component.or_insert_with(|| package(folder, name)).clone()
}

fn package(folder: &Path, name: &str) -> PathBuf {
    let target = components_folder();
    let manifest = folder.join("Cargo.toml");
    build(
        Command::new(cargo())
            .args([
                "build",
                "--quiet",
                "--release",
                "--target",
                "wasm32-wasip2",
                "--manifest-path",
            ])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target),
    );
    let file = format!("{}.wasm", name.replace('-', "_"));
    target.join("wasm32-wasip2/release").join(file)
}

/// Where components in Rust are built: what several have in common is compiled once.
fn components_folder() -> PathBuf {
    target_folder().join("components")
}

/// Where servers keep what they have compiled, so that each need not do it again.
pub fn cache() -> PathBuf {
    target_folder().join("promises-cache")
}

fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

fn build(command: &mut Command) {
    let output = command
        .current_dir(workspace())
        .output()
        .expect("cargo must be there to build what the tests run");
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `target/<profile>`: a test binary lies in `target/<profile>/deps`.
fn profile_folder() -> PathBuf {
    let binary = std::env::current_exe().expect("a test binary knows its path");
    binary
        .ancestors()
        .nth(2)
        .expect("a test binary lies in target/<profile>/deps")
        .to_path_buf()
}

fn target_folder() -> PathBuf {
    profile_folder()
        .parent()
        .expect("a profile's folder lies in the target folder")
        .to_path_buf()
}

fn profile_arguments() -> Vec<String> {
    let profile = match profile_folder().file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev".to_string(),
        Some(profile) => profile.to_string(),
    };
    vec![
        "--profile".into(),
        profile,
        "--target-dir".into(),
        target_folder().display().to_string(),
    ]
}
