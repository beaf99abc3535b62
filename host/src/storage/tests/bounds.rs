//! What one object may take of its host: memory, temporary files, log, time.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::super::budget::Used;
use super::super::limits::{MEMORY_BYTES_MAX, RESULT_BYTES_MAX};
use super::super::{Entry, ListOptions, Verdict};
use super::*;

/// Rows without end, or so many.
fn numbers(rows: &str) -> String {
    format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n {rows})")
}

#[test]
fn a_query_that_needs_too_much_memory_is_refused_and_the_object_goes_on() {
    alone(|storage| {
        storage.put("a", b"1").unwrap();
        storage.end_turn().unwrap();
        let values = vec!["hex(zeroblob(2000000))"; 100].join(", ");
        let error = storage.exec(&format!("SELECT {values}"), &[]);
        let expected = format!(
            "SQL needs more than {MEMORY_BYTES_MAX} bytes of memory; \
             use fewer or shorter values at a time: SQLITE_NOMEM"
        );
        assert_eq!(message(error), expected);
        assert_eq!(storage.get("a").unwrap().unwrap(), b"1");
        rows(storage, "SELECT hex(zeroblob(2000000))");
    });
}

#[test]
fn what_sqlite_gives_back_may_be_taken_again() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (a)");
        let blob = Value::Blob(vec![7; 1 << 20]);
        for _ in 0..200 {
            let insert = "INSERT INTO t VALUES (?)";
            storage.exec(insert, std::slice::from_ref(&blob)).unwrap();
            rows(
                storage,
                "SELECT length(group_concat(hex(zeroblob(100000)))) FROM t",
            );
            rows(storage, "DELETE FROM t");
            storage.end_turn().unwrap();
        }
        assert!(
            storage.memory.bytes() < 1 << 20,
            "{}",
            storage.memory.bytes()
        );
    });
}

#[test]
fn large_sorts_lie_in_files_up_to_a_limit() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (a)");
        storage.end_turn().unwrap();
        storage.temp.set_bytes_max(8 << 20);
        let sort = |rows: u32| {
            let numbers = numbers(&format!("LIMIT {rows}"));
            format!(
                "{numbers} SELECT count(*) FROM \
                 (SELECT i || hex(zeroblob(50000)) AS x FROM n GROUP BY x)"
            )
        };
        assert_eq!(value(storage, &sort(60)), Value::Integer(60));
        let error = message(storage.exec(&sort(1000), &[]));
        let expected = "sorting and temporary results take more than 1073741824 bytes; \
             add an index or ask for fewer rows at a time: SQLITE_FULL";
        assert_eq!(error, expected);
        assert_eq!(storage.temp.bytes(), 0, "the files end with their query");
        rows(storage, "INSERT INTO t VALUES (1)");
        // In a turn that has written, it is the turn that is lost, as with a full disk.
        let of_a_table = sort(1000).replace("FROM n GROUP", "FROM n, t GROUP");
        let broken = storage.exec(&of_a_table, &[]);
        assert!(matches!(broken, Err(StorageError::Broken(_))), "{broken:?}");
        storage.rollback_turn();
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(0));
    });
}

#[test]
fn every_kind_of_temporary_result_is_bounded() {
    let large = "hex(zeroblob(500000))";
    for query in [
        format!("SELECT count(*) FROM n GROUP BY i || {large}"),
        format!("SELECT count(DISTINCT i || {large}) FROM n"),
        format!("SELECT 1 FROM n ORDER BY i || {large}"),
        format!("SELECT 'x' IN (SELECT i || {large} FROM n)"),
        format!("SELECT count(*) FROM (SELECT i || {large} FROM n UNION SELECT i FROM n)"),
        format!("SELECT max(i || {large}) OVER (ORDER BY i) FROM n"),
        format!("SELECT json_group_array(i || {large}) FROM n"),
        format!("SELECT group_concat(i || {large}) FROM n"),
        format!("SELECT length(json_group_object(i, {large})) FROM n"),
    ] {
        alone(|storage| {
            storage.temp.set_bytes_max(64 << 20);
            let result = storage.exec(&format!("{} {query}", numbers("LIMIT 1000")), &[]);
            let error = message(result);
            let is_bound = ["SQLITE_FULL", "SQLITE_NOMEM", "SQLITE_TOOBIG"]
                .iter()
                .any(|code| error.contains(code));
            assert!(is_bound, "{query}: {error}");
            assert!(storage.memory.bytes() < 1 << 20);
        });
    }
    // The queue of a recursive query that doubles.
    alone(|storage| {
        storage.temp.set_bytes_max(64 << 20);
        let query = format!(
            "WITH RECURSIVE n(x) AS (SELECT {large} UNION ALL \
             SELECT n.x FROM n, (SELECT 1 UNION ALL SELECT 2)) SELECT count(*) FROM n"
        );
        let error = message(storage.exec(&query, &[]));
        assert!(error.ends_with("SQLITE_FULL"), "{error}");
    });
}

#[test]
fn a_result_counts_what_it_takes() {
    alone(|storage| {
        // A row of one NULL takes 56 bytes: its share of the list, and the value.
        let rows_max = RESULT_BYTES_MAX / 56;
        for (count, fits) in [(rows_max, true), (rows_max + 1, false)] {
            let query = format!("{} SELECT NULL FROM n", numbers(&format!("LIMIT {count}")));
            assert_eq!(storage.exec(&query, &[]).is_ok(), fits, "{count}");
        }
        let query = format!("{} SELECT NULL FROM n", numbers(""));
        let cursor = storage.open_cursor(&query, &[], 0).unwrap();
        let part = storage.next_rows(cursor.cursor.unwrap(), u32::MAX).unwrap();
        assert_eq!(part.len(), rows_max + 1);
    });
}

#[test]
fn entries_count_what_they_take() {
    alone(|storage| {
        storage.put("a", b"1").unwrap();
        let entry = |i| Entry {
            key: format!("{i:>800}"),
            value: Vec::new(),
        };
        // Without what holds a key and a value, they would fit.
        let count = RESULT_BYTES_MAX / 800 - 100;
        let entries: Vec<Entry> = (0..count).map(entry).collect();
        storage.put_many(&entries).unwrap();
        let error = message(storage.list(&ListOptions::default()));
        assert!(error.starts_with("The result is larger than"), "{error}");
    });
}

#[test]
fn a_cursor_left_open_does_not_let_the_log_grow_for_ever() {
    let world = World::new();
    let limits = StorageLimits {
        storage_bytes_max: 1 << 20,
    };
    let mut storage = world.storage_with("ab", limits);
    rows(
        &mut storage,
        "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)",
    );
    storage.put("large", &[0; 500_000]).unwrap();
    commit_durably(&mut storage);
    let cursor = storage.open_cursor("SELECT a FROM t", &[], 0).unwrap();
    assert_eq!(
        storage.next_rows(cursor.cursor.unwrap(), 1).unwrap().len(),
        1
    );
    let mut longest = 0;
    for round in 0..300u32 {
        let value = vec![round as u8; 500_000];
        storage.put("large", &value).unwrap();
        storage.end_turn().unwrap();
        longest = longest.max(std::fs::metadata(world.wal("ab")).unwrap().len());
        if storage.checkpoint_due() {
            storage.checkpoint().unwrap();
        }
    }
    assert!(longest < 32 << 20, "the log took {longest} bytes");
    // The cursor goes on where it was.
    let rest = storage.next_rows(cursor.cursor.unwrap(), 10).unwrap();
    assert_eq!(rest, [[Value::Integer(2)], [Value::Integer(3)]]);
    assert!(
        storage
            .next_rows(cursor.cursor.unwrap(), 10)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_cursor_with_more_to_read_than_memory_fails_when_the_log_is_long() {
    let world = World::new();
    let mut storage = world.storage("ab");
    let query = format!(
        "{} SELECT i, zeroblob(1000000) FROM n",
        numbers("LIMIT 1000")
    );
    rows(&mut storage, "CREATE TABLE t (a)");
    commit_durably(&mut storage);
    let cursor = storage.open_cursor(&query, &[], 0).unwrap();
    for round in 0..40u32 {
        storage.put("large", &vec![round as u8; 500_000]).unwrap();
        storage.end_turn().unwrap();
    }
    assert!(storage.checkpoint_due());
    let error = message(storage.next_rows(cursor.cursor.unwrap(), 10));
    assert!(
        error.contains("was open while too much was written"),
        "{error}"
    );
    assert!(message(storage.next_rows(cursor.cursor.unwrap(), 10)).ends_with("is not open."));
}

#[test]
fn the_buffers_of_all_cursors_have_one_limit() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (a)");
        let insert = format!(
            "INSERT INTO t SELECT i FROM ({} SELECT i FROM n) RETURNING zeroblob(1000000)",
            numbers("LIMIT 40")
        );
        storage.open_cursor(&insert, &[], 0).unwrap();
        let error = message(storage.open_cursor(&insert, &[], 0));
        assert!(
            error.starts_with("The result of the SQL query is larger"),
            "{error}"
        );
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(40));
    });
}

#[test]
fn a_slow_call_asks_whether_it_may_go_on() {
    alone(|storage| {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        storage.set_pace(move |used: Used| {
            assert!(used.cpu <= used.wall + Duration::from_millis(50));
            match count.fetch_add(1, Relaxed) {
                3 => Verdict::Stop("the process ends".to_owned()),
                _ => Verdict::Continue,
            }
        });
        rows(storage, "SELECT 1");
        assert_eq!(asked.load(Relaxed), 0, "a quick call asks nobody");
        let endless = format!("{} SELECT count(*) FROM n", numbers(""));
        let error = storage.exec(&endless, &[]);
        assert_eq!(
            error,
            Err(StorageError::Broken("the process ends".to_owned()))
        );
        assert_eq!(asked.load(Relaxed), 4);
        storage.rollback_turn();
        rows(storage, "SELECT 1");
    });
}

#[test]
fn time_that_a_call_waits_for_its_turn_is_not_its_own() {
    alone(|storage| {
        storage.set_statement_budget(Duration::from_millis(400));
        storage.set_pace(|_| {
            std::thread::sleep(Duration::from_millis(400));
            Verdict::Continue
        });
        // Some ten milliseconds of work, and more than ten times the budget of waits.
        let start = Instant::now();
        let query = format!("{} SELECT count(*) FROM n", numbers("LIMIT 150000"));
        rows(storage, &query);
        assert!(
            start.elapsed() > Duration::from_millis(800),
            "it never waited"
        );
    });
}

#[test]
fn statements_within_a_statement_count() {
    alone(|storage| {
        rows(storage, "CREATE VIRTUAL TABLE f USING fts5(a)");
        rows(storage, "CREATE TABLE t (a)");
        rows(
            storage,
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO f VALUES (new.a); END",
        );
        storage.end_turn().unwrap();
        storage.set_statement_budget(Duration::from_millis(50));
        let query = format!(
            "INSERT INTO t SELECT i FROM ({} SELECT i FROM n)",
            numbers("")
        );
        let start = Instant::now();
        let error = message(storage.exec(&query, &[]));
        assert!(error.contains("exceeded timeout"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(20));
    });
}

#[test]
fn an_object_at_rest_goes_on_as_if_nothing_was() {
    let world = World::new();
    let mut storage = world.storage("ab");
    rows(&mut storage, "CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
    rows(&mut storage, "INSERT INTO t VALUES (7, 'x')");
    storage.put("key", b"1").unwrap();
    storage.rest();
    assert!(storage.is_open(), "an open turn is not left");
    commit_durably(&mut storage);
    storage.rest();
    assert!(!storage.is_open());
    assert_eq!(storage.memory.bytes(), 0);
    assert_eq!(
        value(&mut storage, "SELECT last_insert_rowid()"),
        Value::Integer(7)
    );
    assert_eq!(storage.get("key").unwrap().unwrap(), b"1");
    storage.put("key", b"2").unwrap();
    commit_durably(&mut storage);
    storage.rest();
    storage.close().unwrap();
    let mut storage = world.storage("ab");
    assert_eq!(storage.get("key").unwrap().unwrap(), b"2");
}

#[test]
fn an_object_with_something_open_does_not_rest() {
    let world = World::new();
    let mut storage = world.storage("ab");
    rows(
        &mut storage,
        "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)",
    );
    commit_durably(&mut storage);
    let cursor = storage.open_cursor("SELECT a FROM t", &[], 0).unwrap();
    storage.rest();
    assert_eq!(
        storage.next_rows(cursor.cursor.unwrap(), 9).unwrap().len(),
        2
    );
    let number = storage.begin(None).unwrap();
    storage.put("a", b"1").unwrap();
    storage.rest();
    storage.commit(number).unwrap();
    rows(&mut storage, "PRAGMA foreign_keys = OFF");
    commit_durably_if_written(&mut storage);
    storage.rest();
    assert_eq!(
        value(&mut storage, "PRAGMA foreign_keys"),
        Value::Integer(0)
    );
}

fn commit_durably_if_written(storage: &mut Storage) {
    storage.end_turn().unwrap();
    storage.durable.wait().unwrap();
}
