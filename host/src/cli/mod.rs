//! The command line: what is asked, in words; the work is done elsewhere.

mod build;
mod dev;
mod log_writer;
mod logs;
mod new;
mod objects;
mod run;
mod serve;
mod stop;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};

use self::logs::LogFormat;
use crate::memory;

const CACHE_VARIABLE: &str = "ABIDE_CACHE";

const AFTER_HELP: &str = "\
Environment:
  ABIDE_CACHE  The cache, where --cache names none
  RUST_LOG     What is logged, for example warn or abide=debug [default: info]

Next: make an object and serve it with
  abide new counter --lang rust
  abide dev counter
at http://127.0.0.1:8787/<class>/<name>. Then serve it in earnest: abide build FOLDER makes
its component, abide serve serves what ./abide.toml says; README.md shows one.";

#[derive(Parser)]
#[command(
    name = "abide",
    version,
    about = "Durable objects in any language, on your own machine",
    after_help = AFTER_HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Where compiled components, builds and SDKs are kept between runs
    /// [default: $ABIDE_CACHE, or $XDG_CACHE_HOME/abide, or ~/.cache/abide]
    #[arg(long, value_name = "DIR", global = true)]
    cache: Option<PathBuf>,

    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Human, global = true)]
    log_format: LogFormat,
}

#[derive(Subcommand)]
enum Command {
    /// Build an object, serve it, and do both again whenever its source changes
    Dev {
        /// An object's source folder, a Cloudflare project, or an abide.toml
        #[arg(default_value = ".")]
        path: PathBuf,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Serve the classes of a configuration
    Serve {
        /// The configuration: an abide.toml, or the wrangler file of a Cloudflare project
        /// [default: the abide.toml here, or else the wrangler file here]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Make a folder with an object to begin with; in Rust with a test
    New {
        /// The folder, whose name becomes the object's
        #[arg(value_name = "NAME")]
        path: PathBuf,
        /// The language that it is written in
        #[arg(long, value_enum)]
        lang: new::Lang,
        /// What it does
        #[arg(long, value_enum, default_value_t = new::Template::Counter)]
        template: new::Template,
    },
    /// Run an object's tests: natively in Rust, else by the script "test" of its package.json
    Test {
        /// An object's source folder
        #[arg(default_value = ".")]
        path: PathBuf,
        /// What else the language's tool is told, after --
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Build an object's component
    Build {
        /// An object's source folder
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Where to put the component [default: <package's name>.wasm, in the folder you are in]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The environment of the wrangler file
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Look after objects that exist
    #[command(subcommand)]
    Objects(objects::Command),
}

/// What the command line says before the configuration does.
#[derive(Args)]
struct Overrides {
    /// Address to listen on; port 0 takes a free one, PORT alone is of 127.0.0.1
    /// [default: what abide.toml says, or 127.0.0.1:8787]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Folder for the objects' databases
    /// [default: what abide.toml says, or abide-data beside it or in the source folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The environment of the wrangler file
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Class whose data a migration may delete for good; may be repeated
    #[arg(long, value_name = "CLASS")]
    confirm_delete: Vec<String>,
}

pub fn main() -> ExitCode {
    memory::use_small_pages();
    let arguments = Arguments::parse();
    let Ok(logs) = logs::init(arguments.log_format) else {
        // Without a thread or a descriptor nothing can be served either.
        return ExitCode::FAILURE;
    };
    match execute(arguments) {
        Ok(code) => code,
        Err(error) => {
            logs.say(&format!("abide: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: Arguments) -> Result<ExitCode> {
    let cache = || {
        let cache = arguments.cache.map_or_else(default_cache, Ok)?;
        anyhow::Ok(std::path::absolute(cache)?)
    };
    let done = |()| ExitCode::SUCCESS;
    match arguments.command {
        Command::Dev { path, overrides } => dev::dev(&path, overrides, &cache()?).map(done),
        Command::Serve { config, overrides } => {
            serve::serve(config.as_deref(), &overrides, &cache()?).map(done)
        }
        Command::New {
            path,
            lang,
            template,
        } => new::new(&path, lang, template, &cache()?),
        Command::Test { path, arguments } => new::test(&path, &arguments, &cache()?),
        Command::Build { path, output, env } => {
            build::build(&path, output, env.as_deref(), &cache()?)
        }
        Command::Objects(command) => objects::run(command).map(done),
    }
}

fn default_cache() -> Result<PathBuf> {
    if let Some(cache) = env::var_os(CACHE_VARIABLE).filter(|cache| !cache.is_empty()) {
        return Ok(cache.into());
    }
    match directories::ProjectDirs::from("", "", "abide") {
        Some(dirs) => Ok(dirs.cache_dir().into()),
        None => bail!("no home folder to keep a cache in; name one with --cache DIR"),
    }
}

#[cfg(test)]
mod tests {
    //! The defaults that the help names are those that hold.

    use clap::CommandFactory;

    use super::*;
    use crate::config;

    #[test]
    fn help_names_the_defaults_that_hold() {
        let mut command = Arguments::command();
        command.build();
        let serve = command.find_subcommand_mut("serve").unwrap();
        let help = serve.render_help().to_string();
        let cache = "~/.cache/abide";
        for word in [config::LISTEN, config::DATA, config::FILE_NAME, cache] {
            assert!(help.contains(word), "{help}\nlacks {word}");
        }
        assert!(AFTER_HELP.contains(CACHE_VARIABLE) && AFTER_HELP.contains(config::LISTEN));
    }
}
