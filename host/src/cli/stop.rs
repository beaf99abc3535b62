//! When to stop: at SIGTERM, at Ctrl-C or with the terminal in order, at the second one
//! at once.
//!
//! Signals have a thread of their own, so that they are obeyed whatever the threads
//! that serve are busy with.

use std::io::Write;
use std::process::exit;

use anyhow::{Context as _, Result};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::build::Tools;

/// What a shell reports of a program that a signal ended: 128 and its number.
const INTERRUPTED: u8 = 128 + libc::SIGINT as u8;
const TERMINATED: u8 = 128 + libc::SIGTERM as u8;
const HUNG_UP: u8 = 128 + libc::SIGHUP as u8;

/// Knows whether somebody wants this process to stop.
#[derive(Clone)]
pub struct Stop {
    /// The exit code that belongs to the signal.
    told: watch::Receiver<Option<u8>>,
}

impl Stop {
    /// Listens to signals from now on. The first ends the tools that run.
    pub fn listen(tools: Tools) -> Result<Stop> {
        let (tell, told) = watch::channel(None);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let listen = move || {
            let runtime = Builder::new_current_thread().enable_io().build()?;
            let _inside = runtime.enter();
            let mut signals = Signals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: match is_ignored(libc::SIGHUP) {
                    true => None,
                    false => Some(signal(SignalKind::hangup())?),
                },
            };
            let _ = ready.send(());
            let code = runtime.block_on(signals.next());
            // First, for who is told may end this process.
            tools.end();
            tell.send_replace(Some(code));
            let code = runtime.block_on(signals.next());
            let _ = writeln!(std::io::stderr(), "abide: ended at once");
            // Nothing is lost: what was acknowledged is durable already.
            exit(code.into())
        };
        let thread = std::thread::Builder::new().name("signals".into());
        let listening = thread.spawn(move || -> std::io::Result<()> { listen() });
        let listening = listening.context("cannot start the thread that listens to signals")?;
        if is_ready.recv().is_err() {
            let failed = listening.join().unwrap_or(Ok(()));
            failed.context("cannot listen to signals")?;
        }
        Ok(Stop { told })
    }

    /// Returns when the process shall stop, and the exit code of one that does so
    /// before it has done its work.
    pub async fn told(&self) -> u8 {
        let mut told = self.told.clone();
        let code = told.wait_for(Option::is_some).await.ok().and_then(|it| *it);
        match code {
            Some(code) => code,
            // The thread ends with the process.
            None => std::future::pending().await,
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None: the process is to outlive its terminal, as with nohup.
    hang_up: Option<Signal>,
}

impl Signals {
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => TERMINATED,
            Some(()) = async { self.hang_up.as_mut()?.recv().await } => HUNG_UP,
        }
    }
}

/// Whether whoever started this process has it ignore a signal.
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: zeros are a valid structure, which the call fills; it changes nothing.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0
            && now.sa_sigaction == libc::SIG_IGN
    }
}
