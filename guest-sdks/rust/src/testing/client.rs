//! The other end of an object's WebSocket.

use super::world;
use crate::export::Happened;
use crate::host::memory::{Space, rules, sockets};
use crate::websocket::{SocketState, Upgrade};
use crate::{Close, Error, Message, Request, Result, WebSocket};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

/// A client of an object: the other end of a WebSocket, which the test plays.
///
/// What it sends to an object of a [`World`](super::World) comes to its
/// [`WebSocketHandler`](crate::WebSocketHandler). Of an object that the test drives
/// itself, the test calls the handlers with [`Client::socket`].
///
/// ```
/// use durable_object::{http, testing};
///
/// # testing::run(async |state| {
/// let (request, mut client) = testing::web_socket("http://host/room/lobby");
/// let socket = state.websockets().accept(&request, ["member"])?;
/// socket.send("hello")?;
/// assert_eq!(client.next().await, Some("hello".into()));
/// assert_eq!(client.socket(), Some(socket));
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Client(Rc<RefCell<End>>);

#[derive(Default)]
struct End {
    object: Option<(Weak<Space>, u64)>,
    messages: VecDeque<Message>,
    closed_by_object: Option<(Option<u16>, String)>,
    closed_by_client: bool,
    /// The object was reset.
    is_dropped: bool,
    waiting: Vec<Waker>,
    /// Between two objects: what the other one is connected to.
    joined: Weak<RefCell<End>>,
}

/// Of a message that is too large.
const TOO_LARGE: u16 = 1009;

/// A request that asks for a WebSocket, and its client.
pub fn web_socket(url: &str) -> (Request, Client) {
    let mut request = Request::default();
    *request.uri_mut() = url.parse().expect("a test's URL is one");
    let client = Client::default();
    let token = sockets::ask(client.clone());
    request.extensions_mut().insert(Upgrade(token));
    (request, client)
}

impl Client {
    /// The socket that the object has accepted.
    pub fn socket(&self) -> Option<WebSocket> {
        let end = self.0.borrow();
        end.object.as_ref().map(|(_, socket)| WebSocket(*socket))
    }

    /// The next message from the object; none when it has closed the socket, and when the
    /// object was reset or has not answered a close, which breaks the connection.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| {
            let mut end = self.0.borrow_mut();
            if let Some(message) = end.messages.pop_front() {
                return Poll::Ready(Some(message));
            }
            if end.closed_by_object.is_some() || end.is_dropped {
                return Poll::Ready(None);
            }
            end.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// A message that has come already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.0.borrow_mut().messages.pop_front()
    }

    /// Code and reason with which the object has closed the socket.
    pub fn closed(&self) -> Option<(Option<u16>, String)> {
        self.0.borrow().closed_by_object.clone()
    }

    /// Sends a message to the object.
    pub fn send(&self, message: impl Into<Message>) -> Result<()> {
        let message = message.into();
        let (space, socket) = self.object()?;
        if let Err(error) = rules::message(message.bytes()) {
            self.0.borrow_mut().closed_by_client = true;
            sockets::break_off(&space, socket);
            self.object_closed(Some(TOO_LARGE), error.message());
            let what = Happened::Error(error.message().to_owned());
            world::web_socket(&space, WebSocket(socket), what);
            return Ok(());
        }
        if let Some(response) = sockets::auto_response(&space, socket, &message) {
            self.tell(response);
            return Ok(());
        }
        world::web_socket(&space, WebSocket(socket), Happened::Message(message));
        Ok(())
    }

    /// Closes the socket.
    pub fn close(&self, code: u16, reason: &str) -> Result<()> {
        self.end(Close {
            code,
            reason: reason.to_owned(),
            was_clean: true,
        })
    }

    /// Is gone without a word.
    pub fn vanish(&self) -> Result<()> {
        self.end(Close {
            code: 1006,
            reason: "WebSocket disconnected without sending Close frame.".to_owned(),
            was_clean: false,
        })
    }

    fn end(&self, close: Close) -> Result<()> {
        let (space, socket) = self.object()?;
        self.0.borrow_mut().closed_by_client = true;
        world::web_socket(&space, WebSocket(socket), Happened::Close(close));
        Ok(())
    }

    fn object(&self) -> Result<(Rc<Space>, u64)> {
        let end = self.0.borrow();
        if end.closed_by_client {
            return Err(Error::new("the client has closed the WebSocket"));
        }
        let object = end.object.as_ref();
        object
            .and_then(|(space, socket)| Some((space.upgrade()?, *socket)))
            .ok_or_else(|| Error::new("no object has accepted this WebSocket"))
    }

    /// Two clients: what an object tells one comes to the other's object.
    pub(crate) fn joined() -> (Self, Self) {
        let (one, other) = (Self::default(), Self::default());
        one.0.borrow_mut().joined = Rc::downgrade(&other.0);
        other.0.borrow_mut().joined = Rc::downgrade(&one.0);
        (one, other)
    }

    pub(crate) fn accepted(&self, space: Weak<Space>, socket: u64) {
        self.0.borrow_mut().object = Some((space, socket));
        let joined = self.0.borrow().joined.upgrade().map(Client);
        if let Some(other) = joined {
            other.hand_over(self);
        }
    }

    pub(crate) fn state(&self, closed_by_object: bool) -> SocketState {
        match (closed_by_object, self.0.borrow().closed_by_client) {
            (true, true) => SocketState::Closed,
            (false, false) => SocketState::Open,
            _ => SocketState::Closing,
        }
    }

    pub(crate) fn tell(&self, message: Message) {
        self.happens(|end| end.messages.push_back(message));
    }

    pub(crate) fn drop_by_object(&self) {
        self.happens(|end| end.is_dropped = true);
    }

    pub(crate) fn object_closed(&self, code: Option<u16>, reason: &str) {
        self.happens(|end| {
            end.closed_by_object
                .get_or_insert_with(|| (code, reason.to_owned()));
        });
    }

    fn happens(&self, what: impl FnOnce(&mut End)) {
        let joined = {
            let mut end = self.0.borrow_mut();
            what(&mut end);
            end.waiting.drain(..).for_each(Waker::wake);
            end.joined.upgrade().map(Client)
        };
        if let Some(other) = joined.filter(|other| other.socket().is_some()) {
            self.hand_over(&other);
        }
    }

    /// Lets the other client's object have what this one's has told. An object that is
    /// gone, or has heard the end already, hears nothing.
    fn hand_over(&self, other: &Client) {
        let messages = std::mem::take(&mut self.0.borrow_mut().messages);
        for message in messages {
            let _ = other.send(message);
        }
        let closed = self.closed();
        if let Some((code, reason)) = closed {
            let _ = other.close(code.unwrap_or(1005), &reason);
        } else if self.0.borrow().is_dropped {
            let _ = other.vanish();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.socket()).finish()
    }
}
