//! How are the cases run against abide, whichever language its probe is in?
//!
//! Starts the real binary with an empty data folder and a probe, and runs each case
//! as a test of its own: once as objects live by default, and once with objects that
//! fall asleep between any two events.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use conformance::case::Case;
use conformance::host::Host;
use conformance::run::{Lacks, run};
use libtest_mimic::{Arguments, Failed, Trial};

/// Most of a case is waiting, so more run at a time than there are processors.
const TESTS_AT_ONCE: usize = 8;

/// How objects live.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Awake,
    /// They sleep, with their memory, whenever they can.
    Sleepy,
}

const MODES: [Mode; 2] = [Mode::Awake, Mode::Sleepy];

/// Long enough for a sleepy object to fall asleep.
const PAUSE: Duration = Duration::from_millis(20);

impl Mode {
    fn limits(self) -> &'static str {
        match self {
            Mode::Awake => "",
            Mode::Sleepy => "idle_timeout_ms = 1\n",
        }
    }

    fn pause(self) -> Duration {
        match self {
            Mode::Awake => Duration::ZERO,
            Mode::Sleepy => PAUSE,
        }
    }

    fn name(self, case: &Case) -> String {
        let how = match self {
            Mode::Awake => "",
            Mode::Sleepy => ", asleep between events",
        };
        format!("{} {}{how}", case.topic, case.promise)
    }
}

/// Runs all cases but those that `lacks` prevents. `probe` builds what they run against.
pub fn test(lacks: Lacks, probe: impl FnOnce() -> Result<PathBuf>) -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TESTS_AT_ONCE);
    let mut cases = conformance::read_cases(&conformance::cases_folder())?;
    cases.retain(|case| !lacks.prevent(case));
    let cases: Vec<_> = cases.into_iter().map(Arc::new).collect();
    let each = |trial: &dyn Fn(&Arc<Case>, Mode) -> Trial| {
        let pairs = MODES
            .iter()
            .flat_map(|mode| cases.iter().map(move |case| (case, *mode)));
        pairs.map(|(case, mode)| trial(case, mode)).collect()
    };
    if arguments.list {
        let trials = each(&|case, mode| Trial::test(mode.name(case), || Ok(())));
        return Ok(libtest_mimic::run(&arguments, trials).exit_code());
    }
    let probe = probe()?;
    let servers = [
        Abide::start(&probe, Mode::Awake)?,
        Abide::start(&probe, Mode::Sleepy)?,
    ];
    let host = |server: &Abide| {
        Host::new(&server.url, Some("abide-error".into())).pausing(server.mode.pause())
    };
    let lacks = Arc::new(lacks);
    let trials = each(&|case, mode| {
        let server = servers.iter().find(|server| server.mode == mode);
        let host = host(server.expect("one of each mode"));
        let (case, lacks) = (case.clone(), lacks.clone());
        let (name, is_slow) = (mode.name(&case), case.is_slow);
        let test = Trial::test(name, move || {
            run(&case, &host, &lacks).map_err(|error| {
                Failed::from(format!("{}.cases:{}\n{error:#}", case.topic, case.line))
            })
        });
        test.with_ignored_flag(is_slow)
    });
    let outcome = libtest_mimic::run(&arguments, trials);
    if outcome.has_failed() && std::env::var_os("CONFORMANCE_LOG").is_some() {
        for server in &servers {
            eprintln!("---- log of a server ----\n{}----", server.log());
        }
    }
    drop(servers);
    Ok(outcome.exit_code())
}

/// A server with a data folder of its own. It is killed when this is dropped.
struct Abide {
    mode: Mode,
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
    _folder: tempfile::TempDir,
}

impl Abide {
    fn start(probe: &Path, mode: Mode) -> Result<Abide> {
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
            // The probe has arguments of 32 MiB in memory in several forms.
            format!(
                "show_errors = true\ndata = \"data\"\n[limits]\nmemory_bytes_max = 536870912\n{}{}{}",
                mode.limits(),
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
            mode,
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
    // With all of the workspace's features, or what `cargo test --workspace` has
    // compiled would be compiled again with fewer.
    let arguments = [
        "build",
        "--quiet",
        "--workspace",
        "--bin",
        "abide",
        "--profile",
        &profile,
        "--target-dir",
    ];
    build(cargo().args(arguments).arg(target_folder()?))?;
    Ok(profile_folder()?.join("abide"))
}

pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

pub fn build(command: &mut Command) -> Result<()> {
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

pub fn target_folder() -> Result<PathBuf> {
    Ok(profile_folder()?
        .parent()
        .context("a profile's folder lies in the target folder")?
        .to_path_buf())
}
