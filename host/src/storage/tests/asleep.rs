//! What becomes of an object's files once nobody uses the object.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use super::super::limits::PAGE_BYTES;
use super::super::object_files::Proven;
use super::super::zeros_ahead::ASLEEP_BYTES;
use super::*;

/// An object with a log that is worth folding, closed.
fn asleep(world: &World, id: &str, value: u8) {
    let mut storage = world.storage(id);
    for key in 0..10 {
        storage.put(&key.to_string(), &[value; 5000]).unwrap();
        storage.end_turn().unwrap();
    }
    storage.close().unwrap();
    assert!(log_bytes(world, id) > 32 << 10, "nothing to fold");
}

fn log_bytes(world: &World, id: &str) -> u64 {
    fs::metadata(world.wal(id)).unwrap().len()
}

#[track_caller]
fn check_holds(world: &World, id: &str, value: u8) {
    let mut storage = world.storage(id);
    for key in 0..10 {
        let found = storage.get(&key.to_string()).unwrap().unwrap();
        assert_eq!(found, [value; 5000], "{id} {key}");
    }
}

#[test]
fn sleeping_objects_are_folded_together_and_keep_their_data() {
    let world = World::new();
    let ids: Vec<_> = (100..200).map(|n| n.to_string()).collect();
    for id in &ids {
        asleep(&world, id, 7);
    }
    world.committer.folding().fold_now();
    for id in &ids {
        assert_eq!(log_bytes(&world, id), ASLEEP_BYTES, "{id}");
        let log = fs::read(world.wal(id)).unwrap();
        assert!(log.iter().all(|byte| *byte == 0), "{id}");
        check_holds(&world, id, 7);
    }
}

#[test]
fn an_object_is_written_to_after_its_log_was_folded() {
    let world = World::new();
    for round in 1..=3 {
        asleep(&world, "ab", round);
        world.committer.folding().fold_now();
        let mut storage = world.storage("ab");
        storage.put("extra", &[round]).unwrap();
        commit_durably(&mut storage);
        drop(storage);
        check_holds(&world, "ab", round);
        assert_eq!(world.storage("ab").get("extra").unwrap().unwrap(), [round]);
    }
}

#[test]
fn a_short_log_is_left_alone() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    storage.close().unwrap();
    let before = fs::read(world.wal("ab")).unwrap();
    world.committer.folding().fold_now();
    assert!(fs::read(world.wal("ab")).unwrap() == before);
    assert_eq!(world.storage("ab").get("a").unwrap().unwrap(), b"1");
}

#[test]
fn an_object_that_is_opened_again_at_once_is_not_folded() {
    let world = World::new();
    asleep(&world, "ab", 7);
    let before = log_bytes(&world, "ab");
    let mut storage = world.storage("ab");
    storage.get("0").unwrap();
    world.committer.folding().fold_now();
    assert_eq!(log_bytes(&world, "ab"), before);
    drop(storage);
    check_holds(&world, "ab", 7);
}

/// Opens objects while they are being folded, again and again.
#[test]
fn objects_may_be_opened_at_any_moment_of_their_folding() {
    let world = World::new();
    let ids: Vec<_> = (10..26).map(|n| n.to_string()).collect();
    for round in 0..8 {
        for id in &ids {
            asleep(&world, id, round);
        }
        std::thread::scope(|scope| {
            scope.spawn(|| world.committer.folding().fold_now());
            for id in &ids {
                std::thread::sleep(Duration::from_micros(50 * u64::from(round)));
                check_holds(&world, id, round);
            }
        });
    }
}

#[test]
fn what_is_not_proven_is_not_folded() {
    let world = World::new();
    asleep(&world, "ab", 7);
    let files = world.data.object("class", "ab").unwrap();
    let before = log_bytes(&world, "ab");
    files.set_unproven(Proven::WalBytes(before));
    world.committer.folding().fold_now();
    assert_eq!(log_bytes(&world, "ab"), before);
    check_holds(&world, "ab", 7);
}

#[test]
fn a_storage_that_is_dropped_does_not_wait_for_the_disk() {
    let world = World::new();
    let files = world.data.object("class", "ab").unwrap();
    let (go, went) = mpsc::channel::<()>();
    let went = Mutex::new(went);
    // The committer is kept in its report, as by a disk that does not answer.
    let limits = StorageLimits::default();
    let mut storage = Storage::new(files, limits, &world.committer, move |_| {
        let _ = went.lock().recv();
    });
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    drop(storage);
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| world.storage("ab").get("a").unwrap().unwrap());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!opened.is_finished(), "opened before its end was settled");
        drop(go);
        assert_eq!(opened.join().unwrap(), b"1");
    });
}

#[test]
fn a_storage_that_is_dropped_before_its_first_commit_leaves_no_file() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    assert!(world.file("ab").exists());
    drop(storage);
    assert_eq!(world.storage("ab").get("a").unwrap(), None);
    assert!(!world.file("ab").exists());
}

#[test]
#[should_panic(expected = "is to be opened twice")]
fn a_database_is_never_opened_twice() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    let _ = world.storage("ab").get("a");
}

/// A shell can leave a valid database of two small pages, a copy can break off.
#[test]
fn a_file_that_is_no_database_of_ours_is_refused_and_never_replaced() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    storage.close().unwrap();
    fs::remove_file(world.wal("ab")).unwrap();
    fs::remove_file(world.file("ab")).unwrap();
    let shell = rusqlite::Connection::open(world.file("ab")).unwrap();
    shell
        .execute_batch("PRAGMA page_size = 1024; CREATE TABLE t (a); INSERT INTO t VALUES (1);")
        .unwrap();
    drop(shell);
    let small = fs::read(world.file("ab")).unwrap();
    assert!((small.len() as u64) < PAGE_BYTES);
    for (content, reason) in [
        (small, "pages of 1024 bytes"),
        (vec![7; 100], "not a database"),
    ] {
        fs::write(world.file("ab"), &content).unwrap();
        let mut storage = world.storage("ab");
        let error = storage.put("a", b"2").unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        drop(storage);
        assert!(fs::read(world.file("ab")).unwrap() == content, "{reason}");
    }
}

/// Changes a database as another program does.
fn edit(world: &World, id: &str) {
    let other = rusqlite::Connection::open(world.file(id)).unwrap();
    other.execute("CREATE TABLE other (a)", ()).unwrap();
}

/// An object that has written and rests.
fn at_rest(world: &World, id: &str) -> Storage {
    let mut storage = world.storage(id);
    storage.put("a", b"1").unwrap();
    commit_durably(&mut storage);
    storage.rest();
    storage
}

#[test]
fn a_change_while_an_object_rests_is_noticed_before_it_works_on() {
    let world = World::new();
    let mut storage = at_rest(&world, "ab");
    assert!(!storage.notice_change());
    edit(&world, "ab");
    let refused = message(storage.get("a"));
    assert!(refused.contains("another program"), "{refused}");
    // Whoever begins anew has everything, and may write.
    storage.rollback_turn();
    assert_eq!(
        value(&mut storage, "SELECT count(*) FROM other"),
        Value::Integer(0)
    );
    storage.put("a", b"2").unwrap();
    commit_durably(&mut storage);
}

#[test]
fn a_change_while_an_object_rests_shows_when_it_slept() {
    let world = World::new();
    let files = world.data.object("class", "ab").unwrap();
    let imprint = at_rest(&world, "ab").close_with_imprint().unwrap();
    assert!(imprint.fits(&files));
    // One that woke and did not look at its data.
    let mut storage = world.storage("ab");
    assert!(storage.fits(&imprint));
    edit(&world, "ab");
    assert!(!storage.close_with_imprint().unwrap().fits(&files));
}

#[test]
fn a_change_before_an_object_rests_shows_in_the_log_that_it_wrote() {
    let world = World::new();
    let files = world.data.object("class", "ab").unwrap();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    commit_durably(&mut storage);
    edit(&world, "ab");
    storage.rest();
    assert!(storage.notice_change());
    assert_eq!(storage.get("a").unwrap().unwrap(), b"1");
    assert!(storage.close_with_imprint().unwrap().fits(&files));
}
