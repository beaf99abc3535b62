//! What `abide.toml` says, checked: every mistake is named with file, line and
//! the way out.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::limits::{Limits, ServerLimits};
use crate::router::RouteRule;

pub const FILE_NAME: &str = "abide.toml";
const LISTEN: &str = "127.0.0.1:8787";
const DATA: &str = "abide-data";

/// A whole configuration. Paths are relative to nothing any more.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: String,
    pub data: PathBuf,
    /// May clients see what objects say in their errors? None: as the command
    /// likes it.
    pub show_errors: Option<bool>,
    pub server: ServerLimits,
    pub classes: Vec<ClassConfig>,
    pub routes: Vec<RouteRule>,
}

#[derive(Clone, Debug)]
pub struct ClassConfig {
    pub name: String,
    pub code: Code,
    pub limits: Limits,
}

/// Where a class's component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    Component(PathBuf),
    Source(PathBuf),
}

/// A configuration that cannot be used. Its text is for the person who wrote it.
#[derive(Debug)]
pub struct ConfigError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<String>,
    data: Option<PathBuf>,
    show_errors: Option<bool>,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    server: ServerTable,
    #[serde(default)]
    classes: BTreeMap<Spanned<String>, ClassTable>,
    #[serde(default)]
    routes: Vec<RouteTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassTable {
    component: Option<PathBuf>,
    source: Option<PathBuf>,
    #[serde(default)]
    limits: LimitsTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    idle_timeout_ms: Option<Spanned<i64>>,
    memory_bytes_max: Option<Spanned<i64>>,
    cpu_ms_max: Option<Spanned<i64>>,
    storage_bytes_max: Option<Spanned<i64>>,
    mailbox_events_max: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTable {
    header_bytes_max: Option<Spanned<i64>>,
    body_bytes_max: Option<Spanned<i64>>,
    shutdown_grace_ms: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteTable {
    host: Option<String>,
    path: Spanned<String>,
    class: String,
}

impl Config {
    /// Reads `file`; paths in it are relative to its folder.
    pub fn read(file: &Path) -> Result<Config, ConfigError> {
        let text = fs::read_to_string(file).map_err(|error| {
            ConfigError(format!(
                "{}: cannot read the configuration ({error}); \
                 name another file, or write one as the README shows",
                file.display()
            ))
        })?;
        let folder = match file.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Config::parse(&text, file, folder)
    }

    /// The configuration of a source folder that has none: one class.
    pub fn of_source(class: &str, source: &Path) -> Config {
        Config {
            listen: LISTEN.into(),
            data: source.join(DATA),
            show_errors: None,
            server: ServerLimits::default(),
            classes: vec![ClassConfig {
                name: class.into(),
                code: Code::Source(source.into()),
                limits: Limits::default(),
            }],
            routes: Vec::new(),
        }
    }

    fn parse(text: &str, file: &Path, folder: &Path) -> Result<Config, ConfigError> {
        let origin = Origin { text, file };
        let parsed: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| origin.line(span.start));
            let written = text.lines().nth(line - 1).unwrap_or_default().trim();
            origin.error(
                line,
                &format!("{}, in: {written}", error.message().trim_end()),
            )
        })?;
        let defaults = parsed.limits.over(&Limits::default(), &origin)?;
        let mut classes = Vec::new();
        for (name, table) in parsed.classes {
            let line = origin.line(name.span().start);
            let name = name.into_inner();
            check_class_name(&name).map_err(|why| origin.error(line, &why))?;
            let code = match (table.component, table.source) {
                (Some(component), None) => Code::Component(folder.join(component)),
                (None, Some(source)) => Code::Source(folder.join(source)),
                _ => {
                    let message = format!(
                        "class {name:?} needs either component = \"FILE.wasm\" or source = \"FOLDER\""
                    );
                    return Err(origin.error(line, &message));
                }
            };
            let limits = table.limits.over(&defaults, &origin)?;
            classes.push(ClassConfig { name, code, limits });
        }
        if classes.is_empty() {
            let message = "no class is configured; add for example\n\n    \
                           [classes.counter]\n    source = \"path/to/its/folder\"";
            return Err(origin.error(1, message));
        }
        let server = parsed.server.over(&ServerLimits::default(), &origin)?;
        let routes = parsed.routes.into_iter();
        Ok(Config {
            listen: parsed.listen.unwrap_or_else(|| LISTEN.into()),
            data: folder.join(parsed.data.unwrap_or_else(|| DATA.into())),
            show_errors: parsed.show_errors,
            server,
            classes,
            routes: routes
                .map(|route| RouteRule {
                    host: route.host,
                    place: origin.of(route.path.span().start),
                    path: route.path.into_inner(),
                    class: route.class,
                })
                .collect(),
        })
    }
}

impl LimitsTable {
    fn over(&self, defaults: &Limits, origin: &Origin) -> Result<Limits, ConfigError> {
        let pick = |value: &Option<Spanned<i64>>, name, default, range| {
            origin.within(value, name, default, range)
        };
        Ok(Limits {
            idle_timeout_ms: pick(
                &self.idle_timeout_ms,
                "idle_timeout_ms",
                defaults.idle_timeout_ms,
                1..=MONTH_MS,
            )?,
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

impl ServerTable {
    fn over(&self, defaults: &ServerLimits, origin: &Origin) -> Result<ServerLimits, ConfigError> {
        Ok(ServerLimits {
            header_bytes_max: origin.within(
                &self.header_bytes_max,
                "header_bytes_max",
                defaults.header_bytes_max as u64,
                1 << 10..=1 << 20,
            )? as usize,
            body_bytes_max: origin.within(
                &self.body_bytes_max,
                "body_bytes_max",
                defaults.body_bytes_max,
                0..=1 << 40,
            )?,
            shutdown_grace_ms: origin.within(
                &self.shutdown_grace_ms,
                "shutdown_grace_ms",
                defaults.shutdown_grace_ms,
                0..=3_600_000,
            )?,
        })
    }
}

const MONTH_MS: u64 = 30 * 24 * 3_600_000;

/// Names of classes are also names of folders, and parts of addresses.
fn check_class_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=64).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!(
        "{name:?} cannot name a class; use 1 to 64 letters, digits, - and _"
    ))
}

/// Where in the file something stands.
struct Origin<'a> {
    text: &'a str,
    file: &'a Path,
}

impl Origin<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text[..offset.min(self.text.len())]
            .matches('\n')
            .count()
            + 1
    }

    fn of(&self, offset: usize) -> String {
        format!("{}:{}", self.file.display(), self.line(offset))
    }

    fn error(&self, line: usize, message: &str) -> ConfigError {
        ConfigError(format!("{}:{line}: {message}", self.file.display()))
    }

    fn within(
        &self,
        value: &Option<Spanned<i64>>,
        name: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let Some(value) = value else {
            return Ok(default);
        };
        if let Ok(within) = u64::try_from(*value.get_ref())
            && range.contains(&within)
        {
            return Ok(within);
        }
        let message = format!(
            "{name} = {} is out of range; it must be from {} to {}",
            value.get_ref(),
            range.start(),
            range.end()
        );
        Err(self.error(self.line(value.span().start), &message))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    //! A configuration is taken whole, or refused with the line of its mistake.

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let (file, folder) = (Path::new("abide.toml"), Path::new("/srv"));
        Config::parse(text, file, folder).map_err(|error| error.to_string())
    }

    fn check_refused(text: &str, expected: &[&str]) {
        let message = parse(text).expect_err(text);
        for part in expected {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let config = parse("[classes.counter]\nsource = \"src\"").unwrap();
        assert_eq!(config.listen, "127.0.0.1:8787");
        assert_eq!(config.data, Path::new("/srv/abide-data"));
        let class = &config.classes[0];
        assert_eq!(class.name, "counter");
        assert_eq!(class.code, Code::Source("/srv/src".into()));
        assert_eq!(class.limits, Limits::default());
    }

    #[test]
    fn a_class_overrides_the_limits_for_all() {
        let config = parse(
            "[limits]\ncpu_ms_max = 50\nidle_timeout_ms = 7\n\
             [classes.a]\ncomponent = \"a.wasm\"\n[classes.a.limits]\ncpu_ms_max = 60\n\
             [classes.b]\ncomponent = \"b.wasm\"\n",
        );
        let classes = config.unwrap().classes;
        let limits = classes.iter().map(|class| &class.limits);
        let limits: Vec<_> = limits
            .map(|it| (it.cpu_ms_max, it.idle_timeout_ms))
            .collect();
        assert_eq!(limits, [(60, 7), (50, 7)]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        check_refused("lisen = \"x\"", &["abide.toml:1:", "lisen", "listen"]);
        check_refused(
            "[classes.a]\ncomponent = \"a\"\nlimit = 3",
            &["abide.toml:3:", "limit", "limits"],
        );
        check_refused(
            "[classes.a]\ncomponent = \"a\"\n[limits]\ncpu_ms_max = \"x\"",
            &["abide.toml:4:", "cpu_ms_max = \"x\""],
        );
        check_refused(
            "[limits]\n\ncpu_ms_max = 0\n[classes.a]\ncomponent = \"a\"",
            &["abide.toml:3:", "cpu_ms_max = 0", "from 10 to 300000"],
        );
        check_refused("[classes.a]", &["abide.toml:1:", "component", "source"]);
        check_refused("", &["no class is configured", "[classes.counter]"]);
        check_refused("[classes.\"a/b\"]\nsource = \".\"", &["a/b", "letters"]);
        check_refused("listen = [", &["abide.toml:1:"]);
    }
}
