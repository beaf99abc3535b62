//! What `migrations` say: which classes there are, and how they came to be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::ConfigError;
use super::super::migrations::{Fate, History, check_tag};
use super::Reader;
use super::bindings::Binding;
use super::document::Node;
use crate::storage::classes::{Changes, Migration, Renaming, Transfer};
use crate::written::Written;

/// How alike two names must be for one to be taken for the other, misspelt.
const ALIKE: f64 = 0.8;

const KINDS: [&str; 5] = [
    "new_sqlite_classes",
    "new_classes",
    "renamed_classes",
    "deleted_classes",
    "transferred_classes",
];

/// The classes of a Worker after all migrations.
pub struct Classes {
    pub migrations: Vec<Migration>,
    /// Where each that is there was made or got its name.
    made: BTreeMap<String, Made>,
    key_value: BTreeSet<String>,
    /// Classes of other Workers whose data is not named, and where they stand.
    pub begun_anew: Vec<(String, String)>,
}

struct Made {
    place: String,
    tag: String,
}

impl Classes {
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.made.keys().map(|name| &**name)
    }

    /// Those without SQL, as Cloudflare has them.
    pub fn key_value(&self) -> impl Iterator<Item = &str> {
        self.key_value.iter().map(|name| &**name)
    }

    pub fn is_key_value(&self, class: &str) -> bool {
        self.key_value.contains(class)
    }

    pub fn place_of(&self, class: &str) -> &str {
        self.made.get(class).map_or("", |made| &made.place)
    }

    /// Why the Worker must export a class.
    pub fn wanted_by(&self, class: &str, bound: &[Binding]) -> String {
        let made = &self.made[class];
        let tag = &made.tag;
        match bound.iter().find(|binding| binding.class == class) {
            Some(Binding { name, .. }) => {
                format!("{}: binding {name:?} and migration {tag:?}", made.place)
            }
            None => format!("{}: migration {tag:?}", made.place),
        }
    }
}

impl Reader<'_> {
    pub(super) fn history(&self, folder: &Path, bound: &[Binding]) -> Result<Classes, ConfigError> {
        let mut history = History::default();
        let mut classes = Classes {
            migrations: Vec::new(),
            made: BTreeMap::new(),
            key_value: BTreeSet::new(),
            begun_anew: Vec::new(),
        };
        for entry in self.entries(self.inherited("migrations"), "migrations")? {
            let tag = self.needed(entry, "tag", "\"tag\": \"v1\"")?;
            let place = self.place(entry.at);
            let wrong = |why: String| self.wrong(entry.at, &format!("migration {tag:?}: {why}"));
            if let Some(other) = classes.migrations.iter().find(|it| it.tag == tag) {
                let why = format!(
                    "there is another migration with this tag, {}; give this one a tag of its own",
                    other.written
                );
                return Err(wrong(why));
            }
            for field in entry.table().unwrap_or(&[]) {
                if field.name != "tag" && !KINDS.contains(&&*field.name) {
                    let why = format!("{:?} is no kind of it: {}", field.name, KINDS.join(", "));
                    return Err(self.wrong(field.at, &format!("migration {tag:?}: {why}")));
                }
            }
            let changes = self.changes(entry, &mut classes)?;
            check_tag(tag).map_err(&wrong)?;
            history.go_on(tag, &changes).map_err(&wrong)?;
            for gone in changes
                .deleted_classes
                .iter()
                .chain(changes.renamed_classes.iter().map(|it| &it.from))
            {
                classes.made.remove(gone);
            }
            let renamed = changes.renamed_classes.iter().map(|it| &it.to);
            let fetched = self.names(entry, "transferred_classes", "to")?;
            for new in changes.new_classes.iter().chain(renamed).chain(&fetched) {
                let made = Made {
                    place: place.clone(),
                    tag: tag.into(),
                };
                classes.made.insert(new.clone(), made);
            }
            classes.migrations.push(Migration {
                written: Written::at(place),
                tag: tag.into(),
                changes,
                folder: folder.into(),
            });
        }
        for binding in bound {
            self.check_bound(binding, bound, &history, &classes)?;
        }
        let mut names = classes.made.keys();
        let mut before: Option<&String> = None;
        let mut sorted: Vec<_> = names.by_ref().collect();
        sorted.sort_by_key(|name| name.to_ascii_lowercase());
        for name in sorted {
            if before.is_some_and(|before| before.eq_ignore_ascii_case(name)) {
                let message = format!(
                    "classes {:?} and {name:?} differ only in case; rename one",
                    before.map_or("", |before| before)
                );
                return Err(ConfigError(format!(
                    "{}: {message}",
                    classes.place_of(name)
                )));
            }
            before = Some(name);
        }
        if classes.made.is_empty() {
            let message = "the Worker has no durable object: add a binding of its class to \
                           \"durable_objects\", and a migration that makes it, for example\n\n    \
                           \"durable_objects\": { \"bindings\": [{ \"name\": \"COUNTER\", \
                           \"class_name\": \"Counter\" }] },\n    \"migrations\": [{ \"tag\": \"v1\", \
                           \"new_sqlite_classes\": [\"Counter\"] }]";
            return Err(self.wrong(self.root.at, message));
        }
        Ok(classes)
    }

    fn changes(&self, entry: &Node, classes: &mut Classes) -> Result<Changes, ConfigError> {
        let key_value = &mut classes.key_value;
        let list = |name: &str| -> Result<Vec<String>, ConfigError> {
            let texts = match entry.get(name) {
                Some(node) => self.entries_of(node, name)?,
                None => return Ok(Vec::new()),
            };
            let texts = texts.iter().map(|it| match it.text() {
                Some(text) => Ok(text.to_owned()),
                None => Err(self.not(it, name, "a list of class names")),
            });
            texts.collect()
        };
        let old = list("new_classes")?;
        let mut renamed_classes = Vec::new();
        let from = self.names(entry, "renamed_classes", "from")?;
        let to = self.names(entry, "renamed_classes", "to")?;
        for (from, to) in from.into_iter().zip(to) {
            renamed_classes.push(Renaming { from, to });
        }
        let deleted_classes = list("deleted_classes")?;
        key_value.retain(|class| !deleted_classes.contains(class));
        let moved: Vec<_> = renamed_classes
            .iter()
            .filter(|it| key_value.contains(&it.from))
            .cloned()
            .collect();
        for Renaming { from, .. } in &moved {
            key_value.remove(from);
        }
        key_value.extend(moved.into_iter().map(|it| it.to));
        key_value.extend(old.iter().cloned());
        let mut new_classes = list("new_sqlite_classes")?;
        new_classes.extend(old);
        let (transferred_classes, as_new) = self.transferred(entry)?;
        let place = self.place(entry.at);
        let begun = as_new.iter().map(|class| (class.clone(), place.clone()));
        classes.begun_anew.extend(begun);
        new_classes.extend(as_new);
        Ok(Changes {
            new_classes,
            renamed_classes,
            deleted_classes,
            transferred_classes,
        })
    }

    /// Classes that come from elsewhere. Where `from_data` does not say which data
    /// directory has their objects, they begin anew.
    fn transferred(&self, entry: &Node) -> Result<(Vec<Transfer>, Vec<String>), ConfigError> {
        let (mut fetched, mut as_new) = (Vec::new(), Vec::new());
        let Some(node) = entry.get("transferred_classes") else {
            return Ok((fetched, as_new));
        };
        for entry in self.entries_of(node, "transferred_classes")? {
            let from = self.needed_of(entry, "from")?;
            let to = self.needed_of(entry, "to")?;
            match entry.get("from_data").and_then(Node::text) {
                Some(data) => fetched.push(Transfer {
                    from_data: data.into(),
                    from,
                    to,
                }),
                None => as_new.push(to),
            }
        }
        Ok((fetched, as_new))
    }

    fn names(&self, entry: &Node, list: &str, name: &str) -> Result<Vec<String>, ConfigError> {
        let Some(node) = entry.get(list) else {
            return Ok(Vec::new());
        };
        let entries = self.entries_of(node, list)?.iter();
        entries.map(|entry| self.needed_of(entry, name)).collect()
    }

    fn entries_of<'n>(&self, node: &'n Node, name: &str) -> Result<&'n [Node], ConfigError> {
        node.list().ok_or_else(|| self.not(node, name, "a list"))
    }

    fn needed_of(&self, entry: &Node, name: &str) -> Result<String, ConfigError> {
        let text = entry.get(name).and_then(Node::text);
        let wrong = || {
            let message = "write it like { \"from\": \"Old\", \"to\": \"New\" }";
            self.wrong(entry.at, message)
        };
        text.map(Into::into).ok_or_else(wrong)
    }

    fn check_bound(
        &self,
        binding: &Binding,
        bound: &[Binding],
        history: &History,
        classes: &Classes,
    ) -> Result<(), ConfigError> {
        let Binding { name, class, .. } = binding;
        let wrong = |why: String| {
            let message = format!("the binding {name:?} names class {class:?}, {why}");
            Err(self.wrong(binding.class_at, &message))
        };
        let anew = "point the binding at another class, or make it anew with new_sqlite_classes in \
                    a later migration";
        match history.fate(class) {
            Some(Fate::Made { .. }) => return Ok(()),
            Some(Fate::Deleted { tag }) => {
                return wrong(format!(
                    "which migration {tag:?} deletes; remove the binding, {anew}"
                ));
            }
            Some(Fate::Renamed { tag, to }) => {
                return wrong(format!(
                    "which migration {tag:?} renames to {to:?}; write \"class_name\": {to:?}"
                ));
            }
            None => {}
        }
        let taken: BTreeSet<_> = bound.iter().map(|it| &*it.class).collect();
        let is_binding = bound.iter().any(|it| it.name == *class);
        let free: Vec<_> = classes.classes().filter(|it| !taken.contains(it)).collect();
        let alike = |it: &&str| strsim::jaro_winkler(&plain(it), &plain(class)) >= ALIKE;
        let meant = free.iter().copied().find(alike);
        let meant = meant.or_else(|| classes.classes().find(|it| alike(it)));
        let meant = meant.or(match free.as_slice() {
            [only] if is_binding => Some(only),
            _ => None,
        });
        match meant {
            Some(meant) if is_binding => wrong(format!(
                "but that is a binding's name; write the class as \"main\" exports it, \
                 \"class_name\": {meant:?}"
            )),
            Some(meant) => wrong(format!(
                "which no migration makes; migration {:?} makes {meant:?}: is that meant? Then \
                 write \"class_name\": {meant:?}",
                classes.made[meant].tag
            )),
            None => {
                let tag = format!("v{}", classes.migrations.len() + 1);
                let migration =
                    format!("{{ \"tag\": {tag:?}, \"new_sqlite_classes\": [{class:?}] }}");
                wrong(match classes.migrations.len() {
                    0 => format!("which no migration makes; add \"migrations\": [{migration}]"),
                    _ => format!("which no migration makes; add {migration} to \"migrations\""),
                })
            }
        }
    }
}

/// Names that differ only in how words are joined are alike.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
