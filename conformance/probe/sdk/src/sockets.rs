//! What does the probe do with WebSockets?

use crate::script::{About, Script};
use crate::{Probe, steps_of, wire};
use durable_object::http::StatusCode;
use durable_object::{
    Body, Error, Message, Request, RequestExt, Response, Result, SocketState, Stub, WebSocket,
    http, response,
};
use serde_json::{Value as Json, json};
use std::rc::Rc;
use std::time::Duration;

/// The steps are in the query, and one of them accepts the socket.
pub async fn upgrade(probe: &Probe, request: Request) -> Result<Response> {
    let steps = steps_of(request.query("steps").unwrap_or_default().as_bytes())?;
    let mut script = Script::about(probe, About::Request(Rc::new(request)));
    script.run_all(&steps).await?;
    let accepted = || response::status(StatusCode::SWITCHING_PROTOCOLS);
    Ok(script.passed.unwrap_or_else(accepted))
}

/// A request with these steps in its query.
pub fn asking(steps: &Json) -> Result<Request> {
    let steps = steps.to_string();
    let steps: String = steps.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let request = http::Request::get(format!("http://object/run?steps={steps}"));
    Ok(request.header("upgrade", "websocket").body(Body::empty())?)
}

/// The request, asking for the socket that the event asks for.
pub fn passing(mut request: Request, about: &About) -> Result<Request> {
    let About::Request(asked) = about else {
        return Err(Error::named("TypeError", "this event asks for no socket"));
    };
    *request.extensions_mut() = asked.extensions().clone();
    Ok(request)
}

/// Opens a socket to another object.
pub async fn connect(probe: &Probe, stub: &Stub, steps: &Json) -> Result<WebSocket> {
    let mut request = asking(steps)?;
    let websockets = probe.state.websockets();
    let handshake = websockets.handshake(&mut request);
    let answer = stub.fetch(request).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let message = format!("it answered with status {}", answer.status());
        return Err(Error::named("TypeError", message));
    }
    websockets.accept_plain(&handshake)
}

/// Steps are run, and their results sent back; what else comes is noted down.
pub async fn message(probe: &Probe, socket: WebSocket, message: Message) -> Result<()> {
    let text = match message {
        Message::Text(text) => text,
        Message::Binary(bytes) => return probe.append("messages", &hex(&bytes)),
    };
    if !text.starts_with('[') {
        return probe.append("messages", &text);
    }
    let mut script = Script::about(probe, About::Socket(socket));
    let results = script.run(&steps_of(text.as_bytes())?).await?;
    match socket.state() {
        SocketState::Open => socket.send(Json::Array(results).to_string()),
        SocketState::Closing | SocketState::Closed => Ok(()),
    }
}

/// Runs one step whose name begins with `ws.`.
pub fn step(probe: &Probe, operation: &str, arguments: &[Json], about: &About) -> Result<Json> {
    let argument = |index: usize| arguments.get(index).unwrap_or(&Json::Null);
    let text = |index: usize| argument(index).as_str();
    let which = || of(probe, text(0), about);
    let sockets = probe.state.websockets();
    let asked = || match about {
        About::Request(request) => Ok(&**request),
        _ => Err(Error::named("TypeError", "this event asks for no socket")),
    };
    match operation {
        "ws.accept" => {
            let tags = argument(0).as_array().into_iter().flatten();
            sockets.accept(asked()?, tags.filter_map(Json::as_str))?;
        }
        "ws.accept-plain" => {
            sockets.accept_plain(asked()?)?;
        }
        "ws.send" => match argument(1) {
            Json::String(text) => which()?.send(text.as_str())?,
            blob => {
                let wrong = |why| Error::named("TypeError", why);
                which()?.send(wire::bytes(blob).map_err(wrong)?)?;
            }
        },
        "ws.close" => {
            let code = argument(1).as_u64().unwrap_or(1000) as u16;
            which()?.close(code, text(2).unwrap_or_default())?;
        }
        "ws.list" => {
            let listed = match text(0) {
                Some(tag) => sockets.tagged(tag)?,
                None => sockets.all()?,
            };
            let first = |socket: WebSocket| Ok(json!(socket.tags()?.first()));
            return listed.into_iter().map(first).collect();
        }
        "ws.tags" => return Ok(json!(which()?.tags()?)),
        "ws.attach" => which()?.set_attachment(text(1).unwrap_or_default())?,
        "ws.attachment" => {
            let attachment = which()?.attachment()?;
            return Ok(attachment.map_or(Json::Null, wire::text_or_blob));
        }
        "ws.auto" => {
            let pair = text(0).map(|request| (request, text(1).unwrap_or_default()));
            sockets.set_auto_response(pair)?;
        }
        "ws.auto-get" => return Ok(json!(sockets.auto_response()?)),
        "ws.auto-sent" => return Ok(json!(which()?.auto_response_time()?.is_some())),
        "ws.timeout" => {
            sockets.set_event_timeout(argument(0).as_u64().map(Duration::from_millis))?;
        }
        "ws.timeout-get" => {
            let timeout = sockets.event_timeout()?;
            return Ok(json!(timeout.map(|timeout| timeout.as_millis() as u64)));
        }
        "ws.state" => {
            return Ok(json!(match which()?.state() {
                SocketState::Open => "open",
                SocketState::Closing => "closing",
                SocketState::Closed => "closed",
            }));
        }
        unknown => {
            let message = format!("this probe does not know {unknown:?}");
            return Err(Error::named("SyntaxError", message));
        }
    }
    Ok(Json::Null)
}

/// The socket that the event is about, or the oldest one with a tag.
fn of(probe: &Probe, tag: Option<&str>, about: &About) -> Result<WebSocket> {
    let message = match (tag, about) {
        (Some(tag), _) => match probe.state.websockets().tagged(tag)?.first() {
            Some(first) => return Ok(*first),
            None => format!("no socket has the tag {tag:?}"),
        },
        (None, About::Socket(socket)) => return Ok(*socket),
        (None, _) => "this event is about no socket".into(),
    };
    Err(Error::named("TypeError", message))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
