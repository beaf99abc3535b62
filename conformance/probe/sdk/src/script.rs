//! What does each step do?

use crate::scopes::Scope;
use crate::{Probe, START_KEY, calls, sockets, wire};
use durable_object::{
    Body, Entry, Error, ListOptions, Request, Response, Result, Row, State, Stub, Value, WebSocket,
    http, now, sleep,
};
use serde_json::{Value as Json, json};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

/// What an event is about, besides its steps.
#[derive(Clone, Default)]
pub enum About {
    #[default]
    Nothing,
    /// It asks for a socket.
    Request(Rc<Request>),
    Socket(WebSocket),
}

/// The steps of one event.
pub struct Script {
    probe: Probe,
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

type Outcome = std::result::Result<Json, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Step(wire::error(&error))
    }
}

/// A step that this probe cannot read is a mistake in the case.
impl From<String> for Stop {
    fn from(message: String) -> Stop {
        Stop::Event(Error::named("SyntaxError", message))
    }
}

impl Script {
    pub fn new(probe: &Probe) -> Script {
        Script::about(probe, About::Nothing)
    }

    pub fn about(probe: &Probe, about: About) -> Script {
        Script {
            probe: probe.clone(),
            about,
            passed: None,
        }
    }

    pub async fn run(&mut self, steps: &[Json]) -> Result<Vec<Json>> {
        let mut results = Vec::new();
        let mut rest = steps;
        while let Some((step, after)) = rest.split_first() {
            if let Some((scope, after)) = Scope::split(rest) {
                results.extend(scope.run(self).await?);
                rest = after;
                continue;
            }
            match self.step(&Step::of(step)).await {
                Ok(result) | Err(Stop::Step(result)) => results.push(result),
                Err(Stop::Event(error)) => return Err(error),
            }
            rest = after;
        }
        Ok(results)
    }

    pub fn state(&self) -> State {
        self.probe.state.clone()
    }

    /// Runs steps of which none may fail.
    pub async fn run_all(&mut self, steps: &[Json]) -> Result<()> {
        for result in self.run(steps).await? {
            if let Some(failed) = result.get("error") {
                let part = |name: &str| failed[name].as_str().unwrap_or("Error").to_string();
                return Err(Error::named(part("name"), part("message")));
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step<'_>) -> Outcome {
        let probe = self.probe.clone();
        let (state, memory) = (&probe.state, &probe.memory);
        let storage = state.storage();
        let (kv, sql) = (storage.kv(), storage.sql());
        match step.operation {
            "state.id" => Ok(json!(state.id())),
            "state.name" => Ok(json!(state.name())),
            "state.class" => Ok(json!(state.class_name())),

            "kv.get" => Ok(kv
                .get(step.text(0)?)?
                .map_or(Json::Null, wire::text_or_blob)),
            "kv.get-many" => Ok(entries(kv.get_many(step.texts(0)?)?)),
            "kv.list" => Ok(entries(kv.list(step.list_options())?)),
            "kv.put" => nothing(kv.put(step.text(0)?, wire::bytes(step.argument(1)?)?)?),
            "kv.put-many" => nothing(kv.put_many(step.entries(0)?)?),
            "kv.delete" => Ok(json!(kv.delete(step.text(0)?)?)),
            "kv.delete-many" => Ok(json!(kv.delete_many(step.texts(0)?)?)),
            "append" => nothing(probe.append(step.text(0)?, step.text(1)?)?),
            "steps-for" => nothing(kv.put(step.text(0)?, step.argument(1)?.to_string())?),
            "results-of" => match kv.get(&format!("{}-results", step.text(0)?))? {
                Some(results) => {
                    serde_json::from_slice(&results).map_err(|why| Stop::from(why.to_string()))
                }
                None => Ok(Json::Null),
            },
            "count" => self.count(step).await,
            "unless" => match kv.get(step.text(0)?)? {
                Some(_) => Ok(json!([])),
                None => self.nested(step.list(1)?).await,
            },

            "sql" => {
                let rows = sql.exec(step.text(0)?, step.parameters(1)?)?;
                Ok(wire::rows(rows.all()?))
            }
            "sql-list" => {
                let parameters = step.list(1)?.iter().map(wire::parameter);
                let parameters: Vec<Value> = parameters.collect::<std::result::Result<_, _>>()?;
                Ok(wire::rows(sql.exec(step.text(0)?, parameters)?.all()?))
            }
            "sql.full" => {
                let rows = sql.exec(step.text(0)?, step.parameters(1)?)?;
                let (columns, changes) = (rows.columns().to_vec(), rows.changes());
                let rows = wire::rows(rows.all()?);
                Ok(json!({"columns": columns, "rows": rows, "changes": changes}))
            }
            "sql.size" => Ok(json!(sql.database_size()?)),
            operation if operation.starts_with("sql.") => self.cursor(step),
            "sync" => nothing(storage.sync().await?),
            "delete-all" => nothing(storage.delete_all()?),

            "alarm.set" => {
                let ms = step.integer(0)?;
                let apart = Duration::from_millis(ms.unsigned_abs());
                let time = match ms < 0 {
                    true => UNIX_EPOCH - apart,
                    false => UNIX_EPOCH + apart,
                };
                nothing(storage.set_alarm(time)?)
            }
            "alarm.set-in" => {
                let ms = step.number(0)?;
                nothing(storage.set_alarm(now() + Duration::from_millis(ms))?)
            }
            "alarm.get" => {
                let since = storage.alarm()?.map(|time| time.duration_since(UNIX_EPOCH));
                let ms = since.and_then(|since| since.ok()).map(|it| it.as_millis());
                Ok(json!(ms.map(|ms| ms as u64)))
            }
            "alarm.is-set" => Ok(json!(storage.alarm()?.is_some())),
            "alarm.delete" => nothing(storage.delete_alarm()?),

            "sleep" => {
                sleep(Duration::from_millis(step.number(0)?)).await;
                Ok(Json::Null)
            }
            "note.put" => {
                let (name, value) = (step.text(0)?.to_string(), step.argument(1)?.clone());
                memory.notes.borrow_mut().insert(name, value);
                Ok(Json::Null)
            }
            "note.get" => {
                let notes = memory.notes.borrow();
                Ok(notes.get(step.text(0)?).cloned().unwrap_or_default())
            }
            "signal" => {
                memory.signal(step.text(0)?);
                Ok(Json::Null)
            }
            "wait" => {
                let times = step.arguments.get(1).and_then(Json::as_u64).unwrap_or(1);
                memory.signalled(step.text(0)?, times).await;
                Ok(Json::Null)
            }
            "throw" => Err(Stop::Event(Error::named(step.text(0)?, step.text(1)?))),
            "abort" => state.abort(step.arguments.first().and_then(Json::as_str)),
            "start-with" => nothing(kv.put(START_KEY, step.argument(0)?.to_string())?),
            "start-results" => Ok(Json::Array(memory.start_results.borrow().clone())),

            "stubs.id-from-name" => {
                let class = state.class(step.text(0)?);
                Ok(json!(class.id_from_name(step.text(1)?)?))
            }
            "stubs.new-id" => Ok(json!(state.class(step.text(0)?).new_unique_id()?)),
            "stubs.id-from-string" => {
                let class = state.class(step.text(0)?);
                Ok(json!(class.id_from_string(step.text(1)?)?))
            }
            "stubs.run" => {
                let answer = step
                    .stub(&probe)?
                    .fetch(request(step.argument(2)?)?)
                    .await?;
                Ok(answer.into_body().json().await?)
            }
            "stubs.run-all" => {
                let (stub, key) = (step.stub(&probe)?, step.text(3)?);
                let mut calls = Vec::new();
                for number in 1..=step.number(2)? {
                    let steps = json!([["append", key, number.to_string()]]);
                    calls.push(stub.fetch(request(&steps)?));
                }
                for call in calls {
                    call.await?;
                }
                Ok(Json::Null)
            }
            operation if operation.starts_with("stubs.") => {
                calls::step(&probe, step).await.map_err(Stop::from)
            }
            "ws.pass" => {
                let request = sockets::asking(step.argument(2)?)?;
                let request = sockets::passing(request, &self.about)?;
                let answer = step.stub(&probe)?.fetch(request).await?;
                self.passed = Some(answer);
                Ok(Json::Null)
            }
            "ws.connect" => {
                let stub = step.stub(&probe)?;
                let socket = sockets::connect(&probe, &stub, step.argument(2)?).await?;
                self.about = About::Socket(socket);
                Ok(Json::Null)
            }
            operation if operation.starts_with("ws.") => {
                sockets::step(&probe, operation, step.arguments, &self.about).map_err(Stop::from)
            }
            unknown => Err(format!("this probe does not know {unknown:?}").into()),
        }
    }

    /// A read, other steps, and a write that depends on the read.
    async fn count(&mut self, step: &Step<'_>) -> Outcome {
        let (key, kv) = (step.text(0)?, self.probe.state.storage().kv());
        let before = kv.get(key)?;
        let before = before.and_then(|text| String::from_utf8(text).ok()?.parse::<u64>().ok());
        let next = before.unwrap_or(0) + 1;
        if step.arguments.len() > 1 {
            self.nested(step.list(1)?).await?;
        }
        kv.put(key, next.to_string())?;
        Ok(json!(next))
    }

    /// Steps about cursors, which are kept by their labels.
    fn cursor(&self, step: &Step<'_>) -> Outcome {
        let sql = self.probe.state.storage().sql();
        let memory = &self.probe.memory;
        let keep = |label: String, cursor| memory.cursors.borrow_mut().insert(label, cursor);
        match step.operation {
            "sql.open" => {
                let cursor = sql.rows::<Row>(step.text(1)?, step.parameters(2)?)?;
                let columns = json!(cursor.columns());
                keep(step.text(0)?.into(), cursor);
                Ok(columns)
            }
            "sql.open-many" => {
                for number in 0..step.number(0)? {
                    keep(number.to_string(), sql.rows::<Row>(step.text(1)?, ())?);
                }
                Ok(Json::Null)
            }
            "sql.next" => {
                let rows = memory.read(step.text(0)?, step.number(1)? as usize)?;
                Ok(wire::rows(rows))
            }
            "sql.count" => Ok(json!(memory.read(step.text(0)?, usize::MAX)?.len())),
            "sql.close" => {
                memory.cursors.borrow_mut().remove(step.text(0)?);
                Ok(Json::Null)
            }
            unknown => Err(format!("this probe does not know {unknown:?}").into()),
        }
    }

    async fn nested(&mut self, steps: &[Json]) -> Outcome {
        let results = Box::pin(self.run(steps)).await;
        results.map(Json::Array).map_err(Stop::Event)
    }
}

/// `[operation, argument, …]`
pub struct Step<'a> {
    pub operation: &'a str,
    pub arguments: &'a [Json],
}

type Read<T> = std::result::Result<T, String>;

impl<'a> Step<'a> {
    pub fn of(step: &'a Json) -> Step<'a> {
        let parts = step.as_array().map(Vec::as_slice).unwrap_or_default();
        let operation = parts.first().and_then(Json::as_str).unwrap_or_default();
        Step {
            operation,
            arguments: parts.get(1..).unwrap_or_default(),
        }
    }

    pub fn argument(&self, index: usize) -> Read<&'a Json> {
        let lacks = || format!("{} lacks argument {}", self.operation, index + 1);
        self.arguments.get(index).ok_or_else(lacks)
    }

    pub fn text(&self, index: usize) -> Read<&'a str> {
        text(self.argument(index)?)
    }

    fn number(&self, index: usize) -> Read<u64> {
        let argument = self.argument(index)?;
        let wrong = || format!("{argument} is not a number");
        argument.as_u64().ok_or_else(wrong)
    }

    fn integer(&self, index: usize) -> Read<i64> {
        let argument = self.argument(index)?;
        let wrong = || format!("{argument} is not an integer");
        argument.as_i64().ok_or_else(wrong)
    }

    pub fn list(&self, index: usize) -> Read<&'a [Json]> {
        list(self.argument(index)?)
    }

    fn texts(&self, index: usize) -> Read<Vec<String>> {
        let texts = self.list(index)?.iter();
        texts.map(|item| text(item).map(String::from)).collect()
    }

    fn entries(&self, index: usize) -> Read<Vec<Entry>> {
        let entry = |pair: &Json| match list(pair)? {
            [key, value] => Ok(Entry::from((text(key)?, wire::bytes(value)?))),
            _ => Err(format!("{pair} is not a key and a value")),
        };
        self.list(index)?.iter().map(entry).collect()
    }

    fn list_options(&self) -> ListOptions {
        let option = |name| self.arguments.first().and_then(|options| options.get(name));
        let text = |name| option(name).and_then(Json::as_str);
        let mut options = ListOptions::new();
        if let Some(start) = text("start") {
            options = options.start(start);
        }
        if let Some(start_after) = text("start-after") {
            options = options.start_after(start_after);
        }
        if let Some(end) = text("end") {
            options = options.end(end);
        }
        if let Some(prefix) = text("prefix") {
            options = options.prefix(prefix);
        }
        if option("reverse").and_then(Json::as_bool) == Some(true) {
            options = options.reverse();
        }
        if let Some(limit) = option("limit").and_then(Json::as_u64) {
            options = options.limit(limit as u32);
        }
        options
    }

    fn parameters(&self, from: usize) -> Read<Vec<Value>> {
        let parameters = self.arguments.get(from..).unwrap_or_default();
        parameters.iter().map(wire::parameter).collect()
    }

    /// The object that the first two arguments name.
    pub fn stub(&self, probe: &Probe) -> Read<Stub> {
        let class = probe.state.class(self.text(0)?);
        let target = self.argument(1)?;
        match (target.get("name"), target.get("id")) {
            (Some(name), _) => Ok(class.named(text(name)?)),
            (_, Some(id)) => Ok(class.with_id(text(id)?)),
            _ => Err(format!("{target} is no object")),
        }
    }
}

/// For what gives nothing.
fn nothing(_done: ()) -> Outcome {
    Ok(Json::Null)
}

fn entries(entries: Vec<Entry>) -> Json {
    let entries = entries.into_iter();
    let pair = |entry: Entry| json!([entry.key, wire::text_or_blob(entry.value)]);
    entries.map(pair).collect()
}

fn request(steps: &Json) -> Result<Request> {
    let request = http::Request::post("http://object/run");
    Ok(request.body(Body::from(steps.to_string()))?)
}

fn text(value: &Json) -> Read<&str> {
    value
        .as_str()
        .ok_or_else(|| format!("{value} is not a text"))
}

fn list(value: &Json) -> Read<&[Json]> {
    let list = value.as_array().map(Vec::as_slice);
    list.ok_or_else(|| format!("{value} is not a list"))
}
