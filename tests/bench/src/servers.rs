//! How is a server started, and how does it end?

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::prepare::{Code, Prepared};
use crate::process;
use crate::rows::{CLASSES, Class};

/// What Abide logs of an object that goes on where it was.
const WOKEN: &str = "wakes with its memory";

/// Compiling a component for the first time is included.
const START_WAIT_MAX: Duration = Duration::from_secs(60);
const LOG_WAIT_MAX: Duration = Duration::from_secs(5);
const STOP_WAIT_MAX: Duration = Duration::from_secs(10);

/// All servers evict after about ten seconds; this is that and a margin.
pub const EVICTED_AFTER: Duration = Duration::from_secs(13);
const IDLE_TIMEOUT_MS: u64 = 10_000;
const NEVER_MS: u64 = 3_600_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Abide,
    Workerd,
    Ceiling,
}

/// What becomes of idle objects.
#[derive(Clone, Copy, PartialEq)]
pub enum Residence {
    Evicting,
    Resident,
}

pub struct Server {
    pub kind: Kind,
    pub address: SocketAddr,
    /// From the start of the process to an object's first answer.
    pub ready_ms: f64,
    /// The objects that were touched last; see `measure`.
    pub touched: Option<Touched>,
    child: Child,
    directory: PathBuf,
}

/// Objects `<before>0`, `<before>1`, … of a class of counters, that exist on disk.
pub struct Touched {
    pub class: Class,
    pub before: String,
    pub writes_each: u64,
    pub at: Instant,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Abide => "Abide",
            Kind::Workerd => "workerd",
            Kind::Ceiling => "Ceiling",
        }
    }
}

impl Server {
    /// Starts a server with no data and returns when an object has answered.
    pub fn start(kind: Kind, residence: Residence, prepared: &Prepared) -> Result<Server> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "{}-{}-{number}",
            kind.name().to_lowercase(),
            std::process::id()
        );
        let directory = prepared.data_root.path().join(name);
        fs::create_dir_all(directory.join("data"))?;
        let address = free_address()?;
        let mut command = command(kind, residence, prepared, &directory, address)?;
        let log = File::create(directory.join("log"))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        process::end_with_us(&mut command);
        let begun = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Server {
            kind,
            address,
            ready_ms: 0.0,
            touched: None,
            child,
            directory,
        };
        server.wait_until_ready(begun)?;
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server said last, for an error.
    pub fn log_tail(&self) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(600)..])
            .trim()
            .to_string()
    }

    /// Does an object of this class go on where it was, after it was evicted?
    pub fn keeps_memory(&self, class: Class) -> bool {
        self.kind == Kind::Abide && class != Class::Forgetful
    }

    /// How many objects woke with their memory until now.
    pub fn woken(&self) -> usize {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        log.matches(WOKEN).count()
    }

    /// Fails unless so many have woken; the log may come late.
    pub fn check_woken(&self, count: usize) -> Result<()> {
        let begun = Instant::now();
        while self.woken() < count {
            ensure!(
                begun.elapsed() < LOG_WAIT_MAX,
                "{} objects woke with their memory, {count} were expected",
                self.woken()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Fails when the process has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} has ended ({status}): {}",
                self.kind.name(),
                self.log_tail()
            ),
        }
    }

    fn wait_until_ready(&mut self, begun: Instant) -> Result<()> {
        while !answers(self.address) {
            self.check_alive()?;
            if begun.elapsed() > START_WAIT_MAX {
                bail!(
                    "{} does not answer within {START_WAIT_MAX:?}: {}",
                    self.kind.name(),
                    self.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.ready_ms = begun.elapsed().as_secs_f64() * 1000.0;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        process::stop(&mut self.child, STOP_WAIT_MAX);
    }
}

fn command(
    kind: Kind,
    residence: Residence,
    prepared: &Prepared,
    directory: &Path,
    address: SocketAddr,
) -> Result<Command> {
    let program = match kind {
        Kind::Abide => prepared.abide.as_ref(),
        Kind::Workerd => prepared.workerd.as_ref(),
        Kind::Ceiling => Some(&prepared.bench),
    };
    let mut command = Command::new(program.context("this server was not prepared")?);
    match kind {
        Kind::Abide => {
            let code = prepared.code.as_ref();
            let code = code.context("the objects were not built")?;
            let config = directory.join("abide.toml");
            fs::write(&config, abide_config(residence, code, address))?;
            command.arg("serve").arg("--config").arg(config);
            command.arg("--cache").arg(&prepared.cache);
            command.env("RUST_LOG", "info,abide::life=debug");
        }
        Kind::Workerd => {
            let constant = if residence == Residence::Resident {
                "pinned"
            } else {
                "config"
            };
            command
                .arg("serve")
                .arg(&prepared.workerd_config)
                .arg(constant);
            command
                .arg("-d")
                .arg(format!("data={}", directory.join("data").display()));
            command.arg("-s").arg(format!("http={address}"));
        }
        Kind::Ceiling => {
            command.arg("ceiling").arg(address.to_string());
        }
    }
    Ok(command)
}

fn abide_config(residence: Residence, code: &Code, address: SocketAddr) -> String {
    let idle_timeout_ms = if residence == Residence::Resident {
        NEVER_MS
    } else {
        IDLE_TIMEOUT_MS
    };
    let mut text = format!(
        "listen = \"{address}\"\ndata = \"data\"\nshow_errors = true\n\n\
         [limits]\nidle_timeout_ms = {idle_timeout_ms}\n"
    );
    // JSON's quoting of a string is TOML's too.
    let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy());
    for class in CLASSES {
        text += &match code {
            Code::Component(file) => {
                format!(
                    "\n[classes.{}]\ncomponent = {}\n",
                    class.path(),
                    quoted(file)
                )
            }
            Code::Worker(folder) => {
                format!(
                    "\n[classes.{}]\nsource = {}\n",
                    class.export(),
                    quoted(folder)
                )
            }
        };
        if class == Class::Forgetful {
            text += "hibernate = \"drop-memory\"\n";
        }
    }
    if let Code::Worker(folder) = code {
        text += &format!("\n[gateway]\nsource = {}\n", quoted(folder));
    }
    text
}

fn free_address() -> Result<SocketAddr> {
    let listener =
        TcpListener::bind("127.0.0.1:0").context("cannot find a free port of 127.0.0.1")?;
    Ok(listener.local_addr()?)
}

/// Whether an object answers. All servers are asked for the same.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(START_WAIT_MAX))?;
        stream
            .write_all(format!("GET /echo/ready HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(&status == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    //! What Abide is told decides what is compared.
    use super::*;

    #[test]
    fn abide_is_told_how_long_objects_stay() {
        let address: SocketAddr = "127.0.0.1:7".parse().unwrap();
        let code = Code::Component("/a \"b\".wasm".into());
        let text = abide_config(Residence::Evicting, &code, address);
        assert!(text.contains("idle_timeout_ms = 10000\n"), "{text}");
        assert!(
            text.contains("[classes.sqlread]\ncomponent = \"/a \\\"b\\\".wasm\"\n"),
            "{text}"
        );
    }
}
