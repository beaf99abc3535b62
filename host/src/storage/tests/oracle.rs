//! UPDATE and DELETE with ORDER BY and LIMIT do what another SQLite does that was
//! generated with these clauses: that of Python.
//!
//! `ORACLE_CASES` says how many cases are tried, `SEED` where they begin.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

use super::*;

/// Another SQLite, in a process of its own.
struct Oracle {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// None, with a sentence, when there is no such SQLite on this machine.
    fn start() -> Option<Self> {
        let found = ["python3", "/usr/bin/python3"]
            .into_iter()
            .find_map(Self::start_with);
        if found.is_none() {
            eprintln!("skipped: no Python here has a SQLite with ENABLE_UPDATE_DELETE_LIMIT");
        }
        found
    }

    fn start_with(python: &str) -> Option<Self> {
        let mut process = Command::new(python)
            .args(["-c", include_str!("oracle.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut oracle = Self {
            questions: process.stdin.take()?,
            answers: BufReader::new(process.stdout.take()?),
            process,
        };
        (oracle.answer()? == Json::Bool(true)).then_some(oracle)
    }

    fn answer(&mut self) -> Option<Json> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// Runs scripts on an empty database; for each, its error and then the rows
    /// of `query`.
    fn ask(&mut self, scripts: &[String], query: &str) -> Vec<(Option<String>, Json)> {
        writeln!(self.questions, "{}", json!([scripts, query])).unwrap();
        let answers = self.answer().expect("an answer");
        let pairs = answers.as_array().expect("a list").iter();
        pairs
            .map(|pair| (pair[0].as_str().map(str::to_owned), pair[1].clone()))
            .collect()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |text| text.parse().expect(variable))
}

/// Runs the same scripts here and there, and compares after each.
fn compare(oracle: &mut Oracle, scripts: &[String], query: &str, case: &str) {
    let expected = oracle.ask(scripts, query);
    alone(|storage| {
        for (at, (script, (error, rows))) in scripts.iter().zip(expected).enumerate() {
            let got = storage.exec(script, &[]);
            let context = || format!("{case}: {script}\nin {:#?}", &scripts[..=at]);
            // Ours alone: text that is only white space or comments is refused.
            let is_empty = matches!(&got, Err(StorageError::Invalid(_)));
            assert!(
                is_empty || got.is_err() == error.is_some(),
                "{}\nhere {got:?}, there {error:?}",
                context()
            );
            let here = storage.exec(query, &[]).map(|got| as_json(&got.rows));
            assert_eq!(here.unwrap_or(Json::Null), rows, "{}", context());
        }
    });
}

fn as_json(rows: &[Row]) -> Json {
    let value = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Integer(value) => json!(value),
        Value::Real(value) => json!(value),
        Value::Text(value) => json!(value),
        Value::Blob(value) => json!(value),
    };
    rows.iter()
        .map(|row| row.iter().map(value).collect::<Json>())
        .collect()
}

/// Shapes that the table `t` may take; `n` is different in each row.
const SHAPES: [&str; 8] = [
    "(k, v, n)",
    "(k INTEGER PRIMARY KEY, v, n)",
    "(k PRIMARY KEY, v, n UNIQUE)",
    "(k PRIMARY KEY, v, n) WITHOUT ROWID",
    "(k, v, n, PRIMARY KEY (v, n)) WITHOUT ROWID",
    "(k, v, n PRIMARY KEY DESC) WITHOUT ROWID",
    "(k, v, n, x AS (v + n), CHECK (n > 0))",
    "(k, v, n, rowid, _rowid_, oid)",
];

const CONDITIONS: [&str; 7] = [
    "",
    " WHERE v = 1",
    " WHERE v > 0 AND n < 9",
    " WHERE n IN (SELECT x FROM u LIMIT 3)",
    " WHERE EXISTS (SELECT 1 FROM u WHERE u.x = t.n)",
    " WHERE t.v = 1 OR \"nothing\" = 'nothing'",
    " WHERE v IS NOT DISTINCT FROM 2",
];

const ORDERS: [&str; 4] = [
    " ORDER BY n",
    " ORDER BY n DESC",
    " ORDER BY v, n DESC",
    " ORDER BY (SELECT max(x) FROM u WHERE x <= n), n",
];

const LIMITS: [&str; 7] = [
    " LIMIT 1",
    " LIMIT 2 OFFSET 1",
    " LIMIT 1, 2",
    " LIMIT (SELECT count(*) FROM u) - 3",
    " LIMIT 0",
    " LIMIT -1 OFFSET 2",
    " LIMIT 'x'",
];

/// An UPDATE or DELETE of `t`. Few different ones, so that they come again.
fn limited(random: &mut StdRng) -> String {
    let mut one = |of: &[&str]| (*of.choose(random).unwrap()).to_owned();
    let tail = format!("{}{}", one(&ORDERS), one(&LIMITS));
    let condition = one(&CONDITIONS);
    match one(&["0", "1", "2", "3", "4", "5", "6"]).as_str() {
        "0" | "1" => format!("DELETE FROM t{condition}{tail}"),
        "2" => format!("DELETE FROM main.t AS t{condition}{tail}"),
        "3" => format!("WITH c (x) AS (VALUES (1), (2)) DELETE FROM t WHERE v IN c{tail}"),
        "4" => format!("UPDATE t SET v = v + 1{condition} RETURNING n{tail}"),
        "5" => format!("UPDATE OR IGNORE t SET v = 2, n = n + 100{condition}{tail}"),
        _ => format!("UPDATE t SET v = u.x % 3 FROM u WHERE u.x = t.n{tail}"),
    }
}

/// A change of the schema that keeps `t` and its columns `v` and `n`.
fn change(random: &mut StdRng) -> String {
    let shape = SHAPES.choose(random).unwrap();
    let changes = [
        format!(
            "CREATE TABLE w {shape}; INSERT INTO w (v, n) SELECT v, n FROM t; DROP TABLE t; \
             ALTER TABLE w RENAME TO t"
        ),
        format!("DROP TABLE t; {}", filled(shape)),
        "ALTER TABLE t RENAME COLUMN k TO kk".to_owned(),
        "ALTER TABLE t RENAME COLUMN kk TO k".to_owned(),
        "ALTER TABLE t ADD COLUMN a DEFAULT 1".to_owned(),
        "CREATE INDEX i ON t (v) WHERE v = 1".to_owned(),
        "CREATE INDEX j ON t (n DESC, v)".to_owned(),
        "DROP INDEX i".to_owned(),
        "ALTER TABLE t RENAME TO z; ALTER TABLE z RENAME TO t".to_owned(),
        "ALTER TABLE t DROP COLUMN a".to_owned(),
        "CREATE TRIGGER r AFTER DELETE ON t BEGIN DELETE FROM u WHERE x = old.n; END".to_owned(),
        "DROP TRIGGER r".to_owned(),
    ];
    changes.choose(random).unwrap().clone()
}

fn filled(shape: &str) -> String {
    format!(
        "CREATE TABLE t {shape}; INSERT INTO t (k, v, n) \
         SELECT value, value % 3, value FROM json_each('[1,2,3,4,5,6,7,8]')"
    )
}

#[test]
fn changes_of_the_schema_lie_between_limits() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let seed = number("SEED", 1);
    for case in seed..seed + number("ORACLE_CASES", 300) {
        let mut random = StdRng::seed_from_u64(case);
        let shape = SHAPES.choose(&mut random).unwrap();
        let mut scripts = vec![format!(
            "CREATE TABLE u (x); INSERT INTO u SELECT value FROM json_each('[1,3,5,7,9]'); {}",
            filled(shape)
        )];
        let pool: Vec<String> = (0..3).map(|_| limited(&mut random)).collect();
        for _ in 0..random.random_range(4..12) {
            scripts.push(if random.random_bool(0.4) {
                change(&mut random)
            } else {
                pool.choose(&mut random).unwrap().clone()
            });
        }
        let query = "SELECT v, n FROM t ORDER BY n, v";
        compare(&mut oracle, &scripts, query, &format!("SEED={case}"));
    }
}

/// Statements to be cut and spliced.
const TEXTS: [&str; 16] = [
    "DELETE FROM t WHERE a = 1 ORDER BY b LIMIT 1",
    "DELETE FROM t LIMIT 1",
    "UPDATE t SET b = 9 WHERE a = 1 ORDER BY a LIMIT 2 OFFSET 1",
    "UPDATE OR IGNORE t AS x SET (a, b) = (1, 2) RETURNING a LIMIT 1",
    "WITH c AS (SELECT 1 AS a) DELETE FROM t WHERE a IN (SELECT a FROM c) LIMIT 1",
    "UPDATE t SET b = u.y FROM u WHERE u.x = t.a ORDER BY t.a LIMIT 1",
    "DELETE FROM t INDEXED BY i WHERE a = 1 ORDER BY a LIMIT 1",
    "DELETE FROM main.t NOT INDEXED ORDER BY (SELECT x FROM u LIMIT 1) LIMIT 3",
    "DELETE FROM t LIMIT 1) OR (1=1",
    "UPDATE t SET b = CASE WHEN a THEN 1 ELSE 2 END ORDER BY b DESC NULLS LAST LIMIT 1;",
    "DELETE FROM v ORDER BY a LIMIT 1",
    "EXPLAIN DELETE FROM t LIMIT 1",
    "SELECT a FROM t UNION SELECT b FROM t ORDER BY 1 LIMIT 1",
    "INSERT INTO t SELECT x, y FROM u ORDER BY x LIMIT 1",
    "DELETE FROM t WHERE a = 'x''y' AND b = \"z\" OR [a] = `b` /* c */ LIMIT 1 -- d",
    "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t LIMIT 1; END",
];

/// Pieces of statements, put together anew.
fn spliced(random: &mut StdRng) -> String {
    let mut text = String::new();
    for _ in 0..random.random_range(1..4) {
        let source = TEXTS.choose(random).unwrap();
        let from = random.random_range(0..source.len());
        let from = if random.random_bool(0.5) { 0 } else { from };
        let to = random.random_range(from..=source.len());
        let to = if random.random_bool(0.4) {
            source.len()
        } else {
            to
        };
        text.push_str(&source[from..to]);
        if random.random_bool(0.5) {
            text.push_str(
                [" ", ";", ")", "(", ",", " LIMIT 1", " ORDER BY a"]
                    .choose(random)
                    .unwrap(),
            );
        }
    }
    text
}

#[test]
fn any_text_is_accepted_or_refused_alike() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let seed = number("SEED", 1);
    let tables = "CREATE TABLE t (a, b); CREATE INDEX i ON t (a); CREATE TABLE u (x, y); \
                  INSERT INTO t SELECT value % 4, value FROM json_each('[1,2,3,4,5,6,7,8]'); \
                  INSERT INTO u SELECT a, b FROM t; CREATE VIEW v AS SELECT * FROM t; \
                  CREATE TRIGGER d INSTEAD OF DELETE ON v BEGIN DELETE FROM t WHERE b = old.b; END";
    for case in seed..seed + number("ORACLE_CASES", 300) {
        let mut random = StdRng::seed_from_u64(case);
        let mut scripts = vec![tables.to_owned()];
        scripts.extend((0..8).map(|_| spliced(&mut random)));
        // Without a total order any rows may be chosen, but their number is fixed.
        let query = "SELECT count(*) FROM t";
        compare(&mut oracle, &scripts, query, &format!("SEED={case}"));
    }
}
