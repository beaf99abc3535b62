//! Runs the cases against a host that serves the probe.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use clap::Parser;
use conformance::case::Case;
use conformance::host::Host;
use conformance::run::{Lacks, run};

/// Checks that a host keeps what durable objects promise.
#[derive(Parser)]
struct Arguments {
    /// Where the host serves the probe, for example http://127.0.0.1:8787
    #[arg(long)]
    url: String,
    /// Only cases whose topic or promise contains this text
    #[arg(long, default_value = "")]
    filter: String,
    /// What the host cannot do; cases that need it are left out
    #[arg(long, value_name = "WORD")]
    lacks: Vec<String>,
    /// The header in which the host says `exception` or `reset`
    #[arg(long, value_name = "NAME")]
    error_header: Option<String>,
    /// Run the cases that take 30 seconds, too
    #[arg(long)]
    slow: bool,
    /// The folder of the cases
    #[arg(long, value_name = "FOLDER")]
    cases: Option<PathBuf>,
    /// How many cases run at a time
    #[arg(long, default_value_t = 8)]
    at_once: usize,
}

fn main() -> ExitCode {
    match check(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(arguments: Arguments) -> Result<ExitCode> {
    let folder = arguments.cases.unwrap_or_else(conformance::cases_folder);
    let all = conformance::read_cases(&folder)?;
    let lacks = Lacks(arguments.lacks);
    if let Some(word) = lacks
        .0
        .iter()
        .find(|word| !all.iter().any(|case| case.needs.contains(word)))
    {
        bail!("--lacks {word}: no case needs that; README.md lists the words");
    }
    let is_meant = |case: &Case| {
        case.promise.contains(&arguments.filter) || case.topic.contains(&arguments.filter)
    };
    let (cases, left_out): (Vec<_>, Vec<_>) = all
        .iter()
        .filter(|case| is_meant(case))
        .partition(|case| !lacks.prevent(case) && (arguments.slow || !case.is_slow));
    let host = Host::new(&arguments.url, arguments.error_header);
    let failed = run_all(&cases, &host, &lacks, arguments.at_once.max(1));
    println!(
        "{} passed, {failed} failed, {} left out",
        cases.len() - failed,
        left_out.len()
    );
    if cases.is_empty() {
        bail!("no case was run");
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns how many failed.
fn run_all(cases: &[&Case], host: &Host, lacks: &Lacks, at_once: usize) -> usize {
    let (next, failed, report) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = run(case, host, lacks) {
                failed.fetch_add(1, Ordering::Relaxed);
                let _one_at_a_time = report.lock();
                println!(
                    "FAILED {}.cases:{} {}\n  {error:#}",
                    case.topic, case.line, case.promise
                );
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    failed.into_inner()
}
