//! What has to be built and installed before anything can be measured?

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::servers::Kind;

/// Where everything is.
pub struct Prepared {
    /// This binary, which is the ceiling too.
    pub bench: PathBuf,
    pub abide: Option<PathBuf>,
    pub code: Option<Code>,
    pub cache: PathBuf,
    pub workerd: Option<PathBuf>,
    pub workerd_config: PathBuf,
    /// The servers' data go below this, each start in a fresh directory.
    pub data_root: DataRoot,
    pub versions: BTreeMap<&'static str, String>,
}

/// What Abide's objects are written in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Rust,
    #[value(name = "javascript")]
    JavaScript,
}

impl Language {
    pub fn said(self) -> &'static str {
        match self {
            Language::Rust => "Abide's objects are in Rust",
            Language::JavaScript => {
                "Abide's objects and their Worker are the JavaScript that workerd runs"
            }
        }
    }
}

/// What Abide serves.
pub enum Code {
    Component(PathBuf),
    /// The folder of a Worker.
    Worker(PathBuf),
}

/// A directory that is removed at the end of the whole run, and nothing in it
/// earlier: creating files is slower for minutes after many were deleted on some
/// filesystems (ext4 without a journal), and that would be measured.
pub struct DataRoot(PathBuf);

impl DataRoot {
    fn create(path: PathBuf) -> Result<DataRoot> {
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(DataRoot(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for DataRoot {
    fn drop(&mut self) {
        // What cannot be removed now is removed after the next run.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn prepare(
    servers: &[Kind],
    language: Language,
    given_abide: Option<&Path>,
) -> Result<Prepared> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = sources
        .ancestors()
        .nth(2)
        .context("the bench lies in tests/bench of its workspace")?;
    let bench = std::env::current_exe().context("cannot find this binary")?;
    // <target>/release/bench
    let target = bench
        .ancestors()
        .nth(2)
        .context("this binary does not lie in a target directory")?;
    let ours = target.join("bench");
    let data_root = DataRoot::create(ours.join("data"))?;
    let mut prepared = Prepared {
        bench: bench.clone(),
        abide: None,
        code: None,
        cache: cache(&ours),
        workerd: None,
        workerd_config: sources.join("workerd/config.capnp"),
        data_root,
        versions: BTreeMap::new(),
    };
    if servers.contains(&Kind::Abide) {
        let abide = match given_abide {
            Some(path) => path
                .canonicalize()
                .with_context(|| format!("--abide: no such file {}", path.display()))?,
            None => build_abide(workspace, target)?,
        };
        let built_in = given_abide.is_none().then_some(workspace);
        prepared.code = Some(match language {
            Language::Rust => {
                Code::Component(build_component(&abide, &sources.join("guest"), &ours)?)
            }
            Language::JavaScript => Code::Worker(copy_worker(
                &sources.join("workerd"),
                &ours.join("javascript"),
            )?),
        });
        prepared
            .versions
            .insert("abide", abide_version(&abide, built_in));
        prepared.abide = Some(abide);
    }
    if servers.contains(&Kind::Workerd) {
        let workerd = install_workerd(&sources.join("workerd"), &ours.join("workerd"))?;
        prepared.versions.insert(
            "workerd",
            npm_version(&sources.join("workerd/package.json"))?,
        );
        prepared.workerd = Some(workerd);
    }
    if let Some(version) = output(Command::new("rustc").arg("--version")) {
        let number = version.split(' ').nth(1).unwrap_or("unknown");
        prepared.versions.insert("rustc", number.to_string());
    }
    Ok(prepared)
}

fn build_abide(workspace: &Path, target: &Path) -> Result<PathBuf> {
    eprintln!("building abide");
    let mut command = cargo(
        &["build", "--release", "--workspace", "--bin", "abide"],
        target,
    );
    run(command.current_dir(workspace)).context("cannot build abide")?;
    Ok(target.join("release/abide"))
}

/// Copies the Worker to where it has no packages, so that none are installed.
fn copy_worker(source: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    for name in ["worker.js", "wrangler.jsonc"] {
        let copied = fs::copy(source.join(name), folder.join(name));
        copied.with_context(|| format!("cannot copy {name} to {}", folder.display()))?;
    }
    Ok(folder.to_path_buf())
}

fn build_component(abide: &Path, source: &Path, ours: &Path) -> Result<PathBuf> {
    eprintln!("building the component");
    let component = ours.join("guest.wasm");
    let mut command = Command::new(abide);
    command.arg("build").arg(source).arg("--output");
    command.arg(&component).arg("--cache").arg(cache(ours));
    run(command.env("CARGO_TARGET_DIR", ours.join("guest")))
        .context("cannot build the component")?;
    Ok(component)
}

/// Where abide keeps what it compiled; not in the home of whoever measures.
fn cache(ours: &Path) -> PathBuf {
    ours.join("cache")
}

fn install_workerd(source: &Path, directory: &Path) -> Result<PathBuf> {
    let lock = "package-lock.json";
    let wanted = fs::read(source.join(lock))?;
    let binary = directory
        .join("node_modules")
        .join(workerd_package()?)
        .join("bin/workerd");
    if binary.exists() && fs::read(directory.join(lock)).is_ok_and(|installed| installed == wanted)
    {
        return Ok(binary);
    }
    eprintln!("installing workerd from npm into {}", directory.display());
    fs::create_dir_all(directory)?;
    fs::copy(source.join("package.json"), directory.join("package.json"))?;
    fs::write(directory.join(lock), wanted)?;
    let mut npm = Command::new("npm");
    npm.args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    run(npm.current_dir(directory))
        .context("cannot install workerd; is npm there? (or leave it out by --servers)")?;
    ensure!(binary.exists(), "npm installed no {}", binary.display());
    Ok(binary)
}

/// The package that holds the bare binary; no JavaScript is needed around it.
fn workerd_package() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("@cloudflare/workerd-linux-64"),
        "aarch64" => Ok("@cloudflare/workerd-linux-arm64"),
        other => bail!("there is no workerd for {other}; leave it out by --servers abide,ceiling"),
    }
}

fn npm_version(package: &Path) -> Result<String> {
    let text = fs::read_to_string(package)?;
    let package: serde_json::Value = serde_json::from_str(&text)?;
    let version = package["optionalDependencies"][workerd_package()?].as_str();
    Ok(version.unwrap_or("unknown").to_string())
}

/// The version and, of a binary that was built here, the commit if git knows it.
fn abide_version(abide: &Path, built_in: Option<&Path>) -> String {
    let version =
        output(Command::new(abide).arg("--version")).unwrap_or_else(|| "unknown".to_string());
    let version = version.trim_start_matches("abide ").to_string();
    let commit = built_in.and_then(|workspace| {
        let mut git = Command::new("git");
        git.args(["describe", "--always", "--dirty"]);
        output(git.current_dir(workspace))
    });
    match commit {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    }
}

fn cargo(arguments: &[&str], target: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).env("CARGO_TARGET_DIR", target);
    command
}

/// Runs a tool whose words go to stderr, where progress is told.
fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(std::io::stderr()))
        .status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}
