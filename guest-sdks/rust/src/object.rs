//! What a class implements.

use crate::{Call, Close, Message, Payload, Request, Response, Result, State, WebSocket};
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
/// find it borrowed and panic. A panic traps: the object is reset, its memory, its
/// WebSockets and its uncommitted writes are gone, and the events in flight fail.
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
    /// `http://host/class/name/path?query`; what follows the object's name is
    /// [`RequestExt::subpath`](crate::RequestExt::subpath).
    ///
    /// The response leaves when everything written so far is durable. An error goes
    /// to the caller, as an answer if it has a status; it rolls nothing back and
    /// leaves the object as it is.
    async fn fetch(&self, request: Request) -> Result<Response>;
}

/// A class whose objects have an alarm. List it: `export!(MyClass: AlarmHandler)`.
///
/// ```
/// use durable_object::{AlarmHandler, AlarmInfo, DurableObject, Request, Response, Result, State};
/// use std::time::Duration;
///
/// struct Egg { state: State }
///
/// impl DurableObject for Egg {
///     async fn new(state: State) -> Result<Self> {
///         Ok(Egg { state })
///     }
///
///     async fn fetch(&self, _: Request) -> Result<Response> {
///         self.state.storage().set_alarm_after(Duration::from_secs(240))?;
///         Ok(Response::default())
///     }
/// }
///
/// impl AlarmHandler for Egg {
///     async fn alarm(&self, _: AlarmInfo) -> Result<()> {
///         self.state.storage().kv().put("egg", "is ready")
///     }
/// }
///
/// durable_object::export!(Egg: AlarmHandler);
/// # fn main() {}
/// ```
#[allow(
    async_fn_in_trait,
    reason = "an object lives on one thread, so no future has to be Send"
)]
pub trait AlarmHandler: DurableObject {
    /// Runs when the time of [`Storage::set_alarm`](crate::Storage::set_alarm) has
    /// come, at least once.
    ///
    /// An error is retried up to 6 times, after 2 seconds and then twice as long
    /// each time, plus up to a quarter; then the alarm is gone. A new alarm that
    /// this sets replaces the retry. Limit: 15 minutes.
    async fn alarm(&self, info: AlarmInfo) -> Result<()>;
}

/// A class whose methods other objects may call, see
/// [`Stub::call`](crate::Stub::call). List it: `export!(MyClass: CallHandler)`. Also
/// needed by objects that give out a [`Reference`](crate::Reference).
///
/// [`methods`](crate::methods) implements it for the public functions of the class. It takes an
/// implementation of one's own to answer what is read as a property, and to know who waits
/// ([`Call::caller`]).
///
/// ```
/// # use durable_object::{Call, CallHandler, DurableObject, Payload, Request, Response, Result, State};
/// # struct Board;
/// # impl DurableObject for Board {
/// #     async fn new(_: State) -> Result<Self> { Ok(Board) }
/// #     async fn fetch(&self, _: Request) -> Result<Response> { Ok(Response::default()) }
/// # }
/// impl CallHandler for Board {
///     async fn call(&self, call: Call) -> Result<Payload> {
///         match call.method() {
///             "title" if call.is_property() => Payload::of("news"),
///             "add" => {
///                 let (a, b): (u64, u64) = call.arguments()?;
///                 Payload::of(&(a + b))
///             }
///             _ => Err(call.no_such_method()),
///         }
///     }
/// }
/// ```
#[allow(
    async_fn_in_trait,
    reason = "an object lives on one thread, so no future has to be Send"
)]
pub trait CallHandler: DurableObject {
    /// Runs a method. Unknown ones should fail with [`Call::no_such_method`].
    async fn call(&self, call: Call) -> Result<Payload>;
}

/// A class whose objects have [`WebSockets`](crate::WebSockets), with hibernation or without.
/// List it: `export!(MyClass: WebSocketHandler)`.
#[allow(
    async_fn_in_trait,
    reason = "an object lives on one thread, so no future has to be Send"
)]
pub trait WebSocketHandler: DurableObject {
    /// A message arrived. Those of one socket start in the order of its messages. An
    /// error closes nothing.
    async fn message(&self, socket: WebSocket, message: Message) -> Result<()>;

    /// The peer closed a socket, or its connection is gone. The socket is still listed
    /// while this runs and gone afterwards. The host does not answer a peer's close by
    /// itself: unless implemented, this closes the socket with the peer's code, or
    /// with 1000 where that is none that may be sent.
    async fn close(&self, socket: WebSocket, close: Close) -> Result<()> {
        let may_be_sent =
            (1000..5000).contains(&close.code) && ![1004, 1005, 1006, 1015].contains(&close.code);
        socket.close(if may_be_sent { close.code } else { 1000 }, "")
    }

    /// A socket failed otherwise, for example because a message was larger than
    /// 33,554,432 bytes. Unless implemented, this is ignored.
    async fn error(&self, socket: WebSocket, message: String) -> Result<()> {
        let _ = (socket, message);
        Ok(())
    }
}

/// Why and when [`AlarmHandler::alarm`] runs.
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
