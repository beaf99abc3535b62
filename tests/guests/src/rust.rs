//! How does Rust source become a component?
//!
//! `cargo build` for `wasm32-wasip2` writes a component by itself; the guest's
//! own Cargo.lock pins wit-bindgen, which generates its bindings.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::Folders;
use crate::tool;

const TARGET: &str = "wasm32-wasip2";
const INSTALL: &str = "install Rust from https://rustup.rs";
const INSTALL_TARGET: &str = "it is needed to add the target wasm32-wasip2; install it from https://rustup.rs, \
     or install the target's standard library as your Rust came";

pub fn build(folders: &Folders) -> Result<PathBuf> {
    add_target()?;
    // Shared with the other components in Rust, which have most of their crates in common.
    let target = folders.workspace.join("target").join("components");
    tool::run(
        cargo()
            .args(["build", "--release", "--locked", "--target", TARGET])
            .arg("--manifest-path")
            .arg(folders.guest.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target),
        INSTALL,
    )?;
    // What cargo wrote stays where it is, for cargo's sake.
    let built = folders.work.join("component.wasm");
    std::fs::copy(
        target.join(TARGET).join("release").join("guest.wasm"),
        &built,
    )?;
    Ok(built)
}

/// Installs the target's standard library if the compiler has none.
fn add_target() -> Result<()> {
    let libraries = tool::run(
        Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]),
        INSTALL,
    )?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    eprintln!("guests: installing the Rust target {TARGET}");
    tool::run(
        Command::new("rustup").args(["target", "add", TARGET]),
        INSTALL_TARGET,
    )?;
    Ok(())
}

/// Cargo without what an outer cargo or its configuration says about its own build.
fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
    ] {
        cargo.env_remove(name);
    }
    cargo
}
