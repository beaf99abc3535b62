//! `abide new` and `abide test`: a folder to begin with, and its tests.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use futures::executor::block_on;

use super::run::say;
use super::stop::Stop;
use crate::build::{self, Dialect, Kind, Profile, Tools, Workshop};

/// A language that `abide new` knows.
#[derive(Clone, Copy, ValueEnum)]
pub enum Lang {
    Rust,
    /// JavaScript
    Js,
    /// TypeScript
    Ts,
}

/// What a new object does.
#[derive(Clone, Copy, ValueEnum)]
pub enum Template {
    Counter,
    /// In JavaScript or TypeScript
    Chat,
}

pub fn new(folder: &Path, language: Lang, template: Template, cache: &Path) -> Result<ExitCode> {
    let dialect = match language {
        Lang::Rust => Dialect::Rust,
        Lang::Js => Dialect::JavaScript,
        Lang::Ts => Dialect::TypeScript,
    };
    let kind = match template {
        Template::Counter => Kind::Counter,
        Template::Chat => Kind::Chat,
    };
    build::new(folder, dialect, kind, &workshop(Tools::default(), cache))?;
    let shown = folder.display();
    let test = match dialect {
        Dialect::Rust => format!("; test it with: abide test {shown}"),
        Dialect::JavaScript | Dialect::TypeScript => String::new(),
    };
    say(&format!(
        "made {shown}; serve it with: abide dev {shown}{test}"
    ));
    Ok(ExitCode::SUCCESS)
}

pub fn test(source: &Path, arguments: &[String], cache: &Path) -> Result<ExitCode> {
    let tools = Tools::default();
    let stop = Stop::listen(tools.clone())?;
    let tested = build::test(source, arguments, &workshop(tools.clone(), cache));
    match tools.are_ended() {
        // Only somebody who wants this process to stop ends them.
        true => Ok(block_on(stop.told()).into()),
        false => tested,
    }
}

fn workshop(tools: Tools, cache: &Path) -> Workshop {
    Workshop::new(tools, Profile::Dev, cache)
}
