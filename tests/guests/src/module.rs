//! How does a module of classes become a component, with the SDK for JavaScript?
//!
//! The SDK is copied to a folder of our own, where npm installs what its
//! package-lock.json pins: a source tree stays as it was checked out.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{inputs, javascript, locked, tool};

/// What of the SDK a build needs.
const PARTS: [&str; 5] = ["build", "src", "wit", "package.json", "package-lock.json"];

/// A class: the host's name for it, and the name under which a module exports it.
type Class<'a> = (&'a str, &'a str);

/// The component `name` of the classes of the module `main`, built from its sources unless
/// that was done. What `main` imports lies in its folder.
///
/// Waits for another process that builds with the SDK.
pub fn module(name: &str, main: &Path, classes: &[Class]) -> Result<PathBuf> {
    component(name, main, "durable-object", classes)
}

/// The component of the default export of `main`, which stands before these classes.
pub fn gateway_module(name: &str, main: &Path, classes: &[Class]) -> Result<PathBuf> {
    component(name, main, "gateway", classes)
}

fn component(name: &str, main: &Path, world: &str, classes: &[Class]) -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let workspace = workspace
        .canonicalize()
        .context("this crate lies in tests/guests/")?;
    let sdk = workspace.join("guest-sdks/js");
    let outputs = workspace.join("target/guests");
    let work = outputs.join("javascript-sdk");
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let lock = outputs.join("javascript-sdk.lock");
    let _lock = locked(&lock).with_context(|| format!("cannot lock {}", lock.display()))?;

    let component = outputs.join(format!("{name}.wasm"));
    let stamp = outputs.join(format!("{name}.inputs"));
    let folder = main.parent().context("a module lies in a folder")?;
    let mut sources: Vec<_> = PARTS.map(|part| sdk.join(part)).into();
    sources.extend([folder.to_path_buf(), workspace.join("wit")]);
    let options = options(&component, main, &workspace.join("wit"), world, classes);
    let inputs = format!("{} {options}", inputs::hash(&sources)?);
    if component.exists() && fs::read_to_string(&stamp).is_ok_and(|built_from| built_from == inputs)
    {
        return Ok(component);
    }

    eprintln!("guests: building {name}");
    for part in PARTS {
        copy(&sdk.join(part), &work.join(part))?;
    }
    javascript::install(&work, &sdk)?;
    let described = outputs.join(format!("{name}.json"));
    fs::write(&described, options)
        .with_context(|| format!("cannot write {}", described.display()))?;
    tool::run(
        Command::new("node")
            .arg(work.join("build/build.mjs"))
            .arg(&described),
        javascript::INSTALL,
    )
    .with_context(|| format!("cannot build {}", main.display()))?;
    fs::write(&stamp, inputs).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(component)
}

/// What build.mjs is to do. Rust quotes these as JSON does.
fn options(out: &Path, main: &Path, wit: &Path, world: &str, classes: &[Class]) -> String {
    let mut named = String::new();
    for (name, export) in classes {
        let comma = if named.is_empty() { "" } else { ", " };
        let _ = write!(named, "{comma}{name:?}: {export:?}");
    }
    format!(
        "{{ \"main\": {:?}, \"out\": {:?}, \"wit\": {:?}, \"world\": {world:?}, \"classes\": {{ {named} }} }}",
        main.display().to_string(),
        out.display().to_string(),
        wit.display().to_string(),
    )
}

/// Has a folder or file at `to` be as it is at `from`.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
        return Ok(());
    }
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in inputs::entries(from)? {
        copy(&entry, &to.join(entry.file_name().unwrap_or_default()))?;
    }
    Ok(())
}
