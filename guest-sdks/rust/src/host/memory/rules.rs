//! What sockets and calls may have, and what is said when they have more: the host's
//! limits and words.

use crate::error::ErrorFlags;
use crate::rpc::Payload;
use crate::{Error, Result};

pub const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// Names longer than this determine the id like any other, but the object does not get
/// to see them.
pub const NAME_BYTES_SHOWN_MAX: usize = 1_024;
const SOCKETS_MAX: usize = 32_768;
const TAGS_MAX: usize = 10;
const TAG_BYTES_MAX: usize = 256;
const ATTACHMENT_BYTES_MAX: usize = 16_384;
const AUTO_RESPONSE_BYTES_MAX: usize = 2_048;
const EVENT_TIMEOUT_MS_MAX: u32 = 604_800_000;
const REASON_BYTES_MAX: usize = 123;
const PAYLOAD_BYTES_MAX: usize = 32 << 20;
const PARTS_MAX: usize = 1_000;

/// Names that an object's language has for other things than methods.
const RESERVED: [&str; 7] = [
    "alarm",
    "fetch",
    "webSocketMessage",
    "webSocketClose",
    "webSocketError",
    "constructor",
    "dup",
];

/// The tags that a socket gets, each once, in the order given.
pub fn tags(given: &[String]) -> Result<Vec<String>> {
    let mut tags: Vec<String> = Vec::new();
    for tag in given {
        if tags.contains(tag) {
            continue;
        }
        if tags.len() == TAGS_MAX {
            let text = format!("a Hibernatable WebSocket cannot have more than {TAGS_MAX} tags");
            return Err(Error::new(text));
        }
        if tag.len() > TAG_BYTES_MAX {
            return Err(Error::new(format!(
                "\"{tag}\" is longer than the max tag length ({TAG_BYTES_MAX} characters)."
            )));
        }
        tags.push(tag.clone());
    }
    Ok(tags)
}

/// May an object that has so many sockets take another one?
pub fn another_socket(count: usize) -> Result<()> {
    require(count < SOCKETS_MAX, "Error", || {
        format!("only {SOCKETS_MAX} websockets can be accepted on a single Durable Object instance")
    })
}

pub fn message(bytes: usize) -> Result<()> {
    require(bytes <= MESSAGE_BYTES_MAX, "RangeError", || {
        format!("Message is too large: {bytes} > {MESSAGE_BYTES_MAX}")
    })
}

pub fn close(code: Option<u16>, reason: &str) -> Result<()> {
    let is_sent = |code| (1000..5000).contains(&code) && ![1004, 1005, 1006, 1015].contains(&code);
    if let Some(code) = code.filter(|code| !is_sent(*code)) {
        let text = format!("Invalid WebSocket close code: {code}.");
        return Err(Error::named("TypeError", text));
    }
    let bytes = reason.len();
    require(bytes <= REASON_BYTES_MAX, "TypeError", || {
        format!(
            "A WebSocket close reason cannot be longer than {REASON_BYTES_MAX} bytes; it had \
             {bytes}."
        )
    })
}

pub fn attachment(bytes: usize) -> Result<()> {
    require(bytes <= ATTACHMENT_BYTES_MAX, "Error", || {
        format!(
            "A WebSocket 'attachment' cannot be larger than {ATTACHMENT_BYTES_MAX} \
             bytes.'attachment' was {bytes} bytes."
        )
    })
}

pub fn auto_response(request: &str, response: &str) -> Result<()> {
    for (what, text) in [("Request", request), ("Response", response)] {
        let bytes = text.len();
        require(bytes <= AUTO_RESPONSE_BYTES_MAX, "RangeError", || {
            format!(
                "{what} cannot be larger than {AUTO_RESPONSE_BYTES_MAX} bytes. A {} of size \
                 {bytes} was provided.",
                what.to_lowercase()
            )
        })?;
    }
    Ok(())
}

pub fn event_timeout(ms: u32) -> Result<()> {
    require(ms <= EVENT_TIMEOUT_MS_MAX, "Error", || {
        format!("Event timeout should not exceed {EVENT_TIMEOUT_MS_MAX} ms.")
    })
}

/// May a method have this name?
pub fn method(name: &str) -> Result<()> {
    require(!RESERVED.contains(&name), "TypeError", || {
        format!("'{name}' is a reserved method and cannot be called over RPC.")
    })
}

/// May a call carry this?
pub fn payload(payload: &Payload) -> Result<()> {
    let bytes = payload.data().len();
    require(bytes <= PAYLOAD_BYTES_MAX, "Error", || {
        format!(
            "Serialized RPC arguments or return values are limited to 32MiB, but the size of \
             this value was: {bytes} bytes."
        )
    })?;
    let parts = payload.beside.references.len() + payload.beside.streams.len();
    require(parts <= PARTS_MAX, "RangeError", || {
        format!(
            "RPC arguments or return values may have {PARTS_MAX} references and streams, but \
             this one has {parts}."
        )
    })
}

pub fn closed() -> Error {
    Error::named("TypeError", "Can't call WebSocket send() after close().")
}

pub fn no_such_socket(socket: u64) -> Error {
    let text = format!("This object has no WebSocket {socket}; it may have been closed.");
    Error::named("TypeError", text)
}

/// What only sockets have that outlive an instance.
pub fn is_plain(socket: u64) -> Error {
    let text = format!(
        "WebSocket {socket} was accepted without hibernation: it has no tags, no attachment and \
         no auto-response."
    );
    Error::named("TypeError", text)
}

/// What is told to who calls something whose giver is gone.
/// What an object may answer; 101 to who asks for a WebSocket.
pub fn status(status: u16, asks_for_web_socket: bool) -> Result<()> {
    let may = (200..600).contains(&status) || status == 101 && asks_for_web_socket;
    require(may, "RangeError", || {
        format!("the object answered with status {status}; it must be from 200 to 599")
    })
}

pub fn reference_is_gone() -> Error {
    let text = "The reference has ended: the Durable Object that gave it out was reset, or has \
                left memory.";
    Error::new(text).with_flags(ErrorFlags::RESET)
}

fn require(holds: bool, name: &str, text: impl FnOnce() -> String) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Error::named(name, text())),
    }
}
