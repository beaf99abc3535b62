//! What `[classes.…]` and `[gateway]` say: code, and what it may use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Spanned, Value};

use super::environment::{Said, add_under};
use super::projects::Projects;
use super::wrangler::{Asked, Worker};
use super::{ConfigError, GATEWAY, Origin};
use crate::environment::Environment;
use crate::instance::hibernation::Hibernate;
use crate::limits::Limits;
use crate::outbound::allowed::Allowed;
use crate::written::Written;

const MONTH_MS: u64 = 30 * 24 * 3_600_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassConfig {
    pub name: String,
    pub code: Code,
    pub limits: Limits,
    /// What becomes of the memory of its objects when they are idle.
    pub hibernate: Hibernate,
    /// What its objects may reach of the outside world.
    pub outbound: Allowed,
    pub environment: Environment,
    /// Where its code is named.
    pub written: Written,
}

/// Where a class's component comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    Component(PathBuf),
    Source(PathBuf),
    /// A Cloudflare project: all of its classes, and its gateway.
    Worker(Box<Worker>),
}

impl Code {
    /// The file or folder in which it is.
    pub fn path(&self) -> &Path {
        match self {
            Code::Component(path) | Code::Source(path) => path,
            Code::Worker(worker) => &worker.folder,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with component or source")]
pub(super) struct ClassTable {
    component: Option<Spanned<PathBuf>>,
    source: Option<Spanned<PathBuf>>,
    hibernate: Option<Spanned<Value>>,
    #[serde(default)]
    limits: LimitsTable,
    outbound: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    env: BTreeMap<Spanned<String>, Spanned<Value>>,
    #[serde(default)]
    env_from: Vec<Spanned<String>>,
    #[serde(default)]
    env_from_optional: Vec<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of limits")]
pub(super) struct LimitsTable {
    idle_timeout_ms: Option<Spanned<Value>>,
    memory_bytes_max: Option<Spanned<Value>>,
    cpu_ms_max: Option<Spanned<Value>>,
    alarm_ms_max: Option<Spanned<Value>>,
    storage_bytes_max: Option<Spanned<Value>>,
    mailbox_events_max: Option<Spanned<Value>>,
}

/// What all tables of a configuration are read with.
pub(super) struct Reading<'a> {
    pub origin: &'a Origin<'a>,
    pub folder: &'a Path,
    pub asked: Asked<'a>,
    pub projects: &'a Projects,
    /// The limits for all classes.
    pub limits: Limits,
}

impl ClassConfig {
    /// The class of a source folder without a configuration.
    pub fn of_source(name: &str, source: &Path) -> ClassConfig {
        ClassConfig {
            name: name.into(),
            code: Code::Source(source.into()),
            limits: Limits::default(),
            hibernate: Hibernate::KeepMemory,
            outbound: Allowed::default(),
            environment: Environment::default(),
            written: Written::default(),
        }
    }
}

impl ClassTable {
    /// What the table says of `whose` code, for example `class "counter"`.
    pub(super) fn read(
        self,
        name: &str,
        whose: &str,
        line: usize,
        reading: &Reading,
    ) -> Result<ClassConfig, ConfigError> {
        let (origin, folder) = (reading.origin, reading.folder);
        let mut project = None;
        let (code, code_at) = match (self.component, self.source) {
            (Some(component), None) => {
                let code = Code::Component(origin.path("component", &component, folder)?);
                (code, component.span().start)
            }
            (None, Some(source)) => {
                let folder = origin.path("source", &source, folder)?;
                project = reading.projects.of(&folder, &reading.asked)?;
                let of_project = project.as_ref().and_then(|it| it.gateway.as_ref());
                let code = of_project.map(|it| it.code.clone());
                (code.unwrap_or(Code::Source(folder)), source.span().start)
            }
            (Some(_), Some(_)) => {
                let message = format!("{whose} has component and source; remove one of them");
                return Err(origin.error(line, &message));
            }
            (None, None) => {
                let message =
                    format!("{whose} needs component = \"FILE.wasm\" or source = \"FOLDER\"");
                return Err(origin.error(line, &message));
            }
        };
        let said = Said {
            env: &self.env,
            env_from: &self.env_from,
            env_from_optional: &self.env_from_optional,
        };
        let mut environment = said.of(whose, reading.asked.process, origin)?;
        let of_project = project.as_ref().and_then(|it| it.gateway.as_ref());
        if let Some(of_project) = of_project {
            said.check_bindings(whose, &of_project.code, origin)?;
            let added = add_under(&mut environment, &of_project.environment);
            added.map_err(|why| origin.error(line, &format!("{whose}: {why}")))?;
        }
        Ok(ClassConfig {
            name: name.into(),
            code,
            limits: self.limits.over(&reading.limits, origin)?,
            hibernate: hibernate(name, self.hibernate.as_ref(), origin)?,
            outbound: match (&self.outbound, of_project) {
                (None, Some(of_project)) => of_project.outbound.clone(),
                (said, _) => outbound(said.as_deref().unwrap_or_default(), origin)?,
            },
            environment,
            written: origin.written(code_at),
        })
    }
}

/// A gateway has no identity, so that nothing of it is kept.
pub(super) fn hibernate_by_default(name: &str) -> Hibernate {
    match name {
        GATEWAY => Hibernate::DropMemory,
        _ => Hibernate::KeepMemory,
    }
}

fn hibernate(
    name: &str,
    said: Option<&Spanned<Value>>,
    origin: &Origin,
) -> Result<Hibernate, ConfigError> {
    let Some(said) = said else {
        return Ok(hibernate_by_default(name));
    };
    let refused = |why: &str| Err(origin.error(origin.line(said.span().start), why));
    match said.get_ref().as_str() {
        _ if name == GATEWAY => refused("a gateway keeps no memory; remove hibernate"),
        Some("keep-memory") => Ok(Hibernate::KeepMemory),
        Some("drop-memory") => Ok(Hibernate::DropMemory),
        _ => refused(&format!(
            "hibernate = {} cannot be; it must be \"keep-memory\" or \"drop-memory\"",
            said.get_ref()
        )),
    }
}

fn outbound(entries: &[Spanned<String>], origin: &Origin) -> Result<Allowed, ConfigError> {
    let mut allowed = Allowed::default();
    for entry in entries {
        let added = allowed.add(entry.get_ref());
        let line = origin.line(entry.span().start);
        added.map_err(|why| origin.error(line, &format!("outbound: {why}")))?;
    }
    Ok(allowed)
}

impl LimitsTable {
    pub(super) fn over(&self, defaults: &Limits, origin: &Origin) -> Result<Limits, ConfigError> {
        let pick = |value: &Option<Spanned<Value>>, name, default, range| {
            origin.within(value, name, default, range)
        };
        Ok(Limits {
            idle_timeout_ms: match self.idle_timeout_ms {
                None => defaults.idle_timeout_ms,
                Some(_) => Some(pick(
                    &self.idle_timeout_ms,
                    "idle_timeout_ms",
                    0,
                    1..=MONTH_MS,
                )?),
            },
            memory_bytes_max: pick(
                &self.memory_bytes_max,
                "memory_bytes_max",
                defaults.memory_bytes_max,
                1 << 20..=4 << 30,
            )?,
            cpu_ms_max: pick(
                &self.cpu_ms_max,
                "cpu_ms_max",
                defaults.cpu_ms_max,
                10..=300_000,
            )?,
            alarm_ms_max: pick(
                &self.alarm_ms_max,
                "alarm_ms_max",
                defaults.alarm_ms_max,
                10..=24 * 3_600_000,
            )?,
            storage_bytes_max: pick(
                &self.storage_bytes_max,
                "storage_bytes_max",
                defaults.storage_bytes_max,
                1 << 20..=1 << 40,
            )?,
            mailbox_events_max: pick(
                &self.mailbox_events_max,
                "mailbox_events_max",
                defaults.mailbox_events_max as u64,
                1..=1_000_000,
            )? as usize,
        })
    }
}
