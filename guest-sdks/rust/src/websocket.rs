//! WebSockets that outlive the object's instance.

use crate::host::websockets as host;
use crate::storage::time;
use crate::{Error, Request, Result};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime};

/// All WebSockets of the object: the host keeps connection, tags and attachment
/// while the object sleeps, and wakes it for a message. A reset breaks them, so that clients see
/// 1006, and a server that stops closes them with 1012: clients that connect anew are whole again.
///
/// Messages arrive at [`WebSocketHandler::message`](crate::WebSocketHandler::message).
///
/// ```no_run
/// use durable_object::http::StatusCode;
/// use durable_object::{DurableObject, Message, Request, Response, Result, State, WebSocket};
/// use durable_object::{WebSocketHandler, response};
///
/// struct Chat { state: State }
///
/// impl DurableObject for Chat {
///     async fn new(state: State) -> Result<Self> {
///         Ok(Chat { state })
///     }
///
///     async fn fetch(&self, request: Request) -> Result<Response> {
///         self.state.websockets().accept(&request, ["member"])?;
///         Ok(response::status(StatusCode::SWITCHING_PROTOCOLS))
///     }
///
/// }
///
/// impl WebSocketHandler for Chat {
///     async fn message(&self, _: WebSocket, message: Message) -> Result<()> {
///         for socket in self.state.websockets().tagged("member")? {
///             socket.send(message.clone())?;
///         }
///         Ok(())
///     }
/// }
///
/// durable_object::export!(Chat: WebSocketHandler);
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WebSockets {
    pub(crate) _made_by_state: (),
}

/// ```no_run
/// # durable_object::testing::run(async |state| {
/// use std::time::Duration;
///
/// let sockets = state.websockets();
/// sockets.set_auto_response(Some(("ping", "pong")))?;
/// sockets.set_event_timeout(Some(Duration::from_secs(5)))?;
/// for socket in sockets.all()? {
///     println!("{:?} {:?}", socket.tags()?, socket.auto_response_time()?);
/// }
/// # Ok(()) }).unwrap();
/// ```
impl WebSockets {
    /// Accepts the WebSocket of a request that asks for one. Answer that request
    /// with status 101; the headers of the response, `sec-websocket-protocol` for
    /// instance, are passed on.
    ///
    /// Limits: 32,768 sockets; 10 tags of 256 bytes each. Duplicate tags are
    /// merged, the empty tag is allowed. Fails also, with status 426, when the request
    /// asks for no WebSocket.
    pub fn accept(&self, request: &impl AsksForWebSocket, tags: impl Tags) -> Result<WebSocket> {
        host::accept(token(request)?, &tags.into_tags()).map(WebSocket)
    }

    /// [`accept`](Self::accept) without hibernation: the object stays awake while the
    /// socket is open, which has no tags, no attachment and no automatic responses,
    /// is in no list, and ends with the instance. What happens on it comes to
    /// [`WebSocketHandler`](crate::WebSocketHandler) all the same, which `export!` has to list.
    pub fn accept_plain(&self, request: &impl AsksForWebSocket) -> Result<WebSocket> {
        host::accept_plain(token(request)?).map(WebSocket)
    }

    /// Makes a request that is about to be sent ask for a WebSocket. When the answer
    /// has status 101, [`accept`](Self::accept) the handshake; the server that answered
    /// is then the other end.
    ///
    /// Addresses outside begin with `http://` or `https://`, not with `ws://`. Sub-protocols are
    /// the header `sec-websocket-protocol`, on the request and on the answer.
    ///
    /// ```no_run
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::Request;
    ///
    /// let sockets = state.websockets();
    /// let mut request = Request::default();
    /// let handshake = sockets.handshake(&mut request);
    /// let answer = state.class("room").named("lobby").fetch(request).await?;
    /// assert_eq!(answer.status(), 101);
    /// let socket = sockets.accept(&handshake, ["upstream"])?;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn handshake(&self, request: &mut Request) -> Handshake {
        let token = host::handshake();
        request.extensions_mut().insert(Upgrade(token));
        Handshake(token)
    }

    /// All sockets, newest first.
    pub fn all(&self) -> Result<Vec<WebSocket>> {
        Ok(sockets(host::list(None)?))
    }

    /// The sockets with a tag, oldest first.
    pub fn tagged(&self, tag: &str) -> Result<Vec<WebSocket>> {
        Ok(sockets(host::list(Some(tag))?))
    }

    /// Answers a text message that equals the first text with the second, on all
    /// sockets, without waking the object; none ends that. Either text has at most
    /// 2,048 bytes.
    pub fn set_auto_response(&self, pair: Option<(&str, &str)>) -> Result<()> {
        host::set_auto_response(pair.map(|(request, response)| (request.into(), response.into())))
    }

    /// What [`set_auto_response`](Self::set_auto_response) has set.
    pub fn auto_response(&self) -> Result<Option<(String, String)>> {
        host::get_auto_response()
    }

    /// Limits how long one socket event may run, to the millisecond; none ends
    /// that. At most 604,800,000 ms, a week. A handler that takes longer goes on, but as work in
    /// the background, for which no later event of the socket waits; the log says so.
    pub fn set_event_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        // What does not fit is far over the limit, and the host says so.
        let timeout_ms = timeout.map(|timeout| timeout.as_millis().try_into().unwrap_or(u32::MAX));
        host::set_event_timeout(timeout_ms)
    }

    /// What [`set_event_timeout`](Self::set_event_timeout) has set.
    pub fn event_timeout(&self) -> Result<Option<Duration>> {
        let timeout_ms = host::get_event_timeout()?;
        Ok(timeout_ms.map(|timeout_ms| Duration::from_millis(timeout_ms.into())))
    }
}

fn token(request: &impl AsksForWebSocket) -> Result<u64> {
    request.token().ok_or_else(|| {
        Error::status(
            StatusCode::UPGRADE_REQUIRED,
            "The request does not ask for a WebSocket.",
        )
    })
}

/// The tags of a WebSocket: a list of texts.
///
/// ```compile_fail
/// # use durable_object::{Request, Result, State};
/// # fn accept(state: State, request: Request) -> Result<()> {
/// state.websockets().accept(&request, "member")?; // write ["member"]
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of tags",
    note = "write `[\"tag\"]` for one, `[\"\"; 0]` for none"
)]
pub trait Tags {
    #[doc(hidden)]
    fn into_tags(self) -> Vec<String>;
}

// Else the compiler would say why this does not apply, in place of the text above.
#[diagnostic::do_not_recommend]
impl<T: IntoIterator<Item: Into<String>>> Tags for T {
    fn into_tags(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

/// What a WebSocket may be accepted of: a [`Request`] that came, or a [`Handshake`].
pub trait AsksForWebSocket {
    #[doc(hidden)]
    fn token(&self) -> Option<u64>;
}

impl AsksForWebSocket for Request {
    fn token(&self) -> Option<u64> {
        self.extensions().get().map(|Upgrade(token)| *token)
    }
}

/// A WebSocket that the object has asked for, see [`WebSockets::handshake`].
#[derive(Debug)]
pub struct Handshake(u64);

impl AsksForWebSocket for Handshake {
    fn token(&self) -> Option<u64> {
        Some(self.0)
    }
}

fn sockets(numbers: Vec<u64>) -> Vec<WebSocket> {
    numbers.into_iter().map(WebSocket).collect()
}

/// One WebSocket of the object. Its number stays the same when the object sleeps.
///
/// Every call fails when the object has no such socket (any more).
///
/// ```no_run
/// # durable_object::testing::run(async |state| {
/// for socket in state.websockets().all()? {
///     let visits = socket.attachment()?.map_or(0, |bytes| bytes[0]) + 1;
///     socket.set_attachment([visits])?;
///     if visits > 3 {
///         socket.close(1000, "enough")?;
///     }
/// }
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WebSocket(pub(crate) u64);

/// ```no_run
/// # durable_object::testing::run(async |state| {
/// let sockets = state.websockets().tagged("admin")?;
/// sockets[0].send("text")?;
/// sockets[0].send(vec![0xca, 0xfe])?;
/// println!("told {:?}", sockets[0].tags()?);
/// # Ok(()) }).unwrap();
/// ```
impl WebSocket {
    /// The socket's number, unique within the object.
    pub fn number(&self) -> u64 {
        self.0
    }

    /// Sends a message of at most 33,554,432 bytes, once everything written so far
    /// is durable. Fails with `Can't call WebSocket send() after close().`
    pub fn send(&self, message: impl Into<Message>) -> Result<()> {
        host::send(self.0, &message.into())
    }

    /// Closes the socket, once everything written so far is durable; a second
    /// close is ignored.
    ///
    /// Codes are 1000 to 4999 but 1004, 1005, 1006 and 1015; a reason has at most
    /// 123 bytes.
    pub fn close(&self, code: u16, reason: &str) -> Result<()> {
        host::close(self.0, Some(code), reason)
    }

    /// The tags with which the socket was accepted.
    pub fn tags(&self) -> Result<Vec<String>> {
        host::tags(self.0)
    }

    /// The bytes kept with the socket; none at first.
    pub fn attachment(&self) -> Result<Option<Vec<u8>>> {
        host::attachment(self.0)
    }

    /// Keeps bytes with the socket while the object sleeps, at most 16,384. Keeps
    /// the old ones when it fails.
    pub fn set_attachment(&self, attachment: impl AsRef<[u8]>) -> Result<()> {
        host::set_attachment(self.0, attachment.as_ref())
    }

    /// What was kept with [`set_attachment_as`](Self::set_attachment_as); none at first.
    /// Fails when it is no `T`.
    pub fn attachment_as<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let Some(json) = self.attachment()? else {
            return Ok(None);
        };
        Ok(Some(serde_json::from_slice(&json)?))
    }

    /// Keeps a value with the socket, as JSON, see
    /// [`set_attachment`](Self::set_attachment).
    pub fn set_attachment_as(&self, attachment: &(impl Serialize + ?Sized)) -> Result<()> {
        self.set_attachment(serde_json::to_vec(attachment)?)
    }

    /// Whether messages can still be sent. A socket that the object does not have is
    /// closed.
    pub fn state(&self) -> SocketState {
        host::ready_state(self.0)
    }

    /// When the socket's last automatic response was sent.
    pub fn auto_response_time(&self) -> Result<Option<SystemTime>> {
        Ok(host::auto_response_timestamp(self.0)?.map(time))
    }
}

/// Where a [`WebSocket`] is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketState {
    /// Messages go both ways.
    Open,
    /// One side has closed it, the other not yet.
    Closing,
    /// It is gone.
    Closed,
}

/// What a WebSocket carries.
///
/// ```
/// use durable_object::Message;
///
/// assert_eq!(Message::from("hello"), Message::Text("hello".into()));
/// assert_eq!(Message::from(vec![1]), Message::Binary(vec![1]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

#[cfg(all(feature = "testing", not(target_family = "wasm")))]
impl Message {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

/// How the peer left, see
/// [`WebSocketHandler::close`](crate::WebSocketHandler::close).
///
/// ```
/// let close = durable_object::Close { code: 1000, reason: "bye".into(), was_clean: true };
/// assert_eq!(close.clone(), close);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// 1005 when the peer gave none, 1006 when the connection broke.
    pub code: u16,
    /// What the peer said; often empty. With 1006 it is
    /// `WebSocket disconnected without sending Close frame.`
    pub reason: String,
    /// Whether the peer closed the socket, rather than being gone.
    pub was_clean: bool,
}

/// The handshake of a request, which travels with it as an extension: passing the
/// request on to another object passes the handshake on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upgrade(pub u64);
