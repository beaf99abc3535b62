//! Whatever text an object runs: no panic, nothing of the host is read, written or
//! named, and the schema stays whole.
//!
//! `FUZZ_CASES` says how many databases are tried, `SEED` where they begin.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::*;

const SECRET: &[u8] = b"s3cr3t";

/// `%` stands for a name.
const STATEMENTS: [&str; 40] = [
    "SELECT * FROM %",
    "SELECT key, value FROM % AS x JOIN t",
    "SELECT (SELECT value FROM %) FROM t",
    "WITH % AS (SELECT * FROM _cf_KV) SELECT * FROM %",
    "INSERT INTO % VALUES (1, 2)",
    "INSERT INTO t SELECT key, value FROM %",
    "REPLACE INTO t (a) VALUES ('x') RETURNING (SELECT value FROM %)",
    "UPDATE % SET value = 'x' WHERE 1 LIMIT 1",
    "UPDATE t SET a = %.value FROM %",
    "DELETE FROM % ORDER BY key LIMIT 1",
    "CREATE TABLE % (a, b)",
    "CREATE TABLE n AS SELECT * FROM %",
    "CREATE TABLE n (a REFERENCES % (key) ON DELETE CASCADE)",
    "CREATE TABLE n (a, FOREIGN KEY (a) REFERENCES % ON UPDATE SET NULL)",
    "CREATE VIEW % AS SELECT 1",
    "CREATE VIEW n AS SELECT * FROM %",
    "CREATE INDEX % ON t (a)",
    "CREATE INDEX n ON % (value)",
    "CREATE TRIGGER % AFTER INSERT ON t BEGIN SELECT 1; END",
    "CREATE TRIGGER n AFTER DELETE ON % BEGIN SELECT 1; END",
    "CREATE TRIGGER n AFTER INSERT ON t BEGIN INSERT INTO u SELECT value, 1 FROM %; END",
    "CREATE VIRTUAL TABLE % USING fts5 (a)",
    "CREATE VIRTUAL TABLE n USING fts5 (key, value, content = %, content_rowid = key)",
    "CREATE VIRTUAL TABLE n USING fts5vocab (%, row)",
    "INSERT INTO n (n) VALUES ('rebuild')",
    "ALTER TABLE t RENAME TO %",
    "ALTER TABLE f RENAME TO %",
    "ALTER TABLE % RENAME TO t",
    "ALTER TABLE % RENAME COLUMN key TO %",
    "ALTER TABLE t ADD COLUMN c REFERENCES %",
    "ALTER TABLE t RENAME COLUMN a TO %",
    "ALTER TABLE t DROP COLUMN b",
    "DROP TABLE %",
    "DROP TABLE t",
    "PRAGMA table_info(%)",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA writable_schema = ON",
    "ATTACH '%' AS %",
    "ANALYZE %",
    "REINDEX %",
];

const NAMES: [&str; 16] = [
    "_cf_KV",
    "_CF_kv",
    "\"_cf_KV\"",
    "[_cf_KV]",
    "`_cf_KV`",
    "'_cf_KV'",
    "main._cf_KV",
    "/**/\"_cf_KV\"",
    "--\n_cf_KV",
    "_cf",
    "\"_cf\"",
    "_cf_",
    "_cf_x",
    "temp._cf_x",
    "sqlite_schema",
    "pragma_table_info('_cf_KV')",
];

const GLUE: [&str; 10] = [
    "; ",
    ";",
    "; ",
    ";\n",
    " ",
    ")",
    ",",
    "'",
    "/*",
    "; EXPLAIN ",
];

fn text(random: &mut StdRng) -> String {
    let mut text = String::new();
    // Mostly one statement: an error ends the text.
    let parts = *[1, 1, 1, 2, 3].choose(random).unwrap();
    for part in 0..parts {
        if part > 0 {
            text.push_str(GLUE.choose(random).unwrap());
        }
        let name = NAMES.choose(random).unwrap();
        let statement = STATEMENTS.choose(random).unwrap().replace('%', name);
        if random.random_bool(0.8) {
            text.push_str(&statement);
            continue;
        }
        let (start, end) = statement.split_at(random.random_range(0..statement.len()));
        text.push_str(if random.random_bool(0.5) { start } else { end });
    }
    text
}

fn has_secret(found: &[Row]) -> bool {
    let holds = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|part| part == SECRET);
    found.iter().flatten().any(|value| match value {
        Value::Text(text) => holds(text.as_bytes()),
        Value::Blob(bytes) => holds(bytes),
        Value::Null | Value::Integer(_) | Value::Real(_) => false,
    })
}

/// What is said of a database in which nothing is broken.
fn is_harmless(report: &str) -> bool {
    // Without CHECK and foreign keys an object may write what breaks them.
    report == "ok" || report.contains("CHECK constraint") || report.contains("NULL value in")
}

/// What must hold of the object's database, in memory and on disk.
fn inspect(storage: &mut Storage, case: &str) {
    assert_eq!(storage.get("k").unwrap().unwrap(), SECRET, "{case}");
    let entries = storage.list(&Default::default()).unwrap();
    assert_eq!(entries.len(), 1, "{case}");
    let Ok(names) = storage.exec("SELECT name, tbl_name FROM sqlite_schema", &[]) else {
        panic!("{case}: the schema cannot be read");
    };
    let own = [super::text("_cf_KV"), super::text("_cf_KV")];
    for row in names.rows {
        let Value::Text(name) = &row[0] else {
            panic!("{case}: {row:?}");
        };
        let is_protected = name.to_lowercase().starts_with("_cf_");
        assert!(!is_protected || row == own, "{case}: {row:?}");
    }
    for row in rows(storage, "PRAGMA quick_check") {
        let report = format!("{row:?}");
        let Value::Text(report) = row.into_iter().next().unwrap() else {
            panic!("{case}: {report}");
        };
        assert!(is_harmless(&report), "{case}: {report}");
    }
}

#[test]
fn no_text_gets_past_the_guards() {
    let number = |variable: &str, default: u64| {
        let given = std::env::var(variable).ok();
        given.map_or(default, |text| text.parse().expect(variable))
    };
    let seed = number("SEED", 1);
    for case in seed..seed + number("FUZZ_CASES", 100) {
        let mut random = StdRng::seed_from_u64(case);
        let world = World::new();
        let mut storage = world.storage("ab");
        storage.set_statement_budget(Duration::from_millis(500));
        storage.put("k", SECRET).unwrap();
        rows(
            &mut storage,
            "CREATE TABLE t (a, b); CREATE TABLE u (a, b); INSERT INTO t VALUES (1, 2), ('k', 3); \
             CREATE VIRTUAL TABLE f USING fts5 (a); INSERT INTO f VALUES ('x')",
        );
        storage.end_turn().unwrap();
        let mut history = format!("SEED={case}");
        for _ in 0..20 {
            let query = text(&mut random);
            history.push_str(&format!("\n{query}"));
            if random.random_bool(0.2) {
                if let Ok(cursor) = storage.open_cursor(&query, &[], 0)
                    && let Ok(part) = storage.next_rows(cursor.cursor.unwrap(), 100)
                {
                    assert!(!has_secret(&part), "{history}");
                }
                storage.close_cursors();
            } else if let Ok(got) = storage.exec(&query, &[]) {
                assert!(!has_secret(&got.rows), "{history}");
            }
            // The host's own statements run among the object's tables and triggers.
            storage.put("k", SECRET).unwrap();
            storage.put("l", b"").unwrap();
            assert!(storage.delete("l").unwrap(), "{history}");
            if random.random_bool(0.3) && storage.end_turn().is_err() {
                storage.rollback_turn();
            }
        }
        inspect(&mut storage, &history);
        drop(storage);
        inspect(&mut world.storage("ab"), &history);
    }
}
