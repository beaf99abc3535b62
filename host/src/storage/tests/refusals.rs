//! What an object's SQL may not do, and in which words it is told.

use super::*;

/// Each query fails with its text, each on a database with a few tables.
fn check(cases: &[(&str, &str)]) {
    for (query, expected) in cases {
        alone(|storage| {
            storage.put("key", b"value").unwrap();
            rows(
                storage,
                "CREATE TABLE t (x, y); CREATE INDEX i ON t (x); CREATE VIEW v AS SELECT 1",
            );
            assert_eq!(message(storage.exec(query, &[])), *expected, "{query}");
        });
    }
}

const AUTH: &str = "not authorized: SQLITE_AUTH";

#[test]
fn transactions_are_not_made_by_sql() {
    for query in [
        "BEGIN",
        "begin immediate",
        "COMMIT",
        "END",
        "ROLLBACK",
        "SAVEPOINT s",
        "RELEASE s",
        "ROLLBACK TO s",
    ] {
        alone(|storage| {
            let error = message(storage.exec(query, &[]));
            let start = "To execute a transaction, please use a transaction or savepoint of";
            assert!(error.starts_with(start), "{query}: {error}");
        });
    }
}

#[test]
fn other_databases_are_out_of_reach() {
    check(&[
        ("ATTACH 'x.sqlite' AS x", AUTH),
        ("ATTACH ':memory:' AS x", AUTH),
        ("DETACH main", AUTH),
        ("CREATE TEMP TABLE a (x)", AUTH),
        ("CREATE TABLE temp.a (x)", AUTH),
        ("CREATE TEMP VIEW a AS SELECT 1", AUTH),
        (
            "CREATE TEMP TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END",
            AUTH,
        ),
        (
            "VACUUM",
            "cannot VACUUM from within a transaction: SQLITE_ERROR",
        ),
        (
            "VACUUM INTO 'copy.sqlite'",
            "cannot VACUUM from within a transaction: SQLITE_ERROR",
        ),
        ("CREATE VIRTUAL TABLE a USING dbstat", AUTH),
        ("CREATE VIRTUAL TABLE a USING fts4 (x)", AUTH),
        ("CREATE VIRTUAL TABLE a USING csv (x)", AUTH),
    ]);
}

#[test]
fn names_of_the_host_are_protected() {
    check(&[
        (
            "SELECT * FROM _cf_KV",
            "access to _cf_KV.key is prohibited: SQLITE_AUTH",
        ),
        (
            "SELECT value FROM _CF_kv",
            "access to _cf_KV.value is prohibited: SQLITE_AUTH",
        ),
        ("INSERT INTO _cf_KV VALUES ('a', 'b')", AUTH),
        ("UPDATE _cf_KV SET value = 1", AUTH),
        ("DELETE FROM _cf_KV", AUTH),
        ("DROP TABLE _cf_KV", AUTH),
        ("ALTER TABLE _cf_KV ADD COLUMN z", AUTH),
        ("ALTER TABLE _cf_KV RENAME TO a", AUTH),
        ("ALTER TABLE t RENAME TO _cf_a", AUTH),
        ("ALTER TABLE t RENAME TO [_CF_a];", AUTH),
        (
            "SELECT 1; ALTER TABLE t RENAME TO \"_cf_a\"; SELECT 2",
            AUTH,
        ),
        ("CREATE TABLE _cf_a (x)", AUTH),
        ("CREATE TABLE _CF_a AS SELECT 1", AUTH),
        ("CREATE VIEW _cf_a AS SELECT 1", AUTH),
        ("CREATE INDEX _cf_a ON t (x)", AUTH),
        ("CREATE INDEX a ON _cf_KV (value)", AUTH),
        (
            "CREATE TRIGGER _cf_a AFTER INSERT ON t BEGIN SELECT 1; END",
            AUTH,
        ),
        (
            "CREATE TRIGGER a AFTER INSERT ON _cf_KV BEGIN SELECT 1; END",
            AUTH,
        ),
        ("CREATE VIRTUAL TABLE _cf_a USING fts5 (x)", AUTH),
        ("PRAGMA foreign_key_check(_cf_KV)", AUTH),
        ("PRAGMA quick_check(_cf_KV)", AUTH),
        (
            "UPDATE sqlite_master SET sql = ''",
            "table sqlite_master may not be modified: SQLITE_ERROR",
        ),
    ]);
}

#[test]
fn names_of_the_host_are_free_for_columns_and_visible() {
    alone(|storage| {
        storage.put("key", b"value").unwrap();
        rows(storage, "CREATE TABLE t (_cf_x); INSERT INTO t VALUES (1)");
        assert_eq!(value(storage, "SELECT _cf_x FROM t"), Value::Integer(1));
        rows(storage, "ALTER TABLE t RENAME COLUMN _cf_x TO _cf_y");
        rows(storage, "ALTER TABLE t RENAME TO u");
        rows(storage, "ALTER TABLE u ADD COLUMN _cf_z");
        rows(storage, "ALTER TABLE u DROP COLUMN _cf_y");
    });
}

#[test]
fn the_hosts_tables_show_their_names() {
    alone(|storage| {
        storage.put("key", b"value").unwrap();
        let name = value(
            storage,
            "SELECT name FROM sqlite_master WHERE type = 'table'",
        );
        assert_eq!(name, text("_cf_KV"));
    });
}

#[test]
fn pragmas_are_allowed_one_by_one() {
    check(&[
        ("PRAGMA journal_mode", AUTH),
        ("PRAGMA journal_mode = DELETE", AUTH),
        ("PRAGMA locking_mode = NORMAL", AUTH),
        ("PRAGMA synchronous = FULL", AUTH),
        ("PRAGMA page_size = 512", AUTH),
        ("PRAGMA writable_schema = 1", AUTH),
        ("PRAGMA trusted_schema = 1", AUTH),
        ("PRAGMA user_version", AUTH),
        ("PRAGMA function_list", AUTH),
        ("PRAGMA compile_options", AUTH),
        ("PRAGMA database_list", AUTH),
        ("PRAGMA temp.page_size", AUTH),
        ("PRAGMA wal_checkpoint(TRUNCATE)", AUTH),
        ("PRAGMA max_page_count = 1000000", AUTH),
        ("PRAGMA integrity_check", AUTH),
    ]);
    for query in [
        "PRAGMA data_version",
        "PRAGMA page_size",
        "PRAGMA case_sensitive_like = ON",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA defer_foreign_keys = 1",
        "PRAGMA ignore_check_constraints = yes",
        "PRAGMA legacy_alter_table = 0",
        "PRAGMA recursive_triggers = false",
        "PRAGMA reverse_unordered_selects = no",
        "PRAGMA foreign_key_check",
        "PRAGMA foreign_key_check(t)",
        "PRAGMA foreign_key_list(t)",
        "PRAGMA index_info(i)",
        "PRAGMA index_list(t)",
        "PRAGMA index_xinfo(i)",
        "PRAGMA quick_check",
        "PRAGMA quick_check(t)",
        "PRAGMA quick_check(5)",
        "PRAGMA optimize",
        "PRAGMA optimize(0x10002)",
        "PRAGMA table_list",
        "PRAGMA table_info(t)",
        "PRAGMA table_xinfo(t)",
        "SELECT * FROM pragma_table_info('t')",
    ] {
        alone(|storage| {
            storage.put("key", b"value").unwrap();
            rows(
                storage,
                "CREATE TABLE t (x); CREATE INDEX i ON t (x); INSERT INTO t VALUES (1)",
            );
            rows(storage, query);
            storage.end_turn().unwrap();
        });
    }
}

#[test]
fn functions_are_allowed_one_by_one() {
    let refused =
        |name: &str| format!("not authorized to use function: {name} at offset 7: SQLITE_ERROR");
    for (call, name) in [
        ("power(1, 2)", "power"),
        ("ceiling(1)", "ceiling"),
        ("log10(1)", "log10"),
        ("json_pretty('1')", "json_pretty"),
        ("if(1, 2)", "if"),
        ("unistr('a')", "unistr"),
        ("sqlite_version()", "sqlite_version"),
        ("sqlite_source_id()", "sqlite_source_id"),
        ("fts3_tokenizer('a')", "fts3_tokenizer"),
    ] {
        alone(|storage| {
            let error = message(storage.exec(&format!("SELECT {call}"), &[]));
            let unknown = format!("no such function: {name} at offset 7: SQLITE_ERROR");
            assert!(error == refused(name) || error == unknown, "{error}");
        });
    }
    alone(|storage| {
        for call in [
            "pow(2, 3)",
            "ceil(1.5)",
            "log(10)",
            "iif(1, 2, 3)",
            "json('1')",
            "max(1, 2)",
            "current_timestamp",
            "strftime('%Y')",
            "1 -> '$'",
            "sum(1) OVER ()",
            "x'00' || 'a'",
            "'a' MATCH 'a' IS NULL OR 1",
        ] {
            let result = storage.exec(&format!("SELECT {call}"), &[]);
            let refused =
                matches!(&result, Err(error) if error.to_string().contains("not authorized"));
            assert!(!refused, "{call}: {result:?}");
        }
        assert_eq!(
            message(storage.exec("SELECT load_extension('x')", &[])),
            "not authorized: SQLITE_ERROR"
        );
    });
}

#[test]
fn limits_have_their_words() {
    let list = |count: usize, of: &str| vec![of; count].join(", ");
    let columns = |count: usize| {
        (0..count)
            .map(|i| format!("c{i}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let compound = |count: usize| vec!["SELECT 1"; count].join(" UNION ALL ");
    let joined = |count: usize| {
        (0..count)
            .map(|i| format!("t AS t{i}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let long = format!("SELECT '{}'", "x".repeat(100_000));
    check(&[
        (
            &format!("CREATE TABLE a ({})", columns(101)),
            "too many columns on a: SQLITE_ERROR",
        ),
        (
            &format!("SELECT {}", list(101, "1")),
            "too many columns in result set: SQLITE_ERROR",
        ),
        (
            &format!("SELECT abs({})", list(128, "1")),
            "too many arguments on function abs at offset 7: SQLITE_ERROR",
        ),
        (
            &format!("SELECT '' LIKE '{}'", "x".repeat(51)),
            "LIKE or GLOB pattern too complex: SQLITE_ERROR",
        ),
        (
            &format!("SELECT '' GLOB '{}'", "x".repeat(51)),
            "LIKE or GLOB pattern too complex: SQLITE_ERROR",
        ),
        (&long, "statement too long: SQLITE_TOOBIG"),
        (
            &compound(6),
            "too many terms in compound SELECT: SQLITE_ERROR",
        ),
        (
            &format!("SELECT {}1{}", "(1 + ".repeat(101), ")".repeat(101)),
            "Expression tree is too large (maximum depth 100): SQLITE_ERROR",
        ),
        (
            &format!("SELECT 1 FROM {}", joined(65)),
            "at most 64 tables in a join: SQLITE_ERROR",
        ),
        (
            "SELECT ?101",
            "variable number must be between ?1 and ?100 at offset 7: SQLITE_ERROR",
        ),
        (
            "SELECT zeroblob(4194305)",
            "string or blob too big: SQLITE_TOOBIG",
        ),
    ]);
    alone(|storage| {
        let error = message(storage.exec(&format!("SELECT max({})", list(110, "?")), &[]));
        assert!(
            error.starts_with("too many SQL variables at offset "),
            "{error}"
        );
        let blob = Value::Blob(vec![0; (2 << 20) + 1]);
        assert_eq!(
            message(storage.exec("SELECT ?", &[blob])),
            "string or blob too big: SQLITE_TOOBIG"
        );
        let max = Value::Blob(vec![0; 2 << 20]);
        rows(storage, "CREATE TABLE b (x)");
        storage.exec("INSERT INTO b VALUES (?)", &[max]).unwrap();
        for query in [
            format!("CREATE TABLE a ({})", columns(100)),
            format!("SELECT json_array({})", list(127, "1")),
            format!("SELECT '' LIKE '{}'", "x".repeat(50)),
            format!("SELECT '{}'", "x".repeat(100_000 - 9)),
            compound(5),
            format!("SELECT count(*) FROM (VALUES {})", list(200, "(1)")),
        ] {
            rows(storage, &query);
        }
        rows(storage, "CREATE TABLE n (x)");
        rows(storage, "PRAGMA recursive_triggers = ON");
        rows(
            storage,
            "CREATE TRIGGER r AFTER INSERT ON n BEGIN INSERT INTO n VALUES (new.x + 1); END",
        );
        let error = message(storage.exec("INSERT INTO n VALUES (1)", &[]));
        assert!(
            error.starts_with("too many levels of trigger recursion"),
            "{error}"
        );
    });
}

#[test]
fn the_size_of_the_database_is_limited() {
    let world = World::new();
    let limits = StorageLimits {
        storage_bytes_max: 64 << 10,
    };
    let mut storage = world.storage_with("ab", limits);
    storage.put("small", b"1").unwrap();
    storage.end_turn().unwrap();
    let error = storage.put("large", &vec![0; 100_000]);
    assert_eq!(
        message(error.clone()),
        "database or disk is full: SQLITE_FULL"
    );
    storage.rollback_turn();
    assert_eq!(storage.get("small").unwrap().unwrap(), b"1");
    storage.put("other", b"2").unwrap();
    storage.end_turn().unwrap();
}

#[test]
fn a_program_of_too_many_operations_is_refused_and_ends_no_transaction() {
    alone(|storage| {
        storage.put("a", b"1").unwrap();
        rows(storage, "CREATE TABLE t (a)");
        let query = format!("SELECT 0 IN ({}) FROM t", vec!["a"; 40_000].join(","));
        assert_eq!(
            message(storage.exec(&query, &[])),
            "out of memory: SQLITE_NOMEM"
        );
        assert!(storage.get("a").unwrap().is_some());
        assert!(matches!(storage.end_turn(), Ok(TurnEnd::Committed(_))));
    });
}
