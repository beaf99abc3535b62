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
mod host;
mod kv;
mod object;
pub mod response;
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
pub use error::{Error, Result};
pub use http;
pub use kv::{Entry, Kv, ListOptions};
pub use object::{AlarmInfo, DurableObject, no_such_method};
pub use sql::{Cursor, FromRow, FromValue, Row, Rows, Sql, Value};
pub use state::{Limits, State};
pub use storage::Storage;
pub use stub::{Class, Stub, fetch};
pub use task::{sleep, spawn};
pub use transaction::Transaction;
pub use websocket::{Close, Message, WebSocket, WebSockets};

/// An HTTP request. Its URI is absolute, as the client wrote it.
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
    pub use crate::bindings;
    #[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
    pub use crate::export::Component;
    pub use crate::export::{Classes, Started, start};
    pub use wit_bindgen;
}

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
