//! How does JavaScript source become a component?
//!
//! componentize-qjs, pinned by the guest's package-lock.json, is installed into
//! a folder of our own. It brings QuickJS, runs the guest's module once, and
//! stores the engine as it is then.
//!
//! componentize-qjs 0.4.5 names a binding for each of eight platforms, three of
//! which (Windows, and musl on arm64) are in no registry. `npm ci` wants an entry
//! for them all the same; `npm install` drops these three, so put them back by
//! hand after it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{Folders, tool};

pub const INSTALL: &str =
    "install Node.js 20 or newer, which npm comes with, from https://nodejs.org";

pub fn build(folders: &Folders) -> Result<PathBuf> {
    install(&folders.work, &folders.guest)?;
    let built = folders.work.join("component.wasm");
    tool::run(
        Command::new("node")
            .arg(
                folders
                    .work
                    .join("node_modules/componentize-qjs/bin/componentize-qjs"),
            )
            .arg("--wit")
            .arg(&folders.wit)
            .args(["--world", "durable-object", "--js"])
            .arg(folders.guest.join("guest.js"))
            .arg("--output")
            .arg(&built)
            .current_dir(&folders.guest),
        INSTALL,
    )?;
    Ok(built)
}

/// Installs into `work` what the package-lock.json of `package` pins, beside a copy of it.
pub fn install(work: &Path, package: &Path) -> Result<()> {
    let lock = package.join("package-lock.json");
    let wanted =
        fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    tool::installed_once(&work.join("node_modules.installed"), &wanted, || {
        eprintln!("guests: installing what {} pins", lock.display());
        for name in ["package.json", "package-lock.json"] {
            fs::copy(package.join(name), work.join(name))
                .with_context(|| format!("cannot copy {name}"))?;
        }
        tool::run(npm_ci(work).arg("--ignore-scripts"), INSTALL)?;
        Ok(())
    })
}

fn npm_ci(folder: &Path) -> Command {
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.args(["ci", "--no-audit", "--no-fund"])
        .current_dir(folder);
    npm
}
