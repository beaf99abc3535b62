//! Does abide keep every promise of cases/?
//!
//! Starts the real binary with an empty data folder and the probe in Rust, and runs
//! each case as a test of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use conformance::host::Host;
use conformance::run::{Lacks, run};
use libtest_mimic::{Arguments, Failed, Trial};

/// Most of a case is waiting, so more run at a time than there are processors.
const TESTS_AT_ONCE: usize = 8;

/// What abide cannot do yet.
const LACKS: &[&str] = &["stubs"];

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TESTS_AT_ONCE);
    let lacks = Arc::new(Lacks(LACKS.iter().map(|word| word.to_string()).collect()));
    let mut cases = conformance::read_cases(&conformance::cases_folder())?;
    for word in LACKS {
        let is_needed = cases
            .iter()
            .any(|case| case.needs.iter().any(|need| need == word));
        ensure!(is_needed, "no case needs {word:?}; take it out of LACKS");
    }
    cases.retain(|case| !lacks.prevent(case));
    if arguments.list {
        let trials = cases
            .into_iter()
            .map(|case| Trial::test(format!("{} {}", case.topic, case.promise), || Ok(())));
        return Ok(libtest_mimic::run(&arguments, trials.collect()).exit_code());
    }
    let abide = Abide::start()?;
    let host = Host::new(&abide.url, Some("abide-error".into()));
    let trial = |case: conformance::case::Case| {
        let (host, lacks) = (host.clone(), lacks.clone());
        let (name, is_slow) = (format!("{} {}", case.topic, case.promise), case.is_slow);
        let test = Trial::test(name, move || {
            run(&case, &host, &lacks).map_err(|error| {
                Failed::from(format!("{}.cases:{}\n{error:#}", case.topic, case.line))
            })
        });
        test.with_ignored_flag(is_slow)
    };
    let outcome = libtest_mimic::run(&arguments, cases.into_iter().map(trial).collect());
    if outcome.has_failed() && std::env::var_os("CONFORMANCE_LOG").is_some() {
        eprintln!("---- log of the server ----\n{}----", abide.log());
    }
    drop(abide);
    Ok(outcome.exit_code())
}

/// A server with a data folder of its own. It is killed when this is dropped.
struct Abide {
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
    _folder: tempfile::TempDir,
}

impl Abide {
    fn start() -> Result<Abide> {
        let probe = build_probe()?;
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("abide.toml");
        let class = |name| {
            format!(
                "[classes.{name}]\ncomponent = {:?}\n",
                probe.display().to_string()
            )
        };
        std::fs::write(
            &config,
            format!(
                "show_errors = true\ndata = \"data\"\n{}{}",
                class("probe"),
                class("other")
            ),
        )?;
        let mut command = Command::new(binary()?);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let log = collected(child.stderr.take().context("stderr is a pipe")?);
        let mut lines = BufReader::new(child.stdout.take().context("stdout is a pipe")?).lines();
        let Some(ready) = lines.next().transpose()? else {
            let status = child.wait()?;
            bail!(
                "{command:?} ended with {status}:\n{}",
                log.lock().unwrap_or_else(PoisonError::into_inner)
            );
        };
        // The server must never wait for somebody to read what it prints.
        std::thread::spawn(move || lines.count());
        let url = ready
            .strip_prefix("abide: listening on ")
            .with_context(|| format!("the server began with {ready:?}"))?;
        Ok(Abide {
            url: url.into(),
            child,
            log,
            _folder: folder,
        })
    }

    fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Abide {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collected(stderr: impl std::io::Read + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let into = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut log = into.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
    log
}

/// The binary under test: `ABIDE_BIN`, or the one of this workspace.
fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ABIDE_BIN") {
        return Ok(path.into());
    }
    let profile = match profile_folder()?.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev".to_string(),
        Some(profile) => profile.to_string(),
    };
    let arguments = [
        "build",
        "--quiet",
        "-p",
        "abide",
        "--profile",
        &profile,
        "--target-dir",
    ];
    build(cargo().args(arguments).arg(target_folder()?))?;
    Ok(profile_folder()?.join("abide"))
}

fn build_probe() -> Result<PathBuf> {
    let target = target_folder()?.join("conformance");
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

fn cargo() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn build(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// `target/<profile>`: a test binary lies in `target/<profile>/deps`.
fn profile_folder() -> Result<PathBuf> {
    let binary = std::env::current_exe()?;
    Ok(binary
        .ancestors()
        .nth(2)
        .context("a test binary lies in target/<profile>/deps")?
        .to_path_buf())
}

fn target_folder() -> Result<PathBuf> {
    Ok(profile_folder()?
        .parent()
        .context("a profile's folder lies in the target folder")?
        .to_path_buf())
}
