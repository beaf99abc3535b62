//! Runs the steps of a case; ../../README.md says what each step means.
//!
//! On raw bindings, so that each step reaches one function of the world and
//! nothing is added to what that promises.

mod calls;
mod memory;
mod script;
mod sockets;
mod wire;

use exports::durable::object::{
    alarm_handler, fetch_handler, lifecycle, rpc_handler, websocket_handler,
};

use durable::object::kv;
use durable::object::types::{
    Body, Caller, Error, ErrorFlags, Payload, Request, Response, StorageError,
};
use script::Script;
use serde_json::{Value as Json, json};
use sockets::About;

wit_bindgen::generate!({ path: "../../../wit", world: "durable-object" });

/// Under this key lie the steps of the constructor.
const START_KEY: &str = "start";

struct Probe;

export!(Probe);

impl lifecycle::Guest for Probe {
    async fn start() -> Result<(), Error> {
        let Ok(Some(steps)) = kv::get(START_KEY) else {
            return Ok(());
        };
        let mut script = Script::default();
        let outcome = script.run(&steps_of(&steps)?).await;
        memory::START_RESULTS.set(outcome?);
        Ok(())
    }
}

impl fetch_handler::Guest for Probe {
    async fn fetch(request: Request, _: Caller) -> Result<Response, Error> {
        if let Some(upgrade) = request.upgrade {
            return sockets::upgrade(&request.url, upgrade).await;
        }
        let steps = steps_of(&whole(request.body).await?)?;
        let results = Script::default().run(&steps).await?;
        let body = Body::Bytes(Json::Array(results).to_string().into_bytes());
        let headers = vec![("content-type".into(), b"application/json".to_vec())];
        Ok(Response {
            status: 200,
            headers,
            body,
        })
    }
}

impl alarm_handler::Guest for Probe {
    async fn alarm(info: alarm_handler::AlarmInfo) -> Result<(), Error> {
        append("alarms", &format!("{}/{}", info.retry_count, info.is_retry))?;
        put("alarm-time", &info.scheduled_time.to_string())?;
        run_stored("on-alarm", About::Nothing).await
    }
}

impl rpc_handler::Guest for Probe {
    async fn call(method: String, arguments: Option<Payload>, _: Caller) -> Result<Payload, Error> {
        calls::call(&method, arguments).await
    }

    async fn call_reference(
        mine: u64,
        method: String,
        arguments: Option<Payload>,
        _: Caller,
    ) -> Result<Payload, Error> {
        calls::call_reference(mine, &method, arguments)
    }

    async fn release(mine: u64) {
        calls::release(mine);
    }
}

impl websocket_handler::Guest for Probe {
    async fn message(
        socket: websocket_handler::Socket,
        message: websocket_handler::SocketMessage,
    ) -> Result<(), Error> {
        sockets::message(socket, message).await
    }

    async fn close(
        socket: websocket_handler::Socket,
        code: u16,
        reason: String,
        was_clean: bool,
    ) -> Result<(), Error> {
        append("closes", &format!("{code}/{reason}/{was_clean}"))?;
        run_stored("on-close", About::Socket(socket)).await
    }

    async fn error(socket: websocket_handler::Socket, message: String) -> Result<(), Error> {
        append("errors", &message)?;
        run_stored("on-error", About::Socket(socket)).await
    }
}

/// Runs the steps that are stored under a key, and stores their results beside it.
async fn run_stored(key: &str, about: About) -> Result<(), Error> {
    let Some(steps) = kv::get(key).map_err(unexpected)? else {
        return Ok(());
    };
    let results = Script::about(about).run(&steps_of(&steps)?).await?;
    put(&format!("{key}-results"), &json!(results).to_string())
}

/// Adds a text to a value, after a space.
fn append(key: &str, text: &str) -> Result<(), Error> {
    let before = kv::get(key).map_err(unexpected)?;
    let before = before.map(|before| [before, b" ".to_vec()].concat());
    let whole = [before.unwrap_or_default(), text.into()].concat();
    kv::put(key, &whole).map_err(unexpected)
}

fn put(key: &str, text: &str) -> Result<(), Error> {
    kv::put(key, text.as_bytes()).map_err(unexpected)
}

fn unexpected(why: StorageError) -> Error {
    error("Error", &format!("{why:?}"))
}

fn steps_of(text: &[u8]) -> Result<Vec<Json>, Error> {
    serde_json::from_slice(text)
        .map_err(|why| error("SyntaxError", &format!("these are no steps: {why}")))
}

async fn whole(body: Body) -> Result<Vec<u8>, Error> {
    match body {
        Body::Empty => Ok(Vec::new()),
        Body::Bytes(bytes) => Ok(bytes),
        Body::Stream(body) => {
            let bytes = body.chunks.collect().await;
            body.end.await.map(|()| bytes)
        }
    }
}

fn error(name: &str, message: &str) -> Error {
    Error {
        name: name.into(),
        message: message.into(),
        flags: ErrorFlags::empty(),
        details: None,
    }
}
