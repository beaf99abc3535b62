//! What does the probe do with WebSockets?

use serde_json::{Value as Json, json};

use crate::durable::object::stubs::{self, Target};
use crate::durable::object::types::{Body, Error, Request, Response};
use crate::durable::object::websockets::{
    self, AutoResponse, Message, Socket, SocketState, UpgradeToken,
};
use crate::script::Script;
use crate::{append, error, steps_of, wire};

/// What an event is about, besides its steps.
#[derive(Clone, Copy, Default)]
pub enum About {
    #[default]
    Nothing,
    Upgrade(UpgradeToken),
    Socket(Socket),
}

/// The steps are in the query, and one of them accepts the socket.
pub async fn upgrade(url: &str, upgrade: UpgradeToken) -> Result<Response, Error> {
    let steps = url.split_once("steps=").map_or("", |(_, steps)| steps);
    let steps = steps_of(&percent_decoded(steps))?;
    let mut script = Script::about(About::Upgrade(upgrade));
    script.run_all(&steps).await?;
    Ok(script.passed.unwrap_or(Response {
        status: 101,
        headers: Vec::new(),
        body: Body::Empty,
    }))
}

impl About {
    pub fn upgrade(self) -> Result<UpgradeToken, Error> {
        match self {
            About::Upgrade(upgrade) => Ok(upgrade),
            _ => Err(error("TypeError", "this event asks for no socket")),
        }
    }
}

/// Opens a socket to another object.
pub async fn connect(class: &str, target: &Target, steps: &Json) -> Result<Socket, Error> {
    let upgrade = websockets::handshake();
    ask(class, target, steps, upgrade).await?;
    websockets::accept_plain(upgrade)
}

/// Asks another object to take one end of a socket.
pub async fn ask(
    class: &str,
    target: &Target,
    steps: &Json,
    upgrade: UpgradeToken,
) -> Result<Response, Error> {
    let steps = steps.to_string();
    let steps: String = steps.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let request = Request {
        method: "GET".into(),
        url: format!("http://object/run?steps={steps}"),
        headers: vec![("upgrade".into(), b"websocket".to_vec())],
        body: Body::Empty,
        upgrade: Some(upgrade),
    };
    let response = stubs::fetch(class, target, request).await?;
    match response.status {
        101 => Ok(response),
        status => {
            let message = format!("it answered with status {status}");
            Err(error("TypeError", &message))
        }
    }
}

/// Steps are run, and their results sent back; what else comes is noted down.
pub async fn message(socket: Socket, message: Message) -> Result<(), Error> {
    let text = match message {
        Message::Text(text) => text,
        Message::Binary(bytes) => return append("messages", &hex(&bytes)),
    };
    if !text.starts_with('[') {
        return append("messages", &text);
    }
    let steps = steps_of(text.as_bytes())?;
    let results = Script::about(About::Socket(socket)).run(&steps).await?;
    match websockets::ready_state(socket) {
        SocketState::Open => {
            websockets::send(socket, &Message::Text(Json::Array(results).to_string()))
        }
        SocketState::Closing | SocketState::Closed => Ok(()),
    }
}

/// Runs one step whose name begins with `ws.`.
pub fn step(operation: &str, arguments: &[Json], about: About) -> Result<Json, Error> {
    let argument = |index: usize| arguments.get(index).unwrap_or(&Json::Null);
    let text = |index: usize| argument(index).as_str();
    let which = || of(text(0), about);
    match operation {
        "ws.accept" => {
            let tags = argument(0).as_array().into_iter().flatten();
            let tags: Vec<_> = tags.filter_map(Json::as_str).map(String::from).collect();
            websockets::accept(about.upgrade()?, &tags)?;
        }
        "ws.accept-plain" => {
            websockets::accept_plain(about.upgrade()?)?;
        }
        "ws.send" => {
            let message = match argument(1) {
                Json::String(text) => Message::Text(text.clone()),
                blob => Message::Binary(wire::bytes(blob).map_err(|why| error("TypeError", &why))?),
            };
            websockets::send(which()?, &message)?;
        }
        "ws.close" => {
            let code = argument(1).as_u64().map(|code| code as u16);
            websockets::close(which()?, code, text(2).unwrap_or_default())?;
        }
        "ws.list" => {
            let sockets = websockets::list(text(0))?;
            let first = |socket| Ok::<_, Error>(json!(websockets::tags(socket)?.first()));
            return sockets.into_iter().map(first).collect();
        }
        "ws.tags" => return Ok(json!(websockets::tags(which()?)?)),
        "ws.attach" => {
            websockets::set_attachment(which()?, text(1).unwrap_or_default().as_bytes())?;
        }
        "ws.attachment" => {
            let attachment = websockets::attachment(which()?)?;
            return Ok(attachment.map_or(Json::Null, wire::text_or_blob));
        }
        "ws.auto" => {
            let pair = text(0).map(|request| AutoResponse {
                request: request.into(),
                response: text(1).unwrap_or_default().into(),
            });
            websockets::set_auto_response(pair.as_ref())?;
        }
        "ws.auto-get" => {
            let pair = websockets::get_auto_response()?;
            return Ok(pair.map_or(Json::Null, |pair| json!([pair.request, pair.response])));
        }
        "ws.auto-sent" => {
            return Ok(json!(
                websockets::auto_response_timestamp(which()?)?.is_some()
            ));
        }
        "ws.timeout" => {
            let timeout = argument(0).as_u64().map(|timeout| timeout as u32);
            websockets::set_event_timeout(timeout)?;
        }
        "ws.timeout-get" => return Ok(json!(websockets::get_event_timeout()?)),
        "ws.state" => {
            return Ok(json!(match websockets::ready_state(which()?) {
                SocketState::Open => "open",
                SocketState::Closing => "closing",
                SocketState::Closed => "closed",
            }));
        }
        unknown => {
            let message = format!("this probe does not know {unknown:?}");
            return Err(error("SyntaxError", &message));
        }
    }
    Ok(Json::Null)
}

/// The socket that the event is about, or the oldest one with a tag.
fn of(tag: Option<&str>, about: About) -> Result<Socket, Error> {
    match (tag, about) {
        (Some(tag), _) => {
            let first = websockets::list(Some(tag))?.first().copied();
            first.ok_or_else(|| error("TypeError", &format!("no socket has the tag {tag:?}")))
        }
        (None, About::Socket(socket)) => Ok(socket),
        (None, _) => Err(error("TypeError", "this event is about no socket")),
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
