//! Logs to standard error: for people, or as JSON for machines.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal, stderr};
use std::panic::PanicHookInfo;
use std::time::Duration;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use super::log_writer::LogWriter;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text each
    Human,
    /// One JSON object per line
    Json,
}

/// What is logged, where RUST_LOG says nothing else. What these libraries complain
/// of is what clients send, and clients can send it without end; and `notify` of folders
/// that are gone.
const FILTER: &str = "info,h2=error,hyper=error,hyper_util=error,rustls=error,notify=off";

/// How long the process waits at its end for a log that is read slowly.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// How long somebody who panics waits for it: the process may end right after.
const PANIC_FLUSH_MAX: Duration = Duration::from_millis(100);

/// The log of this process. What was logged is written when this is dropped.
pub struct Logs(LogWriter);

pub fn init(format: LogFormat) -> std::io::Result<Logs> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| FILTER.into());
    let writer = LogWriter::start(format == LogFormat::Human)?;
    let builder = tracing_subscriber::fmt()
        .with_writer(writer.clone())
        .with_env_filter(filter);
    match format {
        LogFormat::Human => builder
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    let after_panic = writer.clone();
    std::panic::set_hook(Box::new(move |panic| {
        log_panic(panic);
        after_panic.flush(PANIC_FLUSH_MAX);
        // What was acknowledged is on disk. An object or a commit that went on without
        // the part that panicked could wait for it for ever.
        std::process::abort();
    }));
    Ok(Logs(writer))
}

impl Logs {
    /// Tells why the command failed.
    pub fn say(&self, text: &str) {
        self.0.say(text);
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.0.flush(FLUSH_MAX);
    }
}

/// A panic is an event like others: one line, through the same queue.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let place = place.as_deref().unwrap_or("an unknown place");
    let text = panic.payload_as_str().unwrap_or("no text");
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => {
            tracing::error!(thread, %backtrace, "panicked at {place}: {text}");
        }
        _ => tracing::error!(thread, "panicked at {place}: {text}"),
    }
}
