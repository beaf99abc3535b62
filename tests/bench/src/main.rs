//! Which servers are compared, by which figures, and how often?

mod ceiling;
mod connection;
mod crowd;
mod disk;
mod disturbance;
mod load;
mod machine;
mod measure;
mod prepare;
mod process;
mod report;
mod rows;
mod servers;
mod statistics;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::measure::Measurer;
use crate::prepare::Language;
use crate::report::{Report, Sample};
use crate::rows::{ROWS, Row};
use crate::servers::{Kind, Residence, Server};

/// The servers' replacement of malloc is the ceiling's too, or it would be none.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures Abide, workerd and a bare server (the ceiling) side by side.
///
/// Prints a Markdown table of medians and ratios to stdout, progress to stderr.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,

    /// How often each figure is taken.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    reps: u32,

    /// How many seconds each closed loop runs.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    secs: f64,

    /// Only figures whose names begin with one of these, comma separated.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,

    /// Which servers, comma separated.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "abide,workerd,ceiling"
    )]
    servers: Vec<Kind>,

    /// What Abide's objects are written in; in JavaScript they are those of workerd,
    /// behind the same Worker.
    #[arg(long, value_enum, default_value = "rust")]
    language: Language,

    /// Writes every single measurement to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// An abide binary to measure, instead of building this workspace's.
    #[arg(long, value_name = "FILE")]
    abide: Option<PathBuf>,

    /// Neither waits for an idle machine nor repeats what others disturbed.
    #[arg(long)]
    hasty: bool,
}

#[derive(Subcommand)]
enum Role {
    /// Serves as the ceiling; the benchmark starts this itself.
    #[command(hide = true)]
    Ceiling { listen: SocketAddr },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Role::Ceiling { listen }) = arguments.role {
        return ceiling::serve(listen);
    }
    let rows = select_rows(&arguments.only)?;
    process::raise_open_files_limit();
    let language = arguments.language;
    let prepared = prepare::prepare(&arguments.servers, language, arguments.abide.as_deref())?;
    let machine = machine::describe(prepared.data_root.path());
    let mut measurer = Measurer::new(Duration::from_secs_f64(arguments.secs), arguments.hasty);
    let started = Instant::now();
    let mut samples = Vec::new();
    let mut sync_us = Vec::new();

    for repetition in 0..arguments.reps {
        eprintln!("repetition {} of {}", repetition + 1, arguments.reps);
        measurer.wait_for_quiet();
        sync_us.push(disk::append_and_sync_us(prepared.data_root.path())?);
        // Whoever comes first in one repetition comes last in another.
        let mut order = arguments.servers.clone();
        let places = order.len();
        order.rotate_left(repetition as usize % places);
        // All servers stay up while they take turns, figure by figure: what is
        // compared was measured seconds apart.
        let mut servers = Vec::new();
        if rows.iter().any(|row| row.shares_server()) {
            for kind in &order {
                servers.push(Server::start(*kind, Residence::Evicting, &prepared)?);
            }
        }
        for row in &rows {
            for (place, kind) in order.iter().enumerate() {
                if !row.applies_to(*kind) {
                    continue;
                }
                let measured = if row.shares_server() {
                    measurer.measure(row, &mut servers[place])
                } else {
                    measurer.measure_alone(row, *kind, &prepared)
                };
                let sample = Sample::new(row, *kind, repetition, measured);
                eprintln!("  {}", sample.progress(row));
                samples.push(sample);
            }
        }
    }

    let report = Report {
        machine,
        language,
        versions: prepared.versions,
        repetitions: arguments.reps,
        loop_s: arguments.secs,
        took_s: started.elapsed().as_secs(),
        sync_us,
        load_after: machine::load_average(),
        samples,
    };
    println!("{}", report.markdown(&rows, &arguments.servers));
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text)
            .with_context(|| format!("--json: cannot write {}", path.display()))?;
    }
    let invalid = report.invalid();
    if invalid > 0 {
        bail!("{invalid} measurements are invalid, see the list below the table");
    }
    Ok(())
}

fn select_rows(only: &[String]) -> Result<Vec<&'static Row>> {
    let named =
        |row: &Row| only.is_empty() || only.iter().any(|name| row.name.starts_with(name.as_str()));
    if let Some(name) = only
        .iter()
        .find(|name| !ROWS.iter().any(|row| row.name.starts_with(name.as_str())))
    {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        bail!(
            "--only: no figure begins with {name:?}; there are {}",
            names.join(", ")
        );
    }
    Ok(ROWS.iter().filter(|row| named(row)).collect())
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(secs) if (0.1..=600.0).contains(&secs) => Ok(secs),
        _ => Err("expected a number of seconds from 0.1 to 600".to_string()),
    }
}

#[cfg(test)]
mod tests {
    //! Arguments are the only input; a typo must not silently measure nothing.
    use super::*;

    #[test]
    fn names_select_by_their_beginning_and_unknown_ones_are_refused() {
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|name| name.to_string()).collect();
            select_rows(&only).map(|rows| rows.len())
        };
        assert_eq!(names(&[]).unwrap(), ROWS.len());
        assert_eq!(names(&["echo"]).unwrap(), 3);
        assert!(
            names(&["echo", "nonsense"])
                .unwrap_err()
                .to_string()
                .contains("nonsense")
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
