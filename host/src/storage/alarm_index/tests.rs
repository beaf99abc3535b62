//! What the index knows after a crash, and what it hands out.

use std::path::Path;

use super::table::Table;
use super::*;

struct World {
    directory: tempfile::TempDir,
    data: Arc<DataDir>,
}

impl World {
    fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        World { directory, data }
    }

    fn index(&self) -> AlarmIndex {
        AlarmIndex::start(&self.data).unwrap()
    }

    /// What a process finds that comes after one which was killed now.
    fn after_a_crash(&self) -> World {
        let world = World::new();
        for end in ["", "-wal"] {
            let name = format!("alarms.sqlite{end}");
            let from = self.directory.path().join(&name);
            if from.exists() {
                std::fs::copy(from, world.directory.path().join(&name)).unwrap();
            }
        }
        world
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn object(id: &str) -> ObjectName {
    ObjectName {
        folder: "class".into(),
        id: id.into(),
    }
}

fn due(index: &AlarmIndex) -> Vec<String> {
    let due = futures::executor::block_on(index.due(10));
    due.iter().map(|due| due.object.id.to_string()).collect()
}

/// Gives notice of an alarm, and waits for it.
fn announce(index: &AlarmIndex, id: &str) -> Ticket {
    let (ticket, notice) = index.give_notice(&object(id));
    notice.wait().unwrap();
    ticket
}

#[test]
fn what_is_due_is_handed_out_in_its_order_and_once() {
    let world = World::new();
    let index = world.index();
    let now_ms = clock::wall_ms();
    for (id, after_ms) in [("late", 60), ("now", 0), ("soon", 30), ("never", 3_600_000)] {
        let ticket = announce(&index, id);
        index.tell(&object(id), ticket, Some(now_ms + after_ms));
    }
    let mut all = Vec::new();
    while all.len() < 3 {
        all.extend(due(&index));
    }
    assert_eq!(all, ["now", "soon", "late"]);
    assert!(clock::wall_ms() >= now_ms + 60);
}

#[test]
fn an_object_that_gave_notice_and_said_no_more_is_looked_at_after_a_crash() {
    let world = World::new();
    let index = world.index();
    announce(&index, "crashed");
    let after = world.after_a_crash();
    assert_eq!(due(&after.index()), ["crashed"]);
}

#[test]
fn an_object_that_was_being_looked_at_is_looked_at_after_a_crash() {
    let world = World::new();
    let index = world.index();
    let ticket = announce(&index, "taken");
    index.tell(&object("taken"), ticket, Some(1));
    assert_eq!(due(&index), ["taken"]);
    let after = world.after_a_crash();
    assert_eq!(due(&after.index()), ["taken"]);
}

#[test]
fn an_index_that_ends_in_order_is_certain() {
    let world = World::new();
    let index = world.index();
    let far_ms = clock::wall_ms() + 3_600_000;
    for (id, due_ms) in [("has one", Some(far_ms)), ("had one", None)] {
        let ticket = announce(&index, id);
        index.tell(&object(id), ticket, due_ms);
    }
    announce(&index, "open");
    drop(index);
    let table = Table::open(world.path(), 5).unwrap();
    assert_eq!(table.row(&object("has one")), Some((Some(far_ms), false)));
    assert_eq!(table.row(&object("had one")), None);
    assert_eq!(table.row(&object("open")), Some((Some(5), true)));
}

#[test]
fn what_is_told_late_does_not_undo_what_is_newer() {
    let world = World::new();
    let index = world.index();
    let old = announce(&index, "a");
    let new = index.touch(&object("a"));
    index.tell(&object("a"), new, None);
    index.tell(&object("a"), old, Some(1));
    drop(index);
    let table = Table::open(world.path(), 5).unwrap();
    assert_eq!(table.row(&object("a")), None);
}

#[test]
fn notice_is_given_once_while_an_object_goes_on() {
    let world = World::new();
    let index = world.index();
    let ticket = announce(&index, "a");
    index.tell(&object("a"), ticket, Some(i64::MAX));
    let (_, first) = index.give_notice(&object("a"));
    let (_, second) = index.give_notice(&object("a"));
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn an_object_that_could_not_be_looked_at_is_due_again_and_says_how_often() {
    let world = World::new();
    let index = world.index();
    index.look_again(&index.out_of_turn(object("a")), 1);
    let again = futures::executor::block_on(index.due(10));
    assert_eq!((again.len(), again[0].failures), (1, 1));
    index.look_again(&again[0], 1);
    let again = futures::executor::block_on(index.due(10));
    assert_eq!((again.len(), again[0].failures), (1, 2));
}

#[test]
fn who_does_not_wait_any_more_takes_nothing() {
    let world = World::new();
    let index = world.index();
    drop(futures::FutureExt::now_or_never(index.due(10)));
    index.look_again(&index.out_of_turn(object("a")), 1);
    assert_eq!(due(&index), ["a"]);
}

#[test]
fn a_folder_is_scanned_when_its_objects_have_told_how_their_alarms_stand() {
    let world = World::new();
    let index = world.index();
    let looked_at = index.out_of_turn(object("a"));
    index.set_scanned("class");
    announce(&index, "b");
    assert!(!world.after_a_crash().index().is_scanned("class"));
    index.tell(&object("a"), looked_at.taken, Some(i64::MAX));
    // What comes after the scan does not matter.
    announce(&index, "c");
    assert!(world.after_a_crash().index().is_scanned("class"));
}

#[test]
fn a_damaged_file_is_made_anew_and_everything_must_be_scanned() {
    let world = World::new();
    let index = world.index();
    index.set_scanned("class");
    announce(&index, "a");
    drop(index);
    let index = world.index();
    assert!(index.is_scanned("class"));
    drop(index);
    std::fs::write(world.path().join("alarms.sqlite"), vec![b'x'; 10_000]).unwrap();
    let index = world.index();
    assert!(!index.is_scanned("class"));
    announce(&index, "a");
}
