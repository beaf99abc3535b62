//! The object that runs the steps of the cases, written with the SDK. What each step
//! does is in ../../README.md.

mod calls;
mod memory;
mod scopes;
mod script;
mod sockets;
mod wire;

use durable_object::{
    AlarmHandler, AlarmInfo, Call, CallHandler, Close, DurableObject, Error, Message, Payload,
    Request, RequestExt, Response, Result, State, WebSocket, WebSocketHandler, response,
};
use memory::Memory;
use script::{About, Script};
use serde_json::{Value as Json, json};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

/// Under this key lie the steps that the constructor runs.
const START_KEY: &str = "start";

#[derive(Clone)]
pub struct Probe {
    state: State,
    memory: Rc<Memory>,
}

durable_object::export!(Probe: AlarmHandler + CallHandler + WebSocketHandler);

impl DurableObject for Probe {
    async fn new(state: State) -> Result<Self> {
        let memory = Rc::default();
        let probe = Probe { state, memory };
        if let Some(steps) = probe.state.storage().kv().get(START_KEY)? {
            let results = Script::new(&probe).run(&steps_of(&steps)?).await?;
            probe.memory.start_results.replace(results);
        }
        Ok(probe)
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        if request.wants_web_socket() {
            return sockets::upgrade(self, request).await;
        }
        let steps = steps_of(&request.into_body().bytes_up_to(usize::MAX).await?)?;
        let results = Script::new(self).run(&steps).await?;
        response::json(&results)
    }
}

impl AlarmHandler for Probe {
    async fn alarm(&self, info: AlarmInfo) -> Result<()> {
        let (count, is_retry) = (info.retry_count, info.is_retry);
        self.append("alarms", &format!("{count}/{is_retry}"))?;
        let time = info.scheduled_time.duration_since(UNIX_EPOCH)?;
        let kv = self.state.storage().kv();
        kv.put("alarm-time", time.as_millis().to_string())?;
        self.run_stored("on-alarm", About::Nothing).await
    }
}

impl CallHandler for Probe {
    async fn call(&self, call: Call) -> Result<Payload> {
        calls::answer(self, call).await
    }
}

impl WebSocketHandler for Probe {
    async fn message(&self, socket: WebSocket, message: Message) -> Result<()> {
        sockets::message(self, socket, message).await
    }

    async fn close(&self, socket: WebSocket, close: Close) -> Result<()> {
        let Close {
            code,
            reason,
            was_clean,
        } = close;
        self.append("closes", &format!("{code}/{reason}/{was_clean}"))?;
        self.run_stored("on-close", About::Socket(socket)).await
    }

    async fn error(&self, socket: WebSocket, message: String) -> Result<()> {
        self.append("errors", &message)?;
        self.run_stored("on-error", About::Socket(socket)).await
    }
}

impl Probe {
    /// Runs the steps that are stored under a key, and stores their results beside it.
    async fn run_stored(&self, key: &str, about: About) -> Result<()> {
        let kv = self.state.storage().kv();
        let Some(steps) = kv.get(key)? else {
            return Ok(());
        };
        let results = Script::about(self, about).run(&steps_of(&steps)?).await?;
        kv.put(&format!("{key}-results"), json!(results).to_string())
    }

    /// Adds a text to a value, after a space.
    fn append(&self, key: &str, text: &str) -> Result<()> {
        let kv = self.state.storage().kv();
        let before = kv.get(key)?.map(|before| [before, b" ".to_vec()].concat());
        kv.put(key, [before.unwrap_or_default(), text.into()].concat())
    }
}

fn steps_of(text: &[u8]) -> Result<Vec<Json>> {
    let wrong = |why| Error::named("SyntaxError", format!("these are no steps: {why}"));
    serde_json::from_slice(text).map_err(wrong)
}
