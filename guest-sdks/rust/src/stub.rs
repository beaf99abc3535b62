//! Other objects, and the outside world.

use crate::host;
use crate::rpc::Arguments;
use crate::{Payload, Request, Response, Result};
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A class of objects, see [`State::class`](crate::State::class).
///
/// Every call fails when the class is unknown.
///
/// ```no_run
/// # durable_object::testing::run(async |state| {
/// let rooms = state.class("room");
/// let id = rooms.new_unique_id()?;
/// println!("{}", rooms.with_id(&id).fetch(Default::default()).await?.status());
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Class {
    pub(crate) name: String,
}

/// ```no_run
/// # durable_object::testing::run(async |state| {
/// let rooms = state.class("room");
/// let id = rooms.id_from_name("lobby")?;
/// assert_eq!(rooms.id_from_string(&id.to_uppercase())?, id);
/// # Ok(()) }).unwrap();
/// ```
impl Class {
    /// The object of a name.
    pub fn named(&self, name: impl Into<String>) -> Stub {
        self.stub(Target::Name(name.into()))
    }

    /// The object of an id: 64 hexadecimal digits.
    pub fn with_id(&self, id: impl Into<String>) -> Stub {
        self.stub(Target::Id(id.into()))
    }

    /// The id that belongs to a name: always the same, another in each class.
    pub fn id_from_name(&self, name: &str) -> Result<String> {
        host::stubs::id_from_name(&self.name, name)
    }

    /// The id of a new object, drawn at random.
    pub fn new_unique_id(&self) -> Result<String> {
        host::stubs::new_unique_id(&self.name)
    }

    /// Checks an id and returns it in lower case.
    ///
    /// Fails with `Invalid Durable Object ID: must be 64 hex digits`, and with
    /// `Durable Object ID is not valid for this namespace.` when it was not made
    /// for this class.
    pub fn id_from_string(&self, id: &str) -> Result<String> {
        host::stubs::id_from_string(&self.name, id)
    }

    fn stub(&self, target: Target) -> Stub {
        Stub {
            class: self.name.clone(),
            target,
        }
    }
}

/// One object of a class. Calls through it reach the object in the order in which
/// they were made, also when they are not awaited.
///
/// ```no_run
/// # durable_object::testing::run(async |state| {
/// let lobby = state.class("room").named("lobby");
/// let first = lobby.fetch(Default::default());
/// let second = lobby.fetch(Default::default());
/// println!("{} {}", first.await?.status(), second.await?.status());
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Stub {
    class: String,
    target: Target,
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    Name(String),
    Id(String),
}

/// ```no_run
/// # durable_object::testing::run(async |state| {
/// let lobby = state.class("room").named("lobby");
/// let members: Vec<String> = lobby.call("join", ("ada",)).await?;
/// let topic: String = lobby.property("topic").await?;
/// println!("{} about {topic}", members.len());
/// # Ok(()) }).unwrap();
/// ```
impl Stub {
    /// Sends a request, once everything written so far is durable. The call starts
    /// it, waiting for the answer lets other events run. Who drops the future gives the call
    /// up: it is not begun if it still waits for its turn, and else the object learns of it by
    /// [`Caller::left`](crate::Caller::left). Any status is an answer;
    /// an error of the object comes back flagged
    /// [`is_remote`](crate::Error::is_remote).
    ///
    /// The object sees the URI that the request has. One that is passed on keeps the path of
    /// whom it came to, of which the other object's
    /// [`subpath`](crate::RequestExt::subpath) finds nothing or too much: give it a path of its
    /// own, which may be without scheme and host.
    ///
    /// ```no_run
    /// # use durable_object::{Request, Response, Result, State};
    /// # async fn pass_on(state: State, mut request: Request) -> Result<Response> {
    /// *request.uri_mut() = "/room/lobby/join".parse()?;
    /// state.class("room").named("lobby").fetch(request).await
    /// # }
    /// ```
    pub fn fetch(&self, request: Request) -> impl Future<Output = Result<Response>> + use<> {
        host::stubs::fetch(&self.class, &self.target, request)
    }

    /// Calls a method with a tuple of arguments, see
    /// [`CallHandler`](crate::CallHandler). Values are whatever serde makes CBOR of, and
    /// [`Function`](crate::Function)s; at most 33,554,432 bytes in either direction.
    ///
    /// The call starts it, like [`fetch`](Stub::fetch), and nothing of what it was made of is
    /// borrowed: `spawn(stub.call::<()>("note", (text,)))` goes on beside the handler. Fails,
    /// flagged [`is_remote`](crate::Error::is_remote), with the method's error, and when the
    /// result is no `R`.
    pub fn call<R: DeserializeOwned>(&self, method: &str, arguments: impl Arguments) -> Called<R> {
        let answer = arguments
            .into_payload()
            .map(|arguments| host::stubs::call(&self.class, &self.target, method, Some(arguments)));
        Called::new(async { answer?.await })
    }

    /// Reads a property: what an object in JavaScript calls a getter, and one in Rust
    /// a call without arguments that [`is_property`](crate::Call::is_property). It takes a
    /// [`CallHandler`](crate::CallHandler) of one's own to answer that: what
    /// [`methods`](crate::methods) makes are methods alone.
    pub fn property<R: DeserializeOwned>(&self, name: &str) -> Called<R> {
        Called::new(host::stubs::call(&self.class, &self.target, name, None))
    }
}

/// The result of a call that has begun, see [`Stub::call`].
pub struct Called<R> {
    answer: Pin<Box<dyn Future<Output = Result<Payload>>>>,
    read_as: PhantomData<fn() -> R>,
}

impl<R> Called<R> {
    fn new(answer: impl Future<Output = Result<Payload>> + 'static) -> Self {
        Self {
            answer: Box::pin(answer),
            read_as: PhantomData,
        }
    }
}

impl<R: DeserializeOwned> Future for Called<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let answer = self.answer.as_mut().poll(cx);
        answer.map(|answer| answer?.get())
    }
}

impl<R> fmt::Debug for Called<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Called")
    }
}

/// Sends a request to the outside world, once everything written so far is
/// durable, as far as the host's configuration allows it. The call starts it,
/// waiting for the answer lets other events run.
///
/// Any status is an answer; redirects are followed, at most 20. Fails when the address
/// is not allowed or cannot be reached.
///
/// ```no_run
/// # durable_object::testing::run(async |_| {
/// use durable_object::{Body, fetch, http};
///
/// let request = http::Request::get("https://example.com/").body(Body::empty())?;
/// println!("{}", fetch(request).await?.into_body().text().await?);
/// # Ok(()) }).unwrap();
/// ```
pub fn fetch(request: Request) -> impl Future<Output = Result<Response>> {
    fetch_with(request, Redirects::Follow)
}

/// [`fetch`], which does this about redirects.
pub fn fetch_with(
    request: Request,
    redirects: Redirects,
) -> impl Future<Output = Result<Response>> {
    host::outbound::fetch(request, redirects)
}

/// What [`fetch_with`] does about an answer that sends the client elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// Goes there, at most 20 times; the answer is the last one.
    Follow,
    /// Returns it like any other.
    Manual,
    /// Fails.
    Error,
}
