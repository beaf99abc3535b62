//! Durable objects in Rust: tiny servers with a name, each with its own database.
//!
//! Implement [`DurableObject`], name it in [`export!`], and build the crate as a
//! component (`crate-type = ["cdylib"]`, target `wasm32-wasip2`):
//!
//! ```
//! use durable_object::{DurableObject, Request, Response, Result, State, response};
//!
//! struct Visits {
//!     state: State,
//! }
//!
//! impl DurableObject for Visits {
//!     async fn new(state: State) -> Result<Self> {
//!         Ok(Visits { state })
//!     }
//!
//!     async fn fetch(&self, _: Request) -> Result<Response> {
//!         let kv = self.state.storage().kv();
//!         let visits = kv.get_as::<u64>("visits")?.unwrap_or(0) + 1;
//!         kv.put_as("visits", &visits)?;
//!         Ok(response::text(format!("visit number {visits}")))
//!     }
//! }
//!
//! durable_object::export!(Visits);
//!
//! # fn main() {
//! # durable_object::testing::run(async |state| {
//! let visits = Visits::new(state).await?;
//! let answer = visits.fetch(Request::default()).await?;
//! assert_eq!(answer.into_body().text().await?, "visit number 1");
//! # Ok(()) }).unwrap();
//! # }
//! ```
//!
//! What the host promises, how events interleave and what a panic does:
//! [`DurableObject`]. What is durable and when: [`Storage`].
//!
//! With the feature `testing`, objects can be tested natively, see the module
//! `testing`. Without it, what needs a host panics outside of a component.

#![warn(missing_docs)]

// The generated macro names its bindings by the path that a user's crate has.
extern crate self as durable_object;

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
#[doc(hidden)]
pub mod bindings;
mod body;
mod error;
mod export;
mod gateway;
mod host;
mod kv;
mod object;
mod request;
pub mod response;
mod rpc;
mod sql;
mod state;
mod storage;
mod stub;
mod task;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod testing;
mod transaction;
mod websocket;

pub use body::{Body, BodyWriter};
/// Reads a struct from a row, see [`FromRow`](trait@FromRow).
pub use durable_object_macros::FromRow;
/// Makes the component's classes known to the host. Use it once, in the crate that
/// is built as a component (`crate-type = ["cdylib"]`).
///
/// With one class, objects of any class name that the host's configuration gives
/// to this component are of that type. The handlers that it implements beside
/// [`DurableObject`] are listed like bounds: the host refuses what an object could not
/// handle, for example to set an alarm. One that is implemented and not listed does not
/// compile.
///
/// ```
/// # use durable_object::{AlarmHandler, AlarmInfo, DurableObject, Request, Response, Result, State};
/// # struct Counter;
/// # impl DurableObject for Counter {
/// #     async fn new(_: State) -> Result<Self> { Ok(Counter) }
/// #     async fn fetch(&self, _: Request) -> Result<Response> { Ok(Response::default()) }
/// # }
/// # impl AlarmHandler for Counter {
/// #     async fn alarm(&self, _: AlarmInfo) -> Result<()> { Ok(()) }
/// # }
/// durable_object::export!(Counter: AlarmHandler);
/// # fn main() {}
/// ```
///
/// ```compile_fail
/// # use durable_object::{AlarmHandler, AlarmInfo, DurableObject, Request, Response, Result, State};
/// # struct Counter;
/// # impl DurableObject for Counter {
/// #     async fn new(_: State) -> Result<Self> { Ok(Counter) }
/// #     async fn fetch(&self, _: Request) -> Result<Response> { Ok(Response::default()) }
/// # }
/// # impl AlarmHandler for Counter {
/// #     async fn alarm(&self, _: AlarmInfo) -> Result<()> { Ok(()) }
/// # }
/// durable_object::export!(Counter); // Counter implements AlarmHandler
/// # fn main() {}
/// ```
///
/// A [`Gateway`] is a component of its own: `export!(gateway Front)`.
///
/// With several, the class name chooses. A host knows the names without a
/// configuration; an object of a class that is not listed cannot start:
///
/// ```
/// # use durable_object::{
/// #     AlarmHandler, AlarmInfo, DurableObject, Message, Request, Response, Result, State,
/// #     WebSocket, WebSocketHandler,
/// # };
/// # struct Counter;
/// # impl DurableObject for Counter {
/// #     async fn new(_: State) -> Result<Self> { Ok(Counter) }
/// #     async fn fetch(&self, _: Request) -> Result<Response> { Ok(Response::default()) }
/// # }
/// # struct Room;
/// # impl DurableObject for Room {
/// #     async fn new(_: State) -> Result<Self> { Ok(Room) }
/// #     async fn fetch(&self, _: Request) -> Result<Response> { Ok(Response::default()) }
/// # }
/// # #[durable_object::methods]
/// # impl Room {}
/// # impl AlarmHandler for Room {
/// #     async fn alarm(&self, _: AlarmInfo) -> Result<()> { Ok(()) }
/// # }
/// # impl WebSocketHandler for Room {
/// #     async fn message(&self, _: WebSocket, _: Message) -> Result<()> { Ok(()) }
/// # }
/// durable_object::export! {
///     "counter" => Counter,
///     "room" => Room: AlarmHandler + CallHandler + WebSocketHandler,
/// }
/// # fn main() {}
/// ```
pub use durable_object_macros::export;
/// Implements [`CallHandler`] for a class: each public function of the block may be
/// called by other objects. Functions may be async or not, return a `Result` or not;
/// arguments and results are whatever serde makes CBOR of. Arguments are owned (`String`, not
/// `&str`), no function is generic, and none may be called `fetch`, `alarm`, `constructor`,
/// `dup`, `webSocketMessage`, `webSocketClose` or `webSocketError`. Properties are none of this:
/// see [`CallHandler`].
///
/// ```
/// use durable_object::{DurableObject, Request, Response, Result, State, testing::World};
///
/// struct Adder;
///
/// impl DurableObject for Adder {
///     async fn new(_: State) -> Result<Self> {
///         Ok(Adder)
///     }
///
///     async fn fetch(&self, _: Request) -> Result<Response> {
///         Ok(Response::default())
///     }
/// }
///
/// #[durable_object::methods]
/// impl Adder {
///     pub async fn add(&self, a: u64, b: u64) -> Result<u64> {
///         Ok(a + b)
///     }
/// }
///
/// durable_object::export!(Adder: CallHandler);
///
/// # fn main() {
/// World::new()
///     .class::<Adder>("adder", |object| object.calls())
///     .run(async |world| {
///         let adder = world.named("adder", "any");
///         assert_eq!(adder.call_method::<u64>("add", (40, 2)).await?, 42);
///         let error = adder.call_method::<u64>("add", ("a",)).await.unwrap_err();
///         assert_eq!(error.message(), r#"the arguments of "add" do not fit"#);
///         Ok(())
///     })
///     .unwrap();
/// # }
/// ```
///
/// ```compile_fail
/// # struct Adder;
/// # impl durable_object::DurableObject for Adder {
/// #     async fn new(_: durable_object::State) -> durable_object::Result<Self> { Ok(Adder) }
/// #     async fn fetch(&self, _: durable_object::Request) -> durable_object::Result<durable_object::Response> { Ok(Default::default()) }
/// # }
/// #[durable_object::methods]
/// impl Adder {
///     pub fn dup(&self) -> u64 { // a reserved name
///         2
///     }
/// }
/// ```
///
/// ```compile_fail
/// # struct Adder;
/// # impl durable_object::DurableObject for Adder {
/// #     async fn new(_: durable_object::State) -> durable_object::Result<Self> { Ok(Adder) }
/// #     async fn fetch(&self, _: durable_object::Request) -> durable_object::Result<durable_object::Response> { Ok(Default::default()) }
/// # }
/// #[durable_object::methods]
/// impl Adder {
///     pub fn greet(&self, name: &str) -> String { // write String
///         format!("hello {name}")
///     }
/// }
/// ```
pub use durable_object_macros::methods;
pub use error::{Error, Result};
pub use gateway::{Gateway, Objects};
pub use http;
pub use kv::{Entry, Kv, ListOptions};
pub use object::{AlarmHandler, AlarmInfo, CallHandler, DurableObject, WebSocketHandler};
pub use request::{Caller, RequestExt};
pub use rpc::{Arguments, ByteStream, Call, Function, Payload, Reference};
pub use sql::{Cursor, FromRow, FromValue, Params, Row, Rows, Sql, ToValue, Value};
pub use state::{Limits, State};
pub use storage::Storage;
pub use stub::{Called, Class, Redirects, Stub, fetch, fetch_with};
pub use task::{Ended, now, sleep, spawn, timeout};
pub use transaction::Transaction;
pub use websocket::{
    AsksForWebSocket, Close, Handshake, Message, SocketState, Tags, WebSocket, WebSockets,
};

/// An HTTP request. Its URI is absolute, as the client wrote it; text that it did not
/// encode is encoded.
///
/// ```
/// let request = durable_object::Request::default();
/// assert_eq!(request.method(), "GET");
/// ```
pub type Request = http::Request<Body>;

/// An HTTP response. Its status is 200 to 599, or 101 after
/// [`WebSockets::accept`]; anything else is an error for the caller.
///
/// ```
/// let response = durable_object::Response::new("hello".into());
/// assert_eq!(response.status(), 200);
/// ```
pub type Response = http::Response<Body>;

/// What the macros need.
#[doc(hidden)]
pub mod __private {
    #[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
    pub use crate::bindings::{
        self, export_alarm, export_calls, export_fetch, export_object, export_web_sockets,
    };
    #[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
    pub use crate::export::Component;
    pub use crate::export::{Classes, Front, Started, front, start};
    pub use wit_bindgen;
}

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
