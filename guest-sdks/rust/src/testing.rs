//! Tests of objects without a host: `cargo test`, natively, with the feature
//! `testing`.
//!
//! ```toml
//! [dev-dependencies]
//! durable-object = { version = "0.1", features = ["testing"] }
//! ```
//!
//! [`run`] gives the test an object in memory: kv, SQL, transactions, the alarm's
//! time, streamed bodies, [`sleep`](crate::sleep) and [`spawn`](crate::spawn) work.
//! Time is virtual, so a sleep takes no time. WebSockets, other objects and the
//! outside world answer with an error, limits and refused statements are not
//! checked, and alarms do not run by themselves: call the object's `alarm`.
//!
//! ```
//! use durable_object::{DurableObject, Request, Response, Result, State, testing};
//!
//! struct Hello;
//!
//! impl DurableObject for Hello {
//!     async fn new(_: State) -> Result<Self> {
//!         Ok(Hello)
//!     }
//!
//!     async fn fetch(&self, _: Request) -> Result<Response> {
//!         Ok(Response::new("hello".into()))
//!     }
//! }
//!
//! testing::run(async |state| {
//!     let hello = Hello::new(state).await?;
//!     let answer = hello.fetch(Request::default()).await?;
//!     assert_eq!(answer.into_body().text().await?, "hello");
//!     Ok(())
//! })
//! .unwrap();
//! ```

pub(crate) mod executor;

use crate::host::Memory;
use crate::{Result, State};

/// Runs a test with a fresh object in memory, of class `test` and named `test`, and
/// everything that it spawned, to the end.
///
/// Panics when the test waits for what never happens.
///
/// ```
/// durable_object::testing::run(async |state| {
///     let kv = state.storage().kv();
///     kv.put("a", "1")?;
///     assert_eq!(kv.get("a")?.unwrap(), b"1");
///     Ok(())
/// })
/// .unwrap();
/// ```
pub fn run<T>(test: impl AsyncFnOnce(State) -> Result<T>) -> Result<T> {
    Memory::scope(|| executor::run(test(State { _made_by_host: () })))
}
