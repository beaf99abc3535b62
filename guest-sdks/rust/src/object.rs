//! What a class implements.

use crate::{Close, Error, Message, Request, Response, Result, State, WebSocket};
use std::time::SystemTime;

/// A class of durable objects. Each object is one value of the type that
/// implements it, made visible to the host by [`export!`](crate::export).
///
/// Events interleave wherever a handler awaits something of the host, so handlers
/// take `&self`; keep what changes in a [`Cell`](std::cell::Cell) or
/// [`RefCell`](std::cell::RefCell), or in the storage. Between two awaits nothing
/// interleaves: a read of the storage and the write that depends on it are safe
/// together.
///
/// Do not hold a borrow of a `RefCell` across an await: another event may then
/// find it borrowed and panic. A panic traps: the object is reset, its memory and
/// its uncommitted writes are gone, and the events in flight fail.
///
/// Memory may be lost at any time (a reset, a restart, a long sleep); what was
/// written to the storage before a response left is not.
///
/// `println!` and `eprintln!` write to the host's log.
///
/// ```
/// use durable_object::http::Method;
/// use durable_object::{DurableObject, Request, Response, Result, State, response};
/// use std::cell::Cell;
///
/// struct Counter {
///     state: State,
///     requests: Cell<u64>,
/// }
///
/// impl DurableObject for Counter {
///     async fn new(state: State) -> Result<Self> {
///         Ok(Counter { state, requests: Cell::new(0) })
///     }
///
///     async fn fetch(&self, request: Request) -> Result<Response> {
///         self.requests.set(self.requests.get() + 1);
///         let kv = self.state.storage().kv();
///         let mut count = kv.get_as::<u64>("count")?.unwrap_or(0);
///         if request.method() == Method::POST {
///             count += 1;
///             kv.put_as("count", &count)?;
///         }
///         Ok(response::text(count.to_string()))
///     }
/// }
///
/// durable_object::export!(Counter);
///
/// # fn main() {
/// # durable_object::testing::run(async |state| {
/// let counter = Counter::new(state).await?;
/// let mut request = Request::default();
/// *request.method_mut() = Method::POST;
/// let answer = counter.fetch(request).await?;
/// assert_eq!(answer.into_body().text().await?, "1");
/// # Ok(()) }).unwrap();
/// # }
/// ```
#[allow(
    async_fn_in_trait,
    reason = "an object lives on one thread, so no future has to be Send"
)]
pub trait DurableObject: Sized + 'static {
    /// Makes a fresh instance, before any event is delivered. Events that arrive
    /// meanwhile wait, also while this waits for something. Not called when the
    /// object wakes with its memory.
    ///
    /// When it fails, its uncommitted writes are undone, every waiting event gets
    /// the error, and the next event finds a fresh instance.
    async fn new(state: State) -> Result<Self>;

    /// Answers one HTTP request. Its URI is absolute, as the client wrote it:
    /// `http://host/class/name/path?query`.
    ///
    /// The response leaves when everything written so far is durable. An error goes
    /// to the caller; it rolls nothing back and leaves the object as it is.
    async fn fetch(&self, request: Request) -> Result<Response>;

    /// Runs when the time of [`Storage::set_alarm`](crate::Storage::set_alarm) has
    /// come, at least once.
    ///
    /// An error is retried up to 6 times, after 2 seconds and then twice as long
    /// each time, plus up to a quarter; then the alarm is gone. A new alarm that
    /// this sets replaces the retry. Limit: 15 minutes.
    ///
    /// Unless implemented it fails, with a text that says so.
    async fn alarm(&self, info: AlarmInfo) -> Result<()> {
        let _ = info;
        Err(Error::new(
            "Your Durable Object class must have an alarm() handler in order to call setAlarm()",
        ))
    }

    /// Runs a method for another object, see [`Stub::call`](crate::Stub::call).
    /// `arguments` is a CBOR array (RFC 8949), the result one CBOR item; at most
    /// 33,554,432 bytes each. Decode them with a CBOR library of your choice.
    ///
    /// Unless implemented it fails with `The RPC receiver does not implement the
    /// method "x".`, which is also what it should answer to unknown methods: see
    /// [`no_such_method`].
    async fn call(&self, method: &str, arguments: Vec<u8>) -> Result<Vec<u8>> {
        let _ = arguments;
        Err(no_such_method(method))
    }

    /// A message arrived on a WebSocket. Handlers for one socket start in the order
    /// of its messages. An error closes nothing. Unless implemented, messages are
    /// ignored.
    async fn websocket_message(&self, socket: WebSocket, message: Message) -> Result<()> {
        let _ = (socket, message);
        Ok(())
    }

    /// The peer closed a WebSocket, or its connection is gone. The socket is still
    /// listed while this runs and gone afterwards. The host does not answer a
    /// peer's close by itself: call [`WebSocket::close`]. Unless implemented, this
    /// is ignored.
    async fn websocket_close(&self, socket: WebSocket, close: Close) -> Result<()> {
        let _ = (socket, close);
        Ok(())
    }

    /// A WebSocket failed otherwise, for example because a message was larger than
    /// 33,554,432 bytes. Unless implemented, this is ignored.
    async fn websocket_error(&self, socket: WebSocket, message: String) -> Result<()> {
        let _ = (socket, message);
        Ok(())
    }
}

/// Why and when [`DurableObject::alarm`] runs.
///
/// ```
/// use durable_object::AlarmInfo;
///
/// let info = AlarmInfo {
///     retry_count: 0,
///     is_retry: false,
///     scheduled_time: std::time::SystemTime::now(),
/// };
/// assert!(!info.is_retry);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmInfo {
    /// How often this alarm has failed before; 0 the first time.
    pub retry_count: u32,
    /// Whether it has failed before.
    pub is_retry: bool,
    /// For when the alarm was set.
    pub scheduled_time: SystemTime,
}

/// The error for a method that [`DurableObject::call`] does not know.
///
/// ```
/// let error = durable_object::no_such_method("dance");
/// assert_eq!(error.message(), r#"The RPC receiver does not implement the method "dance"."#);
/// assert_eq!(error.name(), "TypeError");
/// ```
pub fn no_such_method(method: &str) -> Error {
    Error::named(
        "TypeError",
        format!("The RPC receiver does not implement the method \"{method}\"."),
    )
}
