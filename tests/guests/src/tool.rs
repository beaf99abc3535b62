//! How is a tool of another language run, and what does it say when it cannot?
//!
//! A tool's own output is shown only when it fails. A tool that is not there is
//! named together with the way to install it.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a tool to its end and returns what it wrote to standard output.
///
/// `install` tells how to get the tool.
pub fn run(command: &mut Command, install: &str) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{program} is not installed; {install}")
        }
        Err(error) => return Err(error).with_context(|| format!("cannot run {program}")),
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed ({}):\n{stdout}{stderr}",
            shown(command),
            output.status
        );
    }
    Ok(stdout.into_owned())
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Does `install` unless `stamp` says that it was done for the same `wanted`.
///
/// For what a package manager puts into a folder of ours: the stamp is written
/// after it, so that an interrupted installation is begun again.
pub fn installed_once(
    stamp: &Path,
    wanted: &str,
    install: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if std::fs::read_to_string(stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    std::fs::write(stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

#[cfg(test)]
mod tests {
    //! Whoever lacks a tool must learn which, and how to get it.

    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_the_way_to_install_it() {
        let error = run(
            &mut Command::new("no-such-tool-9"),
            "install it with `get no-such-tool-9`",
        )
        .expect_err("no tool");
        assert_eq!(
            error.to_string(),
            "no-such-tool-9 is not installed; install it with `get no-such-tool-9`"
        );
    }

    #[test]
    fn a_tool_that_fails_is_quoted_with_what_it_wrote() {
        let error = run(Command::new("cargo").arg("no-such-command-9"), "")
            .expect_err("a failure")
            .to_string();
        assert!(
            error.starts_with("cargo no-such-command-9 failed ("),
            "{error}"
        );
        assert!(error.contains("no such command"), "{error}");
    }

    #[test]
    fn an_interrupted_installation_is_begun_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stamp = folder.path().join("stamp");
        let mut runs = 0;
        installed_once(&stamp, "1", || bail!("interrupted")).expect_err("the interruption");
        for wanted in ["1", "1", "2"] {
            let install = || {
                runs += 1;
                Ok(())
            };
            installed_once(&stamp, wanted, install).expect("installed");
        }
        assert_eq!(runs, 2);
    }
}
