//! The alarm is a row among others: what happens to the object's data happens to it.

use super::*;
use crate::storage::Alarm;

fn set_time(storage: &mut Storage) -> Option<i64> {
    storage.alarm().unwrap().map(|alarm| alarm.time_ms)
}

fn the_alarm(storage: &mut Storage) -> Alarm {
    storage.alarm().unwrap().expect("there is one")
}

#[test]
fn an_object_without_an_alarm_needs_no_file() {
    let world = World::new();
    let mut storage = world.storage("ab");
    assert_eq!(storage.alarm(), Ok(None));
    storage.delete_alarm().unwrap();
    assert_eq!(storage.end_turn(), Ok(TurnEnd::Nothing));
    assert!(!world.file("ab").exists());
    assert!(storage.take_alarm_news(None).unwrap().is_none());
}

#[test]
fn an_alarm_is_there_after_a_restart_with_the_name() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.set_alarm(1_000, Some("Ann")).unwrap();
    let set = the_alarm(&mut storage);
    assert_eq!((set.due_ms, set.retries), (1_000, 0));
    // A later life may not have heard the name.
    storage.set_alarm(2_000, None).unwrap();
    commit_durably(&mut storage);
    storage.close().unwrap();
    let found = the_alarm(&mut world.storage("ab"));
    assert_eq!((found.time_ms, found.name.as_deref()), (2_000, Some("Ann")));
    assert_ne!(found.number, set.number);
}

#[test]
fn what_undoes_a_write_undoes_the_alarm() {
    alone(|storage| {
        storage.set_alarm(1, None).unwrap();
        commit_durably(storage);

        storage.set_alarm(2, None).unwrap();
        storage.rollback_turn();
        assert_eq!(set_time(storage), Some(1));

        let savepoint = storage.savepoint().unwrap();
        storage.delete_alarm().unwrap();
        assert_eq!(set_time(storage), None);
        storage.rollback(savepoint).unwrap();
        assert_eq!(set_time(storage), Some(1));

        let transaction = storage.begin(None).unwrap();
        storage.set_alarm(3, None).unwrap();
        assert!(storage.take_alarm_news(None).unwrap().is_none(), "open");
        storage.rollback(transaction).unwrap();
        assert_eq!(set_time(storage), Some(1));

        let transaction = storage.begin(None).unwrap();
        storage.set_alarm(4, None).unwrap();
        storage.commit(transaction).unwrap();
        assert_eq!(set_time(storage), Some(4));
        assert!(storage.take_alarm_news(None).unwrap().is_some());
        assert!(storage.take_alarm_news(None).unwrap().is_none(), "told");
    });
}

#[test]
fn delete_all_takes_the_alarm_with_it() {
    alone(|storage| {
        storage.set_alarm(1, None).unwrap();
        storage.put("key", b"value").unwrap();
        commit_durably(storage);
        let _ = storage.take_alarm_news(None);
        storage.delete_all().unwrap();
        assert_eq!(storage.alarm(), Ok(None));
        assert!(storage.take_alarm_news(None).unwrap().is_some());
        storage.set_alarm(2, None).unwrap();
        assert_eq!(set_time(storage), Some(2));
    });
}

#[test]
fn a_run_decides_over_no_alarm_but_its_own() {
    alone(|storage| {
        storage.set_alarm(1, None).unwrap();
        let run = the_alarm(storage);
        storage.set_alarm(1, None).unwrap();
        let set_meanwhile = the_alarm(storage);
        storage.end_alarm(run.number).unwrap();
        storage.delay_alarm(run.number, 9, 1).unwrap();
        assert_eq!(the_alarm(storage), set_meanwhile);
        storage.delay_alarm(set_meanwhile.number, 9, 1).unwrap();
        let waits = the_alarm(storage);
        assert_eq!((waits.time_ms, waits.due_ms, waits.retries), (1, 9, 1));
        storage.end_alarm(set_meanwhile.number).unwrap();
        assert_eq!(storage.alarm(), Ok(None));
    });
}

#[test]
fn an_alarm_that_runs_is_no_news() {
    alone(|storage| {
        storage.set_alarm(1, None).unwrap();
        commit_durably(storage);
        let _ = storage.take_alarm_news(None);
        storage.doubt_alarm();
        let run = the_alarm(storage);
        assert!(storage.take_alarm_news(Some(run.number)).unwrap().is_none());
        storage.set_alarm(2, None).unwrap();
        commit_durably(storage);
        assert!(storage.take_alarm_news(Some(run.number)).unwrap().is_some());
    });
}

/// Whatever a crash leaves of the object, the index knows that it must be looked at.
#[test]
fn no_alarm_is_committed_before_notice_is_given() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.set_alarm(i64::MAX, None).unwrap();
    storage.end_turn().unwrap();
    let after = tempfile::tempdir().unwrap();
    for end in ["", "-wal"] {
        let name = format!("alarms.sqlite{end}");
        let from = world.directory.path().join(&name);
        std::fs::copy(from, after.path().join(&name)).unwrap();
    }
    let data = DataDir::open(after.path()).unwrap();
    let committer = Committer::start(&data).unwrap();
    let due = futures::executor::block_on(committer.alarms().due(9));
    assert_eq!(due.len(), 1);
    assert_eq!(
        (&*due[0].object.folder, &*due[0].object.id),
        ("class", "ab")
    );
}

#[test]
fn an_alarm_of_the_host_cannot_be_touched_by_sql() {
    alone(|storage| {
        storage.set_alarm(1, None).unwrap();
        for query in [
            "SELECT * FROM _cf_ALARM",
            "DELETE FROM _cf_alarm",
            "CREATE TRIGGER t AFTER DELETE ON _cf_ALARM BEGIN SELECT 1; END",
        ] {
            let refusal = message(storage.exec(query, &[]));
            assert!(refusal.contains("SQLITE_AUTH"), "{query}: {refusal}");
        }
    });
}
