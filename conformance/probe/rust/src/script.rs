//! What does each step do?

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use crate::durable::object::types::{Body, Error, Request, Response, StorageError};
use crate::durable::object::{alarms, kv, sql, state, storage, stubs, timers, transactions};
use crate::sockets::{self, About};
use crate::{START_KEY, append, calls, error, memory, whole, wire};

/// Stands for a section, transaction or cursor that was never opened.
const UNKNOWN: u64 = 999_999;

/// The steps of one event, and what they have opened.
#[derive(Default)]
pub struct Script {
    /// Numbers of transactions, sections and cursors by their labels.
    open: HashMap<String, u64>,
    /// Numbers of the open transactions that this script has begun, innermost last.
    transactions: Vec<u64>,
    about: About,
    /// The answer of the object that took the socket instead of this one.
    pub passed: Option<Response>,
}

/// What ends a step without a value.
enum Stop {
    /// The result of this step; the next one goes on.
    Step(Json),
    /// The event ends with this.
    Event(Error),
}

type Outcome = Result<Json, Stop>;

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Stop {
        Stop::Step(wire::storage_error(error))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Step(wire::plain_error(error))
    }
}

/// A step that this probe cannot read is a mistake in the case.
impl From<String> for Stop {
    fn from(message: String) -> Stop {
        Stop::Event(error("SyntaxError", &message))
    }
}

impl Script {
    pub fn about(about: About) -> Script {
        Script {
            about,
            ..Script::default()
        }
    }

    pub async fn run(&mut self, steps: &[Json]) -> Result<Vec<Json>, Error> {
        let mut results = Vec::new();
        for step in steps {
            match self.step(&Step::of(step)).await {
                Ok(result) | Err(Stop::Step(result)) => results.push(result),
                Err(Stop::Event(error)) => return Err(error),
            }
        }
        Ok(results)
    }

    /// The same for steps that nobody else keeps.
    pub async fn run_owned(mut self, steps: Vec<Json>) -> Result<Vec<Json>, Error> {
        self.run(&steps).await
    }

    /// Runs steps of which none may fail.
    pub async fn run_all(&mut self, steps: &[Json]) -> Result<(), Error> {
        for result in self.run(steps).await? {
            if let Some(failed) = result.get("error") {
                let part = |name: &str| failed[name].as_str().unwrap_or("Error").to_string();
                return Err(error(&part("name"), &part("message")));
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step<'_>) -> Outcome {
        match step.operation {
            "state.id" => Ok(json!(state::id())),
            "state.name" => Ok(json!(state::name())),
            "state.class" => Ok(json!(state::class_name())),
            "abort" => {
                state::abort(step.arguments.first().and_then(Json::as_str), true);
                Ok(Json::Null)
            }
            "block" => Ok(self.opened(step.text(0)?, state::begin_block_concurrency())),
            "unblock" => {
                state::end_block_concurrency(self.number(step)?, Ok(()));
                Ok(Json::Null)
            }
            "unblock.fail" => {
                let failure = error(step.text(1)?, step.text(2)?);
                state::end_block_concurrency(self.number(step)?, Err(&failure));
                Ok(Json::Null)
            }

            "kv.get" => Ok(kv::get(step.text(0)?)?.map_or(Json::Null, wire::text_or_blob)),
            "kv.get-many" => Ok(entries(kv::get_many(&step.texts(0)?)?)),
            "kv.list" => Ok(entries(kv::list(&step.list_options())?)),
            "kv.put" => nothing(kv::put(step.text(0)?, &wire::bytes(step.argument(1)?)?)?),
            "kv.put-many" => nothing(kv::put_many(&step.entries(0)?)?),
            "kv.delete" => Ok(json!(kv::delete(step.text(0)?)?)),
            "kv.delete-many" => Ok(json!(kv::delete_many(&step.texts(0)?)?)),
            "append" => nothing(append(step.text(0)?, step.text(1)?)?),
            "steps-for" => nothing(kv::put(
                step.text(0)?,
                step.argument(1)?.to_string().as_bytes(),
            )?),
            "results-of" => match kv::get(&format!("{}-results", step.text(0)?))? {
                Some(results) => {
                    serde_json::from_slice(&results).map_err(|why| Stop::from(why.to_string()))
                }
                None => Ok(Json::Null),
            },
            "count" => self.count(step).await,
            "unless" => match kv::get(step.text(0)?)? {
                Some(_) => Ok(json!([])),
                None => self.nested(step.list(1)?).await,
            },

            "sql" => Ok(wire::rows(
                sql::exec(step.text(0)?, &step.parameters(1)?)?.rows,
            )),
            "sql-list" => {
                let parameters = step
                    .list(1)?
                    .iter()
                    .map(wire::parameter)
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(wire::rows(sql::exec(step.text(0)?, &parameters)?.rows))
            }
            "sql.full" => {
                let result = sql::exec(step.text(0)?, &step.parameters(1)?)?;
                Ok(
                    json!({"columns": result.columns, "rows": wire::rows(result.rows), "changes": result.changes}),
                )
            }
            "sql.open" => {
                let part = sql::open(step.text(1)?, &step.parameters(2)?, 0)?;
                self.opened(step.text(0)?, cursor(&part));
                Ok(json!(part.columns))
            }
            "sql.open-many" => {
                for number in 0..step.number(0)? {
                    let part = sql::open(step.text(1)?, &[], 0)?;
                    self.opened(&number.to_string(), cursor(&part));
                }
                Ok(Json::Null)
            }
            "sql.next" => Ok(wire::rows(sql::next(
                self.number(step)?,
                step.number(1)? as u32,
            )?)),
            "sql.count" => {
                let (cursor, mut count) = (self.number(step)?, 0);
                loop {
                    match sql::next(cursor, step.number(1)? as u32)?.len() {
                        0 => return Ok(json!(count)),
                        more => count += more,
                    }
                }
            }
            "sql.close" => {
                sql::close(self.number(step)?);
                Ok(Json::Null)
            }
            "sql.size" => Ok(json!(sql::database_size()?)),

            "savepoint" => Ok(self.opened(step.text(0)?, transactions::savepoint()?)),
            "begin" => {
                let number = self.begin()?;
                Ok(self.opened(step.text(0)?, number))
            }
            "commit" => nothing(self.end("commit", self.number(step)?)?),
            "rollback" => nothing(self.end("rollback", self.number(step)?)?),
            "beside" => self.beside(step).await,
            "sync" => nothing(storage::sync().await?),
            "delete-all" => nothing(storage::delete_all()?),

            "alarm.set" => nothing(alarms::set(step.integer(0)?)?),
            "alarm.set-in" => nothing(alarms::set(now_ms() + step.integer(0)?)?),
            "alarm.get" => Ok(json!(alarms::get()?)),
            "alarm.is-set" => Ok(json!(alarms::get()?.is_some())),
            "alarm.delete" => nothing(alarms::delete()?),

            "sleep" => {
                timers::sleep(step.number(0)?).await;
                Ok(Json::Null)
            }
            "note.put" => {
                let (name, value) = (step.text(0)?.to_string(), step.argument(1)?.clone());
                memory::NOTES.with_borrow_mut(|notes| notes.insert(name, value));
                Ok(Json::Null)
            }
            "note.get" => {
                let name = step.text(0)?;
                Ok(memory::NOTES.with_borrow(|notes| notes.get(name).cloned().unwrap_or_default()))
            }
            "signal" => {
                memory::signal(step.text(0)?);
                Ok(Json::Null)
            }
            "wait" => {
                let times = step.arguments.get(1).and_then(Json::as_u64).unwrap_or(1);
                memory::signalled(step.text(0)?, times).await;
                Ok(Json::Null)
            }
            "throw" => Err(Stop::Event(error(step.text(0)?, step.text(1)?))),
            "trap" => core::arch::wasm32::unreachable(),
            "start-with" => nothing(kv::put(
                START_KEY,
                step.argument(0)?.to_string().as_bytes(),
            )?),
            "start-results" => Ok(Json::Array(memory::START_RESULTS.with_borrow(Clone::clone))),

            "stubs.id-from-name" => Ok(json!(stubs::id_from_name(step.text(0)?, step.text(1)?)?)),
            "stubs.new-id" => Ok(json!(stubs::new_unique_id(step.text(0)?)?)),
            "stubs.id-from-string" => {
                Ok(json!(stubs::id_from_string(step.text(0)?, step.text(1)?)?))
            }
            "stubs.run" => {
                let call =
                    stubs::fetch(step.text(0)?, &step.target(1)?, request(step.argument(2)?));
                let answer = whole(call.await?.body).await?;
                serde_json::from_slice(&answer).map_err(|why| Stop::from(why.to_string()))
            }
            "stubs.run-all" => {
                let (target, key) = (step.target(1)?, step.text(3)?);
                let mut calls = Vec::new();
                for number in 1..=step.number(2)? {
                    let steps = json!([["append", key, number.to_string()]]);
                    calls.push(stubs::fetch(step.text(0)?, &target, request(&steps)));
                }
                for call in calls {
                    call.await?;
                }
                Ok(Json::Null)
            }
            "stubs.call" => {
                let (class, target) = (step.text(0)?, step.target(1)?);
                Ok(calls::there(class, target, step.text(2)?, step.argument(3)?).await?)
            }
            "stubs.get" => {
                let (class, target) = (step.text(0)?, step.target(1)?);
                Ok(calls::property_there(class, target, step.text(2)?).await?)
            }
            "stubs.apply" => {
                let (class, target) = (step.text(0)?, step.target(1)?);
                Ok(calls::with_callback(class, target, "applied", step.argument(2)?).await?)
            }
            "stubs.keep" => {
                let (class, target) = (step.text(0)?, step.target(1)?);
                Ok(calls::with_callback(class, target, "keep", &Json::Null).await?)
            }
            "stubs.count" => {
                let (class, target) = (step.text(0)?, step.target(1)?);
                Ok(calls::count_there(class, target, step.list(2)?).await?)
            }
            "ws.pass" => {
                let (class, target) = (step.text(0)?, step.target(1)?);
                let upgrade = self.about.upgrade()?;
                let answer = sockets::ask(class, &target, step.argument(2)?, upgrade).await?;
                self.passed = Some(answer);
                Ok(Json::Null)
            }
            "ws.connect" => {
                let (class, target) = (step.text(0)?, step.target(1)?);
                let socket = sockets::connect(class, &target, step.argument(2)?).await?;
                self.about = About::Socket(socket);
                Ok(Json::Null)
            }
            operation if operation.starts_with("ws.") => {
                Ok(sockets::step(operation, step.arguments, self.about)?)
            }
            unknown => Err(format!("this probe does not know {unknown:?}").into()),
        }
    }

    /// A read, other steps, and a write that depends on the read.
    async fn count(&mut self, step: &Step<'_>) -> Outcome {
        let key = step.text(0)?;
        let before =
            kv::get(key)?.and_then(|text| String::from_utf8(text).ok()?.parse::<u64>().ok());
        let next = before.unwrap_or(0) + 1;
        if step.arguments.len() > 1 {
            self.nested(step.list(1)?).await?;
        }
        kv::put(key, next.to_string().as_bytes())?;
        Ok(json!(next))
    }

    /// Begins a transaction within the innermost one of this script.
    fn begin(&mut self) -> Result<u64, StorageError> {
        let number = transactions::begin(self.transactions.last().copied())?;
        self.transactions.push(number);
        Ok(number)
    }

    /// Ends a transaction or savepoint.
    fn end(&mut self, how: &str, number: u64) -> Result<(), StorageError> {
        match how {
            "commit" => transactions::commit(number)?,
            _ => transactions::rollback(number)?,
        }
        self.transactions.retain(|open| *open != number);
        Ok(())
    }

    /// Several transactions at once, each by a script of its own.
    async fn beside(&mut self, step: &Step<'_>) -> Outcome {
        let mut paths = Vec::new();
        for path in step.list(0)? {
            let path = Step::of(path);
            let (how, steps) = (path.operation.to_owned(), path.list(0)?.to_vec());
            let mut script = Script {
                open: HashMap::new(),
                transactions: self.transactions.clone(),
                about: self.about,
                passed: None,
            };
            paths.push(wit_bindgen::spawn_local(async move {
                script.whole_transaction(&how, &steps).await
            }));
        }
        let mut results = Vec::new();
        for path in paths {
            match path.await {
                Some(Ok(result)) | Some(Err(Stop::Step(result))) => results.push(result),
                Some(Err(event)) => return Err(event),
                None => return Err("a path was cancelled".to_string().into()),
            }
        }
        Ok(Json::Array(results))
    }

    async fn whole_transaction(&mut self, how: &str, steps: &[Json]) -> Outcome {
        let number = self.begin()?;
        let results = self.nested(steps).await?;
        self.end(how, number)?;
        Ok(results)
    }

    async fn nested(&mut self, steps: &[Json]) -> Outcome {
        let results = Box::pin(self.run(steps)).await;
        results.map(Json::Array).map_err(Stop::Event)
    }

    fn opened(&mut self, label: &str, number: u64) -> Json {
        self.open.insert(label.into(), number);
        Json::Null
    }

    fn number(&self, step: &Step<'_>) -> Result<u64, String> {
        Ok(self.open.get(step.text(0)?).copied().unwrap_or(UNKNOWN))
    }
}

/// `[operation, argument, …]`
struct Step<'a> {
    operation: &'a str,
    arguments: &'a [Json],
}

impl<'a> Step<'a> {
    fn of(step: &'a Json) -> Step<'a> {
        let parts = step.as_array().map(Vec::as_slice).unwrap_or_default();
        let operation = parts.first().and_then(Json::as_str).unwrap_or_default();
        Step {
            operation,
            arguments: parts.get(1..).unwrap_or_default(),
        }
    }

    fn argument(&self, index: usize) -> Result<&'a Json, String> {
        self.arguments
            .get(index)
            .ok_or_else(|| format!("{} lacks argument {}", self.operation, index + 1))
    }

    fn text(&self, index: usize) -> Result<&'a str, String> {
        text(self.argument(index)?)
    }

    fn number(&self, index: usize) -> Result<u64, String> {
        let argument = self.argument(index)?;
        argument
            .as_u64()
            .ok_or_else(|| format!("{argument} is not a number"))
    }

    fn integer(&self, index: usize) -> Result<i64, String> {
        let argument = self.argument(index)?;
        argument
            .as_i64()
            .ok_or_else(|| format!("{argument} is not an integer"))
    }

    fn list(&self, index: usize) -> Result<&'a [Json], String> {
        list(self.argument(index)?)
    }

    fn texts(&self, index: usize) -> Result<Vec<String>, String> {
        self.list(index)?
            .iter()
            .map(|item| text(item).map(String::from))
            .collect()
    }

    fn entries(&self, index: usize) -> Result<Vec<kv::Entry>, String> {
        let entry = |pair: &Json| match list(pair)? {
            [key, value] => Ok(kv::Entry {
                key: text(key)?.into(),
                value: wire::bytes(value)?,
            }),
            _ => Err(format!("{pair} is not a key and a value")),
        };
        self.list(index)?.iter().map(entry).collect()
    }

    fn list_options(&self) -> kv::ListOptions {
        let option = |name| self.arguments.first().and_then(|options| options.get(name));
        let text = |name| option(name).and_then(Json::as_str).map(String::from);
        kv::ListOptions {
            start: text("start"),
            start_after: text("start-after"),
            end: text("end"),
            prefix: text("prefix"),
            reverse: option("reverse").and_then(Json::as_bool).unwrap_or(false),
            limit: option("limit")
                .and_then(Json::as_u64)
                .map(|limit| limit as u32),
        }
    }

    fn parameters(&self, from: usize) -> Result<Vec<sql::Value>, String> {
        self.arguments
            .get(from..)
            .unwrap_or_default()
            .iter()
            .map(wire::parameter)
            .collect()
    }

    fn target(&self, index: usize) -> Result<stubs::Target, String> {
        let target = self.argument(index)?;
        match (target.get("name"), target.get("id")) {
            (Some(name), _) => Ok(stubs::Target::Name(text(name)?.into())),
            (_, Some(id)) => Ok(stubs::Target::Id(text(id)?.into())),
            _ => Err(format!("{target} is no object")),
        }
    }
}

/// For a function of the world that gives nothing.
fn nothing(_done: ()) -> Outcome {
    Ok(Json::Null)
}

fn cursor(part: &sql::Part) -> u64 {
    part.cursor.expect("where no row is read there is a cursor")
}

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |passed| passed.as_millis() as i64)
}

fn entries(entries: Vec<kv::Entry>) -> Json {
    entries
        .into_iter()
        .map(|entry| json!([entry.key, wire::text_or_blob(entry.value)]))
        .collect()
}

fn request(steps: &Json) -> Request {
    let body = Body::Bytes(steps.to_string().into_bytes());
    Request {
        method: "POST".into(),
        url: "http://object/run".into(),
        headers: Vec::new(),
        body,
        upgrade: None,
    }
}

fn text(value: &Json) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("{value} is not a text"))
}

fn list(value: &Json) -> Result<&[Json], String> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| format!("{value} is not a list"))
}
