//! WebSockets between an object in memory and a client that the test plays.

use super::{Space, rules};
use crate::testing::{Client, executor};
use crate::websocket::{Message, SocketState};
use crate::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

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
    /// The object has closed it.
    is_closed: bool,
    client: Client,
}

thread_local! {
    /// Clients whose sockets nobody has accepted yet, by token.
    static ASKING: RefCell<BTreeMap<u64, Client>> = const { RefCell::new(BTreeMap::new()) };
    /// The other ends, by the tokens that objects have made.
    static HANDSHAKES: RefCell<BTreeMap<u64, Client>> = const { RefCell::new(BTreeMap::new()) };
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
    accepted.auto_response_ms = Some(executor::now_ms());
    Some(Message::Text(response))
}

/// Has the socket closed from here: nothing more can be said on it.
pub fn break_off(space: &Space, socket: u64) {
    if let Some(accepted) = space.sockets.borrow_mut().accepted.get_mut(&socket) {
        accepted.is_closed = true;
    }
}

/// Forgets a socket whose end the object knows. Where it has not answered the close, the
/// connection breaks.
pub fn forget(space: &Space, socket: u64) {
    let forgotten = space.sockets.borrow_mut().accepted.remove(&socket);
    if let Some(forgotten) = forgotten
        && !forgotten.is_closed
    {
        forgotten.client.drop_by_object();
    }
}

fn with<T>(socket: u64, work: impl FnOnce(&mut Accepted) -> Result<T>) -> Result<T> {
    let space = Space::current();
    let mut sockets = space.sockets.borrow_mut();
    match sockets.accepted.get_mut(&socket) {
        Some(accepted) => work(accepted),
        None => Err(rules::no_such_socket(socket)),
    }
}

/// What only sockets have that were accepted with hibernation.
fn with_kept<T>(socket: u64, work: impl FnOnce(&mut Accepted) -> Result<T>) -> Result<T> {
    with(socket, |accepted| match accepted.is_plain {
        true => Err(rules::is_plain(socket)),
        false => work(accepted),
    })
}

/// A token for a request to another object: whoever accepts it there is the other end
/// of what is accepted with it here.
pub fn handshake() -> u64 {
    let (there, here) = Client::joined();
    let token = ask(there);
    HANDSHAKES.with_borrow_mut(|handshakes| handshakes.insert(token, here));
    token
}

pub fn accept(upgrade: u64, tags: &[String]) -> Result<u64> {
    take(upgrade, rules::tags(tags)?, false)
}

pub fn accept_plain(upgrade: u64) -> Result<u64> {
    take(upgrade, Vec::new(), true)
}

fn take(upgrade: u64, tags: Vec<String>, is_plain: bool) -> Result<u64> {
    let space = Space::current();
    let mut sockets = space.sockets.borrow_mut();
    rules::another_socket(sockets.accepted.len())?;
    let client = asking(upgrade);
    let client = client.ok_or_else(|| Error::new("this WebSocket was already accepted"))?;
    let socket = executor::number();
    let accepted = Accepted {
        tags,
        attachment: None,
        is_plain,
        auto_response_ms: None,
        is_closed: false,
        client: client.clone(),
    };
    sockets.accepted.insert(socket, accepted);
    drop(sockets);
    client.accepted(Rc::downgrade(&space), socket);
    Ok(socket)
}

/// Who asks with this token: first whoever has got it, then whoever has made it.
fn asking(token: u64) -> Option<Client> {
    let asking = ASKING.with_borrow_mut(|asking| asking.remove(&token));
    asking.or_else(|| HANDSHAKES.with_borrow_mut(|handshakes| handshakes.remove(&token)))
}

pub fn ready_state(socket: u64) -> SocketState {
    let state = with(socket, |accepted| {
        Ok(accepted.client.state(accepted.is_closed))
    });
    state.unwrap_or(SocketState::Closed)
}

pub fn send(socket: u64, message: &Message) -> Result<()> {
    rules::message(message.bytes())?;
    let client = with(socket, |accepted| match accepted.is_closed {
        true => Err(rules::closed()),
        false => Ok(accepted.client.clone()),
    })?;
    let message = message.clone();
    Space::current().say(true, move || client.tell(message));
    Ok(())
}

pub fn close(socket: u64, code: Option<u16>, reason: &str) -> Result<()> {
    rules::close(code, reason)?;
    let client = with(socket, |accepted| {
        let is_first = !std::mem::replace(&mut accepted.is_closed, true);
        Ok(is_first.then(|| accepted.client.clone()))
    })?;
    if let Some(client) = client {
        let reason = reason.to_owned();
        Space::current().say(true, move || client.object_closed(code, &reason));
    }
    Ok(())
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
    with_kept(socket, |accepted| Ok(accepted.tags.clone()))
}

pub fn attachment(socket: u64) -> Result<Option<Vec<u8>>> {
    with_kept(socket, |accepted| Ok(accepted.attachment.clone()))
}

pub fn set_attachment(socket: u64, attachment: &[u8]) -> Result<()> {
    with_kept(socket, |accepted| {
        rules::attachment(attachment.len())?;
        accepted.attachment = Some(attachment.to_vec());
        Ok(())
    })
}

pub fn set_auto_response(pair: Option<(String, String)>) -> Result<()> {
    if let Some((request, response)) = &pair {
        rules::auto_response(request, response)?;
    }
    Space::current().sockets.borrow_mut().auto_response = pair;
    Ok(())
}

pub fn get_auto_response() -> Result<Option<(String, String)>> {
    Ok(Space::current().sockets.borrow().auto_response.clone())
}

pub fn auto_response_timestamp(socket: u64) -> Result<Option<i64>> {
    with_kept(socket, |accepted| Ok(accepted.auto_response_ms))
}

pub fn set_event_timeout(timeout_ms: Option<u32>) -> Result<()> {
    rules::event_timeout(timeout_ms.unwrap_or(0))?;
    Space::current().sockets.borrow_mut().event_timeout_ms = timeout_ms.filter(|ms| *ms > 0);
    Ok(())
}

pub fn get_event_timeout() -> Result<Option<u32>> {
    Ok(Space::current().sockets.borrow().event_timeout_ms)
}
