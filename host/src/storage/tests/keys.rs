//! Keys and values behave as in Cloudflare's objects.

use super::super::{Entry, ListOptions};
use super::*;

fn filled(storage: &mut Storage, keys: &[&str]) {
    for key in keys {
        storage.put(key, key.as_bytes()).unwrap();
    }
}

fn keys(entries: Vec<Entry>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.key).collect()
}

fn strings(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[test]
fn a_missing_key_gives_none_and_creates_no_file() {
    let world = World::new();
    let mut storage = world.storage("ab");
    assert_eq!(storage.get("a").unwrap(), None);
    assert_eq!(storage.list(&ListOptions::default()).unwrap(), []);
    assert!(!storage.delete("a").unwrap());
    assert_eq!(storage.delete_many(&strings(&["a", "b"])).unwrap(), 0);
    assert_eq!(storage.end_turn(), Ok(TurnEnd::Nothing));
    assert!(!world.file("ab").exists());
}

#[test]
fn many_keys_come_in_byte_order_and_once() {
    alone(|storage| {
        filled(storage, &["b", "a", "\u{1f600}", "\u{fffd}"]);
        let asked = strings(&["\u{1f600}", "b", "a", "b", "none", "\u{fffd}"]);
        let found = storage.get_many(&asked).unwrap();
        assert_eq!(keys(found), ["a", "b", "\u{fffd}", "\u{1f600}"]);
    });
}

#[test]
fn the_empty_key_and_nul_are_ordinary() {
    alone(|storage| {
        filled(storage, &["", "a\0b", "a", "a\0", "\0"]);
        assert_eq!(storage.get("").unwrap().unwrap(), b"");
        assert_eq!(storage.get("a\0b").unwrap().unwrap(), b"a\0b");
        let all = storage.list(&ListOptions::default()).unwrap();
        assert_eq!(keys(all), ["", "\0", "a", "a\0", "a\0b"]);
        let prefixed = storage.list(&ListOptions {
            prefix: Some("a\0".to_owned()),
            ..ListOptions::default()
        });
        assert_eq!(keys(prefixed.unwrap()), ["a\0", "a\0b"]);
        assert!(storage.delete("a\0").unwrap());
        assert_eq!(storage.get("a").unwrap().unwrap(), b"a");
    });
}

#[test]
fn a_list_obeys_all_its_options_together() {
    alone(|storage| {
        filled(storage, &["a", "ab", "abc", "abd", "b", "c"]);
        let mut check = |start: &str,
                         after: &str,
                         end: &str,
                         prefix: &str,
                         reverse,
                         limit,
                         expected: &[&str]| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let options = ListOptions {
                start: some(start),
                start_after: some(after),
                end: some(end),
                prefix: some(prefix),
                reverse,
                limit,
            };
            assert_eq!(
                keys(storage.list(&options).unwrap()),
                expected,
                "{options:?}"
            );
        };
        check(
            "",
            "",
            "",
            "",
            false,
            None,
            &["a", "ab", "abc", "abd", "b", "c"],
        );
        check("", "", "", "", true, Some(2), &["c", "b"]);
        check("ab", "", "b", "", false, None, &["ab", "abc", "abd"]);
        check("", "ab", "b", "", false, None, &["abc", "abd"]);
        check("ab", "", "b", "", true, None, &["abd", "abc", "ab"]);
        check("", "ab", "b", "", true, Some(1), &["abd"]);
        check("", "", "", "ab", false, None, &["ab", "abc", "abd"]);
        check("abc", "", "", "ab", false, None, &["abc", "abd"]);
        check("", "", "abd", "ab", true, None, &["abc", "ab"]);
        check("", "ab", "", "ab", false, None, &["abc", "abd"]);
        check("b", "", "a", "", false, None, &[]);
        check("a", "", "a", "", false, None, &[]);
        check("", "", "", "x", false, None, &[]);
    });
}

#[test]
fn a_list_refuses_contradictions() {
    alone(|storage| {
        let both = ListOptions {
            start: Some("a".to_owned()),
            start_after: Some("a".to_owned()),
            ..ListOptions::default()
        };
        assert_eq!(
            message(storage.list(&both)),
            "A list takes start or start-after, not both."
        );
        let none = ListOptions {
            limit: Some(0),
            ..ListOptions::default()
        };
        assert_eq!(message(storage.list(&none)), "List limit must be positive.");
    });
}

#[test]
fn delete_says_what_was_there() {
    alone(|storage| {
        filled(storage, &["a", "b", "c"]);
        assert!(storage.delete("a").unwrap());
        assert!(!storage.delete("a").unwrap());
        let many = strings(&["b", "b", "none", "c"]);
        assert_eq!(storage.delete_many(&many).unwrap(), 2);
        assert_eq!(storage.list(&ListOptions::default()).unwrap(), []);
    });
}

#[test]
fn a_batch_with_one_member_too_large_stores_nothing() {
    alone(|storage| {
        let entry = |key: &str, size| Entry {
            key: key.to_owned(),
            value: vec![7; size],
        };
        let error = storage.put_many(&[entry("a", 1), entry("b", 2 << 20)]);
        assert!(matches!(error, Err(StorageError::Invalid(_))), "{error:?}");
        assert_eq!(storage.get("a").unwrap(), None);
        let repeated = [entry("a", 1), entry("b", 2), entry("a", 3)];
        storage.put_many(&repeated).unwrap();
        assert_eq!(storage.get("a").unwrap().unwrap().len(), 3);
    });
}

#[test]
fn key_and_value_may_have_two_mebibytes_together() {
    alone(|storage| {
        let value = vec![7; (2 << 20) - 3];
        storage.put("key", &value).unwrap();
        assert_eq!(storage.get("key").unwrap().unwrap(), value);
        assert_eq!(
            message(storage.put("key4", &value)),
            "Key and value together have 2097153 bytes; at most 2097152 are allowed."
        );
    });
}

#[test]
fn a_result_over_its_limit_is_refused() {
    alone(|storage| {
        for key in 0..33 {
            storage.put(&key.to_string(), &vec![0; 2_000_000]).unwrap();
        }
        storage.put("33", &vec![0; 2_000_000]).unwrap();
        let error = message(storage.list(&ListOptions::default()));
        assert!(error.contains("larger than 67108864 bytes"), "{error}");
    });
}

#[test]
fn keys_outlive_the_storage() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", b"1").unwrap();
    storage.end_turn().unwrap();
    storage.close().unwrap();
    assert_eq!(world.storage("ab").get("a").unwrap().unwrap(), b"1");
}

#[test]
fn delete_all_leaves_a_fresh_database() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.put("a", &[0; 100_000]).unwrap();
    rows(&mut storage, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    assert!(storage.database_size().unwrap() > 4096);
    storage.delete_all().unwrap();
    assert_eq!(storage.database_size().unwrap(), 4096);
    assert_eq!(storage.get("a").unwrap(), None);
    assert_eq!(
        message(storage.exec("SELECT * FROM t", &[])),
        "no such table: t: SQLITE_ERROR"
    );
    storage.put("b", b"2").unwrap();
    rows(&mut storage, "CREATE TABLE t (y)");
    storage.end_turn().unwrap();
    storage.close().unwrap();
    let mut again = world.storage("ab");
    assert_eq!(again.get("a").unwrap(), None);
    assert_eq!(again.get("b").unwrap().unwrap(), b"2");
    assert_eq!(rows(&mut again, "SELECT y FROM t").len(), 0);
}

#[test]
fn delete_all_is_a_commit_of_its_own() {
    let world = World::new();
    let mut storage = world.storage("ab");
    storage.delete_all().unwrap();
    assert!(!world.file("ab").exists());
    storage.put("a", b"1").unwrap();
    storage.delete_all().unwrap();
    storage.put("b", b"2").unwrap();
    storage.rollback_turn();
    assert_eq!(storage.get("a").unwrap(), None);
    assert_eq!(storage.get("b").unwrap(), None);
    assert_eq!(storage.end_turn(), Ok(TurnEnd::Nothing));
    storage.durable.wait().unwrap();
    assert_eq!(storage.durable(), storage.newest_commit());
}

#[test]
fn delete_all_is_refused_in_a_transaction() {
    alone(|storage| {
        storage.put("a", b"1").unwrap();
        for is_savepoint in [true, false] {
            let number = match is_savepoint {
                true => storage.savepoint().unwrap(),
                false => storage.begin(None).unwrap(),
            };
            assert_eq!(
                message(storage.delete_all()),
                "delete-all cannot be called within a transaction or savepoint; end it first."
            );
            storage.commit(number).unwrap();
        }
        assert!(storage.get("a").unwrap().is_some());
    });
}

#[test]
fn a_cursor_open_across_delete_all_is_cancelled() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t AS SELECT 1 AS x UNION SELECT 2");
        let cursor = storage.open_cursor("SELECT x FROM t", &[], 0).unwrap();
        assert_eq!(
            storage.next_rows(cursor.cursor.unwrap(), 1).unwrap().len(),
            1
        );
        storage.delete_all().unwrap();
        for _ in 0..2 {
            assert_eq!(
                message(storage.next_rows(cursor.cursor.unwrap(), 1)),
                "SQLite query was canceled because the database was deleted."
            );
        }
        storage.close_cursor(cursor.cursor.unwrap());
    });
}

#[test]
fn a_bound_may_be_longer_than_any_key() {
    alone(|storage| {
        let max = "b".repeat(2 << 20);
        storage.put("a", b"").unwrap();
        storage.put(&max, b"").unwrap();
        storage.put("c", b"").unwrap();
        let found = |storage: &mut Storage, options: ListOptions| {
            let entries = storage.list(&options).unwrap();
            entries
                .iter()
                .map(|entry| entry.key[..1].to_owned())
                .collect::<String>()
        };
        for long in [
            format!("{max}b"),
            "b".repeat(10 << 20),
            "b".repeat((2 << 20) + 1),
        ] {
            let key = Some(long.clone());
            let from = ListOptions {
                start: key.clone(),
                ..ListOptions::default()
            };
            assert_eq!(found(storage, from), "c");
            let after = ListOptions {
                start_after: key.clone(),
                ..ListOptions::default()
            };
            assert_eq!(found(storage, after), "c");
            let to = ListOptions {
                end: key.clone(),
                ..ListOptions::default()
            };
            assert_eq!(found(storage, to), "ab");
            let within = ListOptions {
                prefix: key,
                ..ListOptions::default()
            };
            assert_eq!(found(storage, within), "");
            assert_eq!(storage.get(&long), Ok(None));
            assert_eq!(storage.delete(&long), Ok(false));
        }
        let from = ListOptions {
            start: Some(max),
            ..ListOptions::default()
        };
        assert_eq!(found(storage, from), "bc");
    });
}
