//! What `durable_objects.bindings` says: which name of `env` leads to which class.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::super::ConfigError;
use super::Reader;
use super::document::Node;

/// The bindings of a Worker.
pub struct Bound {
    /// By the name in `env`, as the build takes them.
    pub bindings: BTreeMap<String, Json>,
    pub bound: Vec<Binding>,
}

pub struct Binding {
    pub name: String,
    pub class: String,
    pub class_at: usize,
}

const EXAMPLE: &str = "{ \"name\": \"COUNTER\", \"class_name\": \"Counter\" }";

impl Reader<'_> {
    pub(super) fn bindings(&self) -> Result<Bound, ConfigError> {
        let node = self.own("durable_objects");
        if let Some(node) = node
            && node.table().is_none()
        {
            return Err(self.not(node, "durable_objects", "an object with \"bindings\""));
        }
        let list = node.and_then(|it| it.get("bindings"));
        let mut found = Bound {
            bindings: BTreeMap::new(),
            bound: Vec::new(),
        };
        for entry in self.entries(list, "durable_objects.bindings")? {
            if entry.table().is_none() {
                return Err(self.not(
                    entry,
                    "durable_objects.bindings",
                    &format!("like {EXAMPLE}"),
                ));
            }
            let name = self.needed(entry, "name", EXAMPLE)?;
            let class = self.needed(entry, "class_name", EXAMPLE)?;
            if let Some(script) = entry.get("script_name") {
                self.check_script(script, name, class)?;
            }
            if found.bindings.contains_key(name) {
                let message = format!("there is another binding {name:?}; rename one");
                return Err(self.wrong(entry.at, &message));
            }
            let binding = json!({ "class": class });
            found.bindings.insert(name.into(), binding);
            found.bound.push(Binding {
                name: name.into(),
                class: class.into(),
                class_at: entry.get("class_name").map_or(entry.at, |it| it.at),
            });
        }
        if self.chosen.is_some() && node.is_none() && self.root.get("durable_objects").is_some() {
            let message = "an environment does not inherit \"durable_objects\": this one has no \
                           class; write the bindings into it too";
            let at = self.chosen.map_or(0, |chosen| chosen.at);
            return Err(self.wrong(at, message));
        }
        Ok(found)
    }

    fn check_script(&self, script: &Node, name: &str, class: &str) -> Result<(), ConfigError> {
        let wanted = script.text().unwrap_or_default();
        let own = self.inherited("name").and_then(Node::text);
        if own == Some(wanted) {
            return Ok(());
        }
        let message = format!(
            "the binding {name:?} is for class {class:?} of another Worker, {wanted:?}, and abide \
             serves one Worker; export {class} from \"main\" here and remove \"script_name\""
        );
        Err(self.wrong(script.at, &message))
    }
}
