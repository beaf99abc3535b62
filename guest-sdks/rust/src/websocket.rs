//! WebSockets that outlive the object's instance.

use crate::host::websockets as host;
use crate::storage::time;
use crate::{Error, Request, Result};
use std::time::{Duration, SystemTime};

/// All WebSockets of the object: the host keeps connection, tags and attachment
/// while the object sleeps, and wakes it for a message.
///
/// Messages arrive at
/// [`DurableObject::websocket_message`](crate::DurableObject::websocket_message).
///
/// Every call fails while the host serves no WebSockets.
///
/// ```no_run
/// use durable_object::http::StatusCode;
/// use durable_object::{DurableObject, Message, Request, Response, Result, State, WebSocket, response};
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
///     async fn websocket_message(&self, _: WebSocket, message: Message) -> Result<()> {
///         for socket in self.state.websockets().tagged("member")? {
///             socket.send(message.clone())?;
///         }
///         Ok(())
///     }
/// }
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
    /// merged, the empty tag is allowed. Fails also when the request asks for no
    /// WebSocket: answer it with status 426.
    pub fn accept(
        &self,
        request: &Request,
        tags: impl IntoIterator<Item: Into<String>>,
    ) -> Result<WebSocket> {
        let Some(Upgrade(token)) = request.extensions().get() else {
            return Err(Error::new("The request does not ask for a WebSocket."));
        };
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        host::accept(*token, &tags).map(WebSocket)
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
    /// that. At most 604,800,000 ms, a week.
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

    /// When the socket's last automatic response was sent.
    pub fn auto_response_time(&self) -> Result<Option<SystemTime>> {
        Ok(host::auto_response_timestamp(self.0)?.map(time))
    }
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
/// [`DurableObject::websocket_close`](crate::DurableObject::websocket_close).
///
/// ```
/// let close = durable_object::Close { code: 1000, reason: "bye".into(), was_clean: true };
/// assert_eq!(close.clone(), close);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// 1005 when the peer gave none, 1006 when the connection broke.
    pub code: u16,
    /// What the peer said; often empty.
    pub reason: String,
    /// Whether the peer closed the socket, rather than being gone.
    pub was_clean: bool,
}

/// The handshake of a request, which travels with it as an extension: passing the
/// request on to another object passes the handshake on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upgrade(pub u64);
