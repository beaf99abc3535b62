//! What does the object answer on each path?

use wit_bindgen::{StreamReader, StreamResult, StreamWriter, spawn_local};

use crate::durable::object::types::{Body, BodyStream, Error, Request, Response, StorageError};
use crate::durable::object::{alarms, kv, sql, state, storage, stubs, timers};
use crate::{error, events, wit_future, wit_stream};

/// How much of a body is held at a time.
const CHUNK_BYTES: usize = 64 * 1024;

pub async fn answer(request: Request) -> Result<Response, Error> {
    let url = request.url.clone();
    let (path, query) = route(&url);
    match (request.method.as_str(), path) {
        ("GET", "started") => text(events::STARTED.get().to_string()),
        ("GET", "who") => text(who()),
        ("POST", "echo") => Ok(response(200, passed_on(request.body))),
        ("POST", "read") => {
            let read = read(request.body).await;
            events::READ.set(read.clone());
            text(read)
        }
        ("GET", "read") => text(events::READ.with_borrow(String::clone)),
        ("POST", "first") => text(first(request.body).await.to_string()),
        ("GET", "broken") => Ok(response(200, broken())),
        ("POST", "kv") => text(count_in_kv().map_err(storage_error)?),
        ("POST", "sql") => text(count_in_sql().map_err(storage_error)?),
        ("GET", "sleep") => {
            let duration_ms = parameter(query, "ms").parse().unwrap_or(0);
            text(
                events::peak_during(timers::sleep(duration_ms))
                    .await
                    .to_string(),
            )
        }
        ("GET", "wait") => {
            events::released().await;
            text("released")
        }
        ("GET", "release") => {
            events::release();
            text("ok")
        }
        ("GET", "sync") => {
            storage::sync().await.map_err(storage_error)?;
            text("synced")
        }
        ("GET", "relay") => relay(parameter(query, "name"), "GET", "who", Body::Empty).await,
        ("POST", "relay") => {
            let body = passed_on(request.body);
            relay(parameter(query, "name"), "POST", "echo", body).await
        }
        ("GET", "error") => Err(error("refused on purpose")),
        ("GET", "throw") => panic!("thrown on purpose"),
        ("GET", "trap") => trap(),
        ("GET", "later") => text(alarm()),
        _ => Ok(response(404, Body::Bytes(b"not found".to_vec()))),
    }
}

/// Of `http://host/<class>/<name>/<path>?<query>` the path and the query.
fn route(url: &str) -> (&str, &str) {
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let after_scheme = before.split_once("://").map_or(before, |(_, rest)| rest);
    (after_scheme.splitn(4, '/').nth(3).unwrap_or(""), query)
}

/// A parameter of the query, or nothing.
fn parameter<'a>(query: &'a str, name: &str) -> &'a str {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .map_or("", |(_, value)| value)
}

fn text(text: impl Into<String>) -> Result<Response, Error> {
    Ok(response(200, Body::Bytes(text.into().into_bytes())))
}

fn response(status: u16, body: Body) -> Response {
    Response {
        status,
        headers: vec![("content-type".into(), b"text/plain".to_vec())],
        body,
    }
}

fn who() -> String {
    let name = state::name().unwrap_or_else(|| "-".into());
    format!("{} {name} -> {}", state::class_name(), state::id())
}

/// The same body, with the same end; a stream is read as fast as its copy is taken.
fn passed_on(body: Body) -> Body {
    let Body::Stream(mut from) = body else {
        return body;
    };
    streamed(async move |to| {
        while let Some(chunk) = next(&mut from.chunks).await {
            if !to.write_all(chunk).await.is_empty() {
                return Err(error("nobody reads the copy any more"));
            }
        }
        from.end.await
    })
}

/// A body that `write` writes piece by piece, and that ends as it says.
fn streamed(write: impl AsyncFnOnce(&mut StreamWriter<u8>) -> Result<(), Error> + 'static) -> Body {
    let (mut writer, chunks) = wit_stream::new();
    let (ending, end) = wit_future::new(|| Err(error("nobody ended the body")));
    spawn_local(async move {
        let ended = write(&mut writer).await;
        let _ = ending.write(ended).await; // nobody may be left to tell
    });
    Body::Stream(BodyStream { chunks, end })
}

/// The next bytes of a stream, or none at its end.
async fn next(stream: &mut StreamReader<u8>) -> Option<Vec<u8>> {
    let (result, bytes) = stream.read(Vec::with_capacity(CHUNK_BYTES)).await;
    match result {
        StreamResult::Complete(_) => Some(bytes),
        StreamResult::Dropped | StreamResult::Cancelled => None,
    }
}

/// How many bytes a body has, and how it ends.
async fn read(body: Body) -> String {
    let mut count = 0;
    let end = match body {
        Body::Empty => Ok(()),
        Body::Bytes(bytes) => {
            count = bytes.len();
            Ok(())
        }
        Body::Stream(mut body) => {
            while let Some(chunk) = next(&mut body.chunks).await {
                count += chunk.len();
            }
            body.end.await
        }
    };
    let end = end.map_or_else(|error| error.message, |()| "ok".into());
    format!("{count} bytes, {end}")
}

/// How many bytes come first. The rest is dropped.
async fn first(body: Body) -> usize {
    match body {
        Body::Empty => 0,
        Body::Bytes(bytes) => bytes.len(),
        Body::Stream(mut body) => next(&mut body.chunks).await.map_or(0, |chunk| chunk.len()),
    }
}

fn broken() -> Body {
    streamed(async |to| {
        to.write_all(b"begun".to_vec()).await;
        Err(error("broken on purpose"))
    })
}

fn count_in_kv() -> Result<String, StorageError> {
    let stored = kv::get("count")?.and_then(|value| String::from_utf8(value).ok());
    let count = stored
        .and_then(|digits| digits.parse::<u64>().ok())
        .unwrap_or(0)
        + 1;
    kv::put("count", count.to_string().as_bytes())?;
    Ok(count.to_string())
}

fn count_in_sql() -> Result<String, StorageError> {
    let query = "CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
        INSERT INTO counter (id, n) VALUES (1, ?1)
        ON CONFLICT (id) DO UPDATE SET n = n + excluded.n RETURNING n";
    let rows = sql::exec(query, &[sql::Value::Integer(1)])?.rows;
    match rows.first().and_then(|row| row.first()) {
        Some(sql::Value::Integer(count)) => Ok(count.to_string()),
        other => Ok(format!("not a number: {other:?}")),
    }
}

/// Sends a request to another object, and passes its answer on.
async fn relay(name: &str, method: &str, path: &str, body: Body) -> Result<Response, Error> {
    let class = state::class_name();
    let request = Request {
        method: method.into(),
        url: format!("http://relay/{class}/{name}/{path}"),
        headers: vec![],
        body,
        upgrade: None,
    };
    let answer = stubs::fetch(&class, &stubs::Target::Name(name.into()), request).await?;
    Ok(response(answer.status, passed_on(answer.body)))
}

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

fn alarm() -> String {
    match alarms::get() {
        Ok(None) => "none".into(),
        Ok(Some(time)) => time.to_string(),
        Err(error) => storage_text(error),
    }
}

fn storage_error(cause: StorageError) -> Error {
    error(storage_text(cause))
}

fn storage_text(cause: StorageError) -> String {
    match cause {
        StorageError::Invalid(message) => message,
        StorageError::Sqlite(sqlite) => sqlite.message,
    }
}
