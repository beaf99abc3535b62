//! What a wrangler file names and abide does not have.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::super::ConfigError;
use super::Reader;
use super::document::{Field, Node};

/// How a setting says the name in `env`.
enum Named {
    /// Each entry of a list, by this field.
    Each(&'static str),
    /// Each entry of the list below this, by the field.
    Below(&'static str, &'static str),
    /// The setting itself, by this field.
    Itself(&'static str),
}

/// Settings that make bindings, what they lead to, and how they say its name.
const BINDINGS: [(&str, &str, Named); 23] = [
    ("kv_namespaces", "a KV namespace", Named::Each("binding")),
    ("r2_buckets", "an R2 bucket", Named::Each("binding")),
    ("d1_databases", "a D1 database", Named::Each("binding")),
    ("queues", "a queue", Named::Below("producers", "binding")),
    ("services", "another Worker", Named::Each("binding")),
    ("ai", "Workers AI", Named::Itself("binding")),
    ("browser", "a browser", Named::Itself("binding")),
    ("images", "Images", Named::Itself("binding")),
    ("media", "Media", Named::Itself("binding")),
    ("stream", "Stream", Named::Itself("binding")),
    (
        "version_metadata",
        "the version's metadata",
        Named::Itself("binding"),
    ),
    ("vectorize", "a Vectorize index", Named::Each("binding")),
    ("hyperdrive", "Hyperdrive", Named::Each("binding")),
    (
        "analytics_engine_datasets",
        "an Analytics Engine dataset",
        Named::Each("binding"),
    ),
    ("send_email", "the sending of e-mail", Named::Each("name")),
    (
        "mtls_certificates",
        "an mTLS certificate",
        Named::Each("binding"),
    ),
    ("workflows", "a workflow", Named::Each("binding")),
    (
        "dispatch_namespaces",
        "a dispatch namespace",
        Named::Each("binding"),
    ),
    ("pipelines", "a pipeline", Named::Each("binding")),
    (
        "secrets_store_secrets",
        "a secret of the Secrets Store",
        Named::Each("binding"),
    ),
    ("ratelimits", "a rate limit", Named::Each("name")),
    (
        "worker_loaders",
        "a loader of Workers",
        Named::Each("binding"),
    ),
    ("vpc_services", "a VPC service", Named::Each("binding")),
];

/// Settings by which something would happen that does not here.
const UNANSWERED: [(&str, &str, &str); 6] = [
    (
        "triggers",
        "crons",
        "\"triggers\": no cron runs; let an object set its alarm",
    ),
    (
        "queues",
        "consumers",
        "\"queues.consumers\": no queue brings messages",
    ),
    (
        "tail_consumers",
        "",
        "\"tail_consumers\": logs go to standard error alone",
    ),
    ("containers", "", "\"containers\": no container is started"),
    (
        "site",
        "",
        "\"site\": Workers Sites is not served; \"assets\" is",
    ),
    (
        "python_modules",
        "",
        "\"python_modules\": only JavaScript and TypeScript are built",
    ),
];

/// Settings that are taken, or that mean nothing on a machine of one's own.
const KNOWN: [&str; 52] = [
    "$schema",
    "account_id",
    "alias",
    "assets",
    "base_dir",
    "build",
    "cache",
    "cloudchamber",
    "compatibility_date",
    "compatibility_flags",
    "compliance_region",
    "configPath",
    "define",
    "dependencies_instrumentation",
    "dev",
    "durable_objects",
    "env",
    "exports",
    "find_additional_modules",
    "first_party_worker",
    "jsx_factory",
    "jsx_fragment",
    "keep_names",
    "keep_vars",
    "legacy_env",
    "limits",
    "logfwdr",
    "logpush",
    "main",
    "migrations",
    "minify",
    "name",
    "no_bundle",
    "node_compat",
    "observability",
    "pages_build_output_dir",
    "placement",
    "preserve_file_names",
    "preview_urls",
    "previews",
    "route",
    "routes",
    "rules",
    "secrets",
    "send_metrics",
    "streaming_tail_consumers",
    "tsconfig",
    "unsafe",
    "upload_source_maps",
    "usage_model",
    "vars",
    "workers_dev",
];

impl Reader<'_> {
    /// Tells of each binding to something that is missing, and has the code told when
    /// it uses it.
    pub(super) fn missing(
        &self,
        bindings: &mut BTreeMap<String, Json>,
        notes: &mut Vec<String>,
    ) -> Result<(), ConfigError> {
        for (setting, what, named) in BINDINGS {
            let Some(node) = self.own(setting) else {
                continue;
            };
            let (entries, field) = match named {
                Named::Itself(field) => (std::slice::from_ref(node), field),
                Named::Each(field) => (self.entries(Some(node), setting)?, field),
                Named::Below(below, field) => {
                    let below = node.get(below).and_then(Node::list);
                    (below.unwrap_or(&[]), field)
                }
            };
            for entry in entries {
                let example = format!("{{ {field:?}: \"NAME\" }}");
                let name = self.needed(entry, field, &example)?;
                let place = self.place(entry.at);
                if bindings.contains_key(name) {
                    let message = format!("there is another binding {name:?}; rename one");
                    return Err(self.wrong(entry.at, &message));
                }
                notes.push(format!(
                    "{place}: the binding {name:?} leads to {what} ({setting}), which abide does \
                     not have; code that uses it gets an error"
                ));
                let missing =
                    json!({ "missing": { "what": what, "setting": setting, "place": place } });
                bindings.insert(name.into(), missing);
            }
        }
        for (setting, below, what) in UNANSWERED {
            let node = self.inherited(setting);
            let node = match below {
                "" => node,
                below => node.and_then(|it| it.get(below)),
            };
            let is_empty = |node: &&Node| node.list().is_some_and(<[_]>::is_empty);
            if let Some(node) = node.filter(|node| !is_empty(node)) {
                notes.push(format!("{}: {what}", self.place(node.at)));
            }
        }
        Ok(())
    }

    /// What is to be told of a setting that is none of those that are known; `whose` says
    /// where they stand, if not at the top.
    pub(super) fn unknown(
        &self,
        field: &Field,
        known: impl Iterator<Item = &'static str> + Clone,
        whose: &str,
    ) -> Option<String> {
        let name = &*field.name;
        if known.clone().any(|it| it == name) {
            return None;
        }
        let meant = known
            .into_iter()
            .find(|it| strsim::jaro_winkler(it, name) > 0.9);
        let meant = meant.map_or(String::new(), |it| format!("; is {it:?} meant?"));
        let place = self.place(field.at);
        Some(format!(
            "{place}: nothing is known of a setting {name:?}{whose}{meant}"
        ))
    }

    /// Tells of settings that nobody knows: they may be misspelt.
    pub(super) fn tell_unknown(&self, notes: &mut Vec<String>) {
        let known = || {
            let bindings = BINDINGS.iter().map(|(name, _, _)| *name);
            let unanswered = UNANSWERED.iter().map(|(name, _, _)| *name);
            KNOWN.into_iter().chain(bindings).chain(unanswered)
        };
        for node in [Some(self.root), self.chosen].into_iter().flatten() {
            for field in node.table().unwrap_or(&[]) {
                notes.extend(self.unknown(field, known(), ""));
            }
        }
    }
}
