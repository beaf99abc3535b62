//! What a Worker's bundle is made with, and its static files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::super::ConfigError;
use super::Reader;
use super::document::Node;
use crate::outbound::assets::{Assets, HtmlHandling, NotFound, Rules, WorkerFirst};

/// What goes to the bundler as it stands.
const BUNDLED: [&str; 8] = [
    "alias",
    "define",
    "jsx_factory",
    "jsx_fragment",
    "minify",
    "rules",
    "tsconfig",
    "compatibility_flags",
];

impl Reader<'_> {
    pub(super) fn settings(
        &self,
        folder: &Path,
        classes: &[Json],
        bindings: &BTreeMap<String, Json>,
    ) -> Result<Json, ConfigError> {
        let mut settings = Map::new();
        settings.insert("classes".into(), classes.into());
        settings.insert("bindings".into(), json!(bindings));
        for name in BUNDLED {
            let node = match name {
                "define" => self.own(name),
                name => self.inherited(name),
            };
            let Some(node) = node else { continue };
            match name {
                "alias" | "define" => self.check_texts(node, name)?,
                "rules" => self.check_rules(node)?,
                "minify" => self.check_truth(node, name)?,
                "compatibility_flags" => drop(self.texts(Some(node), name)?),
                // A build of the project's own may have yet to make it.
                "tsconfig" if self.inherited("build").is_none() => {
                    self.check_there(node, name, folder)?;
                }
                _ => drop(self.text(node, name)?),
            }
            settings.insert(name.into(), node.json());
        }
        if let Some(build) = self.inherited("build") {
            if build.table().is_none() {
                return Err(self.not(build, "build", "an object"));
            }
            if let Some(command) = build.get("command")
                && command.text().is_none()
            {
                return Err(self.not(command, "build.command", "a text"));
            }
            if let Some(cwd) = build.get("cwd") {
                self.check_there(cwd, "build.cwd", folder)?;
            }
            let part = |name: &str| build.get(name).map(Node::json);
            let command = json!({ "command": part("command"), "cwd": part("cwd") });
            settings.insert("build".into(), command);
        }
        Ok(Json::Object(settings))
    }

    fn check_there(&self, node: &Node, name: &str, folder: &Path) -> Result<(), ConfigError> {
        let text = node.text().ok_or_else(|| self.not(node, name, "a text"))?;
        let path = folder.join(text);
        match path.exists() {
            true => Ok(()),
            false => {
                let message = format!("{name:?}: there is no {}", path.display());
                Err(self.wrong(node.at, &message))
            }
        }
    }

    fn check_texts(&self, node: &Node, name: &str) -> Result<(), ConfigError> {
        let fields = node
            .table()
            .ok_or_else(|| self.not(node, name, "an object"))?;
        let other = fields.iter().find(|field| field.value.text().is_none());
        match other {
            Some(field) => Err(self.not(&field.value, &field.name, "a text")),
            None => Ok(()),
        }
    }

    fn check_truth(&self, node: &Node, name: &str) -> Result<(), ConfigError> {
        match node.json() {
            Json::Bool(_) => Ok(()),
            _ => Err(self.not(node, name, "true or false")),
        }
    }

    fn check_rules(&self, node: &Node) -> Result<(), ConfigError> {
        const TYPES: [&str; 7] = [
            "ESModule",
            "CommonJS",
            "Text",
            "Data",
            "CompiledWasm",
            "PythonModule",
            "PythonRequirement",
        ];
        const EXAMPLE: &str = "{ \"type\": \"Text\", \"globs\": [\"**/*.md\"] }";
        for rule in node
            .list()
            .ok_or_else(|| self.not(node, "rules", "a list"))?
        {
            let kind = rule.get("type").and_then(Node::text);
            if !kind.is_some_and(|kind| TYPES.contains(&kind)) {
                let message = format!(
                    "a rule needs a \"type\", one of {}; write for example {EXAMPLE}",
                    TYPES.join(", ")
                );
                return Err(self.wrong(rule.at, &message));
            }
            let globs = rule.get("globs").and_then(Node::list);
            if !globs.is_some_and(|globs| globs.iter().all(|it| it.text().is_some())) {
                let message = format!("a rule needs \"globs\"; write for example {EXAMPLE}");
                return Err(self.wrong(rule.at, &message));
            }
        }
        Ok(())
    }

    pub(super) fn assets(
        &self,
        folder: &Path,
        bindings: &mut BTreeMap<String, Json>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Assets>, ConfigError> {
        let Some(node) = self.inherited("assets") else {
            return Ok(None);
        };
        let word = |name: &str| match node.get(name) {
            Some(node) => self.text_of(node, name).map(Some),
            None => Ok(None),
        };
        let Some(directory) = word("directory")? else {
            let message = "\"assets\" needs a \"directory\"; write for example \"./public\"";
            return Err(self.wrong(node.at, message));
        };
        let one_of = |name: &str, value: &str, choices: &str| {
            let at = node.get(name).map_or(node.at, |it| it.at);
            let message = format!("{name:?}: {value:?} is none of {choices}");
            self.wrong(at, &message)
        };
        let html = word("html_handling")?.unwrap_or("auto-trailing-slash");
        let html = HtmlHandling::of(html)
            .ok_or_else(|| one_of("html_handling", html, HtmlHandling::CHOICES))?;
        let missing = word("not_found_handling")?.unwrap_or("none");
        let missing = NotFound::of(missing)
            .ok_or_else(|| one_of("not_found_handling", missing, NotFound::CHOICES))?;
        if let Some(binding) = word("binding")? {
            let at = node.get("binding").map_or(node.at, |it| it.at);
            if bindings.contains_key(binding) {
                let message = format!("there is another binding {binding:?}; rename one");
                return Err(self.wrong(at, &message));
            }
            bindings.insert(binding.into(), json!({ "assets": true }));
        }
        let first = match node.get("run_worker_first") {
            None => WorkerFirst::Never,
            Some(first) => match (first.json(), first.list()) {
                (Json::Bool(true), _) => WorkerFirst::Always,
                (Json::Bool(false), _) => WorkerFirst::Never,
                (_, Some(patterns)) => {
                    let patterns = patterns.iter();
                    let patterns = patterns.map(|it| self.text_of(it, "run_worker_first"));
                    let patterns = patterns.map(|it| it.map(Into::into));
                    let patterns = patterns.map(|pattern: Result<String, _>| {
                        let pattern = pattern?;
                        match pattern.trim_start_matches('!').starts_with('/') {
                            true => Ok(pattern),
                            false => Err(self.wrong(
                                first.at,
                                &format!(
                                    "\"run_worker_first\": {pattern:?} matches no path; begin it \
                                     with / or !/"
                                ),
                            )),
                        }
                    });
                    WorkerFirst::Where(patterns.collect::<Result<_, _>>()?)
                }
                _ => return Err(self.not(first, "run_worker_first", "true, false or a list")),
            },
        };
        let directory = folder.join(directory);
        if !directory.is_dir() {
            let place = self.place(node.at);
            notes.push(format!(
                "{place}: \"assets\": there is no folder {}",
                directory.display()
            ));
        }
        let (rules, wrong) = Rules::of(&directory);
        notes.extend(wrong);
        Ok(Some(Assets {
            directory,
            html,
            missing,
            first,
            rules: Arc::new(rules),
        }))
    }

    fn text_of<'n>(&self, node: &'n Node, name: &str) -> Result<&'n str, ConfigError> {
        node.text().ok_or_else(|| self.not(node, name, "a text"))
    }
}
