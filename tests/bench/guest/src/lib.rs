//! The classes of the benchmark for Abide; `workerd/worker.js` does the same work.
//!
//! * `/echo/<name>`: no storage, `ok`.
//! * `/counter/<name>/{sql,kv,get,born}`: one write, one read, or the instance's age.
//! * `/sqlread/<name>`: one of 10,000 rows by its primary key.
//! * `/greedy/<name>/{sql,spin,log}`: a statement of 500,000 steps, 30 million rounds
//!   of a loop, or 1,000 lines in the log.
//! * `/forgetful/<name>/…`: a counter that the host puts to sleep without its memory.
//! * `/room/<name>`: a WebSocket, see `room.rs`; `/room/<name>/born` the instance's age.
//! * `/bell/<name>/{at/<ms>,within}`: an alarm, and within how many milliseconds it rang.
//! * `/caller/<name>`: asks an echo 100 times, one after the other.
//! * `/json/<name>`: 100 KB of JSON read, changed and written.
//! * `/sort/<name>`: 10,000 numbers sorted.

mod bell;
mod caller;
mod room;
mod thinkers;

use std::cell::Cell;
use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use durable_object::http::StatusCode;
use durable_object::{DurableObject, Request, Response, Result, State, params, response};

use crate::bell::Bell;
use crate::caller::Caller;
use crate::room::Room;
use crate::thinkers::{Json, Sort};

durable_object::export! {
    "echo" => Echo,
    "counter" => Counter,
    "forgetful" => Counter,
    "sqlread" => SqlRead,
    "greedy" => Greedy,
    "room" => Room: WebSocketHandler,
    "bell" => Bell: AlarmHandler,
    "caller" => Caller,
    "json" => Json,
    "sort" => Sort,
}

struct Echo;

impl DurableObject for Echo {
    async fn new(_: State) -> Result<Self> {
        Ok(Echo)
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        Ok(response::text("ok"))
    }
}

struct Counter {
    state: State,
    born_ms: u128,
    ready: Cell<bool>,
}

impl DurableObject for Counter {
    async fn new(state: State) -> Result<Self> {
        let born_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        Ok(Counter {
            state,
            born_ms,
            ready: Cell::new(false),
        })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let storage = self.state.storage();
        let number = match request.uri().path().split('/').nth(3) {
            Some("sql") => {
                self.prepare()?;
                let add = "UPDATE counter SET n = n + 1 WHERE id = 1 RETURNING n";
                storage.sql().one::<i64>(add, params![])?
            }
            Some("kv") => {
                let n = storage.kv().get_as::<i64>("n")?.unwrap_or(0) + 1;
                storage.kv().put_as("n", &n)?;
                n
            }
            Some("get") => {
                self.prepare()?;
                let read = "SELECT n FROM counter WHERE id = 1";
                storage.sql().one::<i64>(read, params![])?
            }
            Some("born") => return Ok(response::text(self.born_ms.to_string())),
            _ => return Ok(response::status(StatusCode::NOT_FOUND)),
        };
        Ok(response::text(number.to_string()))
    }
}

impl Counter {
    /// Makes the table at the first use, so that an object merely touched writes nothing.
    fn prepare(&self) -> Result<()> {
        if !self.ready.get() {
            self.state.storage().sql().exec(
                "CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
                 INSERT OR IGNORE INTO counter (id, n) VALUES (1, 0);",
                params![],
            )?;
            self.ready.set(true);
        }
        Ok(())
    }
}

struct SqlRead {
    state: State,
    ready: Cell<bool>,
    k: Cell<u64>,
}

impl DurableObject for SqlRead {
    async fn new(state: State) -> Result<Self> {
        Ok(SqlRead {
            state,
            ready: Cell::new(false),
            k: Cell::new(1),
        })
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        self.prepare()?;
        // A small generator picks another row each time.
        self.k.set(self.k.get() * 48271 % 2147483647);
        let id = (self.k.get() % 10000 + 1) as i64;
        let select = "SELECT id, name, v FROM rows WHERE id = ?";
        let sql = self.state.storage().sql();
        let (_, name, _) = sql.one::<(i64, String, i64)>(select, params![id])?;
        Ok(response::text(name))
    }
}

impl SqlRead {
    fn prepare(&self) -> Result<()> {
        if self.ready.get() {
            return Ok(());
        }
        let sql = self.state.storage().sql();
        sql.exec(
            "CREATE TABLE IF NOT EXISTS rows
             (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL)",
            params![],
        )?;
        if sql.one::<i64>("SELECT count(*) FROM rows", params![])? == 0 {
            sql.exec(
                "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 10000)
                 INSERT INTO rows SELECT i, 'row-' || i || '-padding-padding-padding', i * 7 FROM s",
                params![],
            )?;
        }
        self.ready.set(true);
        Ok(())
    }
}

struct Greedy {
    state: State,
}

impl DurableObject for Greedy {
    async fn new(state: State) -> Result<Self> {
        Ok(Greedy { state })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let number = match request.uri().path().split('/').nth(3) {
            Some("sql") => {
                let count = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 500000)
                     SELECT count(*) FROM s";
                self.state.storage().sql().one::<i64>(count, params![])?
            }
            Some("spin") => (1..=30_000_000).fold(1, |x, i| black_box((x ^ i) | 1)),
            Some("log") => {
                for n in 1..=1000 {
                    println!("line {n} of an object that logs more than anybody wants to read");
                }
                1000
            }
            _ => return Ok(response::status(StatusCode::NOT_FOUND)),
        };
        Ok(response::text(number.to_string()))
    }
}
