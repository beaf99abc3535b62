//! Turns, savepoints and transactions keep or undo what they should.

use super::super::CommitNumber;
use super::*;

fn get(storage: &mut Storage, key: &str) -> bool {
    storage.get(key).unwrap().is_some()
}

#[test]
fn a_turn_is_committed_at_its_end_or_not_at_all() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.put("b", b"2").unwrap();
    assert_eq!(storage.newest_commit(), CommitNumber(1));
    storage.rollback_turn();
    assert_eq!(storage.newest_commit(), CommitNumber::ZERO);
    assert!(!get(&mut storage, "a"));
    storage.put("a", b"1").unwrap();
    assert_eq!(storage.end_turn(), Ok(TurnEnd::Committed(CommitNumber(1))));
    assert_eq!(storage.end_turn(), Ok(TurnEnd::Nothing));
    storage.rollback_turn();
    assert!(get(&mut storage, "a"));
}

#[test]
fn an_uncommitted_turn_is_undone_at_the_end() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    storage.put("b", b"2").unwrap();
    drop(storage);
    let mut storage = world.storage("ab");
    assert!(get(&mut storage, "a"));
    assert!(!get(&mut storage, "b"));
}

#[test]
fn an_inner_rollback_keeps_what_the_outer_wrote() {
    alone(|storage| {
        storage.put("before", b"").unwrap();
        let outer = storage.savepoint().unwrap();
        storage.put("outer", b"").unwrap();
        let inner = storage.savepoint().unwrap();
        storage.put("inner", b"").unwrap();
        storage.rollback(inner).unwrap();
        assert!(!get(storage, "inner"));
        storage.commit(outer).unwrap();
        storage.end_turn().unwrap();
        assert!(get(storage, "before") && get(storage, "outer"));
    });
}

#[test]
fn an_outer_rollback_undoes_what_the_inner_kept() {
    alone(|storage| {
        let outer = storage.begin(None).unwrap();
        let inner = storage.begin(Some(outer)).unwrap();
        storage.put("inner", b"").unwrap();
        storage.commit(inner).unwrap();
        assert!(get(storage, "inner"));
        storage.rollback(outer).unwrap();
        assert!(!get(storage, "inner"));
        // The table of keys went with it, and comes back.
        storage.put("again", b"").unwrap();
        storage.end_turn().unwrap();
        assert!(get(storage, "again"));
    });
}

#[test]
fn only_the_innermost_can_be_ended() {
    alone(|storage| {
        assert_eq!(message(storage.commit(1)), "Transaction 1 is not open.");
        let outer = storage.begin(None).unwrap();
        let inner = storage.savepoint().unwrap();
        let expected = format!("Transaction {outer} is not the innermost one; end {inner} first.");
        assert_eq!(message(storage.commit(outer)), expected);
        assert_eq!(message(storage.rollback(outer)), expected);
        storage.rollback(inner).unwrap();
        storage.commit(outer).unwrap();
    });
}

#[test]
fn a_transaction_nests_only_in_the_one_it_names() {
    alone(|storage| {
        storage.put("before", b"").unwrap();
        assert_eq!(
            message(storage.begin(Some(7))),
            "Transaction 7 is not open; begin within none."
        );
        // The turn goes on: nothing was committed.
        assert_eq!(storage.committed(), CommitNumber::ZERO);
        let outer = storage.begin(None).unwrap();
        let open = |number: u64| {
            format!("Transaction {number} is open; begin within it, or wait until it has ended.")
        };
        assert_eq!(message(storage.begin(None)), open(outer));
        assert_eq!(message(storage.begin(Some(7))), open(outer));
        let inner = storage.begin(Some(outer)).unwrap();
        assert_eq!(message(storage.begin(None)), open(inner));
        assert_eq!(message(storage.begin(Some(outer))), open(inner));
        storage.rollback(inner).unwrap();
        let next = storage.begin(Some(outer)).unwrap();
        storage.commit(next).unwrap();
        storage.commit(outer).unwrap();
        let last = storage.begin(None).unwrap();
        storage.commit(last).unwrap();
    });
}

#[test]
fn a_transaction_lies_in_an_open_savepoint_without_naming_it() {
    alone(|storage| {
        let savepoint = storage.savepoint().unwrap();
        assert!(storage.begin(Some(savepoint)).is_err());
        let outer = storage.begin(None).unwrap();
        let within = storage.savepoint().unwrap();
        assert!(storage.begin(Some(within)).is_err());
        let inner = storage.begin(Some(outer)).unwrap();
        storage.put("a", b"").unwrap();
        storage.commit(inner).unwrap();
        storage.rollback(within).unwrap();
        storage.put("b", b"").unwrap();
        storage.commit(outer).unwrap();
        assert!(!get(storage, "a") && get(storage, "b"));
        storage.rollback(savepoint).unwrap();
        assert!(!get(storage, "b"));
    });
}

#[test]
fn a_transaction_holds_the_turns_back() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("before", b"").unwrap();
    let number = storage.begin(None).unwrap();
    assert_eq!(storage.committed(), CommitNumber(1));
    storage.put("inside", b"").unwrap();
    assert_eq!(storage.end_turn(), Ok(TurnEnd::InTransaction));
    rows(&mut storage, "CREATE TABLE t (x)");
    assert_eq!(storage.end_turn(), Ok(TurnEnd::InTransaction));
    assert_eq!(storage.newest_commit(), CommitNumber(2));
    storage.commit(number).unwrap();
    assert_eq!(storage.committed(), CommitNumber(2));
    assert_eq!(storage.end_turn(), Ok(TurnEnd::Nothing));
    assert!(!storage.in_transaction());
}

#[test]
fn a_trap_undoes_an_open_transaction_too() {
    alone(|storage| {
        storage.put("before", b"").unwrap();
        storage.begin(None).unwrap();
        storage.put("inside", b"").unwrap();
        storage.end_turn().unwrap();
        storage.rollback_turn();
        assert!(get(storage, "before") && !get(storage, "inside"));
        assert!(!storage.in_transaction());
        storage.put("after", b"").unwrap();
        commit_durably(storage);
    });
}

#[test]
fn a_savepoint_must_end_within_its_turn() {
    alone(|storage| {
        storage.put("a", b"").unwrap();
        storage.savepoint().unwrap();
        let ended = storage.end_turn();
        assert!(matches!(&ended, Err(StorageError::Broken(text)) if text.contains("savepoint")));
        assert!(!get(storage, "a"));
    });
}

#[test]
fn every_number_given_out_becomes_durable() {
    alone(|storage| {
        storage.put("a", b"").unwrap();
        commit_durably(storage);
        // A transaction that the object undoes.
        let number = storage.begin(None).unwrap();
        storage.put("b", b"").unwrap();
        let promised = storage.newest_commit();
        storage.rollback(number).unwrap();
        assert_eq!(storage.newest_commit(), promised);
        storage.durable.wait().unwrap();
        assert_eq!(storage.durable(), promised);
        // A turn that changes nothing.
        assert!(!storage.delete("none").unwrap());
        let promised = storage.newest_commit();
        storage.end_turn().unwrap();
        storage.durable.wait().unwrap();
        assert!(storage.durable() >= promised);
        assert_eq!(storage.durable(), storage.newest_commit());
    });
}

#[test]
fn an_empty_transaction_writes_nothing() {
    let world = World::new();
    let mut storage = world.storage("ab");
    for end in [Storage::commit, Storage::rollback] {
        let outer = storage.begin(None).unwrap();
        let inner = storage.savepoint().unwrap();
        assert!(!get(&mut storage, "a"));
        end(&mut storage, inner).unwrap();
        end(&mut storage, outer).unwrap();
    }
    assert_eq!(storage.newest_commit(), CommitNumber::ZERO);
    assert!(!world.file("ab").exists());
}

#[test]
fn an_error_of_a_statement_undoes_that_statement_alone() {
    alone(|storage| {
        rows(
            storage,
            "CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1)",
        );
        assert!(storage.exec("INSERT INTO t VALUES (2), (1)", &[]).is_err());
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(1));
        assert!(
            storage
                .exec("INSERT INTO t VALUES (3), (1) RETURNING x", &[])
                .is_err()
        );
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(1));
        assert!(matches!(storage.end_turn(), Ok(TurnEnd::Committed(_))));
    });
}

const DEFERRED: &str = "CREATE TABLE p (id PRIMARY KEY);
    CREATE TABLE c (p REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)";

#[test]
fn a_deferred_violation_resets_the_object_at_the_end_of_the_turn() {
    alone(|storage| {
        rows(storage, DEFERRED);
        storage.end_turn().unwrap();
        rows(storage, "INSERT INTO c VALUES (1)");
        assert_eq!(
            storage.end_turn(),
            Err(StorageError::Broken(
                "Durable Object was reset and rolled back to its last known good state because the \
                 application left the database in a state where constraints were violated: FOREIGN \
                 KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"
                    .to_owned()
            ))
        );
        assert_eq!(value(storage, "SELECT count(*) FROM c"), Value::Integer(0));
        storage.put("a", b"").unwrap();
        commit_durably(storage);
    });
}

#[test]
fn a_deferred_violation_leaves_a_transaction_open() {
    alone(|storage| {
        rows(storage, DEFERRED);
        let number = storage.begin(None).unwrap();
        rows(storage, "INSERT INTO c VALUES (1)");
        assert_eq!(
            message(storage.commit(number)),
            "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"
        );
        rows(storage, "INSERT INTO p VALUES (1)");
        storage.commit(number).unwrap();
        assert_eq!(value(storage, "SELECT count(*) FROM c"), Value::Integer(1));
    });
}

#[test]
fn a_full_database_that_ends_the_transaction_breaks_it() {
    let world = World::new();
    let limits = StorageLimits {
        storage_bytes_max: 256 << 10,
    };
    let mut storage = world.storage_with("ab", limits);
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    rows(&mut storage, "CREATE TABLE t (x)");
    let full = (0..100).find_map(|_| {
        let insert = "INSERT INTO t VALUES (zeroblob(20000))";
        storage.exec(insert, &[]).err()
    });
    let expected = "database or disk is full: SQLITE_FULL".to_owned();
    assert_eq!(full, Some(StorageError::Broken(expected)));
    assert_eq!(storage.newest_commit(), CommitNumber(1));
    storage.rollback_turn();
    assert!(storage.exec("SELECT * FROM t", &[]).is_err());
    assert!(get(&mut storage, "a"));
    storage.put("b", b"2").unwrap();
    storage.end_turn().unwrap();
}

#[test]
fn a_savepoint_may_end_with_a_deferred_violation() {
    alone(|storage| {
        rows(storage, DEFERRED);
        let number = storage.savepoint().unwrap();
        rows(storage, "INSERT INTO c VALUES (1)");
        storage.commit(number).unwrap();
        rows(storage, "INSERT INTO p VALUES (1)");
        assert!(matches!(storage.end_turn(), Ok(TurnEnd::Committed(_))));
        // An inner transaction, too.
        let outer = storage.begin(None).unwrap();
        let inner = storage.begin(Some(outer)).unwrap();
        rows(storage, "INSERT INTO c VALUES (2)");
        storage.commit(inner).unwrap();
        assert!(storage.commit(outer).is_err());
    });
}

#[test]
fn a_table_is_rebuilt_without_its_children_noticing() {
    let children = |storage: &mut Storage| value(storage, "SELECT count(*) FROM c");
    let rebuild = "CREATE TABLE n (id PRIMARY KEY, more DEFAULT 7);
        INSERT INTO n (id) SELECT id FROM p; DROP TABLE p; ALTER TABLE n RENAME TO p";
    let before = "CREATE TABLE p (id PRIMARY KEY);
        CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE);
        INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1), (2)";
    // As the first thing of a turn the PRAGMA takes effect.
    alone(|storage| {
        rows(storage, before);
        storage.end_turn().unwrap();
        rows(storage, "PRAGMA foreign_keys = OFF");
        rows(storage, rebuild);
        assert!(rows(storage, "PRAGMA foreign_key_check").is_empty());
        storage.end_turn().unwrap();
        rows(storage, "PRAGMA foreign_keys = ON");
        assert_eq!(value(storage, "PRAGMA foreign_keys"), Value::Integer(1));
        assert_eq!(children(storage), Value::Integer(2));
    });
    // After a write it does not, and dropping the table deletes its children.
    alone(|storage| {
        rows(storage, before);
        rows(storage, "PRAGMA foreign_keys = OFF");
        assert_eq!(value(storage, "PRAGMA foreign_keys"), Value::Integer(1));
        rows(storage, rebuild);
        assert_eq!(children(storage), Value::Integer(0));
    });
    // Without an action it is enough to defer, if the rows come back under the name.
    alone(|storage| {
        rows(storage, &before.replace("ON DELETE CASCADE", ""));
        rows(storage, "PRAGMA defer_foreign_keys = ON");
        rows(
            storage,
            "CREATE TABLE n AS SELECT * FROM p; DROP TABLE p;
             CREATE TABLE p (id PRIMARY KEY, more DEFAULT 7);
             INSERT INTO p (id) SELECT id FROM n; DROP TABLE n",
        );
        assert!(matches!(storage.end_turn(), Ok(TurnEnd::Committed(_))));
        assert_eq!(children(storage), Value::Integer(2));
    });
}
