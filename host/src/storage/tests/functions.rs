//! Functions of our own give what SQLite's give, and take time in proportion.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use rustix::time::{ClockId, clock_gettime};

use super::super::{functions, json, memory, text_search};
use super::*;

const CALLS: &[(&str, usize)] = &[
    ("ltrim(?1, ?2)", 2),
    ("rtrim(?1, ?2)", 2),
    ("trim(?1, ?2)", 2),
    ("instr(?1, ?2)", 2),
    ("replace(?1, ?2, ?3)", 3),
    ("unhex(?1, ?2)", 2),
];

/// SQLite with its own functions, and with ours.
fn both() -> [Connection; 2] {
    memory::install();
    let connections = [(); 2].map(|()| Connection::open_in_memory().unwrap());
    functions::attach(&connections[1]).unwrap();
    json::attach(&connections[1]).unwrap();
    text_search::attach(&connections[1]).unwrap();
    for connection in &connections {
        let limit = rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH;
        connection.set_limit(limit, 200).unwrap();
    }
    connections
}

fn answer(connection: &Connection, call: &str, values: &[Sql]) -> String {
    // A text may be no UTF-8: its bytes are compared.
    let query = format!("SELECT typeof({call}), CAST({call} AS BLOB)");
    let answer = connection
        .prepare_cached(&query)
        .unwrap()
        .query_row(rusqlite::params_from_iter(values), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Sql>(1)?))
        });
    format!("{answer:?}")
}

/// Bytes that meet each other often: digits, letters, pieces of characters, NUL.
fn some_bytes(random: &mut StdRng) -> Vec<u8> {
    const BYTES: &[u8] = b"aab1 \0\x80\x81\xbf\xc2\xc3\xa9\xe2\x82\xac\xf0\x9f\xff";
    let alphabet = random.random_range(1..=BYTES.len());
    let start = random.random_range(0..=BYTES.len() - alphabet);
    let length = random.random_range(0..24);
    (0..length)
        .map(|_| BYTES[start + random.random_range(0..alphabet)])
        .collect()
}

fn some_value(random: &mut StdRng) -> (Sql, bool) {
    match random.random_range(0..10) {
        0 => (Sql::Null, false),
        1 => (Sql::Integer(random.random_range(-20..200)), false),
        2 => (
            Sql::Real(f64::from(random.random_range(-8..8)) / 4.0),
            false,
        ),
        3 => (Sql::Blob(some_bytes(random)), false),
        // Bound as a blob, and cast to text by the query.
        _ => (Sql::Blob(some_bytes(random)), true),
    }
}

#[test]
fn functions_answer_as_sqlites_own() {
    let connections = both();
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    for round in 0..60_000 {
        let (call, count) = CALLS[round % CALLS.len()];
        let mut values = Vec::new();
        let mut call = call.to_owned();
        for place in 1..=count {
            let (value, as_text) = some_value(&mut random);
            values.push(value);
            if as_text {
                call = call.replace(&format!("?{place}"), &format!("CAST(?{place} AS TEXT)"));
            }
        }
        let [theirs, ours] = [0, 1].map(|index| answer(&connections[index], &call, &values));
        assert_eq!(ours, theirs, "{call} of {values:?}, seed {seed}");
    }
}

#[test]
fn patches_of_json_are_sqlites_own() {
    let connections = both();
    for call in ["json_patch", "jsonb_patch"] {
        for (document, patch) in [
            (r#"{"a":1,"b":{"c":2}}"#, r#"{"b":{"c":null,"d":[1,"é"]}}"#),
            ("[1]", "{a:1}"),
            ("{", "{}"),
            ("{}", "]"),
            ("1", "null"),
        ] {
            let values = [document, patch].map(|text| Sql::Text(text.to_owned()));
            for form in ["(?1, ?2)", "(jsonb(?1), ?2)", "(NULL, ?2)", "(?1, 5)"] {
                for around in ["", "json_array"] {
                    let call = format!("{around}({call}{form})");
                    let [theirs, ours] = [0, 1].map(|i| answer(&connections[i], &call, &values));
                    assert_eq!(ours, theirs, "{call} of {values:?}");
                }
            }
        }
    }
}

#[test]
fn a_patch_with_too_many_members_is_refused() {
    alone(|storage| {
        let query = |members: u32| {
            format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {members}), \
                 j(x) AS (SELECT json_group_object('k' || i, 1) FROM n) \
                 SELECT json_patch(x, x) = x FROM j"
            )
        };
        assert_eq!(value(storage, &query(2000)), Value::Integer(1));
        let error = message(storage.exec(&query(2001), &[]));
        assert_eq!(
            error,
            "the patch and the document have too many members: SQLITE_ERROR"
        );
    });
}

/// Words that meet each other often, and what stands between sentences.
fn some_text(random: &mut StdRng) -> String {
    const WORDS: &[&str] = &[
        "a", "b", "c", "Ä", "x1", ". ", ": ", "\n", "  ", ".", ",", "\0",
    ];
    let length = random.random_range(0..60);
    (0..length)
        .map(|_| {
            let word = WORDS[random.random_range(0..WORDS.len())];
            let space = ["", " ", " ", " "][random.random_range(0..4)];
            format!("{word}{space}")
        })
        .collect()
}

#[test]
fn hits_are_shown_as_sqlites_own_functions_show_them() {
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    for tokenizer in ["unicode61", "porter", "trigram"] {
        let connections = both();
        for connection in &connections {
            let limit = rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH;
            connection.set_limit(limit, 1_000_000).unwrap();
            let create = format!("CREATE VIRTUAL TABLE f USING fts5(p, q, tokenize = {tokenizer})");
            connection.execute_batch(&create).unwrap();
        }
        for row in 0..60 {
            let texts = [some_text(&mut random), some_text(&mut random)];
            let second = (row % 7 != 0).then_some(&texts[1]);
            for connection in &connections {
                let insert = "INSERT INTO f VALUES (?1, ?2)";
                connection.execute(insert, (&texts[0], second)).unwrap();
            }
        }
        for round in 0..1500 {
            let word = |random: &mut StdRng| {
                [
                    "a",
                    "b",
                    "c",
                    "ä",
                    "x1",
                    "a + b",
                    "b + a + b",
                    "\"a b c\"",
                    "\"a  b\"",
                ][random.random_range(0..9)]
            };
            let join = [" OR ", " AND ", " "][random.random_range(0..3)];
            let query = (0..random.random_range(1..4))
                .map(|_| word(&mut random))
                .collect::<Vec<_>>()
                .join(join);
            let column = random.random_range(-2..4);
            let call = if round % 3 == 0 {
                format!("highlight(f, {column}, '<', '>')")
            } else {
                let tokens = [-3, 0, 1, 2, 5, 10, 64, 1000][random.random_range(0..8)];
                format!("snippet(f, {column}, '<', '>', '…', {tokens})")
            };
            let sql = format!(
                "SELECT group_concat(rowid || ' ' || ifnull({call}, 'NULL'), '|') FROM f WHERE f MATCH ?1"
            );
            let [theirs, ours] = [0, 1].map(|i| {
                let answer = connections[i]
                    .prepare_cached(&sql)
                    .and_then(|mut statement| {
                        statement.query_row([&query], |row| row.get::<_, Sql>(0))
                    });
                format!("{answer:?}")
            });
            assert_eq!(ours, theirs, "{tokenizer}: {call} for {query}, seed {seed}");
        }
    }
}

#[test]
fn hits_are_shown_in_time_that_grows_with_the_text() {
    let world = World::new();
    let mut storage = world.storage("ab");
    rows(&mut storage, "CREATE VIRTUAL TABLE f USING fts5(a)");
    let mut time = |call: &str, words: usize| {
        rows(&mut storage, "DELETE FROM f");
        let text = Value::Text("a. ".repeat(words));
        storage.exec("INSERT INTO f VALUES (?)", &[text]).unwrap();
        let query = format!("SELECT length({call}) FROM f WHERE f MATCH 'a'");
        let times = (0..5).map(|_| {
            let start = cpu_ns();
            rows(&mut storage, &query);
            cpu_ns() - start
        });
        times.min().unwrap_or(1) as f64
    };
    for call in [
        "highlight(f, 0, '<', '>')",
        "snippet(f, 0, '<', '>', '', 10)",
        "snippet(f, 0, '<', '>', '', 1000000)",
    ] {
        let growth = time(call, 20_000) / time(call, 5_000);
        assert!(
            growth < 10.0,
            "{call}: {growth} times as long for 4 times as much"
        );
    }
}

/// CPU time of this thread: others that run beside it do not count.
fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// How many times longer the call takes when its input is four times as long.
fn growth(call: &str, input: impl Fn(usize) -> Vec<String>) -> f64 {
    let world = World::new();
    let mut storage = world.storage("ab");
    let mut time = |size| {
        let params: Vec<Value> = input(size).into_iter().map(Value::Text).collect();
        let query = format!("SELECT length({call})");
        // The least of several is that which nothing disturbed.
        let times = (0..7).map(|_| {
            let start = cpu_ns();
            storage.exec(&query, &params).unwrap();
            cpu_ns() - start
        });
        times.min().unwrap_or(1) as f64
    };
    let small = time(50_000);
    time(200_000) / small
}

#[test]
fn no_function_takes_time_with_the_square_of_its_input() {
    let check = |call: &str, input: &dyn Fn(usize) -> Vec<String>| {
        let growth = growth(call, input);
        assert!(
            growth < 10.0,
            "{call}: {growth} times as long for 4 times as much"
        );
    };
    for name in ["ltrim", "rtrim", "trim"] {
        check(&format!("{name}(?, ?)"), &|size| {
            vec!["b".repeat(size), "a".repeat(size) + "b"]
        });
        check(&format!("{name}(?, ?)"), &|size| {
            let many = (0..size as u32 / 2).filter_map(|i| char::from_u32(0x100 + i % 0x500));
            vec!["\u{5ff}".repeat(size / 2), many.collect()]
        });
    }
    let found_late = |size| vec!["a".repeat(size), "a".repeat(size / 2) + "b"];
    check("instr(?, ?)", &found_late);
    check("replace(?, ?, 'c')", &found_late);
    check("replace(?, 'aa', ?)", &|size| {
        vec!["a".repeat(size), "bb".to_owned()]
    });
    check("unhex(?, ?)", &|size| {
        vec!["x".repeat(size), "y".repeat(size) + "x"]
    });
}
