//! What a Cloudflare project's `wrangler.jsonc`, `wrangler.json` or `wrangler.toml`
//! says, as a configuration: its Worker's classes, and the Worker itself as their
//! gateway.

mod assets;
mod bindings;
mod compatibility;
mod document;
mod history;
mod missing;
mod secrets;
mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use self::bindings::Bound;
use self::document::{Field, Mistake, Node};
use super::classes::{ClassConfig, Code, hibernate_by_default};
use super::environment::Process;
use super::{Config, ConfigError, DATA, GATEWAY, LISTEN, Origin, Whereabouts};
use crate::environment::Environment;
use crate::limits::{Limits, ServerLimits};
use crate::outbound::allowed::Allowed;
use crate::written::Written;

/// In the order in which wrangler looks for them.
pub const FILE_NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// What of a wrangler file is wanted.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The one of `env` that `--env` names.
    pub environment: Option<&'a str>,
    /// Is this for whoever writes the code? Then secrets come from `.dev.vars`.
    pub developing: bool,
    pub process: Process<'a>,
}

/// A Worker's code, and all that its build depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worker {
    /// Where its wrangler file lies.
    pub folder: PathBuf,
    /// The module that exports the classes and the gateway.
    pub main: PathBuf,
    /// The classes that it must export.
    pub classes: Vec<WorkerClass>,
    /// What its bundle is made with, as JSON: for the build.
    pub settings: String,
    /// Where changes are looked for.
    pub watched: PathBuf,
    /// Where that is named.
    pub main_written: Written,
    /// Where a build of the project's own is written, which makes what is bundled.
    pub own_build: Option<Written>,
}

impl Worker {
    /// Does `env` have something under this name that is no variable?
    pub fn binds(&self, name: &str) -> bool {
        let settings: Json = serde_json::from_str(&self.settings).unwrap_or_default();
        let binding = &settings["bindings"][name];
        binding.is_object() && binding.get("json").is_none()
    }
}

/// A class, and why the Worker must export it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkerClass {
    pub name: String,
    /// For example `wrangler.jsonc:7:5: the binding "COUNTER"`.
    pub wanted_by: String,
}

/// Is this the file of a Cloudflare project?
pub fn is_one(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let has = |end: &str| file.extension().is_some_and(|extension| extension == end);
    has("json") || has("jsonc") || has("toml") && name.starts_with("wrangler")
}

/// The wrangler file of a folder.
pub fn find(folder: &Path) -> Option<PathBuf> {
    let files = FILE_NAMES.map(|name| folder.join(name));
    files.into_iter().find(|file| file.is_file())
}

/// All files that may say what a folder's Worker is, whether or not they are there.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = beside(folder, None);
    files.extend(FILE_NAMES.map(|name| folder.join(name)));
    files
}

/// The files that a configuration depends on beside the wrangler file, whether or not
/// they are there.
pub fn beside(folder: &Path, environment: Option<&str>) -> Vec<PathBuf> {
    secrets::files(folder, environment)
}

pub fn read(file: &Path, asked: &Asked) -> Result<Config, ConfigError> {
    let (text, folder) = super::text_and_folder(file)?;
    parse(&text, file, folder, asked)
}

fn parse(text: &str, file: &Path, folder: &Path, asked: &Asked) -> Result<Config, ConfigError> {
    // What some editors begin a file with.
    let text = text.trim_start_matches('\u{feff}');
    let origin = Origin { text, file };
    let parsed = match file.extension().is_some_and(|it| it == "toml") {
        true => document::of_toml(text),
        false => document::of_jsonc(text),
    };
    let root = parsed.map_err(|Mistake { at, why }| origin.wrong(at, &why))?;
    let mut reader = Reader {
        origin,
        chosen: None,
        environment: asked.environment,
        root: &root,
    };
    reader.chosen = reader.choose()?;
    reader.config(folder, asked)
}

/// Reads the settings of one environment.
struct Reader<'a> {
    origin: Origin<'a>,
    root: &'a Node,
    environment: Option<&'a str>,
    /// What the environment says; none: there is no other than the file itself.
    chosen: Option<&'a Node>,
}

impl<'a> Reader<'a> {
    fn choose(&self) -> Result<Option<&'a Node>, ConfigError> {
        let environments = self.fields(self.root.get("env"), "env")?;
        for Field { name, value, .. } in environments {
            self.fields(Some(value), &format!("env.{name}"))?;
        }
        let Some(wanted) = self.environment else {
            return Ok(None);
        };
        if let Some(found) = environments.iter().find(|it| it.name == wanted) {
            return Ok(Some(&found.value));
        }
        let names: Vec<_> = environments.iter().map(|it| &*it.name).collect();
        let there = match names.as_slice() {
            [] => "it has none; leave --env out".into(),
            names => format!("there are {}", names.join(", ")),
        };
        let at = self.root.get("env").map_or(0, |env| env.at);
        Err(self.wrong(
            at,
            &format!("no environment {wanted:?} in \"env\": {there}"),
        ))
    }

    /// A setting that an environment takes from the file when it says nothing itself.
    fn inherited(&self, name: &str) -> Option<&'a Node> {
        let own = self.chosen.and_then(|chosen| chosen.get(name));
        own.or_else(|| self.root.get(name))
    }

    /// A setting that each environment must make itself.
    fn own(&self, name: &str) -> Option<&'a Node> {
        self.chosen.unwrap_or(self.root).get(name)
    }

    /// A setting below others, for example `durable_objects.bindings`.
    fn entries(&self, node: Option<&'a Node>, name: &str) -> Result<&'a [Node], ConfigError> {
        let Some(node) = node else { return Ok(&[]) };
        let wrong = || self.not(node, name, "a list");
        node.list().ok_or_else(wrong)
    }

    fn fields(&self, node: Option<&'a Node>, name: &str) -> Result<&'a [Field], ConfigError> {
        let Some(node) = node else { return Ok(&[]) };
        let wrong = || self.not(node, name, "an object");
        node.table().ok_or_else(wrong)
    }

    fn text(&self, node: &'a Node, name: &str) -> Result<&'a str, ConfigError> {
        let wrong = || self.not(node, name, "a text");
        node.text().ok_or_else(wrong)
    }

    fn texts(&self, node: Option<&'a Node>, name: &str) -> Result<Vec<&'a str>, ConfigError> {
        let entries = self.entries(node, name)?.iter();
        entries.map(|entry| self.text(entry, name)).collect()
    }

    /// The text in an entry that must have it.
    fn needed(&self, entry: &'a Node, name: &str, example: &str) -> Result<&'a str, ConfigError> {
        match entry.get(name) {
            Some(node) => self.text(node, name),
            None => {
                let message = format!("{name:?} is missing here; write for example {example}");
                Err(self.wrong(entry.at, &message))
            }
        }
    }

    fn not(&self, node: &Node, name: &str, wanted: &str) -> ConfigError {
        let message = format!("{name:?} must be {wanted}, not {}", node.is_called());
        self.wrong(node.at, &message)
    }

    fn wrong(&self, at: usize, message: &str) -> ConfigError {
        self.origin.wrong(at, message)
    }

    fn place(&self, at: usize) -> String {
        self.origin.place(at)
    }

    fn config(&self, folder: &Path, asked: &Asked) -> Result<Config, ConfigError> {
        let mut notes = Vec::new();
        let main = self.main(folder)?;
        let Bound {
            mut bindings,
            bound,
        } = self.bindings()?;
        let history = self.history(folder, &bound)?;
        self.missing(&mut bindings, &mut notes)?;
        let environment = self.environment(folder, asked, &mut bindings, &mut notes)?;
        let assets = self.assets(folder, asked, &mut bindings, &mut notes)?;
        self.tell_unknown(&mut notes);
        notes.extend(history.begun_anew.iter().map(|(class, place)| {
            format!(
                "{place}: class {class:?} comes from another Worker, so it begins anew here; if its \
                 objects are on this machine, write \"from_data\": the data directory that they \
                 are in"
            )
        }));
        for class in history.key_value() {
            notes.push(format!(
                "{}: class {class:?} is made by new_classes, so it has the key-value storage \
                 alone. At Cloudflare a free plan refuses it (code 10097); a new class there \
                 needs new_sqlite_classes",
                history.place_of(class)
            ));
        }
        let differs = self.compatibility()?;
        notes.extend(differs.filter(|_| asked.developing));
        let names: Vec<Json> = history
            .classes()
            .map(|name| json!({ "name": name, "sql": !history.is_key_value(name) }))
            .collect();
        let at = |name: &str| self.inherited(name).map_or(self.root.at, |it| it.at);
        let (main_at, end) = (at("main"), at("migrations"));
        let build = self.inherited("build");
        let settings = self.settings(folder, &names, &bindings)?;
        let worker = Worker {
            folder: folder.into(),
            main,
            classes: history
                .classes()
                .map(|name| WorkerClass {
                    name: name.into(),
                    wanted_by: history.wanted_by(name, &bound),
                })
                .collect(),
            settings: settings.to_string(),
            watched: match build {
                None => folder.into(),
                // What the project's own build writes must not have it run again.
                Some(build) => {
                    let said = build.get("watch_dir").and_then(Node::text);
                    folder.join(said.unwrap_or("src"))
                }
            },
            main_written: Written::at(self.place(main_at)),
            own_build: build.map(|build| Written::at(self.place(build.at))),
        };
        let class = |name: &str| ClassConfig {
            name: name.into(),
            code: Code::Worker(Box::new(worker.clone())),
            limits: Limits::default(),
            hibernate: hibernate_by_default(name),
            outbound: Allowed::public(),
            environment: environment.clone(),
            // What goes wrong with it names the setting that it comes from.
            written: Written::default(),
        };
        Ok(Config {
            listen: LISTEN.into(),
            data: folder.join(DATA),
            show_errors: None,
            server: ServerLimits::default(),
            tls: None,
            classes: history.classes().map(class).collect(),
            gateway: Some(class(GATEWAY)),
            default_route: false,
            routes: Vec::new(),
            migrations: history.migrations,
            confirmed: Vec::new(),
            assets,
            notes,
            whereabouts: Whereabouts {
                end: Written::at(self.place(end)),
                ..Whereabouts::default()
            },
        })
    }

    fn main(&self, folder: &Path) -> Result<PathBuf, ConfigError> {
        let Some(node) = self.inherited("main") else {
            let message = "\"main\" is missing: the module that exports your classes; write for \
                           example \"main\": \"src/index.ts\"";
            return Err(self.wrong(self.root.at, message));
        };
        let main = folder.join(self.text(node, "main")?);
        // A build of the project's own may have yet to make it.
        if !main.is_file() && self.inherited("build").is_none() {
            let message = format!("\"main\": there is no file {}", main.display());
            return Err(self.wrong(node.at, &message));
        }
        Ok(main)
    }

    /// Variables and secrets. Which of them are no text, `bindings` learns.
    fn environment(
        &self,
        folder: &Path,
        asked: &Asked,
        bindings: &mut BTreeMap<String, Json>,
        notes: &mut Vec<String>,
    ) -> Result<Environment, ConfigError> {
        let mut values: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for Field { name, at, value } in self.fields(self.own("vars"), "vars")? {
            let text = match value.text() {
                Some(text) => text.into(),
                None => {
                    bindings.insert(name.clone(), json!({ "json": true }));
                    value.json().to_string()
                }
            };
            values.insert(name.clone(), (*at, text));
        }
        if self.chosen.is_some() && self.own("vars").is_none() && self.root.get("vars").is_some() {
            notes.push(format!(
                "{}: an environment does not inherit \"vars\", so this one has none",
                self.place(self.chosen.map_or(0, |chosen| chosen.at))
            ));
        }
        let required = self.own("secrets").and_then(|it| it.get("required"));
        let required = self.texts(required, "secrets.required")?;
        let at = self.own("secrets").map_or(0, |it| it.at);
        let secrets = secrets::of(folder, asked, &required).map_err(|why| self.wrong(at, &why))?;
        notes.extend(secrets.notes);
        for (name, value) in secrets.values {
            bindings.remove(&name);
            values.insert(name, (at, value));
        }
        let mut environment = Environment::default();
        for (name, (at, value)) in values {
            let is_binding = bindings
                .get(&name)
                .is_some_and(|it| it.get("json").is_none());
            if is_binding {
                let message = format!("the name {name:?} is a variable's and a binding's");
                return Err(self.wrong(at, &message));
            }
            let added = environment.add(&name, value);
            added.map_err(|why| self.wrong(at, &why))?;
        }
        Ok(environment)
    }
}

impl Origin<'_> {
    /// File, line and column.
    fn place(&self, offset: usize) -> String {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        format!("{}:{line}:{column}", self.file.display())
    }

    fn wrong(&self, offset: usize, message: &str) -> ConfigError {
        ConfigError(format!("{}: {message}", self.place(offset)))
    }
}

#[cfg(test)]
mod tests;
