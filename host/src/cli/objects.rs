//! `abide objects`: what is done with objects that exist, whether a server runs or not.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};

use super::run::say;
use crate::admin::{self, Answer, Question};
use crate::config::{DATA, FILE_NAME, data_of};
use crate::life::fork::{self, Forked, Wish};
use crate::storage::DataDir;

#[derive(Subcommand)]
pub enum Command {
    /// Copy an object, its database and its memory, to a new name, also while it is
    /// served; its alarm and its WebSockets stay with it alone
    Fork {
        /// The object's class
        class: String,
        /// The object's name, or id:<its id>
        name: String,
        /// The name of the copy
        new_name: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the objects are.
#[derive(Args)]
pub struct Place {
    /// The configuration that says where the data is [default: the abide.toml here]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the objects' databases
    /// [default: what abide.toml says, or abide-data beside it or here]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Fork {
            class,
            name,
            new_name,
            place,
        } => {
            let wish = Wish {
                class,
                name,
                new_name,
            };
            fork(wish, &place.data()?)
        }
    }
}

fn fork(wish: Wish, data: &Path) -> Result<()> {
    let Forked { id, without_memory } = match admin::ask(data, &Question::Fork(wish.clone()))? {
        Some(Answer::Forked(forked)) => forked,
        Some(Answer::Refused(why)) => bail!("{why}"),
        None => {
            DataDir::require_owner(data)?;
            fork::fork_at_rest(&DataDir::open(data)?, &wish)?
        }
    };
    let Wish {
        class,
        name,
        new_name,
    } = wish;
    say(&format!(
        "copied {class}/{name} to {class}/{new_name}, with the id {id}"
    ));
    match without_memory {
        None => say("it has the database and the memory; alarm and WebSockets were not copied"),
        Some(why) => say(&format!(
            "it has the database alone; alarm and WebSockets were not copied, nor the memory: {why}"
        )),
    }
    Ok(())
}

impl Place {
    /// The data directory, which must be there.
    fn data(&self) -> Result<PathBuf> {
        let own = Path::new(FILE_NAME);
        let data = match (&self.data, &self.config) {
            (Some(data), _) => data.clone(),
            (None, Some(file)) => data_of(file)?,
            (None, None) if own.exists() => data_of(own)?,
            (None, None) => DATA.into(),
        };
        let shown = data.display();
        if !data.is_dir() {
            bail!("there is no data directory {shown}; name it with --data DIR");
        }
        if !DataDir::is_one(&data) {
            bail!(
                "no server has ever used {shown} as its data directory; name another with --data DIR"
            );
        }
        data.canonicalize()
            .with_context(|| format!("cannot find data directory {shown}"))
    }
}
