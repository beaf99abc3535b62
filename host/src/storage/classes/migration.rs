//! What a migration says of classes.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::written::Written;

/// One step in the history of a configuration's classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// What tells it from all others, for ever.
    pub tag: String,
    pub changes: Changes,
    /// Where it stands, for errors.
    pub written: Written,
    /// What paths in it are relative to.
    pub folder: PathBuf,
}

/// What it does: first classes are deleted, then renamed, all at once, then fetched
/// and made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed_classes: Vec<Renaming>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted_classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transferred_classes: Vec<Transfer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renaming {
    pub from: String,
    pub to: String,
}

/// A class that comes from another data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    pub from_data: PathBuf,
    pub from: String,
    pub to: String,
}

/// As it stands in a configuration.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.new_classes.is_empty() {
            parts.push(format!("new_classes = {:?}", self.new_classes));
        }
        if !self.renamed_classes.is_empty() {
            let pairs = self.renamed_classes.iter();
            let pairs = pairs.map(|it| format!("{{ from = {:?}, to = {:?} }}", it.from, it.to));
            let pairs: Vec<_> = pairs.collect();
            parts.push(format!("renamed_classes = [{}]", pairs.join(", ")));
        }
        if !self.deleted_classes.is_empty() {
            parts.push(format!("deleted_classes = {:?}", self.deleted_classes));
        }
        if !self.transferred_classes.is_empty() {
            let shown = |it: &Transfer| {
                let Transfer {
                    from_data,
                    from,
                    to,
                } = it;
                format!("{{ from_data = {from_data:?}, from = {from:?}, to = {to:?} }}")
            };
            let all: Vec<_> = self.transferred_classes.iter().map(shown).collect();
            parts.push(format!("transferred_classes = [{}]", all.join(", ")));
        }
        match parts.is_empty() {
            true => f.write_str("nothing"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}
