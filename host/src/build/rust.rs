//! Objects in Rust: cargo builds them for `wasm32-wasip2`, against the SDK that
//! this binary carries.
//!
//! Nothing is written into the source folder: what is built lies in the folder's
//! place in the cache, and so does the lock file that cargo writes. Only `abide new`
//! and `abide test` write there, in `.cargo`, where cargo and editors find the SDK.

use std::ffi::OsStr;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::freshness::{PathPackage, Record};
use super::place::Place;
use super::tools::{Ended, Tools, exit_code};
use super::{Built, Failed, Made, Profile, Workshop, sdk};
use crate::regular_file;

const TARGET: &str = "wasm32-wasip2";
const NO_RUST: &str = "install Rust from https://rustup.rs";

/// The profile of `abide dev`: what takes an edit to its first answer soonest. It
/// inherits what the user says of release builds, but not what makes them slow.
const DEV: &str = "abide-dev";
const DEV_SETTINGS: [(&str, &str); 5] = [
    ("inherits", "\"release\""),
    ("opt-level", "1"),
    ("lto", "\"off\""),
    ("codegen-units", "16"),
    ("incremental", "true"),
];

/// The first line of a configuration that is ours to change.
const WRITTEN_BY_US: &str =
    "# Written by abide, for cargo and editors on this machine: where the SDK lies.";

/// The first cargo that knows where a lock file is without being persuaded.
const LOCK_PATH_SINCE: u32 = 97;

/// A line of cargo's output that names what was built.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    filenames: Option<Vec<PathBuf>>,
    fresh: Option<bool>,
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
    let text = regular_file::read_text(&file)
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

pub fn build(source: &Path, workshop: &Workshop) -> Result<Built> {
    let cargo = Cargo::new(source, workshop)?;
    tracing::info!(source = %source.display(), "building with cargo");
    let mut messages = cargo.build()?;
    let mut component = cargo.component(&messages)?;
    let record = Record::of(cargo.place.dir(), cargo.profile_folder());
    let packages = path_packages(&messages);
    let overlooked = record.overlooked(&component, &packages);
    if !overlooked.is_empty() {
        cargo.forget(&overlooked)?;
        messages = cargo.build()?;
        component = cargo.component(&messages)?;
    }
    let sources = record.write(&component)?;
    Ok(Built {
        made: Made::Component(component),
        sources,
    })
}

/// Runs `cargo test` as the user would, with the SDK.
pub fn test(source: &Path, arguments: &[String], workshop: &Workshop) -> Result<ExitCode> {
    find_sdk(source, workshop)?;
    let sdk = sdk::rust(&workshop.cache)?;
    let mut command = tool("cargo", source);
    let patch = format!("patch.crates-io.durable-object.path={}", toml_text(&sdk)?);
    command.args(["test", "--config", &patch]).args(arguments);
    let status = workshop.tools.run_in_terminal(&mut command);
    let status = status.with_context(|| format!("cannot run cargo; {NO_RUST}"))?;
    Ok(exit_code(status))
}

/// Lets cargo and editors find the SDK when they look at the folder by themselves:
/// writes `.cargo/config.toml`, unless the user has one.
pub fn find_sdk(source: &Path, workshop: &Workshop) -> Result<()> {
    let file = source.join(".cargo/config.toml");
    let written = std::fs::read_to_string(&file).ok();
    if written
        .as_deref()
        .is_some_and(|text| !text.starts_with(WRITTEN_BY_US))
    {
        return Ok(());
    }
    let sdk = sdk::newest_rust(&workshop.cache)?;
    let text = format!(
        "{WRITTEN_BY_US}\n[patch.crates-io]\ndurable-object = {{ path = {} }}\n",
        toml_text(&sdk)?
    );
    if written.as_deref() == Some(&text) {
        return Ok(());
    }
    let cannot = || format!("cannot write {}", file.display());
    std::fs::create_dir_all(source.join(".cargo")).with_context(cannot)?;
    std::fs::write(&file, text).with_context(cannot)
}

/// Cargo, as it is run for one source folder.
struct Cargo<'a> {
    source: &'a Path,
    tools: &'a Tools,
    profile: Profile,
    place: Place,
    /// What each of its commands is told.
    settings: Vec<String>,
    /// Does this cargo need to be allowed what later ones do by themselves?
    persuaded: bool,
}

impl<'a> Cargo<'a> {
    fn new(source: &'a Path, workshop: &'a Workshop) -> Result<Cargo<'a>> {
        let tools = &workshop.tools;
        install_target(source, tools)?;
        let place = Place::of(source, &workshop.cache)?;
        let sdk = sdk::rust(&workshop.cache)?;
        let lock = place.lock_file(&workspace(source, tools)?.join("Cargo.lock"))?;
        let target = place.dir().join("target");
        let mut settings = vec![
            format!("patch.crates-io.durable-object.path={}", toml_text(&sdk)?),
            format!("resolver.lockfile-path={}", toml_text(&lock)?),
            // Whatever the user's configuration says of shared folders.
            format!("build.target-dir={}", toml_text(&target)?),
            format!("build.build-dir={}", toml_text(&target)?),
        ];
        let persuaded = needs_persuasion(&version(source, tools)?);
        if persuaded {
            // The permission is cargo's alone, compilers stay as they are.
            let users = std::env::var("RUSTC_BOOTSTRAP").unwrap_or("-1".into());
            settings.push(format!("env.RUSTC_BOOTSTRAP.value={users:?}"));
            settings.push("env.RUSTC_BOOTSTRAP.force=true".into());
        }
        if workshop.profile == Profile::Dev {
            let of_dev = |(key, value)| format!("profile.{DEV}.{key}={value}");
            settings.extend(DEV_SETTINGS.map(of_dev));
        }
        Ok(Cargo {
            source,
            tools,
            profile: workshop.profile,
            place,
            settings,
            persuaded,
        })
    }

    fn profile_folder(&self) -> &'static str {
        match self.profile {
            Profile::Release => "release",
            Profile::Dev => DEV,
        }
    }

    /// One of cargo's commands, for our target, profile and folders.
    fn command(&self, name: &str) -> Command {
        let mut command = tool("cargo", self.source);
        command.arg(name).args(["--target", TARGET]);
        command.args(["--profile", self.profile_folder()]);
        command
            .arg("--target-dir")
            .arg(self.place.dir().join("target"));
        for setting in &self.settings {
            command.args(["--config", setting]);
        }
        if self.persuaded {
            command.args(["-Z", "lockfile-path"]);
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        if self.profile == Profile::Dev {
            command.env("CARGO_INCREMENTAL", "1");
        }
        if stderr().is_terminal() {
            command.args(["--color", "always"]);
        }
        command
    }

    fn build(&self) -> Result<Vec<Message>> {
        let mut command = self.command("build");
        command.args(["--message-format", "json-render-diagnostics"]);
        let ended = run(self.tools, &mut command)?;
        if !ended.status.success() {
            let shown = self.source.display();
            return Err(Failed {
                summary: format!("cargo could not build {shown}; it says why above"),
                said: ended.said,
            }
            .into());
        }
        let lines = ended.output.lines();
        let messages = lines.filter_map(|line| serde_json::from_str::<Message>(line).ok());
        Ok(messages
            .filter(|message| message.reason == "compiler-artifact")
            .collect())
    }

    /// Makes cargo compile these packages again.
    fn forget(&self, packages: &[&PathPackage]) -> Result<()> {
        let mut command = self.command("clean");
        for package in packages {
            command.args(["--package", &package.id]);
        }
        let ended = run(self.tools, &mut command)?;
        if !ended.status.success() {
            bail!(
                "cargo could not forget an older build of {}",
                self.source.display()
            );
        }
        Ok(())
    }

    fn component(&self, messages: &[Message]) -> Result<PathBuf> {
        let manifest = self.source.join("Cargo.toml").canonicalize()?;
        let is_cdylib = |target: &Target| target.crate_types.iter().any(|it| it == "cdylib");
        let built = messages
            .iter()
            .filter(|message| message.manifest_path.as_ref() == Some(&manifest))
            .filter(|message| message.target.as_ref().is_some_and(is_cdylib))
            .flat_map(|message| message.filenames.iter().flatten())
            .find(|file| file.extension() == Some(OsStr::new("wasm")));
        let built = built.with_context(|| {
            format!(
                "{} builds no component; its Cargo.toml needs [lib] crate-type = [\"cdylib\"]",
                self.source.display()
            )
        })?;
        Ok(built.clone())
    }
}

/// The packages whose source lies on this machine, where it may change.
fn path_packages(messages: &[Message]) -> Vec<PathPackage> {
    let of_path = messages.iter().filter_map(|message| {
        let id = message.package_id.clone()?;
        id.starts_with("path+").then_some(())?;
        Some(PathPackage {
            id,
            folder: message.manifest_path.as_ref()?.parent()?.into(),
            fresh: message.fresh?,
        })
    });
    of_path.collect()
}

fn toml_text(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("the path {} is not UTF-8", path.display()))?;
    Ok(toml::Value::String(text.into()).to_string())
}

/// The folder of the workspace that the source folder belongs to, or itself.
fn workspace(source: &Path, tools: &Tools) -> Result<PathBuf> {
    let mut command = tool("cargo", source);
    command.args(["locate-project", "--workspace", "--message-format", "plain"]);
    let located = run(tools, &mut command)?;
    if !located.status.success() {
        let shown = source.join("Cargo.toml");
        return Err(Failed {
            summary: format!("cargo does not understand {}", shown.display()),
            said: located.said,
        }
        .into());
    }
    let manifest = Path::new(located.output.trim());
    Ok(manifest.parent().unwrap_or(source).into())
}

fn version(source: &Path, tools: &Tools) -> Result<String> {
    Ok(run(tools, tool("cargo", source).arg("--version"))?.output)
}

/// Is this a cargo to which `resolver.lockfile-path` is an experiment?
fn needs_persuasion(version: &str) -> bool {
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    let minor = number.split('.').nth(1).and_then(|it| it.parse().ok());
    minor.is_some_and(|minor: u32| minor < LOCK_PATH_SINCE)
}

/// Installs the target's standard library, unless it is there.
fn install_target(source: &Path, tools: &Tools) -> Result<()> {
    let mut command = tool("rustc", source);
    command.args(["--print", "sysroot"]);
    let sysroot = tools
        .run(&mut command)
        .with_context(|| format!("cannot run rustc; {NO_RUST}"))?;
    if !sysroot.status.success() {
        return Err(Failed::new(
            "rustc does not run; it says why above".into(),
            &sysroot.said,
        )
        .into());
    }
    let sysroot = Path::new(sysroot.output.trim());
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    tracing::info!("installing Rust's standard library for {TARGET}");
    let mut command = tool("rustup", source);
    command.args(["target", "add", TARGET]);
    let installed = tools.run(&mut command).with_context(|| {
        format!(
            "Rust's standard library for {TARGET} is missing, and rustup is not there to \
             install it; {NO_RUST}"
        )
    })?;
    if !installed.status.success() {
        bail!("rustup could not install {TARGET}; try: rustup target add {TARGET}");
    }
    Ok(())
}

fn run(tools: &Tools, command: &mut Command) -> Result<Ended> {
    let ended = tools.run(command);
    ended.with_context(|| format!("cannot run cargo; {NO_RUST}"))
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

#[cfg(test)]
mod tests {
    //! Which cargo must be persuaded?

    use super::*;

    #[test]
    fn only_a_cargo_that_does_not_know_lock_paths_is_persuaded() {
        assert!(needs_persuasion("cargo 1.95.0 (f2d3ce0bd 2026-03-21)\n"));
        assert!(!needs_persuasion(
            "cargo 1.97.0-nightly (4d1f98451 2026-05-15)"
        ));
        assert!(!needs_persuasion("cargo 1.100.1"));
        assert!(!needs_persuasion("something else"));
    }
}
