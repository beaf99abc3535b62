//! What `abide.toml` says, checked: every mistake is named with file, line and
//! the way out.

mod classes;
mod environment;
mod migrations;
mod origin;
mod projects;
mod server;
pub mod wrangler;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use self::classes::{ClassTable, LimitsTable, Reading};
use self::migrations::MigrationTable;
use self::origin::Origin;
use self::projects::Projects;
use self::server::{ServerTable, TlsTable};
use self::wrangler::Asked;
use crate::instance::component::World;
use crate::limits::{Limits, ServerLimits};
use crate::outbound::assets::Assets;
use crate::regular_file;
use crate::router::{RouteRule, Rules};
use crate::server::TlsConfig;
use crate::storage::classes::Migration;
use crate::written::Written;

pub use self::classes::{ClassConfig, Code};

pub const FILE_NAME: &str = "abide.toml";
pub const LISTEN: &str = "127.0.0.1:8787";
pub const DATA: &str = "abide-data";

/// What the gateway is called among the classes: nothing that a class can be named.
pub const GATEWAY: &str = "(gateway)";

/// Where a port without a host listens: what is not said to be public is not.
const HOST: &str = "127.0.0.1";

/// A whole configuration. Paths are relative to nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub listen: String,
    pub data: PathBuf,
    /// May clients see what objects say in their errors? None: as the command
    /// likes it.
    pub show_errors: Option<bool>,
    pub server: ServerLimits,
    pub tls: Option<TlsConfig>,
    pub classes: Vec<ClassConfig>,
    /// What stands before the objects.
    pub gateway: Option<ClassConfig>,
    /// Does `/<class>/<name>/…` lead straight to an object?
    pub default_route: bool,
    pub routes: Vec<RouteRule>,
    pub migrations: Vec<Migration>,
    /// Classes whose data may be deleted, as the command line says.
    pub confirmed: Vec<String>,
    /// Files that come before the gateway.
    pub assets: Option<Assets>,
    /// What whoever wrote it should know.
    pub notes: Vec<String>,
    pub whereabouts: Whereabouts,
}

/// Where settings are written that can fail only when they are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    pub listen: Written,
    pub data: Written,
    pub connections_max: Written,
    pub process_memory_bytes_max: Written,
    /// Where more would be written.
    pub end: Written,
}

/// A configuration that cannot be used. Its text is for the person who wrote it.
#[derive(Debug)]
pub struct ConfigError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct File {
    listen: Option<Spanned<String>>,
    data: Option<Spanned<PathBuf>>,
    show_errors: Option<bool>,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    server: ServerTable,
    tls: Option<TlsTable>,
    #[serde(default)]
    classes: BTreeMap<Spanned<String>, ClassTable>,
    gateway: Option<Spanned<ClassTable>>,
    default_route: Option<Spanned<bool>>,
    #[serde(default)]
    routes: Vec<RouteTable>,
    #[serde(default)]
    migrations: Vec<MigrationTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with path and class")]
struct RouteTable {
    host: Option<String>,
    path: Spanned<String>,
    class: String,
}

/// The data directory that `file` names, whatever else is in the file.
pub fn data_of(file: &Path) -> Result<PathBuf, ConfigError> {
    #[derive(Deserialize)]
    struct Data {
        data: Option<Spanned<PathBuf>>,
    }
    let (text, folder) = text_and_folder(file)?;
    let origin = Origin { text: &text, file };
    let read: Data = toml::from_str(&text).map_err(|error| origin.misread(&error))?;
    origin.data(read.data.as_ref(), folder)
}

/// What is in a configuration, and the folder that its paths are relative to.
fn text_and_folder(file: &Path) -> Result<(String, &Path), ConfigError> {
    let shown = file.display();
    let bytes = regular_file::read(file).map_err(|error| {
        ConfigError(format!(
            "{shown}: cannot read the configuration ({error}); \
             name another file, or write one as the README shows"
        ))
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = memchr::memchr_iter(b'\n', valid).count() + 1;
        ConfigError(format!(
            "{shown}:{line}: a configuration is UTF-8, and this line is not"
        ))
    })?;
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    Ok((text, folder))
}

impl Config {
    /// Reads `file`; paths in it are relative to its folder. Whoever is `developing` has
    /// secrets of Workers in files.
    pub fn read(file: &Path, developing: bool) -> Result<Config, ConfigError> {
        let (text, folder) = text_and_folder(file)?;
        let asked = Asked {
            environment: None,
            developing,
            process: &|name| std::env::var_os(name),
        };
        Config::parse(&text, file, folder, &asked)
    }

    /// The configuration of a source folder that has none: these classes, and perhaps
    /// a gateway in the same code.
    pub fn of_source(classes: &[String], has_gateway: bool, source: &Path) -> Config {
        let class = |name: &String| ClassConfig::of_source(name, source);
        Config {
            listen: LISTEN.into(),
            data: source.join(DATA),
            show_errors: None,
            server: ServerLimits::default(),
            tls: None,
            classes: classes.iter().map(class).collect(),
            gateway: has_gateway.then(|| ClassConfig::of_source(GATEWAY, source)),
            default_route: !has_gateway,
            routes: Vec::new(),
            migrations: Vec::new(),
            confirmed: Vec::new(),
            assets: None,
            notes: Vec::new(),
            whereabouts: Whereabouts::default(),
        }
    }

    /// The classes, and the gateway: all that has code.
    pub fn all_code(&self) -> impl Iterator<Item = &ClassConfig> {
        self.classes.iter().chain(&self.gateway)
    }

    /// The code of the classes and the gateway, each once.
    pub fn codes(&self) -> Vec<Code> {
        let mut codes: Vec<_> = self.all_code().map(|it| it.code.clone()).collect();
        codes.sort();
        codes.dedup();
        codes
    }

    /// Where code is named first.
    pub fn written_of(&self, code: &Code) -> Written {
        let class = self.all_code().find(|it| it.code == *code);
        class.map_or_else(Written::default, |it| it.written.clone())
    }

    /// With nothing before the objects: a Worker that answers no requests.
    pub fn without_gateway(&mut self) {
        let Some(gateway) = self.gateway.take() else {
            return;
        };
        self.default_route = true;
        if let Code::Worker(worker) = &gateway.code {
            self.notes.push(format!(
                "{} has no default export with fetch(), which would be the gateway: \
                 /<class>/<name>/… leads straight to objects",
                worker.main.display()
            ));
        }
    }

    /// Which world code is made for. A Worker's is an object's, and a gateway's too.
    pub fn world_of(&self, code: &Code) -> World {
        let is_gateway = self.gateway.as_ref().is_some_and(|it| it.code == *code);
        let is_class = self.classes.iter().any(|it| it.code == *code);
        let is_class = is_class || matches!(code, Code::Worker(_));
        match is_gateway && !is_class {
            true => World::Gateway,
            false => World::Object,
        }
    }

    fn parse(text: &str, file: &Path, folder: &Path, asked: &Asked) -> Result<Config, ConfigError> {
        let origin = Origin { text, file };
        let parsed: File = toml::from_str(text).map_err(|error| origin.misread(&error))?;
        let whereabouts = Whereabouts {
            listen: origin.written_of(&parsed.listen),
            data: origin.written_of(&parsed.data),
            connections_max: origin.written_of(&parsed.server.connections_max),
            process_memory_bytes_max: origin.written_of(&parsed.server.process_memory_bytes_max),
            end: origin.written(text.trim_end().len()),
        };
        let listen = parsed.listen.map(|listen| {
            let line = origin.line(listen.span().start);
            let refused = |why: String| origin.error(line, &format!("listen = {why}"));
            listen_address(listen.get_ref()).map_err(refused)
        });
        let projects = Projects::default();
        let reading = Reading {
            origin: &origin,
            folder,
            asked: *asked,
            projects: &projects,
            limits: parsed.limits.over(&Limits::default(), &origin)?,
        };
        let mut classes: Vec<ClassConfig> = Vec::new();
        for (name, table) in parsed.classes {
            let line = origin.line(name.span().start);
            let name = name.into_inner();
            check_class_name(&name).map_err(|why| origin.error(line, &why))?;
            let is_like = |other: &&ClassConfig| other.name.eq_ignore_ascii_case(&name);
            if let Some(other) = classes.iter().find(is_like) {
                // Their data would lie in one folder where file systems see no
                // difference.
                let message = format!(
                    "classes {:?} and {name:?} differ only in case; rename one",
                    other.name
                );
                return Err(origin.error(line, &message));
            }
            classes.push(table.read(&name, &format!("class {name:?}"), line, &reading)?);
        }
        if classes.is_empty() {
            let message = "no class is configured; add for example\n\n    \
                           [classes.counter]\n    source = \"path/to/its/folder\"";
            return Err(origin.error(1, message));
        }
        let gateway = parsed.gateway.map(|table| {
            let line = origin.line(table.span().start);
            let gateway = table
                .into_inner()
                .read(GATEWAY, "the gateway", line, &reading)?;
            let refused = |message: &str| Err(origin.error(line, message));
            if !parsed.routes.is_empty() {
                return refused(
                    "every request goes to the gateway, so no route would be taken; remove \
                     [[routes]] or [gateway]",
                );
            }
            let is_script = |code: &Code| {
                let folder = code.path();
                folder.join("package.json").is_file() || wrangler::find(folder).is_some()
            };
            let shares = |class: &ClassConfig| class.code == gateway.code;
            match classes.iter().any(shares) && !is_script(&gateway.code) {
                true => refused("the gateway and a class have the same code; give each its own"),
                false => Ok(gateway),
            }
        });
        let gateway = gateway.transpose()?;
        let default_route = parsed.default_route.as_ref().map(|it| *it.get_ref());
        if default_route == Some(false) && parsed.routes.is_empty() && gateway.is_none() {
            let at = parsed.default_route.map_or(0, |it| it.span().start);
            let message = "with default_route = false no request would reach an object; add \
                           [[routes]] or [gateway]";
            return Err(origin.error(origin.line(at), message));
        }
        let server = parsed.server.over(&ServerLimits::default(), &origin)?;
        let migrations = migrations::of_tables(parsed.migrations, &classes, folder, &origin)?;
        let routes = parsed.routes.into_iter();
        let mut config = Config {
            listen: listen.transpose()?.unwrap_or_else(|| LISTEN.into()),
            data: origin.data(parsed.data.as_ref(), folder)?,
            show_errors: parsed.show_errors,
            server,
            tls: parsed
                .tls
                .map(|tls| tls.within(folder, &origin))
                .transpose()?,
            classes,
            default_route: default_route.unwrap_or(gateway.is_none()),
            gateway,
            routes: routes
                .map(|route| RouteRule {
                    host: route.host,
                    written: origin.written(route.path.span().start),
                    path: route.path.into_inner(),
                    class: route.class,
                })
                .collect(),
            migrations,
            confirmed: Vec::new(),
            assets: None,
            notes: Vec::new(),
            whereabouts,
        };
        projects.add_to(&mut config);
        let known = |class: &str| config.classes.iter().find(|it| it.name == class).map(drop);
        Rules::new(&config.routes, known).map_err(|error| ConfigError(error.0))?;
        Ok(config)
    }
}

/// Where `text` says to listen: `HOST:PORT`, `:PORT` or `PORT`.
pub fn listen_address(text: &str) -> Result<String, String> {
    let (host, port) = match text.rsplit_once(':') {
        None if text.parse::<u16>().is_ok() => (HOST, text),
        Some(("", port)) => (HOST, port),
        Some((host, port)) => (host, port),
        None => ("", text),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let is_host = bracketed || !(host.is_empty() || host.contains([':', '/', '[', ']', ' ']));
    if is_host && port.bytes().all(|it| it.is_ascii_digit()) && port.parse::<u16>().is_ok() {
        return Ok(format!("{host}:{port}"));
    }
    Err(format!(
        "{text:?} is no address to listen on; write HOST:PORT, for example 127.0.0.1:8787 or \
         [::1]:8787, or only PORT (up to 65535), which listens on {HOST}"
    ))
}

/// Names of classes are also names of folders, and parts of addresses.
pub fn check_class_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=64).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!(
        "{name:?} cannot name a class; use 1 to 64 letters, digits, - and _"
    ))
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

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::environment::Environment;

    fn parse(text: &str) -> Result<Config, String> {
        let (file, folder) = (Path::new("abide.toml"), Path::new("/srv"));
        let process = |name: &str| (name == "API_KEY").then(|| "s3cret".into());
        let asked = Asked {
            environment: None,
            developing: false,
            process: &process,
        };
        Config::parse(text, file, folder, &asked).map_err(|error| error.to_string())
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
    fn what_fails_only_when_it_is_used_has_a_place() {
        let text = "listen = \"80\"\ndata = \"d\"\n[classes.a]\ncomponent = \"a\"\n\
                    [server]\nconnections_max = 9\nprocess_memory_bytes_max = 2000000\n\
                    [tls]\ncertificate = \"c\"\nkey = \"k\"\nredirect_from = \"80\"\n\n";
        let config = parse(text).unwrap();
        let (places, tls) = (&config.whereabouts, config.tls.as_ref().unwrap());
        let class = &config.classes[0];
        let written = [
            (&places.listen, 1),
            (&places.data, 2),
            (&class.written, 4),
            (&places.connections_max, 6),
            (&places.process_memory_bytes_max, 7),
            (&tls.certificate_written, 9),
            (&tls.key_written, 10),
            (&tls.redirect.as_ref().unwrap().written, 11),
            (&places.end, 11),
        ];
        for (written, line) in written {
            assert_eq!(written.told("x"), format!("abide.toml:{line}: x"));
        }
        assert_eq!(config.written_of(&class.code).told("x"), "abide.toml:4: x");
        // Lines that come above it make no other configuration of it.
        assert_eq!(parse(&format!("# Mine.\n\n{text}")).unwrap(), config);
        let bare = parse("[classes.a]\ncomponent = \"a\"").unwrap();
        assert_eq!(bare.whereabouts.data.told("x"), "x");
    }

    #[test]
    fn a_path_that_cannot_be_meant_is_refused() {
        let class = "[classes.a]\ncomponent = \"a\"\n";
        check_refused(
            &format!("data = \"\"\n{class}"),
            &["abide.toml:1:", "data = \"\""],
        );
        let home = format!("\ndata = \"~/data\"\n{class}");
        check_refused(&home, &["abide.toml:2:", "write the whole path"]);
        let source = "[classes.a]\nhibernate = \"drop-memory\"\nsource = \"\"";
        check_refused(source, &["abide.toml:3:", "source = \"\""]);
        let key = format!("{class}[tls]\ncertificate = \"c\"\nkey = \"~/k\"");
        check_refused(&key, &["abide.toml:5:", "key = \"~/k\""]);
        let data = parse(&format!("data = \"~d/e\"\n{class}")).unwrap().data;
        assert_eq!(data, Path::new("/srv/~d/e"));
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
        assert_eq!(limits, [(60, Some(7)), (50, Some(7))]);
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
            &[
                "abide.toml:3:",
                "cpu_ms_max = 0",
                "a whole number of milliseconds from 10 to 300000",
            ],
        );
        check_refused("[classes.a]", &["abide.toml:1:", "component", "source"]);
        check_refused("", &["no class is configured", "[classes.counter]"]);
        check_refused("[classes.\"a/b\"]\nsource = \".\"", &["a/b", "letters"]);
        check_refused("listen = [", &["abide.toml:1:"]);
        check_refused(
            "[server]\ntrusted_proxies = [\n\"10.0.0.0/8\",\n\"localhost\"]\n[classes.a]\nsource = \".\"",
            &["abide.toml:4:", "\"localhost\"", "10.0.0.0/8"],
        );
        check_refused(
            "[classes.a]\nsource = \".\"\noutbound = [\n\"https://a.test\",\n\"https://a.test/x\"]",
            &["abide.toml:5:", "\"https://a.test/x\"", "has a path"],
        );
        check_refused(
            "[classes.a]\nsource = \".\"\noutbound = \"a.test\"",
            &["abide.toml:3:", "outbound"],
        );
        check_refused("[tls]\nkey = \"k\"", &["abide.toml:", "certificate"]);
    }

    #[test]
    fn what_can_never_work_is_refused() {
        let class = "[classes.c]\ncomponent = \"c\"\n";
        check_refused(
            &format!("{class}[classes.C]\ncomponent = \"c\"\n"),
            &["abide.toml:", "\"C\"", "\"c\"", "differ only in case"],
        );
        check_refused(
            &format!("{class}[[routes]]\npath = \"/{{name}}\"\nclass = \"d\"\n"),
            &["abide.toml:4:", "\"d\"", "not configured"],
        );
        for value in ["1.5", "\"1\"", "true", "[1]", "-1"] {
            check_refused(
                &format!("{class}[limits]\nmemory_bytes_max = {value}"),
                &["abide.toml:4:", value, "a whole number of bytes"],
            );
        }
        for (text, words) in [
            (
                "listen = 80",
                "80 cannot be; it must be a text in quotation marks, in: listen",
            ),
            (
                "data = 1.5",
                "1.5 cannot be; it must be a path in quotation marks, in: data",
            ),
            (
                "show_errors = \"yes\"",
                "\"yes\" cannot be; it must be true or false, in: show_errors",
            ),
            (
                "default_route = 0",
                "0 cannot be; it must be true or false, in: default_route",
            ),
            (
                "limits = []",
                "what stands here must be a table of limits, in: limits",
            ),
            (
                "[routes]",
                "must be a list of tables, each in two brackets, in: [routes]",
            ),
            (
                "[server]\ntrusted_proxies = \"x\"",
                "must be a list in brackets, in: trusted_proxies",
            ),
            (
                "[server]\nconnections_max = 99999999999999999999",
                "99999999999999999999 cannot be; it must be a number of 64 bits",
            ),
        ] {
            let line = text.lines().count();
            check_refused(text, &[&format!("abide.toml:{line}: "), words]);
        }
        for (table, words) in [
            ("limits = 1", "limits"),
            ("routes = 1", "routes"),
            ("classes.x = 1", "component or source"),
        ] {
            check_refused(table, &["abide.toml:1:", words]);
        }
    }

    #[test]
    fn a_class_gets_the_variables_that_it_names_and_no_others() {
        let config = parse(
            "[classes.a]\ncomponent = \"a\"\nenv_from = [\"API_KEY\"]\n\
             env_from_optional = [\"ELSEWHERE\"]\n[classes.a.env]\nMODE = \"live = on\"\n\
             [classes.b]\ncomponent = \"b\"\n",
        );
        let classes = config.unwrap().classes;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            classes[0].environment.variables(),
            [pair("MODE", "live = on"), pair("API_KEY", "s3cret")]
        );
        assert_eq!(classes[1].environment, Environment::default());
        assert!(!format!("{classes:?}").contains("s3cret"));

        let class = "[classes.a]\ncomponent = \"a\"\n";
        for (text, expected) in [
            (
                "env_from = [\"NOWHERE\"]",
                ["NOWHERE", "not in the environment"],
            ),
            ("env_from = [\"A=B\"]", ["\"A=B\"", "letters, digits and _"]),
            ("env = { \"1\" = \"\" }", ["\"1\"", "letters, digits and _"]),
            ("env = { PORT = 80 }", ["PORT", "in quotation marks"]),
            (
                "env = { API_KEY = \"\" }\nenv_from = [\"API_KEY\"]",
                ["API_KEY", "given twice"],
            ),
        ] {
            let message = parse(&format!("{class}{text}")).expect_err(text);
            let parts = expected.iter().chain(&["class \"a\"", "abide.toml:"]);
            for part in parts {
                assert!(message.contains(part), "{message:?} lacks {part:?}");
            }
        }
    }

    #[test]
    fn a_gateway_closes_the_default_route_unless_that_is_asked_for() {
        let class = "[classes.a]\ncomponent = \"a\"\n";
        let gateway = "[gateway]\ncomponent = \"g\"\nenv = { A = \"b\" }\n";
        let check = |text: &str, default_route: bool| {
            let config = parse(text).unwrap();
            assert_eq!(config.default_route, default_route, "{text}");
            let code = config.gateway.map(|gateway| gateway.code);
            let expected = text.contains("[gateway]");
            assert_eq!(code, expected.then(|| Code::Component("/srv/g".into())));
        };
        check(class, true);
        check(&format!("{class}{gateway}"), false);
        check(&format!("default_route = true\n{class}{gateway}"), true);
        let route = "[[routes]]\npath = \"/{name}\"\nclass = \"a\"\n";
        check(&format!("default_route = false\n{class}{route}"), false);

        let closed = format!("{class}\n").replace("[classes", "default_route = false\n[classes");
        check_refused(&closed, &["abide.toml:1:", "[gateway]"]);
        let routes = format!("{class}{gateway}{route}");
        check_refused(&routes, &["abide.toml:3:", "[[routes]]"]);
        let same = format!("{class}[gateway]\ncomponent = \"a\"");
        check_refused(&same, &["abide.toml:3:", "give each its own"]);
        check_refused(
            &format!("{class}[gateway]"),
            &["abide.toml:3:", "the gateway needs"],
        );
        let key = format!("{class}[gateway]\nclass = \"a\"");
        check_refused(&key, &["abide.toml:4:", "class"]);
    }

    #[test]
    fn no_mistake_shows_a_value_that_may_be_a_secret() {
        let class = "[classes.a]\ncomponent = \"a\"\n";
        for text in [
            "env = \"s3cret\"",
            "env = { A = 53537 }",
            "env = { A = \"s3cret }",
            "env_from = \"s3cret\"",
            "limits = \"s3cret\"",
            "API_KEY = \"s3cret\"",
            "[classes.a.env]\nA = s3cret",
            "[classes.a.env]\nA = \"s3cret\"\nA = \"s3cret\"",
            "[classes.a.env]\nA = \"\"\"\ns3cret\"\nB=s3cret",
        ] {
            let message = parse(&format!("{class}{text}")).expect_err(text);
            let leaks = message.contains("s3cret") || message.contains("53537");
            assert!(!leaks, "{text}: {message}");
        }
    }

    #[test]
    fn an_address_may_be_a_port_alone() {
        for (text, expected) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "127.0.0.1:8080"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("localhost:0", "localhost:0"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(listen_address(text).as_deref(), Ok(expected));
        }
        for text in [
            "",
            ":",
            "x",
            "127.0.0.1",
            "::1:0",
            "h:99999",
            "h:+1",
            "http://h:80",
            "[::1]",
        ] {
            let refused = listen_address(text).expect_err(text);
            assert!(refused.contains(&format!("{text:?}")) && refused.contains("HOST:PORT"));
        }
        let config = parse("listen = \":80\"\n[classes.c]\nsource = \".\"").unwrap();
        assert_eq!(config.listen, "127.0.0.1:80");
        let no_port = "\nlisten = \"h\"\n[classes.c]\nsource = \".\"";
        check_refused(no_port, &["abide.toml:2:", "listen = \"h\""]);
    }

    #[test]
    fn no_text_makes_it_panic() {
        let whole = "listen = \"127.0.0.1:80\"\ndata = \"d\"\nshow_errors = true\n\
             [limits]\ncpu_ms_max = 50\n[server]\nbody_bytes_max = 7\n\
             [classes.a]\ncomponent = \"a.wasm\"\nlimits = { memory_bytes_max = 10485760 }\n\
             [[routes]]\nhost = \"h\"\npath = \"/r/{name}/{*rest}\"\nclass = \"a\"\n";
        parse(whole).unwrap();
        let pieces = [
            "", "{", "}", "[", "]", "\"", "=", "ä", "\n", "*", "/", "{{", "9", "\0", "%",
        ];
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..5_000 {
            let mut text: Vec<char> = whole.chars().collect();
            for _ in 0..random.random_range(1..4) {
                let from = random.random_range(0..text.len());
                let to = (from + random.random_range(0..6)).min(text.len());
                let piece = pieces[random.random_range(0..pieces.len())];
                text.splice(from..to, piece.chars());
            }
            let text: String = text.into_iter().collect();
            if let Err(message) = parse(&text) {
                assert!(message.starts_with("abide.toml:"), "{message}\n{text}");
            }
        }
    }
}
