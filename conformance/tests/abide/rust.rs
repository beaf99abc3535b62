//! Does abide keep every promise of cases/, with objects in Rust?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use conformance::run::Lacks;

mod server;

use server::{build, cargo, target_folder};

fn main() -> Result<ExitCode> {
    server::test(Lacks::default(), build_probe)
}

fn build_probe() -> Result<PathBuf> {
    // Shared with the other components in Rust, which have most of their crates in common.
    let target = target_folder()?.join("components");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("probe/rust/Cargo.toml");
    let arguments = [
        "build",
        "--quiet",
        "--release",
        "--target",
        "wasm32-wasip2",
        "--manifest-path",
    ];
    build(
        cargo()
            .args(arguments)
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(target.join("wasm32-wasip2/release/probe.wasm"))
}
