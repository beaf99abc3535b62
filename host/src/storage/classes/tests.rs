//! Names change, homes do not; what is deleted is gone; and a crash leaves either the
//! classes before or those after.

use std::fs;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::written::Written;

/// A data directory, and what a configuration says of it.
struct World {
    folder: TempDir,
    data: Arc<DataDir>,
    migrations: Vec<Migration>,
    confirmed: Vec<String>,
    end: Written,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        World {
            data: DataDir::open(folder.path()).unwrap(),
            folder,
            migrations: Vec::new(),
            confirmed: Vec::new(),
            end: Written::at("abide.toml:99"),
        }
    }

    fn migrate(&mut self, tag: &str, changes: Changes) {
        self.migrations.push(Migration {
            tag: tag.into(),
            changes,
            written: Written::at(format!("abide.toml:{}", self.migrations.len() + 1)),
            folder: self.folder.path().into(),
        });
    }

    fn wanted<'a>(&'a self, classes: &[&'a str], vanished: Vanished) -> Wanted<'a> {
        Wanted {
            classes: classes.to_vec(),
            migrations: &self.migrations,
            confirmed: &self.confirmed,
            vanished,
            end: &self.end,
        }
    }

    fn settle(&self, classes: &[&str]) -> Result<BTreeMap<String, Home>> {
        let wanted = self.wanted(classes, Vanished::Refused);
        check(&self.data, &wanted)?;
        settle(&self.data, &wanted)
    }

    #[track_caller]
    fn has(&self, classes: &[&str], homes: &[&str]) {
        let settled = self.settle(classes).unwrap();
        let pairs = classes.iter().zip(homes);
        let expected = pairs.map(|(class, home)| (class.to_string(), Home::of(home)));
        assert_eq!(settled, expected.collect());
    }

    #[track_caller]
    fn refuses(&self, classes: &[&str], parts: &[&str]) {
        let before = record::read(&self.data).unwrap();
        let error = format!("{:#}", self.settle(classes).unwrap_err());
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
        assert_eq!(record::read(&self.data).unwrap(), before);
    }

    fn put_object(&self, home: &str) {
        let folder = self.folder.path().join(home).join("ab");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ab01.sqlite"), "").unwrap();
    }

    fn has_home(&self, home: &str) -> bool {
        self.folder.path().join(home).exists()
    }
}

fn new(class: &str) -> Changes {
    Changes {
        new_classes: vec![class.into()],
        ..Changes::default()
    }
}

fn deleted(class: &str) -> Changes {
    Changes {
        deleted_classes: vec![class.into()],
        ..Changes::default()
    }
}

fn renamed(pairs: &[(&str, &str)]) -> Changes {
    let renaming = |(from, to): &(&str, &str)| Renaming {
        from: from.to_string(),
        to: to.to_string(),
    };
    Changes {
        renamed_classes: pairs.iter().map(renaming).collect(),
        ..Changes::default()
    }
}

#[test]
fn classes_need_no_migration_and_those_without_data_may_go() {
    let world = World::new();
    world.has(&["room", "user"], &["room", "user"]);
    world.has(&["room"], &["room"]);
    world.put_object("room");
    world.has(&["room", "user"], &["room", "user"]);
    let parts = [
        "class \"room\"",
        "1 object has",
        "deleted_classes = [\"room\"]",
    ];
    world.refuses(&["user"], &parts);
    // While somebody develops, it stays and comes back.
    let wanted = world.wanted(&["user"], Vanished::Kept);
    settle(&world.data, &wanted).unwrap();
    world.has(&["room", "user"], &["room", "user"]);
}

#[test]
fn data_from_before_there_was_a_record_is_found() {
    let world = World::new();
    world.put_object("room");
    world.put_object(".hidden");
    world.refuses(&["user"], &["class \"room\"", "put it back"]);
    world.has(&["room"], &["room"]);
}

#[test]
fn a_renamed_class_keeps_its_home_and_its_old_name_gets_another() {
    let mut world = World::new();
    world.has(&["room", "user"], &["room", "user"]);
    world.put_object("room");
    world.migrate("v1", renamed(&[("room", "chat")]));
    world.has(&["chat", "user"], &["room", "user"]);
    world.has(&["chat", "user"], &["room", "user"]);
    world.migrate("v2", new("room"));
    world.has(&["chat", "room", "user"], &["room", "room.2", "user"]);
    world.put_object("room.2");
    world.migrate("v3", renamed(&[("room", "chat"), ("chat", "room")]));
    world.has(&["chat", "room", "user"], &["room.2", "room", "user"]);
    world.put_object("user");
    world.migrate("v4", renamed(&[("user", "chat")]));
    let parts = [
        "abide.toml:4",
        "\"v4\"",
        "\"user\" to \"chat\"",
        "of class \"chat\" 1 object has data already",
    ];
    world.refuses(&["chat", "room"], &parts);
}

#[test]
fn a_renaming_of_nothing_makes_a_new_class() {
    let mut world = World::new();
    world.migrate("v1", renamed(&[("room", "chat")]));
    world.has(&["chat"], &["chat"]);
}

#[test]
fn a_class_is_deleted_only_when_that_is_confirmed() {
    let mut world = World::new();
    world.has(&["room", "user"], &["room", "user"]);
    world.put_object("room");
    world.migrate("v1", deleted("room"));
    let parts = [
        "abide.toml:1",
        "\"v1\"",
        "1 object has",
        "--confirm-delete room",
    ];
    world.refuses(&["user"], &parts);
    assert!(world.has_home("room"));
    world.confirmed = vec!["room".into()];
    world.has(&["user"], &["user"]);
    assert!(!world.has_home("room"));
    world.confirmed.clear();
    // Ids of the class that is gone are not those of one that comes after it.
    world.migrate("v2", new("room"));
    world.has(&["room", "user"], &["room.2", "user"]);
    // One without data needs no confirmation.
    world.migrate("v3", deleted("user"));
    world.has(&["room"], &["room.2"]);
}

#[test]
fn what_was_applied_must_stay_as_it_was() {
    let mut world = World::new();
    world.migrate("v1", new("room"));
    world.migrate("v2", renamed(&[("room", "chat")]));
    world.has(&["chat"], &["room"]);
    let applied = world.migrations.clone();

    world.migrations[1].changes = renamed(&[("room", "hall")]);
    let was = "it was: renamed_classes = [{ from = \"room\", to = \"chat\" }]";
    world.refuses(&["hall"], &["abide.toml:2", "\"v2\" was edited", was]);
    world.migrations = vec![applied[1].clone()];
    let way_out = "number 1 of [[migrations]]: new_classes = [\"room\"]";
    world.refuses(&["chat"], &["\"v1\"", "is gone", way_out]);
    world.migrations = vec![applied[1].clone(), applied[0].clone()];
    world.refuses(&["chat"], &["\"v2\" stands before \"v1\""]);
    world.migrations = applied;
    world.has(&["chat"], &["room"]);
}

#[test]
fn a_refused_migration_takes_those_before_it_along() {
    let mut world = World::new();
    world.has(&["room", "user"], &["room", "user"]);
    world.put_object("user");
    world.migrate("v1", renamed(&[("room", "chat")]));
    world.migrate("v2", deleted("user"));
    world.refuses(&["chat"], &["\"v2\""]);
    world.migrations.clear();
    world.has(&["room", "user"], &["room", "user"]);
}

#[test]
fn a_crash_leaves_what_was_or_what_shall_be() {
    let mut world = World::new();
    world.has(&["room", "user"], &["room", "user"]);
    world.put_object("room");
    world.put_object("user");
    let before = fs::read(world.folder.path().join("classes.toml")).unwrap();
    world.migrate("v1", deleted("room"));
    world.migrate("v2", renamed(&[("user", "person")]));
    world.confirmed = vec!["room".into()];

    // It was not renamed yet: all is as before.
    fs::write(world.folder.path().join("classes.toml.new"), "version").unwrap();
    let migrations = std::mem::take(&mut world.migrations);
    world.has(&["room", "user"], &["room", "user"]);
    world.migrations = migrations;

    // It was, and the removal of the folder had just begun.
    let wanted = world.wanted(&["person"], Vanished::Refused);
    let plan = wanted.plan(&record::read(&world.data).unwrap(), &Folders(&world.data));
    record::write(&world.data, &plan.unwrap().record).unwrap();
    assert_ne!(
        fs::read(world.folder.path().join("classes.toml")).unwrap(),
        before
    );
    world.confirmed.clear();
    world.has(&["person"], &["user"]);
    assert!(!world.has_home("room") && world.has_home("user"));
    assert_eq!(record::read(&world.data).unwrap().leaving, [""; 0]);
}

#[test]
fn a_record_that_nobody_understands_is_refused() {
    let world = World::new();
    let check = |text: &str, parts: &[&str]| {
        fs::write(world.folder.path().join("classes.toml"), text).unwrap();
        let error = world.settle(&["room"]).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    };
    check("version = 2\nmore = 1", &["classes.toml", "newer abide"]);
    check(
        "version = 1\n[classes",
        &["classes.toml", "cannot be understood", "backup"],
    );
    check("version = 1\nleaving = [\"..\"]", &["\"..\"", "cannot be"]);
    check(
        "version = 1\n[classes]\nroom = \"/etc\"",
        &["\"/etc\"", "cannot be"],
    );
}

fn transferred(from_data: &Path, from: &str, to: &str) -> Changes {
    let (from_data, from, to) = (from_data.into(), from.into(), to.into());
    Changes {
        transferred_classes: vec![Transfer {
            from_data,
            from,
            to,
        }],
        ..Changes::default()
    }
}

/// Another data directory, which has objects of the class `room` and which nobody uses.
fn elsewhere() -> TempDir {
    let other = World::new();
    other.has(&["room", "user"], &["room", "user"]);
    other.put_object("room");
    other.put_object("user");
    other.folder
}

#[test]
fn a_class_comes_from_another_data_directory_with_its_key() {
    let other = elsewhere();
    let mut world = World::new();
    world.has(&["room"], &["room"]);
    world.put_object("room");
    world.migrate("v1", transferred(other.path(), "room", "hall"));
    for _ in 0..2 {
        let settled = world.settle(&["room", "hall"]).unwrap();
        let home = |folder: &str| Home {
            folder: folder.into(),
            key: "room".into(),
        };
        assert_eq!(settled["room"], home("room"));
        assert_eq!(settled["hall"], home("room.2"));
    }
    assert!(world.has_home("room.2/ab") && !other.path().join("room").exists());
    // There it is gone, and its name gets a new home.
    let left = World {
        data: DataDir::open(other.path()).unwrap(),
        folder: other,
        migrations: Vec::new(),
        confirmed: Vec::new(),
        end: Written::default(),
    };
    left.has(&["user"], &["user"]);
    left.has(&["room", "user"], &["room.2", "user"]);
}

#[test]
fn a_class_that_cannot_be_fetched_stays_where_it_is() {
    let other = elsewhere();
    let mut world = World::new();
    world.has(&["room"], &["room"]);
    world.put_object("room");
    let check = |world: &mut World, changes: Changes, parts: &[&str]| {
        world.migrate("v1", changes);
        let error = format!("{:#}", world.settle(&["room", "hall"]).unwrap_err());
        for part in parts
            .iter()
            .chain(&["abide.toml:1", "\"v1\" fetches class"])
        {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
        world.migrations.clear();
    };
    let from = |path: &Path, from: &str, to: &str| transferred(path, from, to);
    let nowhere = from(Path::new("nowhere"), "room", "hall");
    check(&mut world, nowhere, &["no such data directory", "nowhere"]);
    let unknown = from(other.path(), "hall", "hall");
    check(&mut world, unknown, &["no class \"hall\"", "room"]);
    let itself = from(Path::new("."), "room", "hall");
    check(&mut world, itself, &["itself", "renamed_classes"]);
    let onto_data = from(other.path(), "room", "room");
    check(&mut world, onto_data, &["1 object has data already"]);
    let used = DataDir::open(other.path()).unwrap();
    let in_use = from(other.path(), "room", "hall");
    check(&mut world, in_use, &["in use by process"]);
    drop(used);
    assert!(other.path().join("room").exists());
}

#[test]
fn a_crash_amid_a_transfer_loses_nothing() {
    for step in 0..3 {
        let other = elsewhere();
        let mut world = World::new();
        world.has(&["user"], &["user"]);
        world.migrate("v1", transferred(other.path(), "room", "room"));
        let wanted = world.wanted(&["room", "user"], Vanished::Refused);
        let plan = wanted.plan(&record::read(&world.data).unwrap(), &Folders(&world.data));
        let record = plan.unwrap().record;
        record::write(&world.data, &record).unwrap();
        if step > 0 {
            let source = DataDir::open(other.path()).unwrap();
            let mut there = record::read(&source).unwrap();
            there.classes.remove("room");
            record::write(&source, &there).unwrap();
        }
        if step > 1 {
            fs::rename(other.path().join("room"), world.folder.path().join("room")).unwrap();
        }
        world.has(&["room", "user"], &["room", "user"]);
        assert!(world.has_home("room/ab") && !other.path().join("room").exists());
        assert_eq!(record::read(&world.data).unwrap().arriving, []);
    }
}
