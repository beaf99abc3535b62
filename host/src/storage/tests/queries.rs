//! SQL gives what it should, in the shape it should.

use super::*;

#[test]
fn parameters_belong_to_the_last_statement() {
    alone(|storage| {
        let query = "CREATE TABLE t (x); INSERT INTO t VALUES (1); INSERT INTO t VALUES (?), (?)";
        let params = [Value::Integer(2), Value::Integer(3)];
        assert_eq!(storage.exec(query, &params).unwrap().changes, 3);
        assert_eq!(value(storage, "SELECT sum(x) FROM t"), Value::Integer(6));
        assert_eq!(
            message(storage.exec("INSERT INTO t VALUES (?); SELECT 1", &params[..1])),
            "When executing multiple SQL statements in a single call, only the last statement can \
             have parameters."
        );
    });
}

#[test]
fn earlier_statements_stay_when_a_later_one_fails() {
    alone(|storage| {
        let query = "CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)";
        assert_eq!(
            message(storage.exec(query, &[])),
            "UNIQUE constraint failed: t.x: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)"
        );
        assert_eq!(rows(storage, "SELECT x FROM t").len(), 1);
    });
}

#[test]
fn text_without_a_statement_is_refused() {
    alone(|storage| {
        for query in [
            "",
            ";",
            "-- x",
            "/* x */",
            "  ",
            "select 1; -- x",
            "select 1;;",
            "select 1;\0",
        ] {
            let error = storage.exec(query, &[]);
            assert_eq!(
                error,
                Err(StorageError::Invalid(
                    "SQL code did not contain a statement.".to_owned()
                )),
                "{query:?}"
            );
        }
        for query in [
            "select 1;",
            "select 1; \n\t\r\u{b}\u{c}",
            "select 1 -- x",
            "select 1 /* x */",
        ] {
            assert_eq!(rows(storage, query).len(), 1, "{query:?}");
        }
    });
}

#[test]
fn parameters_bind_by_position_and_must_be_complete() {
    alone(|storage| {
        let wrong = "Wrong number of parameter bindings for SQL query.";
        let one = [Value::Integer(1)];
        let two = [Value::Integer(1), Value::Integer(2)];
        for _ in 0..2 {
            assert_eq!(message(storage.exec("SELECT 1", &one)), wrong);
            assert_eq!(message(storage.exec("SELECT ?", &two)), wrong);
            assert_eq!(message(storage.exec("SELECT ?, ?", &one)), wrong);
            assert_eq!(message(storage.exec("SELECT ?2", &one)), wrong);
        }
        let mut check = |query: &str, expected: [i64; 2]| {
            let rows = storage.exec(query, &two).unwrap().rows;
            assert_eq!(rows, [expected.map(Value::Integer)], "{query}");
        };
        check("SELECT ?2, ?1", [2, 1]);
        check("SELECT :b, :a", [1, 2]);
        check("SELECT @x, $y", [1, 2]);
    });
}

#[test]
fn values_come_back_as_they_went() {
    alone(|storage| {
        let values = [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Integer((1 << 53) + 1),
            Value::Real(42.0),
            Value::Real(f64::INFINITY),
            Value::Real(-0.5),
            text(""),
            text("a\0b"),
            text("\u{1f600}"),
            Value::Blob(Vec::new()),
            Value::Blob(vec![0, 255]),
        ];
        rows(storage, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)");
        for sent in values {
            let query = "INSERT INTO t (x) VALUES (?) RETURNING x";
            let rows = storage
                .exec(query, std::slice::from_ref(&sent))
                .unwrap()
                .rows;
            assert_eq!(rows, [[sent.clone()]]);
            let read = value(storage, "SELECT x FROM t ORDER BY id DESC LIMIT 1");
            assert_eq!(read, sent);
            let kind = value(storage, "SELECT typeof(x) FROM t ORDER BY id DESC LIMIT 1");
            assert_ne!((kind, &sent), (text("null"), &Value::Blob(Vec::new())));
        }
        assert_eq!(
            value(storage, "SELECT 9007199254740993"),
            Value::Integer(9_007_199_254_740_993)
        );
        assert_eq!(value(storage, "SELECT 1.0"), Value::Real(1.0));
        // SQLite has no NaN.
        let nan = storage.exec("SELECT ?", &[Value::Real(f64::NAN)]).unwrap();
        assert_eq!(nan.rows, [[Value::Null]]);
    });
}

#[test]
fn invalid_text_reads_as_replacement_characters() {
    alone(|storage| {
        let read = value(storage, "SELECT CAST(x'61FF62' AS TEXT)");
        assert_eq!(read, text("a\u{fffd}b"));
        assert_eq!(value(storage, "SELECT x''"), Value::Blob(Vec::new()));
        assert_eq!(
            value(storage, "SELECT zeroblob(3)"),
            Value::Blob(vec![0; 3])
        );
    });
}

#[test]
fn columns_have_sqlites_names_and_may_repeat() {
    alone(|storage| {
        let got = storage.exec("SELECT 1 AS a, 2 AS a, 3 + 4", &[]).unwrap();
        assert_eq!(got.columns, ["a", "a", "3 + 4"]);
        rows(storage, "CREATE TABLE t (x)");
        assert_eq!(storage.exec("SELECT * FROM t", &[]).unwrap().columns, ["x"]);
        rows(storage, "ALTER TABLE t ADD COLUMN y");
        // The statement was kept from before.
        assert_eq!(
            storage.exec("SELECT * FROM t", &[]).unwrap().columns,
            ["x", "y"]
        );
    });
}

#[test]
fn returning_writes_all_rows_before_the_first_is_read() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (x)");
        let query = "INSERT INTO t VALUES (1), (2), (3) RETURNING x";
        let cursor = storage.open_cursor(query, &[], 0).unwrap();
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(3));
        assert_eq!(
            storage.next_rows(cursor.cursor.unwrap(), 2).unwrap().len(),
            2
        );
        assert_eq!(
            storage.next_rows(cursor.cursor.unwrap(), 2).unwrap().len(),
            1
        );
        assert_eq!(
            storage.next_rows(cursor.cursor.unwrap(), 2).unwrap().len(),
            0
        );
        assert!(storage.next_rows(cursor.cursor.unwrap(), 2).is_err());
    });
}

#[test]
fn changes_count_triggers_too() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (x); CREATE TABLE log (x)");
        rows(
            storage,
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.x); END",
        );
        let changes = storage
            .exec("INSERT INTO t VALUES (1), (2)", &[])
            .unwrap()
            .changes;
        assert_eq!(changes, 4);
        assert_eq!(storage.exec("SELECT * FROM t", &[]).unwrap().changes, 0);
    });
}

#[test]
fn a_cursor_outlives_the_call_and_the_turn() {
    alone(|storage| {
        rows(
            storage,
            "CREATE TABLE t AS SELECT value AS x FROM json_each('[1,2,3,4,5]')",
        );
        let query = "SELECT x FROM t WHERE x > ? ORDER BY x";
        let one = storage.open_cursor(query, &[Value::Integer(1)], 0).unwrap();
        let two = storage.open_cursor(query, &[Value::Integer(3)], 0).unwrap();
        assert_eq!(one.columns, ["x"]);
        assert_eq!(
            storage.next_rows(one.cursor.unwrap(), 2).unwrap(),
            [[Value::Integer(2)], [Value::Integer(3)]]
        );
        storage.put("k", b"v").unwrap();
        storage.end_turn().unwrap();
        assert!(!storage.may_checkpoint());
        assert_eq!(
            storage.next_rows(two.cursor.unwrap(), 9).unwrap(),
            [[Value::Integer(4)], [Value::Integer(5)]]
        );
        assert_eq!(storage.next_rows(one.cursor.unwrap(), 9).unwrap().len(), 2);
        assert_eq!(storage.next_rows(one.cursor.unwrap(), 9).unwrap().len(), 0);
        assert_eq!(
            message(storage.next_rows(one.cursor.unwrap(), 9)),
            format!("SQL cursor {} is not open.", one.cursor.unwrap())
        );
        assert!(storage.next_rows(two.cursor.unwrap(), 0).is_err());
        storage.close_cursor(two.cursor.unwrap());
        storage.close_cursor(two.cursor.unwrap());
        storage.close_cursor(99);
        assert!(storage.may_checkpoint());
    });
}

#[test]
fn the_first_rows_come_with_the_cursor_and_none_is_left_when_they_are_all() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (x)");
        let insert = "INSERT INTO t VALUES (1), (2), (3) RETURNING x";
        for query in [insert, "SELECT x FROM t"] {
            let part = storage.open_cursor(query, &[], 2).unwrap();
            assert_eq!(part.columns, ["x"]);
            assert_eq!(part.rows, [[Value::Integer(1)], [Value::Integer(2)]]);
            assert_eq!(part.changes, if query == insert { 3 } else { 0 });
            let cursor = part.cursor.unwrap();
            assert_eq!(storage.next_rows(cursor, 9).unwrap(), [[Value::Integer(3)]]);
            storage.close_cursor(cursor);
        }
        for rows_max in [3, 4] {
            let part = storage.open_cursor("SELECT x FROM t", &[], rows_max);
            let part = part.unwrap();
            assert_eq!((part.rows.len(), part.cursor), (3, None));
        }
        let none = storage.open_cursor("SELECT x FROM t WHERE 0", &[], 1);
        assert_eq!(none.unwrap().cursor, None);
        // All cursors are taken: what needs none is read all the same, and what cannot
        // have one has changed nothing.
        for _ in 0..64 {
            storage.open_cursor("SELECT 1", &[], 0).unwrap();
        }
        let read = storage.open_cursor("SELECT x FROM t", &[], 3).unwrap();
        assert_eq!(read.rows.len(), 3);
        let refused = "At most 64 SQL cursors can be open at a time; close some first.";
        assert_eq!(
            message(storage.open_cursor("SELECT x FROM t", &[], 2)),
            refused
        );
        assert_eq!(message(storage.open_cursor(insert, &[], 2)), refused);
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(3));
    });
}

#[test]
fn cursors_are_bounded() {
    alone(|storage| {
        for _ in 0..64 {
            storage.open_cursor("SELECT 1", &[], 0).unwrap();
        }
        assert_eq!(
            message(storage.open_cursor("SELECT 1", &[], 0)),
            "At most 64 SQL cursors can be open at a time; close some first."
        );
        storage.close_cursors();
        storage.open_cursor("SELECT 1", &[], 0).unwrap();
    });
}

#[test]
fn queries_without_a_file_create_none() {
    let world = World::new();
    let mut storage = world.storage("ab");
    assert_eq!(value(&mut storage, "SELECT 1 + 1"), Value::Integer(2));
    assert_eq!(
        value(&mut storage, "SELECT count(*) FROM sqlite_master"),
        Value::Integer(0)
    );
    assert!(storage.exec("INSERT INTO t VALUES (1)", &[]).is_err());
    let endless =
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n";
    let cursor = storage.open_cursor(endless, &[], 0).unwrap();
    assert_eq!(storage.database_size().unwrap(), 4096);
    assert_eq!(storage.newest_commit().0, 0);
    assert!(!world.file("ab").exists());
    // A cursor from before goes on when the file appears.
    rows(&mut storage, "CREATE TABLE t (x)");
    assert!(world.file("ab").exists());
    assert_eq!(
        storage.next_rows(cursor.cursor.unwrap(), 1).unwrap(),
        [[Value::Integer(1)]]
    );
    storage.close_cursor(cursor.cursor.unwrap());
    assert!(storage.empty.is_none());
}

#[test]
fn a_setting_of_the_object_holds_until_it_is_reset() {
    alone(|storage| {
        rows(storage, "PRAGMA case_sensitive_like = ON");
        rows(storage, "CREATE TABLE t (x)");
        storage.end_turn().unwrap();
        assert_eq!(value(storage, "SELECT 'a' LIKE 'A'"), Value::Integer(0));
        storage.rollback_turn();
        assert_eq!(value(storage, "SELECT 'a' LIKE 'A'"), Value::Integer(1));
    });
}

#[test]
fn sqlite_is_built_with_what_is_promised() {
    alone(|storage| {
        let mut check = |query: &str, expected: Value| {
            assert_eq!(value(storage, query), expected, "{query}");
        };
        check("SELECT round(sqrt(2) * 10)", Value::Real(14.0));
        check("SELECT json('[1, 2]') ->> 1", Value::Integer(2));
        check("SELECT \"no column\"", text("no column"));
        check("PRAGMA foreign_keys", Value::Integer(1));
        check("PRAGMA recursive_triggers", Value::Integer(0));
        check("PRAGMA page_size", Value::Integer(4096));
        check("PRAGMA main.page_size", Value::Integer(4096));
        rows(storage, "CREATE VIRTUAL TABLE f USING fts5 (body)");
        rows(
            storage,
            "INSERT INTO f VALUES ('to be or not to be'), ('not so')",
        );
        let found = value(storage, "SELECT count(*) FROM f ('be')");
        assert_eq!(found, Value::Integer(1));
        rows(storage, "CREATE VIRTUAL TABLE v USING fts5vocab (f, 'row')");
        assert_eq!(
            value(storage, "SELECT cnt FROM v WHERE term = 'not'"),
            Value::Integer(2)
        );
        rows(storage, "CREATE VIRTUAL TABLE r USING rtree (id, x0, x1)");
        rows(storage, "INSERT INTO r VALUES (1, 0, 2), (2, 5, 6)");
        assert_eq!(
            value(storage, "SELECT id FROM r WHERE x0 > 3"),
            Value::Integer(2)
        );
        rows(
            storage,
            "CREATE VIRTUAL TABLE i USING rtree_i32 (id, x0, x1)",
        );
        rows(storage, "DROP TABLE f; DROP TABLE r");
    });
}

#[test]
fn full_text_search_can_follow_a_table_by_triggers() {
    alone(|storage| {
        rows(
            storage,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, body);
             CREATE VIRTUAL TABLE f USING fts5 (body, content = 't', content_rowid = 'id');
             CREATE TRIGGER a AFTER INSERT ON t BEGIN
               INSERT INTO f (rowid, body) VALUES (new.id, new.body);
             END;
             INSERT INTO t (body) VALUES ('one two'), ('two three')",
        );
        assert_eq!(
            value(storage, "SELECT count(*) FROM f WHERE f MATCH 'two'"),
            Value::Integer(2)
        );
        let highlighted = value(storage, "SELECT highlight(f, 0, '<', '>') FROM f ('three')");
        assert_eq!(highlighted, text("two <three>"));
    });
}

#[test]
fn a_full_text_query_has_so_many_terms_at_most() {
    alone(|storage| {
        rows(storage, "CREATE VIRTUAL TABLE f USING fts5 (body)");
        let mut found = |query: String| {
            let query = [text(&query)];
            storage.exec("SELECT 1 FROM f WHERE f MATCH ?", &query)
        };
        let phrase = |terms: usize| format!("\"{}\"", "a ".repeat(terms));
        for allowed in [
            "a ".repeat(1024),
            phrase(1024),
            "a OR ".repeat(1023) + "a",
            "a* ".repeat(64),
            phrase(512) + " + " + &phrase(512),
        ] {
            found(allowed).expect("it is within the limit");
        }
        for refused in [
            "a ".repeat(1025),
            phrase(1025),
            "a OR ".repeat(1024) + "a",
            "a* ".repeat(65),
            phrase(512) + " + " + &phrase(513),
        ] {
            let error = found(refused).expect_err("it is over the limit");
            assert!(error.to_string().contains("too many terms"), "{error}");
        }
    });
}

#[test]
fn the_size_counts_used_pages_alone() {
    alone(|storage| {
        assert_eq!(storage.database_size().unwrap(), 4096);
        storage.put("a", b"1").unwrap();
        storage.end_turn().unwrap();
        let small = storage.database_size().unwrap();
        storage.put("a", &vec![0; 1 << 20]).unwrap();
        assert!(storage.database_size().unwrap() > 1 << 20);
        storage.delete("a").unwrap();
        storage.end_turn().unwrap();
        assert_eq!(storage.database_size().unwrap(), small);
    });
}

#[test]
fn a_result_over_its_limit_changes_nothing() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (x)");
        let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)";
        let error = storage.exec(
            &format!("{many} INSERT INTO t SELECT zeroblob(2000000) FROM n RETURNING x"),
            &[],
        );
        assert!(matches!(error, Err(StorageError::Invalid(_))), "{error:?}");
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(0));
        let error = storage.exec(&format!("{many} SELECT zeroblob(2000000) FROM n"), &[]);
        assert!(matches!(error, Err(StorageError::Invalid(_))), "{error:?}");
    });
}

#[test]
fn a_statement_past_its_budget_resets_the_object() {
    alone(|storage| {
        storage.put("a", b"1").unwrap();
        storage.set_statement_budget(std::time::Duration::from_millis(30));
        let endless =
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";
        assert_eq!(
            storage.exec(endless, &[]),
            Err(StorageError::Broken(
                "Durable Object storage operation exceeded timeout which caused object to be reset."
                    .to_owned()
            ))
        );
        // The instance cannot go on as if nothing had happened.
        assert!(matches!(storage.get("a"), Err(StorageError::Broken(_))));
        assert!(matches!(storage.end_turn(), Err(StorageError::Broken(_))));
        assert_eq!(storage.get("a").unwrap(), None);
    });
}

#[test]
fn what_is_read_by_an_open_cursor_can_be_dropped_once_it_is_closed() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)");
        storage.end_turn().unwrap();
        let cursor = storage.open_cursor("SELECT x FROM t", &[], 0).unwrap();
        storage.next_rows(cursor.cursor.unwrap(), 1).unwrap();
        let locked = "database table is locked: SQLITE_LOCKED";
        assert_eq!(message(storage.exec("DROP TABLE t", &[])), locked);
        storage.close_cursors();
        rows(storage, "DROP TABLE t");
        for _ in 0..300 {
            storage.open_cursor("VALUES (1), (2)", &[], 0).unwrap();
            storage.close_cursors();
        }
        assert!(!storage.cursors.any_running());
    });
}

#[test]
fn a_cancelled_cursor_holds_nothing() {
    alone(|storage| {
        for _ in 0..3 {
            rows(storage, "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)");
            let open = |storage: &mut Storage| storage.open_cursor("SELECT x FROM t", &[], 0);
            let cursors: Vec<_> = (0..64).map(|_| open(storage).unwrap()).collect();
            assert!(open(storage).is_err());
            storage.delete_all().unwrap();
            let cancelled = "SQLite query was canceled because the database was deleted.";
            for cursor in &cursors {
                assert_eq!(
                    message(storage.next_rows(cursor.cursor.unwrap(), 1)),
                    cancelled
                );
            }
            storage.close_cursor(cursors[0].cursor.unwrap());
            let closed = message(storage.next_rows(cursors[0].cursor.unwrap(), 1));
            assert!(closed.contains("is not open"), "{closed}");
        }
        storage.open_cursor("SELECT 1", &[], 0).unwrap();
    });
}

#[test]
fn a_pragma_with_parameters_changes_nothing() {
    alone(|storage| {
        let one = [Value::Integer(1)];
        for query in [
            "PRAGMA foreign_keys = OFF",
            "SELECT 1; PRAGMA foreign_keys = OFF ;\n",
        ] {
            let refused = storage.exec(query, &one);
            let wrong = "Wrong number of parameter bindings for SQL query.";
            assert_eq!(
                refused,
                Err(StorageError::Invalid(wrong.to_owned())),
                "{query}"
            );
            assert_eq!(value(storage, "PRAGMA foreign_keys"), Value::Integer(1));
        }
        // Before another statement it has no part in the parameters.
        let got = storage.exec("PRAGMA foreign_keys = OFF; SELECT ?", &one);
        assert_eq!(got.unwrap().rows, std::slice::from_ref(&one));
        assert_eq!(value(storage, "PRAGMA foreign_keys"), Value::Integer(0));
        // A kept statement takes effect each time, whatever came before.
        for round in 0..3 {
            for (setting, on) in [("ON", 1), ("OFF", 0)] {
                let other = format!("SELECT {round}, {on}, ?");
                storage.exec(&other, &one).unwrap();
                rows(storage, &format!("PRAGMA foreign_keys = {setting}"));
                assert_eq!(value(storage, "PRAGMA foreign_keys"), Value::Integer(on));
            }
        }
    });
}

#[test]
fn rows_that_are_returned_have_a_limit_with_a_way_out() {
    alone(|storage| {
        rows(storage, "CREATE TABLE t (x)");
        let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) \
                    INSERT INTO t SELECT zeroblob(2000000) FROM n RETURNING x";
        for refused in [
            storage.exec(many, &[]).map(|_| ()),
            storage.open_cursor(many, &[], 0).map(|_| ()),
        ] {
            let refused = message(refused);
            assert!(refused.contains("return less"), "{refused}");
            assert!(!refused.contains("cursor"), "{refused}");
        }
        assert_eq!(value(storage, "SELECT count(*) FROM t"), Value::Integer(0));
    });
}
