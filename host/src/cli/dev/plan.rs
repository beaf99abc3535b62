//! What does `abide dev` serve: what a configuration says, or a source folder that
//! has none?

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use super::code::Attempts;
use crate::build;
use crate::cli::serve::no_environment;
use crate::config::wrangler::{self, Asked};
use crate::config::{Code, Config, FILE_NAME, check_class_name};

pub enum Plan {
    Configured(PathBuf),
    /// A Cloudflare project, by its wrangler file.
    Worker(PathBuf),
    Folder(PathBuf),
}

impl Plan {
    /// What is there now; a folder may get a configuration later.
    pub fn of(path: &Path) -> Result<Plan> {
        if !path.is_dir() && path.exists() {
            return Ok(match wrangler::is_one(path) {
                true => Plan::Worker(path.into()),
                false => Plan::Configured(path.into()),
            });
        }
        if !path.is_dir() {
            bail!(
                "{} does not exist; name an object's source folder or an {FILE_NAME}",
                path.display()
            );
        }
        let file = path.join(FILE_NAME);
        if file.exists() {
            return Ok(Plan::Configured(file));
        }
        Ok(match wrangler::find(path) {
            Some(file) => Plan::Worker(file),
            None => Plan::Folder(path.into()),
        })
    }

    /// What there is after this. Fails when the file is gone that says what is served.
    pub fn next(&self, path: &Path) -> Result<Plan> {
        let next = Plan::of(path);
        let gone = match (self, &next) {
            (Plan::Configured(file) | Plan::Worker(file), Ok(Plan::Folder(_)) | Err(_)) => file,
            (Plan::Folder(folder), Err(_)) => folder,
            _ => return next,
        };
        bail!(
            "{} is gone, which says what is served; put it back, or stop abide dev and start it \
             anew",
            gone.display()
        )
    }

    /// The configuration. What the newest code declares counts where nothing else is
    /// said: a folder without a configuration has the classes that its component
    /// declared, or one that is named like its package.
    pub fn config(&self, environment: Option<&str>, attempts: &Attempts) -> Result<Config> {
        match self {
            Plan::Configured(file) => {
                no_environment(environment, file)?;
                Ok(Config::read(file, true)?)
            }
            Plan::Worker(file) => {
                let asked = Asked {
                    environment,
                    developing: true,
                    process: &|name| std::env::var_os(name),
                };
                let mut config = wrangler::read(file, &asked)?;
                let code = config.gateway.as_ref().map(|it| &it.code);
                let declared = code.and_then(|code| attempts.declared(code));
                if declared.is_some_and(|declared| !declared.gateway) {
                    config.without_gateway();
                }
                Ok(config)
            }
            Plan::Folder(folder) => {
                no_environment(environment, folder)?;
                match attempts.declared(&Code::Source(folder.into())) {
                    Some(declared) if !declared.classes.is_empty() => {
                        of_folder(folder, &declared.classes, declared.gateway)
                    }
                    _ => of_folder(folder, &[build::class_name(folder)?], false),
                }
            }
        }
    }

    /// The configuration before anything was built. The source may be broken so much
    /// that the package has no name.
    pub fn first_config(&self, environment: Option<&str>) -> Result<Config> {
        match (self, self.config(environment, &Attempts::default())) {
            (Plan::Folder(folder), Err(_)) if build::is_source(folder) => {
                of_folder(folder, &[build::folder_name(folder)?], false)
            }
            (_, config) => config,
        }
    }
}

/// Every file that may say, now or later, what is served at `path`.
pub fn files(path: &Path, environment: Option<&str>) -> Vec<PathBuf> {
    if !path.is_dir() {
        let mut files = vec![path.into()];
        if let Some(folder) = path.parent().filter(|_| wrangler::is_one(path)) {
            files.extend(wrangler::beside(folder, environment));
        }
        return files;
    }
    let names = wrangler::FILE_NAMES.iter().chain(&[FILE_NAME]);
    let mut files: Vec<_> = names.map(|name| path.join(name)).collect();
    files.extend(wrangler::beside(path, environment));
    files
}

fn of_folder(folder: &Path, names: &[String], has_gateway: bool) -> Result<Config> {
    for name in names {
        check_class_name(name).map_err(|why| {
            let shown = folder.display();
            anyhow!("{shown}: {why}, or name the class in an {FILE_NAME}")
        })?;
    }
    Ok(Config::of_source(names, has_gateway, folder))
}
