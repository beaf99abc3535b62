//! What a Worker's bundle is made with.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::super::ConfigError;
use super::Reader;
use super::document::Node;

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
}
