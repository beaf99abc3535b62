//! What was reported durable is there after the worst; what was not cannot come back.

use std::fs;

use super::super::CommitNumber;
use super::super::durable::Durable;
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
        // Nobody was told of the commit in the log; it may be there.
        let found = storage.get("a").unwrap();
        assert!(found.is_none() || !wal.is_empty(), "{name}");
        storage.put("b", b"2").unwrap();
        commit_durably(&mut storage);
        storage.close().unwrap();
        let mut storage = world.storage("cd");
        assert_eq!(storage.get("b").unwrap().unwrap(), b"2", "{name}");
        assert_eq!(storage.get("a").unwrap(), found, "{name}");
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
    let proven = storage.durable.wal_bytes();
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
    let wal = fs::read(world.wal("ab")).unwrap();
    assert!(wal.iter().all(|byte| *byte == 0));
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
        let cursor = storage.open_cursor("VALUES (1), (2)", &[], 0).unwrap();
        assert!(!storage.checkpoint_due());
        storage.checkpoint().unwrap();
        assert!(storage.wal_pages > 0);
        storage.close_cursor(cursor.cursor.unwrap());
        let number = storage.begin(None).unwrap();
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
fn a_reopened_log_is_known_to_its_last_commit() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    let length = storage.durable.wal_bytes();
    storage.close().unwrap();
    // What a transaction that never ended may leave.
    let mut wal = fs::read(world.wal("ab")).unwrap();
    assert!(wal.len() as u64 >= length);
    wal.truncate(usize::try_from(length).unwrap());
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

#[test]
fn a_log_of_zeros_is_an_empty_log() {
    let world = World::new();
    for zeros in [1, 31, 32, 33, 4096, 4152, 100_000] {
        let mut storage = world.storage("ab");
        storage.put("n", &[1; 10]).unwrap();
        commit_durably(&mut storage);
        storage.checkpoint().unwrap();
        drop(storage);
        fs::write(world.wal("ab"), vec![0; zeros]).unwrap();
        let mut storage = world.storage("ab");
        assert_eq!(storage.get("n").unwrap().unwrap(), [1; 10], "{zeros}");
        assert_eq!(storage.durable.wal_bytes(), 0, "{zeros}");
        storage.put("m", &[2; 10]).unwrap();
        commit_durably(&mut storage);
        drop(storage);
        assert_eq!(
            world.storage("ab").get("m").unwrap().unwrap(),
            [2; 10],
            "{zeros}"
        );
    }
}

#[test]
fn a_small_commit_seldom_makes_the_log_longer() {
    alone(|storage| {
        let mut lengths = std::collections::BTreeSet::new();
        for n in 0..500_u32 {
            storage.put("n", &n.to_le_bytes()).unwrap();
            commit_durably(storage);
            let wal = storage.files.open_wal().unwrap();
            lengths.insert(wal.metadata().unwrap().len());
        }
        assert!(lengths.len() < 20, "{lengths:?}");
    });
}

/// A sync would say that all is well.
#[test]
fn nothing_is_proven_in_a_log_that_was_removed_or_replaced() {
    let replace = |wal: &std::path::Path| {
        fs::remove_file(wal).unwrap();
        fs::write(wal, b"").unwrap();
    };
    let remove = |wal: &std::path::Path| fs::remove_file(wal).unwrap();
    let spoils: [&dyn Fn(&std::path::Path); 2] = [&replace, &remove];
    for spoil in spoils {
        let world = World::new();
        let mut storage = world.storage("ab");
        storage.put("n", b"1").unwrap();
        commit_durably(&mut storage);
        spoil(&world.wal("ab"));
        storage.put("n", b"2").unwrap();
        storage.end_turn().unwrap();
        assert!(storage.durable.wait().is_err());
        assert_eq!(storage.durable(), CommitNumber(1));
    }
}

#[test]
fn nothing_is_proven_or_opened_while_the_directory_is_away() {
    let parent = tempfile::tempdir().unwrap();
    let (path, aside) = (parent.path().join("data"), parent.path().join("aside"));
    let data = DataDir::open(&path).unwrap();
    let committer = Committer::start(&data).unwrap();
    let storage = |id| {
        let files = data.object("class", id).unwrap();
        Storage::new(files, StorageLimits::default(), &committer, |_| {})
    };
    let mut awake = storage("ab");
    awake.put("n", b"1").unwrap();
    commit_durably(&mut awake);
    let mut asleep = storage("cd");
    asleep.put("n", b"1").unwrap();
    commit_durably(&mut asleep);
    asleep.close().unwrap();

    fs::rename(&path, &aside).unwrap();
    fs::create_dir(&path).unwrap();
    awake.put("n", b"2").unwrap();
    awake.end_turn().unwrap();
    assert!(awake.durable.wait().is_err());
    assert!(awake.recover_after_failed_sync().is_err());
    let mut asleep = storage("cd");
    assert!(matches!(asleep.get("n"), Err(StorageError::Broken(_))));
    assert!(matches!(
        storage("ef").put("n", b"1"),
        Err(StorageError::Broken(_))
    ));

    fs::remove_dir_all(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    awake.recover_after_failed_sync().unwrap();
    assert_eq!(awake.get("n").unwrap().unwrap(), b"1");
    asleep.rollback_turn();
    assert_eq!(asleep.get("n").unwrap().unwrap(), b"1");
}

/// A process of its own, since it ends.
#[test]
fn a_panic_of_the_committer_ends_the_process() {
    const CHILD: &str = "ABIDE_TEST_PANIC_OF_THE_COMMITTER";
    if std::env::var_os(CHILD).is_some() {
        let world = World::new();
        let files = world.data.object("class", "ab").unwrap();
        let limits = StorageLimits::default();
        let mut storage = Storage::new(files, limits, &world.committer, |_| panic!("a bug"));
        storage.put("a", b"1").unwrap();
        storage.end_turn().unwrap();
        let _ = storage.durable.wait();
        std::thread::sleep(std::time::Duration::from_secs(30));
        std::process::exit(0);
    }
    use std::os::unix::process::ExitStatusExt;
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("storage::tests::durability::a_panic_of_the_committer_ends_the_process")
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
}

#[test]
fn a_large_file_becomes_small_soon_after_everything_was_deleted() {
    let world = World::new();
    let mut storage = world.storage("ab");
    for n in 0..5 {
        storage.put(&n.to_string(), &[7; 1_500_000]).unwrap();
        storage.end_turn().unwrap();
    }
    storage.checkpoint().unwrap();
    storage.delete_all().unwrap();
    assert!(storage.checkpoint_due());
    storage.checkpoint().unwrap();
    assert!(fs::metadata(world.file("ab")).unwrap().len() < 10_000);
}

/// A sync of the file system that failed may have lost pages of any file, and the next
/// does not say so.
#[test]
fn after_a_failed_sync_of_everything_each_object_is_synced_by_itself_once() {
    let world = World::new();
    let files = world.data.object("class", "ab").unwrap();
    files.create().unwrap();
    let durable = Arc::new(Durable::new(files, Box::new(|_| {}), 0));
    durable.attach_wal().unwrap();
    durable.record(Some(1));
    let job = durable.take().unwrap();
    assert!(job.trusts_syncfs(0));
    assert!(!job.trusts_syncfs(1));
    job.sync(1).unwrap();
    job.finish(Ok(()));
    durable.record(Some(2));
    let job = durable.take().unwrap();
    assert!(job.trusts_syncfs(1));
    assert!(!job.trusts_syncfs(2));
    job.finish(Err(std::io::Error::other("not synced")));
}
