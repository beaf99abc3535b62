//! Runs the steps of a case; ../../README.md says what each step means.
//!
//! On raw bindings, so that each step reaches one function of the world and
//! nothing is added to what that promises.

mod memory;
mod script;
mod wire;

use exports::durable::object::{
    alarm_handler, fetch_handler, lifecycle, rpc_handler, websocket_handler,
};

use durable::object::kv;
use durable::object::types::{Body, Error, ErrorFlags, Request, Response};
use script::Script;
use serde_json::Value as Json;

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
    async fn fetch(request: Request) -> Result<Response, Error> {
        let steps = steps_of(&whole(request.body).await)?;
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
    async fn alarm(_: alarm_handler::AlarmInfo) -> Result<(), Error> {
        Ok(())
    }
}

impl rpc_handler::Guest for Probe {
    async fn call(method: String, _: Vec<u8>) -> Result<Vec<u8>, Error> {
        Err(error(
            "TypeError",
            &format!("The RPC receiver does not implement the method \"{method}\"."),
        ))
    }
}

impl websocket_handler::Guest for Probe {
    async fn message(
        _: websocket_handler::Socket,
        _: websocket_handler::SocketMessage,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn close(_: websocket_handler::Socket, _: u16, _: String, _: bool) -> Result<(), Error> {
        Ok(())
    }

    async fn error(_: websocket_handler::Socket, _: String) -> Result<(), Error> {
        Ok(())
    }
}

fn steps_of(text: &[u8]) -> Result<Vec<Json>, Error> {
    serde_json::from_slice(text)
        .map_err(|why| error("SyntaxError", &format!("these are no steps: {why}")))
}

async fn whole(body: Body) -> Vec<u8> {
    match body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes,
        Body::Stream(stream) => stream.collect().await,
    }
}

fn error(name: &str, message: &str) -> Error {
    Error {
        name: name.into(),
        message: message.into(),
        flags: ErrorFlags::empty(),
    }
}
