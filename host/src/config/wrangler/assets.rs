//! What `assets` says: the static files of a Worker.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::super::ConfigError;
use super::document::Node;
use super::{Asked, Reader};
use crate::outbound::assets::{Assets, HtmlHandling, NotFound, Rules, WorkerFirst, holds};

const KNOWN: [&str; 5] = [
    "binding",
    "directory",
    "html_handling",
    "not_found_handling",
    "run_worker_first",
];

impl<'a> Reader<'a> {
    pub(super) fn assets(
        &self,
        folder: &Path,
        asked: &Asked,
        bindings: &mut BTreeMap<String, Json>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Assets>, ConfigError> {
        let Some(node) = self.inherited("assets") else {
            return Ok(None);
        };
        self.tell_unknown_of_assets(node, notes)?;
        let word = |name: &str| match node.get(name) {
            Some(node) => self.text(node, name).map(Some),
            None => Ok(None),
        };
        let directory = self.directory(node, folder, asked, notes)?;
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
            Some(first) => self.worker_first(first)?,
        };
        let (rules, wrong) = Rules::of(&directory);
        notes.extend(wrong);
        Ok(Some(Assets {
            directory,
            html,
            missing,
            first,
            rules: Arc::new(rules),
            left_out: None,
        }))
    }

    fn tell_unknown_of_assets(
        &self,
        node: &Node,
        notes: &mut Vec<String>,
    ) -> Result<(), ConfigError> {
        let fields = node.table();
        for field in fields.ok_or_else(|| self.not(node, "assets", "an object"))? {
            notes.extend(self.unknown(field, KNOWN.into_iter(), " in \"assets\""));
        }
        Ok(())
    }

    fn directory(
        &self,
        assets: &'a Node,
        folder: &Path,
        asked: &Asked,
        notes: &mut Vec<String>,
    ) -> Result<PathBuf, ConfigError> {
        let node = assets.get("directory");
        let text = node.map(|node| self.text(node, "directory")).transpose()?;
        let (Some(node), Some(text)) = (node, text.filter(|text| !text.is_empty())) else {
            let message = "\"assets\" needs a \"directory\"; write for example \"./public\"";
            return Err(self.wrong(node.unwrap_or(assets).at, message));
        };
        let directory = folder.join(text);
        let shown = directory.display();
        if !directory.is_dir() {
            let message = format!("\"assets\": there is no folder {shown}");
            // Who writes the project may yet build it.
            if !asked.developing {
                return Err(self.wrong(node.at, &message));
            }
            notes.push(format!("{}: {message}", self.place(node.at)));
        }
        if holds(&directory, folder) {
            notes.push(format!(
                "{}: \"assets\": the folder {shown} holds the project itself, and everybody gets \
                 what is in it, but for secrets, settings, node_modules and data; name a folder that \
                 holds the static files alone, for example \"./public\"",
                self.place(node.at)
            ));
        }
        Ok(directory)
    }

    fn worker_first(&self, node: &Node) -> Result<WorkerFirst, ConfigError> {
        const NAME: &str = "run_worker_first";
        let list = match (node.json(), node.list()) {
            (Json::Bool(true), _) => return Ok(WorkerFirst::Always),
            (Json::Bool(false), _) => return Ok(WorkerFirst::Never),
            (_, Some(list)) => list,
            _ => return Err(self.not(node, NAME, "true, false or a list")),
        };
        let mut patterns = Vec::new();
        for entry in list {
            let wrong = || self.not(entry, NAME, "a list of texts");
            let pattern = entry.text().ok_or_else(wrong)?;
            if !pattern
                .strip_prefix('!')
                .unwrap_or(pattern)
                .starts_with('/')
            {
                let message =
                    format!("{NAME:?}: {pattern:?} matches no path; begin it with / or !/");
                return Err(self.wrong(entry.at, &message));
            }
            patterns.push(pattern.to_owned());
        }
        if patterns.iter().all(|pattern| pattern.starts_with('!')) {
            let message = format!(
                "{NAME:?}: no path of these is the Worker's; name at least one, for example \
                 \"/api/*\", or write false"
            );
            return Err(self.wrong(node.at, &message));
        }
        Ok(WorkerFirst::Where(patterns))
    }
}

#[cfg(test)]
mod tests {
    //! What `assets` says is taken, or refused with its place.

    use super::super::parse;
    use super::*;
    use crate::config::Config;

    /// A project whose `assets` are these, in line 3, beside its folder `public`.
    fn read(assets: &str, developing: bool) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("public")).unwrap();
        std::fs::write(folder.path().join("index.js"), "").unwrap();
        let text = format!(
            "{{ \"main\": \"index.js\",\n\"migrations\": [{{ \"tag\": \"v1\", \
             \"new_sqlite_classes\": [\"C\"] }}],\n\"assets\": {assets}\n}}"
        );
        let asked = Asked {
            environment: None,
            developing,
            process: &|_| None,
        };
        let config = parse(&text, Path::new("wrangler.jsonc"), folder.path(), &asked);
        config.map_err(|error| error.to_string())
    }

    fn with(rest: &str) -> String {
        format!("{{ \"directory\": \"./public\", {rest} }}")
    }

    #[track_caller]
    fn check_refused(assets: &str, expected: &str) {
        let refused = read(assets, false).expect_err(assets);
        assert!(refused.starts_with("wrangler.jsonc:3:"), "{refused}");
        assert!(refused.contains(expected), "{refused}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check_refused("\"public\"", "\"assets\" must be an object");
        check_refused("{}", "needs a \"directory\"");
        check_refused("{ \"directory\": \"\" }", "needs a \"directory\"");
        check_refused("{ \"directory\": \"./nowhere\" }", "there is no folder");
        check_refused(&with("\"html_handling\": \"x\""), "is none of auto-");
        check_refused(&with("\"not_found_handling\": \"x\""), "is none of single-");
        let first = |value: &str| with(&format!("\"run_worker_first\": {value}"));
        check_refused(&first("[]"), "name at least one");
        check_refused(&first("[\"!/a\", \"!/b/*\"]"), "name at least one");
        check_refused(&first("[\"api\"]"), "begin it with / or !/");
        check_refused(&first("[\"!!/api\"]"), "begin it with / or !/");
        check_refused(&first("[3]"), "a list of texts");
        check_refused(&first("\"/api\""), "true, false or a list");
    }

    #[test]
    fn what_may_be_a_mistake_is_told() {
        let notes = |assets: &str| read(assets, true).unwrap().notes;
        assert_eq!(
            notes(&with("\"run_worker_first\": [\"/api/*\", \"!/b\"]")),
            [""; 0]
        );
        let unknown = notes(&with("\n\"not_found_handing\": \"404-page\", \"other\": 1"));
        assert_eq!(
            unknown,
            [
                "wrangler.jsonc:4:1: nothing is known of a setting \"not_found_handing\" in \
                 \"assets\"; is \"not_found_handling\" meant?",
                "wrangler.jsonc:4:34: nothing is known of a setting \"other\" in \"assets\"",
            ]
        );
        let missing = notes("{ \"directory\": \"./nowhere\" }");
        assert!(missing[0].contains("there is no folder"), "{missing:?}");
        for directory in [".", "..", "./public/.."] {
            let whole = notes(&format!("{{ \"directory\": {directory:?} }}"));
            assert!(whole[0].contains("holds the project itself"), "{whole:?}");
        }
    }
}
