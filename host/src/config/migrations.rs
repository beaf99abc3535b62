//! What `[[migrations]]` say: the history of the classes, which must make sense by
//! itself, whatever data it meets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::{ClassConfig, ConfigError, Origin, check_class_name};
use crate::storage::classes::{Changes, Migration, Renaming, Transfer};

const TAG_BYTES_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table with a tag and changes of classes"
)]
pub(super) struct MigrationTable {
    tag: Spanned<String>,
    /// All classes have SQLite here.
    #[serde(default, alias = "new_sqlite_classes")]
    new_classes: Vec<String>,
    #[serde(default)]
    renamed_classes: Vec<Renaming>,
    #[serde(default)]
    deleted_classes: Vec<String>,
    #[serde(default)]
    transferred_classes: Vec<Transfer>,
}

/// The migrations in order, for these classes.
pub(super) fn of_tables(
    tables: Vec<MigrationTable>,
    classes: &[ClassConfig],
    folder: &Path,
    origin: &Origin,
) -> Result<Vec<Migration>, ConfigError> {
    let mut history = History::default();
    let mut migrations: Vec<Migration> = Vec::new();
    for table in tables {
        let (at, tag) = (table.tag.span().start, table.tag.into_inner());
        let changes = Changes {
            new_classes: table.new_classes,
            renamed_classes: table.renamed_classes,
            deleted_classes: table.deleted_classes,
            transferred_classes: table.transferred_classes,
        };
        let is_known = migrations.iter().any(|it| it.tag == tag);
        let checked = match is_known {
            true => Err("there is another migration with this tag; choose another one".into()),
            false => check_tag(&tag).and_then(|()| history.go_on(&tag, &changes)),
        };
        let refused =
            |why: String| origin.error(origin.line(at), &format!("migration {tag:?}: {why}"));
        checked.map_err(refused)?;
        migrations.push(Migration {
            written: origin.written(at),
            tag,
            changes,
            folder: folder.into(),
        });
    }
    let configured: BTreeSet<_> = classes.iter().map(|class| &*class.name).collect();
    history.check_end(&configured).map_err(|(tag, why)| {
        let of_tag = migrations.iter().find(|migration| migration.tag == tag);
        let at = of_tag.map(|migration| migration.written.clone());
        let at = at.unwrap_or_default();
        ConfigError(at.told(format_args!("migration {tag:?}: {why}")))
    })?;
    Ok(migrations)
}

pub(super) fn check_tag(tag: &str) -> Result<(), String> {
    let fits = !tag.is_empty() && tag.len() <= TAG_BYTES_MAX && !tag.contains(char::is_control);
    match fits {
        true => Ok(()),
        false => Err(format!(
            "a tag has 1 to {TAG_BYTES_MAX} bytes and no control characters, for example \"v1\""
        )),
    }
}

/// What has become of the classes that migrations speak of.
#[derive(Default)]
pub(super) struct History {
    classes: BTreeMap<String, Fate>,
}

/// The last thing that happened to a class, and the migration that did it.
#[derive(Clone)]
pub(super) enum Fate {
    Made { tag: String },
    Deleted { tag: String },
    Renamed { tag: String, to: String },
}

impl Fate {
    fn told(&self) -> String {
        match self {
            Fate::Made { tag } => format!("is there since migration {tag:?}"),
            Fate::Deleted { tag } => format!("is deleted by migration {tag:?}"),
            Fate::Renamed { tag, to } => format!("is renamed to {to:?} by migration {tag:?}"),
        }
    }
}

impl History {
    /// What has become of a class.
    pub(super) fn fate(&self, class: &str) -> Option<&Fate> {
        self.classes.get(class)
    }

    pub(super) fn go_on(&mut self, tag: &str, changes: &Changes) -> Result<(), String> {
        let renamed = &changes.renamed_classes;
        let ends = changes.deleted_classes.iter();
        let ends: Vec<_> = ends.chain(renamed.iter().map(|it| &it.from)).collect();
        let begins = changes.new_classes.iter();
        let begins = begins.chain(renamed.iter().map(|it| &it.to));
        let fetched = &changes.transferred_classes;
        let begins: Vec<_> = begins.chain(fetched.iter().map(|it| &it.to)).collect();
        let elsewhere: Vec<_> = fetched.iter().map(|it| &it.from).collect();
        for class in ends.iter().chain(&begins).chain(&elsewhere) {
            check_class_name(class)?;
        }
        if let Some(class) = twice(&ends) {
            return Err(format!("it deletes or renames class {class:?} twice"));
        }
        if let Some(class) = twice(&begins) {
            return Err(format!("it makes two classes {class:?}"));
        }
        if let Some(same) = renamed.iter().find(|it| it.from == it.to) {
            return Err(format!("it renames class {:?} to itself", same.from));
        }
        for class in ends {
            if let Some(fate @ (Fate::Deleted { .. } | Fate::Renamed { .. })) =
                self.classes.get(class)
            {
                return Err(format!("class {class:?} {} already", fate.told()));
            }
        }
        let tag = tag.to_owned();
        for class in &changes.deleted_classes {
            let fate = Fate::Deleted { tag: tag.clone() };
            self.classes.insert(class.clone(), fate);
        }
        for Renaming { from, to } in renamed {
            let (tag, to) = (tag.clone(), to.clone());
            self.classes.insert(from.clone(), Fate::Renamed { tag, to });
        }
        for class in begins {
            let fate = Fate::Made { tag: tag.clone() };
            if let Some(earlier @ Fate::Made { .. }) = self.classes.insert(class.clone(), fate) {
                return Err(format!("class {class:?} {}", earlier.told()));
            }
        }
        Ok(())
    }

    /// What is there in the end must be what is configured. Fails with the tag of
    /// the migration that says otherwise.
    fn check_end(self, configured: &BTreeSet<&str>) -> Result<(), (String, String)> {
        for (class, fate) in self.classes {
            let is_configured = configured.contains(&*class);
            let told = fate.told();
            match fate {
                Fate::Made { tag } if !is_configured => {
                    let why = format!(
                        "class {class:?} is not configured; add [classes.{class}], or a migration \
                         that renames or deletes it"
                    );
                    return Err((tag, why));
                }
                Fate::Deleted { tag } | Fate::Renamed { tag, .. } if is_configured => {
                    let why = format!(
                        "class {class:?} {told}, so it must not be configured; remove \
                         [classes.{class}], or make it anew with new_classes in a later migration"
                    );
                    return Err((tag, why));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn twice<'a>(names: &[&'a String]) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.iter().find(|name| !seen.insert(**name)).copied()
}

#[cfg(test)]
mod tests {
    //! A history that contradicts itself is refused, with the tag and a way out.

    use super::*;

    const CLASS: &str = "[classes.room]\ncomponent = \"c\"\n";

    fn parse(migrations: &str) -> Result<Vec<Migration>, String> {
        let (file, folder) = (Path::new("abide.toml"), Path::new("."));
        let text = format!("{CLASS}{migrations}");
        let asked = super::super::Asked {
            environment: None,
            developing: false,
            process: &|_| None,
        };
        let config = super::super::Config::parse(&text, file, folder, &asked);
        let config = config.map_err(|error| error.to_string())?;
        Ok(config.migrations)
    }

    #[test]
    fn a_history_that_makes_sense_is_taken_as_it_stands() {
        let migrations = parse(
            "[[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"a\", \"b\"]\n\
             [[migrations]]\ntag = \"v2\"\nrenamed_classes = [{ from = \"a\", to = \"room\" }]\n\
             deleted_classes = [\"b\"]\n\
             [[migrations]]\ntag = \"v3\"\ndeleted_classes = [\"room\"]\n\
             new_classes = [\"room\"]",
        )
        .unwrap();
        let tags: Vec<_> = migrations.iter().map(|it| &*it.tag).collect();
        assert_eq!(tags, ["v1", "v2", "v3"]);
        assert_eq!(migrations[0].changes.new_classes, ["a", "b"]);
        assert_eq!(migrations[1].changes.renamed_classes[0].to, "room");
        assert_eq!(migrations[1].written.told("x"), "abide.toml:7: x");
        let fetched = "[[migrations]]\ntag = \"v1\"\ntransferred_classes = \
                       [{ from_data = \"../d\", from = \"a\", to = \"room\" }]";
        assert_eq!(
            parse(fetched).unwrap()[0].changes.transferred_classes[0].from,
            "a"
        );
        // Two classes may change names with each other.
        parse(
            "[classes.a]\ncomponent = \"c\"\n[[migrations]]\ntag = \"v1\"\nrenamed_classes = \
             [{ from = \"a\", to = \"room\" }, { from = \"room\", to = \"a\" }]",
        )
        .unwrap();
    }

    #[test]
    fn a_history_that_contradicts_itself_is_refused() {
        let check = |text: &str, expected: &[&str]| {
            let message = parse(text).expect_err(text);
            let parts = expected.iter().chain(&["abide.toml:"]);
            for part in parts {
                assert!(message.contains(part), "{message:?} lacks {part:?}");
            }
        };
        let migration = |tag: &str, what: &str| format!("[[migrations]]\ntag = {tag:?}\n{what}\n");
        let rename = |from: &str, to: &str| {
            format!("renamed_classes = [{{ from = {from:?}, to = {to:?} }}]")
        };
        let two = |first: &str, second: &str| migration("v1", first) + &migration("v2", second);
        check(
            &(migration("v1", "") + &migration("v1", "")),
            &["abide.toml:7", "\"v1\"", "another"],
        );
        check(&migration("", ""), &["1 to 100 bytes"]);
        check(
            &migration("v1", "new = [\"room\"]"),
            &["new", "new_classes"],
        );
        check(
            &migration("v1", "deleted_classes = [\"a/b\"]"),
            &["\"v1\"", "a/b", "letters"],
        );
        check(
            &two("deleted_classes = [\"a\"]", &rename("a", "room")),
            &[
                "\"v2\"",
                "class \"a\" is deleted by migration \"v1\" already",
            ],
        );
        check(
            &two(&rename("a", "room"), "deleted_classes = [\"a\"]"),
            &["\"v2\"", "renamed to \"room\" by migration \"v1\""],
        );
        check(
            &two("new_classes = [\"room\"]", "new_classes = [\"room\"]"),
            &["\"v2\"", "class \"room\" is there since migration \"v1\""],
        );
        check(&migration("v1", &rename("room", "room")), &["to itself"]);
        let fetched = "transferred_classes = [{ from_data = \"d\", from = \"a\", to = \"b\" }]";
        check(&migration("v1", fetched), &["\"b\" is not configured"]);
        check(
            &migration("v1", "new_classes = [\"room\", \"room\"]"),
            &["two classes \"room\""],
        );
        check(
            &migration("v1", "new_classes = [\"lost\"]"),
            &["\"v1\"", "\"lost\" is not configured", "[classes.lost]"],
        );
        check(
            &migration("v1", "deleted_classes = [\"room\"]"),
            &["\"v1\"", "must not be configured", "[classes.room]"],
        );
        check(
            &migration("v7", &rename("room", "hall")),
            &["\"v7\"", "\"hall\" is not configured", "[classes.hall]"],
        );
    }
}
