//! UPDATE and DELETE take ORDER BY and LIMIT.

use super::*;

/// A table of every kind, with the rows 1 to 6.
const TABLES: [&str; 4] = [
    "CREATE TABLE t (x, y)",
    "CREATE TABLE t (x PRIMARY KEY, y) WITHOUT ROWID",
    "CREATE TABLE t (x, y, PRIMARY KEY (y, x)) WITHOUT ROWID",
    "CREATE TABLE t (x, y, rowid, _rowid_)",
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
        assert_eq!(got.columns, ["x", "?3"]);
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
                "near \"LIMIT\": syntax error at offset 14: SQLITE_ERROR",
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
