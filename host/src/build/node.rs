//! What of Node.js a JavaScript object needs: Node.js itself, what the SDK is made
//! with, and what the object depends on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::place::Place;
use super::tools::{Ended, Resident, Tools, exit_code};
use super::{Workshop, sdk};
use crate::regular_file;

/// The oldest Node.js that works.
const NODE_MIN: u32 = 20;
const NO_NODE: &str = "install Node.js 20 or newer from https://nodejs.org";

/// Who installs a project's packages, by the lock file that it writes.
const INSTALLERS: [(&str, &str, &[&str]); 6] = [
    ("pnpm-lock.yaml", "pnpm", &["install", "--frozen-lockfile"]),
    ("yarn.lock", "yarn", &["install"]),
    ("bun.lock", "bun", &["install"]),
    ("bun.lockb", "bun", &["install"]),
    ("package-lock.json", "npm", NPM_CI),
    ("npm-shrinkwrap.json", "npm", NPM_CI),
];
const NPM_CI: &[&str] = &["ci", "--no-audit", "--no-fund"];
const NPM_INSTALL: &[&str] = &["install", "--no-audit", "--no-fund"];

/// Is there when all is installed.
const READY: &str = ".ready";

/// The JavaScript SDK, ready to build.
pub struct Sdk {
    pub folder: PathBuf,
    /// The SDK in its engine, before any script.
    pub template: PathBuf,
}

#[derive(Default, Deserialize)]
pub struct Package {
    pub name: Option<String>,
    pub main: Option<String>,
    pub module: Option<String>,
    #[serde(default)]
    scripts: BTreeMap<String, String>,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
    #[serde(default, rename = "devDependencies")]
    dev_dependencies: BTreeMap<String, String>,
}

impl Package {
    /// What `package.json` in a folder says; nothing if there is none.
    pub fn of(folder: &Path) -> Result<Package> {
        let file = folder.join("package.json");
        match regular_file::read_text(&file) {
            Ok(text) => serde_json::from_str(text.trim_start_matches('\u{feff}'))
                .with_context(|| format!("cannot understand {}", file.display())),
            Err(_) => Ok(Package::default()),
        }
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new("node");
    command.current_dir(folder);
    command
}

fn run(tools: &Tools, command: &mut Command) -> Result<Ended> {
    tools
        .run(command)
        .with_context(|| format!("cannot run node; {NO_NODE}"))
}

/// Starts a program of the SDK that answers.
pub fn start(tools: &Tools, sdk: &Sdk, program: &str) -> Result<Resident> {
    tools
        .start(command(&sdk.folder).arg(program))
        .with_context(|| format!("cannot run node; {NO_NODE}"))
}

/// Unpacks the SDK that this binary carries and installs what it is made with, once.
pub fn sdk(cache: &Path, tools: &Tools) -> Result<Sdk> {
    let (folder, contract) = sdk::javascript(cache)?;
    let found = Sdk {
        template: folder.join("template.wasm"),
        folder,
    };
    let ready = found.folder.join(READY);
    if ready.exists() {
        return Ok(found);
    }
    let tools = &tools.lasting();
    check_version(&found.folder, tools)?;
    let lock = File::create(found.folder.join(".lock"))?;
    // Another process may be installing it.
    lock.lock()?;
    if ready.exists() {
        return Ok(found);
    }
    tracing::info!("installing what the JavaScript SDK is made with, once");
    let mut npm = Command::new("npm");
    npm.current_dir(&found.folder).args(NPM_CI);
    let installed = tools
        .run(&mut npm)
        .with_context(|| format!("cannot run npm; {NO_NODE}"))?;
    if !installed.status.success() {
        bail!(
            "npm could not install what the JavaScript SDK is made with; it says why above. \
             Is the registry reachable? npm config get registry tells which one it asks"
        );
    }
    let mut command = command(&found.folder);
    command
        .arg("build/template.mjs")
        .arg(&contract)
        .arg(&found.template);
    let made = run(tools, &mut command)?;
    if !made.status.success() {
        bail!("the JavaScript SDK cannot be made; node says why above");
    }
    fs::write(&ready, "").context("cannot finish the JavaScript SDK")?;
    Ok(found)
}

fn check_version(folder: &Path, tools: &Tools) -> Result<()> {
    let said = run(tools, command(folder).arg("--version"))?.output;
    match major(&said) {
        Some(major) if major < NODE_MIN => bail!(
            "Node.js {} is too old for JavaScript objects; {NO_NODE}",
            said.trim()
        ),
        _ => Ok(()),
    }
}

fn major(version: &str) -> Option<u32> {
    let version = version.trim().strip_prefix('v')?;
    version.split('.').next()?.parse().ok()
}

/// Is in the folder's place from before its packages are installed until they are.
const INSTALLING: &str = "installing";

/// Installs a project's packages unless they are there, with the tool that wrote its
/// lock file.
pub fn install(folder: &Path, place: &Place, tools: &Tools) -> Result<()> {
    let package = Package::of(folder)?;
    let is_there = |name: &str| {
        let mut above = folder.ancestors();
        above.any(|above| above.join("node_modules").join(name).exists())
    };
    let begun = place.dir().join(INSTALLING);
    // Whoever was ended while it installed has left some in parts.
    let was_ended = begun.exists();
    let mut needed = package.dependencies.keys();
    let Some(missing) = needed.find(|name| was_ended || !is_there(name)) else {
        return Ok(());
    };
    fs::write(&begun, "").with_context(|| format!("cannot write {}", begun.display()))?;
    let (root, program, arguments) = installer(folder);
    let shown = root.display();
    tracing::info!(folder = %shown, "{missing} is not installed; running {program} {}", arguments.join(" "));
    let mut command = Command::new(program);
    command.current_dir(root).args(arguments);
    let ended = tools.run(&mut command).with_context(|| {
        format!(
            "cannot run {program}, which {shown} is installed with; install it, or run it yourself"
        )
    })?;
    if !ended.status.success() {
        bail!(
            "{program} could not install the packages of {shown}; it says why above{}",
            match ended.output.trim() {
                "" => String::new(),
                said => format!(":\n{said}"),
            }
        );
    }
    let _ = fs::remove_file(&begun);
    if package.dev_dependencies.contains_key(missing) || is_there(missing) {
        return Ok(());
    }
    bail!("{program} did not install {missing}, on which {shown} depends")
}

/// Runs the tests that a project's `package.json` names.
pub fn test(folder: &Path, arguments: &[String], workshop: &Workshop) -> Result<ExitCode> {
    if !Package::of(folder)?.scripts.contains_key("test") {
        bail!(
            "{}: there is no script \"test\"; write one, for example \"scripts\": {{ \"test\": \"node \
             --test\" }}",
            folder.join("package.json").display()
        );
    }
    let tools = &workshop.tools;
    install(folder, &Place::of(folder, &workshop.cache)?, tools)?;
    let (_, program, _) = installer(folder);
    let mut command = Command::new(program);
    command.current_dir(folder).args(["run", "test"]);
    if program == "npm" && !arguments.is_empty() {
        command.arg("--");
    }
    let status = tools.run_in_terminal(command.args(arguments));
    let status = status.with_context(|| format!("cannot run {program}; install it"))?;
    Ok(exit_code(status))
}

/// Who installs the packages of a folder, and in which: lock files of a workspace lie
/// above.
fn installer(folder: &Path) -> (&Path, &'static str, &'static [&'static str]) {
    for above in folder.ancestors() {
        for (lock, program, arguments) in INSTALLERS {
            if above.join(lock).is_file() {
                return (above, program, arguments);
            }
        }
        if above.join(".git").exists() {
            break;
        }
    }
    (folder, "npm", NPM_INSTALL)
}

#[cfg(test)]
mod tests {
    //! The lock file says who installs.

    use super::*;

    #[test]
    fn the_lock_file_says_who_installs() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("packages/chat");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(root.path().join(".git")).unwrap();
        assert_eq!(installer(&folder), (&*folder, "npm", NPM_INSTALL));
        fs::write(root.path().join("pnpm-lock.yaml"), "").unwrap();
        assert_eq!(installer(&folder).0, root.path());
        assert_eq!(installer(&folder).1, "pnpm");
        fs::write(folder.join("package-lock.json"), "").unwrap();
        assert_eq!(installer(&folder), (&*folder, "npm", NPM_CI));
    }

    #[test]
    fn an_old_node_is_known() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.1.0"), Some(8));
        assert_eq!(major("x"), None);
    }
}
