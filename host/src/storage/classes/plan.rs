//! Which home does each class have once the pending migrations are applied, or why can
//! they not be? Pure.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::Home;
use super::migration::{Migration, Renaming, Transfer};
use super::record::{Applied, Arrival, Record};
use crate::written::Written;

/// What a server wants of a data directory.
pub struct Wanted<'a> {
    /// The classes that it serves.
    pub classes: Vec<&'a str>,
    pub migrations: &'a [Migration],
    /// Classes whose data may be deleted.
    pub confirmed: &'a [String],
    pub vanished: Vanished,
    /// Where a class or a migration that is missing would stand.
    pub end: &'a Written,
}

#[derive(Debug)]
pub struct Plan {
    pub record: Record,
    /// About classes that stay though they are not served.
    pub warnings: Vec<String>,
}

/// What becomes of a class that has data and is not served any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vanished {
    /// Nothing is served.
    Refused,
    /// It stays as it is, and whoever writes the code is told.
    Kept,
}

/// Counts objects; more than that are not looked for in an error.
const COUNTED_MAX: usize = 1_000;

/// What lies in the homes of classes.
pub trait Objects {
    /// How many objects have data there; counts no further than so many.
    fn count(&self, home: &Home, at_most: usize) -> Result<usize>;

    /// The home of a class in another data directory that nobody uses, from which it
    /// can be moved here.
    fn elsewhere(&self, from_data: &Path, class: &str) -> Result<Home>;
}

impl Wanted<'_> {
    /// What becomes of a record by everything that is pending.
    pub fn plan(&self, record: &Record, objects: &impl Objects) -> Result<Plan> {
        self.check_applied(record)?;
        let mut next = record.clone();
        for migration in &self.migrations[record.applied.len()..] {
            self.apply(migration, &mut next, objects)?;
        }
        let warnings = self.look_for_vanished(&mut next, objects)?;
        for class in &self.classes {
            next.settle(class);
        }
        Ok(Plan {
            record: next,
            warnings,
        })
    }

    /// What was applied once must stand where it stood, as it stood.
    fn check_applied(&self, record: &Record) -> Result<()> {
        for (at, applied) in record.applied.iter().enumerate() {
            let tag = &applied.tag;
            let there = self.migrations.iter().find(|it| it.tag == *tag);
            let Some(there) = there else {
                let here = self.migrations.get(at).map_or(self.end, |it| &it.written);
                bail!(here.told(format_args!(
                    "migration {tag:?} has been applied to this data and is gone from the \
                     configuration; put it back as number {} of [[migrations]]: {}",
                    at + 1,
                    applied.changes
                )));
            };
            if there.changes != applied.changes {
                bail!(there.written.told(format_args!(
                    "migration {tag:?} was edited after it was applied to this data; write it as \
                     it was, and the change as a new migration at the end; it was: {}",
                    applied.changes
                )));
            }
            let here = &self.migrations[at];
            if here.tag != *tag {
                bail!(here.written.told(format_args!(
                    "migration {:?} stands before {tag:?}, which was applied to this data before \
                     it; new migrations go to the end, and none changes its place",
                    here.tag
                )));
            }
        }
        Ok(())
    }

    fn apply(
        &self,
        migration: &Migration,
        record: &mut Record,
        objects: &impl Objects,
    ) -> Result<()> {
        let (tag, at, changes) = (&migration.tag, &migration.written, &migration.changes);
        for class in &changes.deleted_classes {
            let Some(home) = record.classes.remove(class) else {
                continue;
            };
            let count = objects.count(&home, COUNTED_MAX)?;
            if count > 0 && !self.confirmed.contains(class) {
                bail!(at.told(format_args!(
                    "migration {tag:?} deletes class {class:?}, of which {} data for good; \
                     confirm that once with --confirm-delete {class}, or remove the migration",
                    counted(count)
                )));
            }
            record.leaving.push(home.folder.clone());
            record.spent.push(home.folder);
        }
        let renamed = changes.renamed_classes.iter();
        let moved: Vec<_> = renamed
            .filter_map(|it| Some((it, record.classes.remove(&it.from)?)))
            .collect();
        for (renaming, home) in moved {
            let Renaming { from, to } = renaming;
            let what = || {
                at.told(format_args!(
                    "migration {tag:?} renames class {from:?} to {to:?}"
                ))
            };
            move_in(to, home, record, objects).with_context(what)?;
        }
        for transfer in &changes.transferred_classes {
            let Transfer { from, to, .. } = transfer;
            let from_data = migration.folder.join(&transfer.from_data);
            let shown = from_data.display();
            let what = at.told(format_args!(
                "migration {tag:?} fetches class {from:?} from {shown} as {to:?}"
            ));
            let there = objects.elsewhere(&from_data, from);
            let there = there.with_context(|| what.clone())?;
            let home = Home {
                folder: record.free_folder(&there.key),
                key: there.key,
            };
            record.arriving.push(Arrival {
                from_data,
                class: from.clone(),
                from: there.folder,
                to: home.folder.clone(),
            });
            move_in(to, home, record, objects).with_context(|| what)?;
        }
        for class in &changes.new_classes {
            record.settle(class);
        }
        record.applied.push(Applied {
            tag: tag.clone(),
            changes: changes.clone(),
        });
        Ok(())
    }

    /// Forgets classes that are not served and have nothing.
    fn look_for_vanished(
        &self,
        record: &mut Record,
        objects: &impl Objects,
    ) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        for (class, home) in record.classes.clone() {
            if self.classes.contains(&class.as_str()) {
                continue;
            }
            let count = objects.count(&home, COUNTED_MAX)?;
            if count == 0 {
                record.classes.remove(&class);
                continue;
            }
            let text = self.end.told(format_args!(
                "class {class:?}, of which {} data, is gone from the configuration; put it back, \
                 or write a further [[migrations]] with a tag and renamed_classes = \
                 [{{ from = {class:?}, to = \"…\" }}] or deleted_classes = [{class:?}]",
                counted(count)
            ));
            match self.vanished {
                Vanished::Refused => bail!(text),
                Vanished::Kept => warnings.push(text),
            }
        }
        Ok(warnings)
    }
}

/// Makes `home` that of a class which must not have data of its own.
fn move_in(class: &str, home: Home, record: &mut Record, objects: &impl Objects) -> Result<()> {
    let Some(other) = record.classes.insert(class.into(), home) else {
        return Ok(());
    };
    let count = objects.count(&other, COUNTED_MAX)?;
    if count > 0 {
        bail!(
            "of class {class:?} {} data already; choose another name, or delete that data first \
             with deleted_classes = [{class:?}] in this migration",
            counted(count)
        );
    }
    record.spent.push(other.folder);
    Ok(())
}

impl Record {
    /// Gives the class a home, unless it has one.
    fn settle(&mut self, class: &str) {
        if !self.classes.contains_key(class) {
            let home = Home::of(&self.free_folder(class));
            self.classes.insert(class.into(), home);
        }
    }

    /// A folder for a class of this name that no class ever had.
    fn free_folder(&self, name: &str) -> String {
        // File systems may see no difference between cases. No class has a dot.
        let is_taken = |folder: &String| {
            let folders = self.classes.values().map(|home| &home.folder);
            let mut folders = folders.chain(&self.spent);
            folders.any(|it| it.eq_ignore_ascii_case(folder))
        };
        let later = (2..).map(|number| format!("{name}.{number}"));
        let mut folders = std::iter::once(name.to_owned()).chain(later);
        folders.find(|it| !is_taken(it)).expect("numbers go on")
    }
}

fn counted(objects: usize) -> String {
    match objects {
        1 => "1 object has".into(),
        COUNTED_MAX.. => format!("{COUNTED_MAX} objects or more have"),
        _ => format!("{objects} objects have"),
    }
}
