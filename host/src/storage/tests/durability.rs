//! What was reported durable is there after the worst; what was not cannot come back.

use std::fs;

use super::super::CommitNumber;
use super::super::object_files::Proven;
use super::*;

/// A descriptor that no sync succeeds on.
fn unsyncable() -> fs::File {
    let (reader, _) = std::io::pipe().unwrap();
    fs::File::from(std::os::fd::OwnedFd::from(reader))
}

/// Copies the files as they are now, as after `kill -9`.
fn snapshot(world: &World, id: &str) -> (Vec<u8>, Vec<u8>) {
    (
        fs::read(world.file(id)).unwrap(),
        fs::read(world.wal(id)).unwrap(),
    )
}

fn restore(world: &World, id: &str, files: &(Vec<u8>, Vec<u8>)) {
    fs::create_dir_all(world.file(id).parent().unwrap()).unwrap();
    fs::write(world.file(id), &files.0).unwrap();
    fs::write(world.wal(id), &files.1).unwrap();
}

#[test]
fn a_fresh_database_is_one_page_in_wal_mode() {
    let world = World::new();
    let mut storage = world.storage("ab");
    rows(&mut storage, "PRAGMA foreign_keys = ON");
    let page = fs::read(world.file("ab")).unwrap();
    assert_eq!(page.len(), 4096);
    assert_eq!(page[18..20], [2, 2]);
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    let names: Vec<_> = fs::read_dir(world.file("ab").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn commits_are_reported_in_order_and_once_proven() {
    let world = World::new();
    let mut storage = world.storage("ab");
    for n in 1..=20 {
        storage.put("n", &[n]).unwrap();
        storage.end_turn().unwrap();
    }
    storage.durable.wait().unwrap();
    let reports = world.reports.lock().clone();
    assert_eq!(reports.last(), Some(&Durability::Durable(CommitNumber(20))));
    let numbers: Vec<u64> = reports
        .iter()
        .map(|report| match report {
            Durability::Durable(number) => number.0,
            Durability::Failed(..) => panic!("{reports:?}"),
        })
        .collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[test]
fn many_objects_become_durable_together() {
    let world = World::new();
    let mut storages: Vec<Storage> = (10..60).map(|n| world.storage(&n.to_string())).collect();
    for round in 1..=3 {
        for storage in &mut storages {
            storage.put("n", &[round]).unwrap();
            storage.end_turn().unwrap();
        }
    }
    for storage in &storages {
        storage.durable.wait().unwrap();
        assert_eq!(storage.durable(), CommitNumber(3));
    }
}

#[test]
fn what_was_committed_survives_a_kill() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    storage.put("b", b"2").unwrap();
    restore(&world, "cd", &snapshot(&world, "ab"));
    let mut copy = world.storage("cd");
    assert_eq!(copy.get("a").unwrap().unwrap(), b"1");
    assert_eq!(copy.get("b").unwrap(), None);
    copy.put("c", b"3").unwrap();
    commit_durably(&mut copy);
}

#[test]
fn delete_all_survives_a_kill() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    storage.delete_all().unwrap();
    restore(&world, "cd", &snapshot(&world, "ab"));
    let mut copy = world.storage("cd");
    assert_eq!(copy.get("a").unwrap(), None);
    assert_eq!(copy.database_size().unwrap(), 4096);
}

#[test]
fn a_creation_that_was_cut_short_is_done_again() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    let (page, wal) = snapshot(&world, "ab");
    drop(storage);
    let blank = vec![0; 4096];
    let cases: [(&str, &[u8], &[u8]); 5] = [
        ("empty", b"", b""),
        ("short", &page[..1000], b""),
        ("short with a log", &page[..1000], &wal),
        ("blank", &blank, b""),
        ("a page alone", &page[..4096], b""),
    ];
    for (name, database, wal) in cases {
        restore(&world, "cd", &(database.to_vec(), wal.to_vec()));
        let mut storage = world.storage("cd");
        assert_eq!(storage.get("a").unwrap(), None, "{name}");
        storage.put("b", b"2").unwrap();
        commit_durably(&mut storage);
        storage.close().unwrap();
        let mut storage = world.storage("cd");
        assert_eq!(storage.get("b").unwrap().unwrap(), b"2", "{name}");
        assert_eq!(storage.get("a").unwrap(), None, "{name}");
    }
}

#[test]
fn a_log_that_lies_about_is_not_taken_for_a_new_database() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    storage.close().unwrap();
    fs::remove_file(world.file("ab")).unwrap();
    let mut storage = world.storage("ab");
    assert_eq!(storage.get("a").unwrap(), None);
    storage.put("b", b"2").unwrap();
    assert_eq!(storage.get("a").unwrap(), None);
}

#[test]
fn a_failed_sync_is_final_until_the_object_recovers() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("n", b"1").unwrap();
    commit_durably(&mut storage);
    let proven = fs::metadata(world.wal("ab")).unwrap().len();
    storage.durable.set_wal_for_test(unsyncable());
    for n in [b"2", b"3"] {
        storage.put("n", n).unwrap();
        // The second may find the failure of the first already.
        let _ = storage.end_turn();
        assert!(storage.durable.wait().is_err());
        assert!(storage.is_broken());
        if let Err(error) = storage.put("n", b"4") {
            assert!(matches!(error, StorageError::Broken(_)));
            break;
        }
    }
    let failed = world.reports.lock().last().cloned();
    assert!(
        matches!(failed, Some(Durability::Failed(CommitNumber(2), _))),
        "{failed:?}"
    );
    assert!(matches!(storage.get("n"), Err(StorageError::Broken(_))));
    assert_eq!(storage.durable(), CommitNumber(1));

    storage.recover_after_failed_sync().unwrap();
    assert_eq!(fs::metadata(world.wal("ab")).unwrap().len(), proven);
    assert_eq!(storage.get("n").unwrap().unwrap(), b"1");
    storage.put("m", b"5").unwrap();
    commit_durably(&mut storage);
    let last = world.reports.lock().last().cloned();
    assert_eq!(last, Some(Durability::Durable(storage.committed())));
    storage.close().unwrap();
    let mut storage = world.storage("ab");
    assert_eq!(storage.get("n").unwrap().unwrap(), b"1");
    assert_eq!(storage.get("m").unwrap().unwrap(), b"5");
}

#[test]
fn a_database_whose_first_sync_failed_is_gone_after_recovery() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.begin_write().unwrap();
    storage.durable.set_wal_for_test(unsyncable());
    storage.put("n", b"1").unwrap();
    // The group's own sync works here; the object's must not be reached by it.
    storage.durable.fail("writing to disk failed".to_owned());
    assert!(matches!(storage.end_turn(), Err(StorageError::Broken(_))));
    storage.recover_after_failed_sync().unwrap();
    assert!(!world.file("ab").exists() && !world.wal("ab").exists());
    assert_eq!(storage.get("n").unwrap(), None);
    storage.put("n", b"2").unwrap();
    commit_durably(&mut storage);
}

#[test]
fn what_could_not_be_discarded_is_discarded_before_the_next_use() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("n", b"1").unwrap();
    commit_durably(&mut storage);
    storage.durable.set_wal_for_test(unsyncable());
    storage.put("n", b"2").unwrap();
    storage.end_turn().unwrap();
    assert!(storage.durable.wait().is_err());
    // A directory in the place of the log, so that the log cannot be cut.
    let (wal, aside) = (world.wal("ab"), world.file("aside"));
    fs::create_dir_all(aside.parent().unwrap()).unwrap();
    fs::rename(&wal, &aside).unwrap();
    fs::create_dir(&wal).unwrap();
    assert!(storage.recover_after_failed_sync().is_err());
    assert!(storage.is_broken());
    assert!(storage.close().is_err());
    let mut storage = world.storage("ab");
    assert!(matches!(storage.get("n"), Err(StorageError::Broken(_))));
    fs::remove_dir(&wal).unwrap();
    fs::rename(&aside, &wal).unwrap();
    storage.rollback_turn();
    assert_eq!(storage.get("n").unwrap().unwrap(), b"1");
}

#[test]
fn a_long_log_is_moved_into_the_database() {
    let world = World::new();
    let mut storage = world.storage("ab");
    let mut commits = 0;
    while !storage.checkpoint_due() {
        storage.put(&commits.to_string(), &[7; 20_000]).unwrap();
        assert!(!storage.checkpoint_due());
        storage.end_turn().unwrap();
        commits += 1;
    }
    assert!(fs::metadata(world.wal("ab")).unwrap().len() > 4_000_000);
    let before = snapshot(&world, "ab");
    storage.checkpoint().unwrap();
    assert!(!storage.checkpoint_due());
    assert_eq!(fs::metadata(world.wal("ab")).unwrap().len(), 0);
    storage.put("after", b"1").unwrap();
    commit_durably(&mut storage);
    restore(&world, "cd", &before);
    restore(&world, "ef", &snapshot(&world, "ab"));
    drop(storage);
    for (id, after) in [("ab", true), ("cd", false), ("ef", true)] {
        let mut storage = world.storage(id);
        for key in 0..commits {
            assert!(
                storage.get(&key.to_string()).unwrap().is_some(),
                "{id} {key}"
            );
        }
        assert_eq!(storage.get("after").unwrap().is_some(), after, "{id}");
    }
}

#[test]
fn a_checkpoint_waits_for_transactions_and_cursors() {
    alone(|storage| {
        storage.checkpoint_at_pages = 1;
        storage.put("a", b"1").unwrap();
        assert!(!storage.checkpoint_due());
        storage.end_turn().unwrap();
        assert!(storage.checkpoint_due());
        let cursor = storage.open_cursor("VALUES (1), (2)", &[]).unwrap();
        assert!(!storage.checkpoint_due());
        storage.checkpoint().unwrap();
        assert!(storage.wal_pages > 0);
        storage.close_cursor(cursor.id);
        let number = storage.begin().unwrap();
        assert!(!storage.checkpoint_due());
        storage.rollback(number).unwrap();
        assert!(storage.checkpoint_due());
        storage.checkpoint().unwrap();
        assert_eq!(storage.wal_pages, 0);
    });
}

#[test]
fn a_checkpoint_that_fails_loses_nothing() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    commit_durably(&mut storage);
    // The empty log cannot be made durable.
    storage.durable.set_wal_for_test(unsyncable());
    assert!(storage.checkpoint().is_err());
    assert!(storage.files.unproven().is_some());
    assert_eq!(storage.get("a").unwrap().unwrap(), b"1");
    assert_eq!(storage.files.unproven(), None);
    storage.put("b", b"2").unwrap();
    commit_durably(&mut storage);
}

#[test]
fn a_short_log_stays_at_close_and_a_long_one_goes() {
    let world = World::new();
    for (value, stays) in [(1000, true), (1 << 20, false)] {
        let mut storage = world.storage("ab");
        storage.put("a", &vec![7; value]).unwrap();
        storage.end_turn().unwrap();
        storage.close().unwrap();
        assert_eq!(fs::metadata(world.wal("ab")).unwrap().len() > 0, stays);
        assert_eq!(world.storage("ab").get("a").unwrap().unwrap().len(), value);
    }
}

#[test]
fn a_reopened_log_is_known_to_its_last_commit() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    let length = storage.durable.wal_bytes();
    storage.close().unwrap();
    // What a transaction that never ended may leave.
    let mut wal = fs::read(world.wal("ab")).unwrap();
    assert_eq!(wal.len() as u64, length);
    wal.extend_from_slice(&[9; 10_000]);
    fs::write(world.wal("ab"), wal).unwrap();
    let mut storage = world.storage("ab");
    assert_eq!(storage.get("a").unwrap().unwrap(), b"1");
    assert_eq!(storage.durable.wal_bytes(), length);
}

#[test]
fn a_log_cut_to_its_proven_length_holds_every_durable_commit() {
    let world = World::new();
    let mut storage = world.storage("ab");
    for n in 0..30_u8 {
        if n % 3 == 0 {
            // A turn that outgrows the cache leaves pages in the log though it is undone.
            for key in 0..30 {
                storage.put(&format!("undone {key}"), &[n; 20_000]).unwrap();
            }
            storage.rollback_turn();
        }
        if n == 20 {
            storage.checkpoint().unwrap();
        }
        storage.put("n", &[n]).unwrap();
        commit_durably(&mut storage);
        let Proven::WalBytes(proven) = storage.durable.proven() else {
            panic!("the files are not fresh any more");
        };
        let (database, mut wal) = snapshot(&world, "ab");
        assert!(wal.len() as u64 >= proven);
        wal.truncate(usize::try_from(proven).unwrap());
        restore(&world, "cd", &(database, wal));
        assert_eq!(world.storage("cd").get("n").unwrap().unwrap(), [n]);
    }
}
