//! How do the tools of the languages run, and how do they end with this process?
//!
//! Each tool leads a process group of its own, so that what it started ends with
//! it: cargo alone would leave compilers behind.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use parking_lot::Mutex;

/// What is kept of a tool's words; the end of them says most.
const SAID_BYTES_MAX: usize = 64 << 10;

/// The tools that run for this process.
#[derive(Clone, Default)]
pub struct Tools {
    running: Arc<Mutex<Running>>,
    /// They go on when a build is given up.
    are_lasting: bool,
}

#[derive(Default)]
struct Running {
    groups: Vec<Group>,
    stopped: bool,
    /// How often what ran was given up.
    given_up: u64,
}

/// The processes of one tool.
struct Group {
    id: i32,
    is_lasting: bool,
}

/// What was built is not wanted any more.
#[derive(Debug)]
pub struct GivenUp;

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the build was given up")
    }
}

impl std::error::Error for GivenUp {}

/// A tool that goes on running, and answers line by line. It ends when this is dropped.
pub struct Resident {
    tools: Tools,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// How a tool ended.
pub struct Ended {
    pub status: ExitStatus,
    /// Its standard output.
    pub output: String,
    /// The end of its standard error, which went to the terminal too.
    pub said: String,
}

impl Tools {
    /// The same, for work that is of use whatever becomes of the build.
    pub fn lasting(&self) -> Tools {
        Tools {
            are_lasting: true,
            ..self.clone()
        }
    }

    /// Runs `command` to its end. What it writes to standard error appears on ours.
    pub fn run(&self, command: &mut Command) -> Result<Ended> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let before = self.times_given_up();
        let mut child = self.spawn(command)?;
        let output = child.stdout.take().expect("stdout is a pipe");
        let words = child.stderr.take().expect("stderr is a pipe");
        let listener = std::thread::spawn(move || pass_on(words));
        let mut text = Vec::new();
        let read = BufReader::new(output).read_to_end(&mut text);
        let said = listener.join().unwrap_or_default();
        let status = child.wait();
        self.forget(&child);
        if self.running.lock().stopped {
            bail!("the build was stopped");
        }
        if !self.are_lasting {
            self.check_wanted_since(before)?;
        }
        read.context("cannot read what a tool says")?;
        Ok(Ended {
            status: status.context("cannot wait for a tool")?,
            output: String::from_utf8_lossy(&text).into_owned(),
            said,
        })
    }

    /// Runs `command` to its end, in our terminal.
    pub fn run_in_terminal(&self, command: &mut Command) -> Result<ExitStatus> {
        command.process_group(0).stdin(Stdio::null());
        let mut child = self.spawn(command)?;
        let status = child.wait();
        self.forget(&child);
        status.context("cannot wait for a tool")
    }

    /// Starts `command`, to be asked again and again. What it writes to standard error
    /// appears on ours; when this process ends, so does its standard input.
    pub fn start(&self, command: &mut Command) -> Result<Resident> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = self.spawn(command)?;
        Ok(Resident {
            tools: self.clone(),
            input: child.stdin.take().expect("stdin is a pipe"),
            output: BufReader::new(child.stdout.take().expect("stdout is a pipe")),
            child,
        })
    }

    /// Starts the tool unless the tools were ended: from then on none may start.
    fn spawn(&self, command: &mut Command) -> Result<Child> {
        let mut running = self.running.lock();
        if running.stopped {
            bail!("the build was stopped");
        }
        let child = command.spawn()?;
        running.groups.push(Group {
            id: child.id() as i32,
            is_lasting: self.are_lasting,
        });
        Ok(child)
    }

    /// It was waited for, so its group may be another's from now on.
    fn forget(&self, child: &Child) {
        let id = child.id() as i32;
        self.running.lock().groups.retain(|group| group.id != id);
    }

    /// Ends all tools at once and lets none start any more. Cargo's folders stay in
    /// order: it counts only what it has finished.
    pub fn end(&self) {
        let mut running = self.running.lock();
        running.stopped = true;
        running.kill(|_| true);
    }

    pub fn are_ended(&self) -> bool {
        self.running.lock().stopped
    }

    /// Ends what runs now; who waits for it gets `GivenUp`.
    pub fn give_up(&self) {
        let mut running = self.running.lock();
        running.given_up += 1;
        running.kill(|group| !group.is_lasting);
    }

    pub fn times_given_up(&self) -> u64 {
        self.running.lock().given_up
    }

    /// Does somebody still wait for what has begun then?
    pub fn are_wanted_since(&self, times_given_up: u64) -> bool {
        let running = self.running.lock();
        !running.stopped && running.given_up == times_given_up
    }

    /// Fails with `GivenUp` if that was asked for since.
    pub fn check_wanted_since(&self, times_given_up: u64) -> Result<(), GivenUp> {
        match self.times_given_up() == times_given_up {
            true => Ok(()),
            false => Err(GivenUp),
        }
    }
}

impl Running {
    fn kill(&self, is_meant: impl Fn(&Group) -> bool) {
        for group in self.groups.iter().filter(|group| is_meant(group)) {
            // SAFETY: a system call without memory. The group is that of a child
            // that was not waited for to its end.
            unsafe { libc::kill(-group.id, libc::SIGKILL) };
        }
    }
}

impl Resident {
    /// Says a line, and waits for the one that answers it.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}")?;
        let mut answer = String::new();
        if self.output.read_line(&mut answer)? == 0 {
            bail!("the tool ended");
        }
        Ok(answer)
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        // SAFETY: a system call without memory. The child was not waited for yet.
        unsafe { libc::kill(-(self.child.id() as i32), libc::SIGKILL) };
        let _ = self.child.wait();
        self.tools.forget(&self.child);
    }
}

/// How this process ends when a tool's end is all that matters.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code();
    code.map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8))
}

/// Writes what a tool says to our standard error, and returns the end of it.
fn pass_on(words: impl Read) -> String {
    let mut words = BufReader::new(words);
    let mut kept = VecDeque::new();
    let mut bytes = 0;
    let mut line = Vec::new();
    while words
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        let _ = stderr().write_all(&line);
        bytes += line.len();
        kept.push_back(std::mem::take(&mut line));
        while bytes > SAID_BYTES_MAX {
            bytes -= kept.pop_front().map_or(bytes, |oldest| oldest.len());
        }
    }
    let kept: Vec<u8> = kept.into_iter().flatten().collect();
    anstream::adapter::strip_str(&String::from_utf8_lossy(&kept)).to_string()
}

#[cfg(test)]
mod tests {
    //! Tools say what they say, and end when they are told to.

    use super::*;
    use std::time::{Duration, Instant};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_tool_says_is_kept_without_colors() {
        let script = "echo out; printf '\\033[31mred\\033[0m\\n' >&2; exit 3";
        let ended = Tools::default().run(&mut shell(script)).unwrap();
        assert_eq!(ended.output, "out\n");
        assert_eq!(ended.said, "red\n");
        assert_eq!(ended.status.code(), Some(3));
    }

    #[test]
    fn a_tool_that_stays_answers_until_it_is_dropped_or_ended() {
        let tools = Tools::default();
        let echo = || tools.start(&mut shell("echo $$; cat")).unwrap();
        let (mut one, mut other) = (echo(), echo());
        let number: i32 = one.ask("a").unwrap().trim().parse().unwrap();
        assert_eq!(one.ask("b").unwrap(), "a\n");
        drop(one);
        // SAFETY: a system call without memory, which sends nothing.
        assert_eq!(unsafe { libc::kill(number, 0) }, -1, "it is gone");
        other.ask("a").unwrap();
        tools.end();
        while other.ask("b").is_ok() {}
    }

    fn give_up_when_running(tools: &Tools) -> std::thread::JoinHandle<()> {
        let tools = tools.clone();
        std::thread::spawn(move || {
            while tools.running.lock().groups.is_empty() {
                std::thread::yield_now();
            }
            tools.give_up();
        })
    }

    #[test]
    fn what_is_given_up_ends_and_others_may_start() {
        let tools = Tools::default();
        let end = give_up_when_running(&tools);
        let error = tools.run(&mut shell("sleep 60; :")).err().unwrap();
        assert!(error.is::<GivenUp>(), "{error:#}");
        end.join().unwrap();
        assert!(tools.run(&mut shell("true")).is_ok());
    }

    #[test]
    fn what_is_of_use_to_each_build_goes_on_when_one_is_given_up() {
        let tools = Tools::default();
        let end = give_up_when_running(&tools);
        let ended = tools.lasting().run(&mut shell("sleep 1; echo done"));
        assert_eq!(ended.unwrap().output, "done\n");
        end.join().unwrap();
        tools.end();
        assert!(tools.lasting().run(&mut shell("true")).is_err());
    }

    #[test]
    fn a_tool_ends_with_what_it_started() {
        let tools = Tools::default();
        let (ending, begin) = (tools.clone(), Instant::now());
        let end = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            ending.end();
        });
        // The inner shell holds both pipes open; only its end lets `run` return.
        assert!(tools.run(&mut shell("sh -c 'sleep 60; :'; :")).is_err());
        assert!(begin.elapsed() < Duration::from_secs(30));
        end.join().unwrap();
        assert!(tools.run(&mut shell("true")).is_err(), "none may start");
    }
}
