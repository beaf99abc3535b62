//! UPDATE and DELETE take ORDER BY and LIMIT, as SQLite's own grammar has them.

use super::*;

/// A table of every kind, with the rows 1 to 6.
const TABLES: [&str; 5] = [
    "CREATE TABLE t (x, y)",
    "CREATE TABLE t (x PRIMARY KEY, y) WITHOUT ROWID",
    "CREATE TABLE t (x, y, PRIMARY KEY (y, x)) WITHOUT ROWID",
    "CREATE TABLE t (x, y, rowid, _rowid_)",
    "CREATE TABLE t (x, y, rowid, _rowid_, oid)",
];

fn on_each_table(test: impl Fn(&mut Storage)) {
    for table in TABLES {
        alone(|storage| {
            rows(storage, table);
            rows(
                storage,
                "INSERT INTO t (x, y) SELECT value, value % 2 FROM json_each('[1,2,3,4,5,6]')",
            );
            test(storage);
        });
    }
}

fn left(storage: &mut Storage) -> Value {
    value(
        storage,
        "SELECT group_concat(x, '') FROM (SELECT x FROM t ORDER BY x)",
    )
}

#[test]
fn rows_are_deleted_in_order_up_to_the_limit() {
    on_each_table(|storage| {
        for (query, params, expected) in [
            ("DELETE FROM t ORDER BY x LIMIT 1", vec![], "23456"),
            ("DELETE FROM t ORDER BY x DESC LIMIT ?", vec![1], "2345"),
            (
                "DELETE FROM t AS a WHERE a.x > ? ORDER BY a.x LIMIT ? OFFSET ?",
                vec![2, 1, 1],
                "235",
            ),
            ("DELETE FROM main.t ORDER BY x LIMIT 1, 1;", vec![], "25"),
            ("DELETE FROM t LIMIT 0", vec![], "25"),
            (
                "WITH c (x) AS (VALUES (5)) DELETE FROM t WHERE x IN c LIMIT 9",
                vec![],
                "2",
            ),
            ("DELETE FROM t LIMIT -1", vec![], ""),
        ] {
            let params: Vec<Value> = params.into_iter().map(Value::Integer).collect();
            for _ in 0..2 {
                storage.savepoint().unwrap();
                storage.exec(query, &params).unwrap();
                let after = left(storage);
                let got = if after == Value::Null {
                    text("")
                } else {
                    after
                };
                assert_eq!(got, text(expected), "{query}");
                // The second time the statement comes from the cache.
                let number = storage.stack.innermost().unwrap();
                storage.rollback(number).unwrap();
            }
            storage.exec(query, &params).unwrap();
        }
    });
}

#[test]
fn rows_are_updated_in_order_up_to_the_limit() {
    on_each_table(|storage| {
        let query = "UPDATE t SET y = ? WHERE y = ? RETURNING x, ? ORDER BY x DESC LIMIT ?";
        let params = [9, 1, 7, 2].map(Value::Integer);
        let mut got = storage.exec(query, &params).unwrap();
        got.rows.sort_by_key(|row| format!("{row:?}"));
        assert_eq!(got.columns, ["x", "?"]);
        assert_eq!(
            got.rows,
            [[3, 7].map(Value::Integer), [5, 7].map(Value::Integer)]
        );
        assert_eq!(got.changes, 2);
        assert_eq!(
            value(storage, "SELECT count(*) FROM t WHERE y = 9"),
            Value::Integer(2)
        );
    });
}

#[test]
fn several_statements_may_have_limits() {
    on_each_table(|storage| {
        let query = "DELETE FROM t ORDER BY x LIMIT 1; DELETE FROM t ORDER BY x LIMIT 1 ; \
                     DELETE FROM t ORDER BY x DESC LIMIT ?";
        storage.exec(query, &[Value::Integer(2)]).unwrap();
        assert_eq!(left(storage), text("34"));
    });
}

#[test]
fn rules_and_errors_stay_as_they_are() {
    alone(|storage| {
        storage.put("k", b"v").unwrap();
        rows(storage, "CREATE TABLE t (x)");
        for (query, expected) in [
            ("DELETE FROM _cf_KV LIMIT 1", "not authorized: SQLITE_AUTH"),
            (
                "UPDATE _cf_KV SET value = 1 LIMIT 1",
                "not authorized: SQLITE_AUTH",
            ),
            (
                "DELETE FROM none LIMIT 1",
                "no such table: none: SQLITE_ERROR",
            ),
            (
                "DELETE FROM t ORDER BY x",
                "ORDER BY without LIMIT on DELETE: SQLITE_ERROR",
            ),
            (
                "DELETE FROM t LIMIT 1 LIMIT 1",
                "near \"LIMIT\": syntax error at offset 22: SQLITE_ERROR",
            ),
            (
                "DELETE FROM t LIMIT ?",
                "Wrong number of parameter bindings for SQL query.",
            ),
        ] {
            assert_eq!(message(storage.exec(query, &[])), expected, "{query}");
        }
        assert!(storage.get("k").unwrap().is_some());
    });
}

/// Runs statements one after the other, and says what is left of `t`.
fn left_after(statements: &[&str]) -> Value {
    let mut result = Value::Null;
    alone(|storage| {
        for statement in statements {
            rows(storage, statement);
        }
        result = value(storage, "SELECT count(*) FROM t");
    });
    result
}

#[test]
fn a_limit_outlives_a_change_of_the_schema() {
    let check = |create: &str, change: &[&str], expected: i64| {
        let mut all = vec![create, "DELETE FROM t LIMIT 1"];
        all.extend(change);
        all.push("DELETE FROM t LIMIT 1");
        assert_eq!(left_after(&all), Value::Integer(expected), "{all:?}");
    };
    let without_rowid = "CREATE TABLE t (k PRIMARY KEY, v) WITHOUT ROWID; \
                         INSERT INTO t VALUES (1, 1), (2, 1), (3, 1)";
    check(without_rowid, &["ALTER TABLE t RENAME COLUMN k TO kk"], 1);
    check(
        without_rowid,
        &["DROP TABLE t; CREATE TABLE t (k, v); INSERT INTO t VALUES (1, 1), (1, 2), (1, 3)"],
        2,
    );
    check(
        without_rowid,
        &[
            "CREATE TABLE u (id INTEGER PRIMARY KEY, v); INSERT INTO u SELECT k, v FROM t; \
           DROP TABLE t; ALTER TABLE u RENAME TO t",
        ],
        1,
    );
    check(
        "CREATE TABLE t (k, v); INSERT INTO t VALUES (1, 1), (2, 2)",
        &[
            "DROP TABLE t; CREATE TABLE t (k PRIMARY KEY, v) WITHOUT ROWID; \
           INSERT INTO t VALUES (1, 1), (2, 2)",
        ],
        1,
    );
    // The schema comes back by a rollback, too.
    alone(|storage| {
        rows(storage, without_rowid);
        storage.end_turn().unwrap();
        let number = storage.savepoint().unwrap();
        rows(storage, "ALTER TABLE t RENAME COLUMN k TO kk");
        rows(storage, "DELETE FROM t LIMIT 1");
        storage.rollback(number).unwrap();
        rows(storage, "DELETE FROM t LIMIT 1");
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(2));
    });
    // A key of one column becomes one of two.
    alone(|storage| {
        let update = "UPDATE t SET v = 9 ORDER BY b LIMIT 1";
        let fill = "INSERT INTO t VALUES (1, 1, 0), (1, 2, 0), (1, 3, 0)";
        rows(
            storage,
            "CREATE TABLE t (a PRIMARY KEY, b, v) WITHOUT ROWID",
        );
        rows(storage, update);
        rows(storage, "DROP TABLE t");
        rows(
            storage,
            "CREATE TABLE t (a, b, v, PRIMARY KEY (a, b)) WITHOUT ROWID",
        );
        rows(storage, fill);
        assert_eq!(storage.exec(update, &[]).unwrap().changes, 1);
    });
}

#[test]
fn names_resolve_to_the_table() {
    let check = |statements: &[&str], expected: i64| {
        assert_eq!(
            left_after(statements),
            Value::Integer(expected),
            "{statements:?}"
        );
    };
    let table = "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)";
    check(
        &[table, "WITH t AS (SELECT 1 AS x) DELETE FROM t LIMIT 1"],
        2,
    );
    check(
        &[
            table,
            "WITH t AS (SELECT * FROM t) DELETE FROM t ORDER BY x LIMIT 1",
        ],
        2,
    );
    let view = "CREATE VIEW v AS SELECT x FROM t; CREATE TRIGGER r INSTEAD OF DELETE ON v \
                BEGIN DELETE FROM t WHERE x = old.x; END";
    check(&[table, view, "DELETE FROM v ORDER BY x DESC LIMIT 2"], 1);
    alone(|storage| {
        rows(storage, table);
        rows(
            storage,
            "CREATE TABLE u (x, y); INSERT INTO u VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        );
        for statement in [
            "UPDATE t SET x = u.y FROM u WHERE u.x = t.x ORDER BY t.x LIMIT 1",
            "UPDATE t SET x = u.y FROM u WHERE u.x = t.x LIMIT 1",
        ] {
            assert_eq!(
                storage.exec(statement, &[]).unwrap().changes,
                1,
                "{statement}"
            );
        }
        assert_eq!(
            rows(storage, "SELECT x FROM t"),
            [[text("a")], [text("b")], [Value::Integer(3)]]
        );
    });
    alone(|storage| {
        rows(
            storage,
            "CREATE TABLE t (a, b); CREATE INDEX i ON t (a) WHERE b = 1",
        );
        rows(storage, "INSERT INTO t VALUES (2, 1), (1, 1), (0, 0)");
        rows(
            storage,
            "DELETE FROM t INDEXED BY i WHERE b = 1 ORDER BY a LIMIT 1",
        );
        rows(
            storage,
            "UPDATE t INDEXED BY i SET b = 2 WHERE b = 1 ORDER BY a LIMIT 1",
        );
        let expected = [[2, 2], [0, 0]].map(|row| row.map(Value::Integer));
        assert_eq!(rows(storage, "SELECT a, b FROM t"), expected);
        let plan = rows(
            storage,
            "EXPLAIN QUERY PLAN DELETE FROM t ORDER BY a LIMIT 1",
        );
        assert!(!plan.is_empty());
    });
}

#[test]
fn parameters_may_have_any_form() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (x)");
        for name in ["?", "?1", ":a", "@a", "$a", "$a::b", "$a(x)", ":a::b"] {
            rows(storage, "DELETE FROM t; INSERT INTO t VALUES (1), (2), (3)");
            let query = format!("DELETE FROM t ORDER BY x LIMIT {name}");
            let got = storage.exec(&query, &[Value::Integer(2)]);
            assert_eq!(got.unwrap().changes, 2, "{query}");
        }
    });
}

#[test]
fn what_sqlite_refuses_stays_refused_in_its_words() {
    for (query, expected) in [
        (
            "DELETE FROM t LIMIT 1) OR (1=1",
            "near \")\": syntax error at offset 21",
        ),
        (
            "UPDATE t SET b=9 WHERE a=1 ORDER BY a LIMIT 0) OR (1=1",
            "near \")\": syntax error at offset 45",
        ),
        ("delete from t limit", "incomplete input"),
        (
            "delete from t where nope=1 limit 1",
            "no such column: nope at offset 20",
        ),
        (
            "delete from t where (a limit 1",
            "near \"limit\": syntax error at offset 23",
        ),
        (
            "update t set limit 1",
            "near \"limit\": syntax error at offset 13",
        ),
        ("delete from t order by", "incomplete input"),
        (
            "delete from t order by a limit 1 returning a",
            "near \"returning\": syntax error at offset 33",
        ),
        (
            "delete from t order by a",
            "ORDER BY without LIMIT on DELETE",
        ),
        (
            "update t set a = 1 order by a",
            "ORDER BY without LIMIT on UPDATE",
        ),
        (
            "create trigger r after insert on t begin delete from t limit 1; end",
            "near \"limit\": syntax error at offset 55",
        ),
    ] {
        alone(|storage| {
            rows(
                storage,
                "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 1), (2, 2)",
            );
            let expected = format!("{expected}: SQLITE_ERROR");
            assert_eq!(message(storage.exec(query, &[])), expected, "{query}");
            let unchanged = value(storage, "SELECT sum(b) FROM t");
            assert_eq!(unchanged, Value::Integer(3), "{query}");
        });
    }
}

#[test]
fn a_text_may_be_as_long_as_any() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)");
        let of = |length: usize| {
            let start = "DELETE FROM t WHERE x <> '' LIMIT 1";
            start.replace("''", &format!("'{}'", "y".repeat(length - start.len())))
        };
        rows(storage, &of(100_000));
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(1));
        let error = message(storage.exec(&of(100_001), &[]));
        assert_eq!(error, "statement too long: SQLITE_TOOBIG");
    });
}
