//! Logs to standard error: for people, or as JSON for machines.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// One line of text each
    Human,
    /// One JSON object per line
    Json,
}

/// What is logged, where RUST_LOG says nothing else.
const FILTER: &str = "info";

pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| FILTER.into());
    let builder = tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_env_filter(filter);
    match format {
        LogFormat::Human => builder
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
