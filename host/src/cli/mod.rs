//! The command line: what is asked, in words; the work is done elsewhere.

mod build;
mod dev;
mod logs;
mod run;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};

use self::logs::LogFormat;

#[derive(Parser)]
#[command(
    name = "abide",
    version,
    about = "Durable objects in any language, on your own machine",
    after_help = "Try: abide dev examples/counter/rust"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Where compiled components and SDKs are kept between runs
    #[arg(long, value_name = "DIR", env = "ABIDE_CACHE", global = true)]
    cache: Option<PathBuf>,

    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Human, global = true)]
    log_format: LogFormat,
}

#[derive(Subcommand)]
enum Command {
    /// Build an object, serve it, and do both again whenever its source changes
    Dev {
        /// An object's source folder, or an abide.toml
        path: PathBuf,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Serve the classes of a configuration
    Serve {
        /// The configuration, an abide.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Build an object's component
    Build {
        /// An object's source folder
        path: PathBuf,
        /// Where to put the component [default: <folder's name>.wasm here]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// What the command line says before the configuration does.
#[derive(Args)]
struct Overrides {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Folder for the objects' databases
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logs::init(arguments.log_format);
    match execute(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("abide: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: Arguments) -> Result<()> {
    let cache = match arguments.cache {
        Some(cache) => std::path::absolute(cache)?,
        None => cache_dir()?,
    };
    match arguments.command {
        Command::Dev { path, overrides } => dev::dev(&path, overrides, &cache),
        Command::Serve { config, overrides } => serve::serve(&config, overrides, &cache),
        Command::Build { path, output } => build::build(&path, output, &cache),
    }
}

fn cache_dir() -> Result<PathBuf> {
    match directories::ProjectDirs::from("", "", "abide") {
        Some(dirs) => Ok(dirs.cache_dir().into()),
        None => bail!("no home folder to keep a cache in; name one with --cache DIR"),
    }
}
