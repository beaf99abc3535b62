//! The host's tables stay out of reach, also when the object's code runs inside
//! the host's statements, and for names that nobody wrote.

use super::*;

const NOT_AUTHORIZED: &str = "not authorized: SQLITE_AUTH";

const DENIED: &str = "authorization denied: SQLITE_AUTH";

fn keys(storage: &mut Storage) -> Vec<String> {
    let entries = storage.list(&Default::default()).unwrap();
    entries.into_iter().map(|entry| entry.key).collect()
}

#[test]
fn no_table_may_refer_to_the_hosts() {
    for query in [
        "CREATE TABLE c (a REFERENCES _cf_KV (key) ON DELETE CASCADE)",
        "CREATE TABLE c (a REFERENCES \"_CF_kv\")",
        "CREATE TABLE c (a, FOREIGN KEY (a) REFERENCES [_cf_none] (b))",
        "CREATE TABLE main.c (a REFERENCES/**/`_cf_KV`)",
        "ALTER TABLE t ADD COLUMN b REFERENCES _cf_KV (key)",
        "SELECT 1; CREATE TABLE c (a REFERENCES _cf_KV (key)); SELECT 1",
    ] {
        alone(|storage| {
            storage.put("k", b"v").unwrap();
            rows(storage, "CREATE TABLE t (a)");
            let before = rows(storage, "SELECT sql FROM sqlite_master");
            for _ in 0..2 {
                let refused = message(storage.exec(query, &[]));
                assert_eq!(refused, NOT_AUTHORIZED, "{query}");
            }
            assert_eq!(rows(storage, "SELECT sql FROM sqlite_master"), before);
            assert!(storage.delete("k").unwrap());
        });
    }
}

#[test]
fn what_only_resembles_a_reference_is_allowed() {
    alone(|storage| {
        storage.put("k", b"v").unwrap();
        rows(
            storage,
            "CREATE TABLE p (_cf_a PRIMARY KEY); \
             CREATE TABLE c (a REFERENCES p (_cf_a), b DEFAULT '_cf_KV'); \
             ALTER TABLE c RENAME COLUMN a TO _cf_b; ALTER TABLE c RENAME TO x_cf; \
             CREATE VIRTUAL TABLE f USING fts5 (_cf_a)",
        );
        // Such a view is of no use, but it shadows nothing of the host either.
        rows(
            storage,
            "CREATE VIEW pragma_foreign_key_list AS SELECT * FROM _cf_KV",
        );
        rows(storage, "CREATE TABLE d (_cf_a REFERENCES p)");
    });
}

/// Puts a reference to the host's table behind the back of the rules.
fn plant_reference(storage: &mut Storage) {
    storage.end_turn().unwrap();
    rows(storage, "PRAGMA foreign_keys = OFF");
    rows(storage, "CREATE TABLE leak (x); CREATE TABLE note (x)");
    let database = storage.begin_write().unwrap();
    database
        .execute(
            "CREATE TABLE t (a REFERENCES _cf_KV (key) ON DELETE CASCADE)",
            &[],
        )
        .unwrap();
    rows(storage, "INSERT INTO t VALUES ('k'), ('k')");
    storage.end_turn().unwrap();
}

#[test]
fn triggers_within_the_hosts_statements_keep_to_the_rules() {
    for (body, allowed) in [
        ("INSERT INTO leak SELECT key || value FROM _cf_KV", false),
        ("INSERT INTO leak VALUES (sqlite_version())", false),
        ("DELETE FROM _cf_KV WHERE key = 'm'", false),
        ("INSERT INTO _cf_KV VALUES ('planted', 'x')", false),
        ("UPDATE _cf_KV SET value = 'x'", false),
        ("INSERT INTO note VALUES (old.a)", true),
    ] {
        alone(|storage| {
            storage.put("k", b"secret").unwrap();
            storage.put("m", b"secret").unwrap();
            plant_reference(storage);
            rows(
                storage,
                &format!("CREATE TRIGGER r AFTER DELETE ON t BEGIN {body}; END"),
            );
            storage.end_turn().unwrap();
            rows(storage, "PRAGMA foreign_keys = ON");
            let deleted = storage.delete("k");
            assert_eq!(deleted.is_ok(), allowed, "{body}: {deleted:?}");
            if allowed {
                // What follows from it does not count.
                assert!(deleted.unwrap());
                assert_eq!(keys(storage), ["m"]);
                assert_eq!(
                    value(storage, "SELECT count(*) FROM note"),
                    Value::Integer(2)
                );
            } else {
                assert_eq!(keys(storage), ["k", "m"]);
            }
            assert_eq!(
                value(storage, "SELECT count(*) FROM leak"),
                Value::Integer(0)
            );
        });
    }
}

#[test]
fn a_schema_calls_allowed_functions_alone() {
    alone(|storage| {
        for query in [
            "CREATE TABLE t (a DEFAULT (sqlite_version()))",
            "CREATE TABLE t (a CHECK (sqlite_version() > a))",
            "CREATE TABLE t (a, b AS (sqlite_version()))",
            "CREATE TABLE t (a); CREATE INDEX i ON t (sqlite_version())",
            "CREATE INDEX i ON t (a) WHERE sqlite_version() > a",
        ] {
            let made = storage.exec(query, &[]);
            let used = storage.exec("INSERT INTO t (a) SELECT sqlite_version()", &[]);
            assert!(made.is_err() || used.is_err(), "{query}");
        }
        // Within the host's statements too: an expression there has no mark.
        let database = storage.begin_write().unwrap();
        let refused = database.execute("SELECT sqlite_version()", &[]);
        assert!(message(refused).starts_with("not authorized to use function"));
    });
}

#[test]
fn no_spelling_gives_a_table_a_name_of_the_host() {
    for name in [
        "_cf_",
        "_cf_x",
        "_CF_x",
        "\"_cf_x\"",
        "[_cf_x]",
        "`_Cf_x`",
        "'_cf_x'",
        "/**/_cf_x",
        "--\n_cf_x",
    ] {
        for query in [
            format!("ALTER TABLE t RENAME TO {name}"),
            format!("alter table main.t rename/*TO*/to {name};"),
            format!("SELECT 1; ALTER TABLE t RENAME TO {name}; SELECT 1"),
            format!("ALTER TABLE f RENAME TO {name}"),
            format!("CREATE TABLE {name} (a)"),
            format!("CREATE TABLE main.{name} AS SELECT 1"),
            format!("CREATE VIRTUAL TABLE {name} USING fts5 (a)"),
        ] {
            alone(|storage| {
                rows(
                    storage,
                    "CREATE TABLE t (a); CREATE VIRTUAL TABLE f USING fts5 (a)",
                );
                assert_eq!(
                    message(storage.exec(&query, &[])),
                    NOT_AUTHORIZED,
                    "{query}"
                );
                rows(
                    storage,
                    "INSERT INTO t VALUES (1); INSERT INTO f VALUES (1)",
                );
            });
        }
    }
}

#[test]
fn a_virtual_table_makes_no_name_of_the_host() {
    for table in ["fts5 (a)", "rtree (a, b, c)", "rtree_i32 (a, b, c)"] {
        for name in [
            "_cf", "_CF", "\"_cf\"", "[_cf]", "`_cf`", "/*x*/_cf", "--\n_cf",
        ] {
            alone(|storage| {
                storage.put("k", b"v").unwrap();
                rows(storage, &format!("CREATE VIRTUAL TABLE f USING {table}"));
                rows(storage, "INSERT INTO f (a) VALUES (1)");
                storage.end_turn().unwrap();
                let before = rows(storage, "SELECT name, sql FROM sqlite_master");
                for query in [
                    format!("ALTER TABLE f RENAME TO {name}"),
                    format!("ALTER TABLE main.f RENAME TO {name}; SELECT 1"),
                ] {
                    assert_eq!(message(storage.exec(&query, &[])), DENIED, "{query}");
                }
                let create = format!("CREATE VIRTUAL TABLE {name} USING {table}");
                let refused = message(storage.exec(&create, &[]));
                assert!(refused.contains("SQLITE_AUTH"), "{create}: {refused}");
                let after = rows(storage, "SELECT name, sql FROM sqlite_master");
                assert_eq!(after, before);
                // The table is as good as before.
                rows(storage, "INSERT INTO f (a) VALUES (2)");
                assert_eq!(value(storage, "SELECT count(*) FROM f"), Value::Integer(2));
                rows(storage, "ALTER TABLE f RENAME TO g");
                assert_eq!(value(storage, "SELECT count(*) FROM g"), Value::Integer(2));
                rows(storage, "DROP TABLE g");
            });
        }
    }
    alone(|storage| {
        rows(storage, "CREATE TABLE t (a); ALTER TABLE t RENAME TO _cf");
        rows(
            storage,
            "INSERT INTO _cf VALUES (1); ALTER TABLE _cf RENAME TO t",
        );
    });
}

#[test]
fn no_virtual_table_reads_the_hosts() {
    alone(|storage| {
        storage.put("secret-key", b"secret").unwrap();
        for query in [
            "CREATE VIRTUAL TABLE f USING fts5 (key, value, content = '_cf_KV', content_rowid = 'key')",
            "INSERT INTO f (f) VALUES ('rebuild')",
            "SELECT * FROM f",
            "SELECT rtreecheck('_cf_KV')",
            "SELECT rtreecheck('main', '_cf_KV')",
            "CREATE VIRTUAL TABLE v USING fts5vocab ('_cf_KV', 'row')",
            "SELECT * FROM v",
        ] {
            if let Ok(got) = storage.exec(query, &[]) {
                assert!(!format!("{got:?}").contains("secret"), "{query}");
            }
        }
        assert_eq!(keys(storage), ["secret-key"]);
    });
}

#[test]
fn programs_that_explore_a_schema_succeed() {
    alone(|storage| {
        storage.put("k", b"v").unwrap();
        rows(
            storage,
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id)); \
             CREATE INDEX i ON c (p)",
        );
        for query in [
            "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c",
            "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c \
             WHERE m.type IN ('table', 'view')",
            "SELECT m.name, f.\"table\" FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f",
            "SELECT m.name, i.name, c.name FROM sqlite_master AS m, pragma_index_list(m.name) AS i, \
             pragma_index_info(i.name) AS c",
            "SELECT name, wr FROM pragma_table_list",
            "PRAGMA table_list(_cf_KV)",
            "PRAGMA table_info(_cf_KV)",
            "PRAGMA table_xinfo('_cf_KV')",
            "PRAGMA index_list(_cf_KV)",
            "PRAGMA foreign_key_list(_cf_KV)",
        ] {
            rows(storage, query);
        }
        assert!(message(storage.exec("SELECT * FROM _cf_KV", &[])).contains("prohibited"));
    });
}
