//! WebSockets between an object in memory and a client that the test plays.

use super::Space;
use crate::testing::{Client, executor};
use crate::websocket::{Message, SocketState};
use crate::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

const SOCKETS_MAX: usize = 32_768;
const TAGS_MAX: usize = 10;
const TAG_BYTES_MAX: usize = 256;
const ATTACHMENT_BYTES_MAX: usize = 16_384;

/// The sockets of an object.
#[derive(Default)]
pub struct Sockets {
    accepted: BTreeMap<u64, Accepted>,
    auto_response: Option<(String, String)>,
    event_timeout_ms: Option<u32>,
}

impl Sockets {
    /// Their clients see the connection break.
    pub fn drop_all(self) {
        self.accepted
            .values()
            .for_each(|it| it.client.drop_by_object());
    }
}

struct Accepted {
    tags: Vec<String>,
    attachment: Option<Vec<u8>>,
    is_plain: bool,
    auto_response_ms: Option<i64>,
    client: Client,
}

thread_local! {
    /// Clients whose sockets nobody has accepted yet, by token.
    static ASKING: RefCell<BTreeMap<u64, Client>> = const { RefCell::new(BTreeMap::new()) };
}

/// A token that stands for this client.
pub fn ask(client: Client) -> u64 {
    let token = executor::number();
    ASKING.with_borrow_mut(|asking| asking.insert(token, client));
    token
}

/// What the host answers to a client by itself.
pub fn auto_response(space: &Space, socket: u64, message: &Message) -> Option<Message> {
    let mut sockets = space.sockets.borrow_mut();
    let (request, response) = sockets.auto_response.clone()?;
    let accepted = sockets.accepted.get_mut(&socket)?;
    if accepted.is_plain || *message != Message::Text(request) {
        return None;
    }
    accepted.auto_response_ms = Some(now_ms());
    Some(Message::Text(response))
}

/// Forgets a socket whose end the object knows. Where it has not answered the close, the
/// connection breaks.
pub fn forget(space: &Space, socket: u64) {
    let forgotten = space.sockets.borrow_mut().accepted.remove(&socket);
    if let Some(forgotten) = forgotten
        && forgotten.client.may_be_told()
    {
        forgotten.client.drop_by_object();
    }
}

fn now_ms() -> i64 {
    let since = executor::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis() as i64
}

fn with<T>(socket: u64, work: impl FnOnce(&mut Accepted) -> Result<T>) -> Result<T> {
    let space = Space::current();
    let mut sockets = space.sockets.borrow_mut();
    match sockets.accepted.get_mut(&socket) {
        Some(accepted) => work(accepted),
        None => Err(Error::new(format!("this object has no WebSocket {socket}"))),
    }
}

pub fn handshake() -> u64 {
    ask(Client::default())
}

pub fn accept(upgrade: u64, tags: &[String]) -> Result<u64> {
    let mut merged: Vec<String> = Vec::new();
    for tag in tags {
        if tag.len() > TAG_BYTES_MAX {
            let text = format!("\"{tag}\" is longer than the max tag length (256 characters).");
            return Err(Error::new(text));
        }
        if !merged.contains(tag) {
            merged.push(tag.clone());
        }
    }
    if merged.len() > TAGS_MAX {
        let text = "a Hibernatable WebSocket cannot have more than 10 tags";
        return Err(Error::new(text));
    }
    take(upgrade, merged, false)
}

pub fn accept_plain(upgrade: u64) -> Result<u64> {
    take(upgrade, Vec::new(), true)
}

fn take(upgrade: u64, tags: Vec<String>, is_plain: bool) -> Result<u64> {
    let space = Space::current();
    let mut sockets = space.sockets.borrow_mut();
    if sockets.accepted.len() >= SOCKETS_MAX {
        let text = "only 32768 websockets can be accepted on a single Durable Object instance";
        return Err(Error::new(text));
    }
    let asking = ASKING.with_borrow_mut(|asking| asking.remove(&upgrade));
    let client = asking.ok_or_else(|| Error::new("this WebSocket was already accepted"))?;
    let socket = executor::number();
    client.accepted(Rc::downgrade(&space), socket);
    sockets.accepted.insert(
        socket,
        Accepted {
            tags,
            attachment: None,
            is_plain,
            auto_response_ms: None,
            client,
        },
    );
    Ok(socket)
}

pub fn ready_state(socket: u64) -> SocketState {
    let state = with(socket, |accepted| Ok(accepted.client.state()));
    state.unwrap_or(SocketState::Closed)
}

pub fn send(socket: u64, message: &Message) -> Result<()> {
    with(socket, |accepted| match accepted.client.may_be_told() {
        true => {
            accepted.client.tell(message.clone());
            Ok(())
        }
        false => Err(Error::new("Can't call WebSocket send() after close().")),
    })
}

pub fn close(socket: u64, code: Option<u16>, reason: &str) -> Result<()> {
    if let Some(code) = code
        && (!(1000..5000).contains(&code) || [1004, 1005, 1006, 1015].contains(&code))
    {
        return Err(Error::new(format!("Invalid WebSocket close code: {code}.")));
    }
    with(socket, |accepted| {
        accepted.client.object_closed(code, reason);
        Ok(())
    })
}

pub fn list(tag: Option<&str>) -> Result<Vec<u64>> {
    let space = Space::current();
    let sockets = space.sockets.borrow();
    let listed = sockets
        .accepted
        .iter()
        .filter(|(_, accepted)| !accepted.is_plain);
    Ok(match tag {
        Some(tag) => listed
            .filter(|(_, accepted)| accepted.tags.iter().any(|other| other == tag))
            .map(|(socket, _)| *socket)
            .collect(),
        None => listed.map(|(socket, _)| *socket).rev().collect(),
    })
}

pub fn tags(socket: u64) -> Result<Vec<String>> {
    with(socket, |accepted| Ok(accepted.tags.clone()))
}

pub fn attachment(socket: u64) -> Result<Option<Vec<u8>>> {
    with(socket, |accepted| Ok(accepted.attachment.clone()))
}

pub fn set_attachment(socket: u64, attachment: &[u8]) -> Result<()> {
    let bytes = attachment.len();
    if bytes > ATTACHMENT_BYTES_MAX {
        return Err(Error::new(format!(
            "A WebSocket 'attachment' cannot be larger than {ATTACHMENT_BYTES_MAX} \
             bytes.'attachment' was {bytes} bytes."
        )));
    }
    with(socket, |accepted| {
        accepted.attachment = Some(attachment.to_vec());
        Ok(())
    })
}

pub fn set_auto_response(pair: Option<(String, String)>) -> Result<()> {
    Space::current().sockets.borrow_mut().auto_response = pair;
    Ok(())
}

pub fn get_auto_response() -> Result<Option<(String, String)>> {
    Ok(Space::current().sockets.borrow().auto_response.clone())
}

pub fn auto_response_timestamp(socket: u64) -> Result<Option<i64>> {
    with(socket, |accepted| Ok(accepted.auto_response_ms))
}

pub fn set_event_timeout(timeout_ms: Option<u32>) -> Result<()> {
    Space::current().sockets.borrow_mut().event_timeout_ms = timeout_ms.filter(|ms| *ms > 0);
    Ok(())
}

pub fn get_event_timeout() -> Result<Option<u32>> {
    Ok(Space::current().sockets.borrow().event_timeout_ms)
}
