//! How does Python source become a component?
//!
//! componentize-py, pinned by the guest's requirements.txt, lives in a virtual
//! environment of our own. It brings CPython, runs the guest's module once, and
//! stores the interpreter as it is then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{Folders, tool};

const INSTALL: &str =
    "install Python 3.10 or newer with its venv module from https://www.python.org/downloads";
const REPAIR: &str = "the virtual environment beside it is broken; remove that and try again";

pub fn build(folders: &Folders) -> Result<PathBuf> {
    let programs = install(folders)?;
    let built = folders.work.join("component.wasm");
    tool::run(
        Command::new(programs.join("componentize-py"))
            .arg("--wit-path")
            .arg(&folders.wit)
            .args([
                "--world",
                "durable-object",
                "componentize",
                "app",
                "--output",
            ])
            .arg(&built)
            .arg("--python-path")
            .arg(&folders.guest)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&folders.work),
        REPAIR,
    )?;
    Ok(built)
}

/// Makes the virtual environment if need be, and returns its folder of programs.
fn install(folders: &Folders) -> Result<PathBuf> {
    let environment = folders.work.join("venv");
    let programs = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let requirements = folders.guest.join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    tool::installed_once(&folders.work.join("venv.installed"), &wanted, || {
        eprintln!("guests: installing {}", wanted.trim());
        tool::run(
            python().args(["-m", "venv", "--clear"]).arg(&environment),
            INSTALL,
        )?;
        tool::run(
            &mut pip_install(&programs.join("python"), &requirements),
            REPAIR,
        )?;
        Ok(())
    })?;
    Ok(programs)
}

fn python() -> Command {
    Command::new(if cfg!(windows) { "python" } else { "python3" })
}

fn pip_install(python: &Path, requirements: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ])
    .arg(requirements);
    pip
}
