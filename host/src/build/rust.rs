//! Objects in Rust: cargo builds them for `wasm32-wasip2`, against the SDK that
//! this binary carries.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::sdk;

const TARGET: &str = "wasm32-wasip2";

/// The line of cargo's output that names what was built.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    manifest_path: Option<PathBuf>,
    filenames: Option<Vec<PathBuf>>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

pub fn package_name(source: &Path) -> Result<String> {
    let file = source.join("Cargo.toml");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))?;
    match manifest.package {
        Some(package) => Ok(package.name),
        None => bail!(
            "{} is a workspace, not a package; name the folder of one package",
            file.display()
        ),
    }
}

pub fn build(source: &Path, cache: &Path) -> Result<PathBuf> {
    install_target(source)?;
    let sdk = sdk::rust(cache)?;
    let sdk = sdk.to_str().context("the cache's path is not text")?;
    let patch = format!("patch.crates-io.durable-object.path={sdk:?}");
    tracing::info!(source = %source.display(), "building with cargo");
    let output = tool("cargo", source)
        .args(["build", "--release", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .args(["--config", &patch])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo; install Rust from https://rustup.rs")?;
    if !output.status.success() {
        bail!(
            "cargo could not build {}; it says why above",
            source.display()
        );
    }
    let manifest = source.join("Cargo.toml").canonicalize()?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter(|message| message.manifest_path.as_ref() == Some(&manifest))
        .filter(|message| {
            let is_cdylib = |target: &Target| target.crate_types.iter().any(|it| it == "cdylib");
            message.target.as_ref().is_some_and(is_cdylib)
        })
        .flat_map(|message| message.filenames.unwrap_or_default())
        .find(|file| file.extension() == Some(OsStr::new("wasm")));
    built.with_context(|| {
        format!(
            "{} builds no component; its Cargo.toml needs [lib] crate-type = [\"cdylib\"]",
            source.display()
        )
    })
}

/// Installs the target's standard library, unless it is there.
fn install_target(source: &Path) -> Result<()> {
    let sysroot = tool("rustc", source)
        .args(["--print", "sysroot"])
        .output()
        .context("cannot run rustc; install Rust from https://rustup.rs")?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    tracing::info!("installing Rust's standard library for {TARGET}");
    let installed = tool("rustup", source)
        .args(["target", "add", TARGET])
        .stdin(Stdio::null())
        .status()
        .with_context(|| {
            format!(
                "Rust's standard library for {TARGET} is missing, and rustup is not there to \
                 install it; install Rust from https://rustup.rs"
            )
        })?;
    if !installed.success() {
        bail!("rustup could not install {TARGET}; try: rustup target add {TARGET}");
    }
    Ok(())
}

/// A tool run in the source folder, whose toolchain file it shall obey, and not
/// in the build of whoever runs this process.
fn tool(name: &str, source: &Path) -> Command {
    let mut command = Command::new(name);
    command.current_dir(source);
    for variable in [
        "CARGO",
        "RUSTC",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        command.env_remove(variable);
    }
    command
}
