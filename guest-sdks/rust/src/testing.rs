//! Tests of objects without a host: `cargo test`, natively, with the feature
//! `testing`.
//!
//! ```toml
//! [dev-dependencies]
//! durable-object = { version = "0.1", features = ["testing"] }
//! ```
//!
//! [`run`] gives the test one object's [`State`] in memory, to make an object with and
//! call its handlers. A [`World`] has objects of several classes, which start by
//! themselves, reach each other, and whose alarms and sockets come to their handlers.
//!
//! Time is virtual: a [`sleep`](crate::sleep) takes none, and moves
//! [`now`](crate::now).
//!
//! What a host promises holds here too, and is put to the same test: the cases of
//! `conformance/` that every host has to pass run with objects in memory. So a reset
//! undoes what was not kept and lets nobody see what was said, a section or transaction
//! holds back other events, and limits, checks and their words are a host's. These are
//! the exceptions:
//!
//! * What an object writes is kept whenever it waits. A host may wait until none of its
//!   events can go on, so a reset may undo more there.
//! * A panic is one of the test. So is whatever resets an object that the test drives
//!   itself, but for a section that fails: that just gives its error.
//! * SQL knows no UPDATE and DELETE with LIMIT, may call functions that a host refuses,
//!   and is not stopped when it takes long.
//! * There are no limits of memory, of the database's size and of a constructor's time, and
//!   the outside world redirects nobody.
//! * An object that the test drives itself has no callers: [`Caller::left`] is false at once.
//! * The test itself sees an object's error with its causes, where other objects get its text.
//! * Pieces of a body go out at once, even if what was written before them is undone.
//! * Alarms of an object that cannot start are tried again six times, not for ever.
//! * What a socket's event does after its time-out is waited for all the same.
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

pub(crate) mod alarm;
mod client;
pub(crate) mod executor;
pub(crate) mod world;

pub use client::{Client, web_socket};
pub use world::{InMemory, World};

pub use crate::export::Exported;

use crate::host::memory::{InSpace, Space, stubs};
use crate::rpc::{Arguments, Call};
use crate::{Caller, Result, State};

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
#[track_caller]
pub fn run<T>(test: impl AsyncFnOnce(State) -> Result<T>) -> Result<T> {
    let name = String::from("test");
    let id = stubs::id_from_name(&name, &name)?;
    let space = Space::new(name.clone(), Some(name), id, None);
    let future = Box::pin(test(State { _made_by_host: () }));
    executor::run(InSpace { space, future })
}

/// A call of a method, to give to a handler.
pub fn call(method: &str, arguments: impl Arguments) -> Call {
    let arguments = arguments.into_payload().expect("the arguments have CBOR");
    Call::new(method.to_owned(), Some(arguments), Caller::none())
}
