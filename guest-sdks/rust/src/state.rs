//! Who the object is, and control over its instance.

use crate::host;
use crate::stub::Class;
use crate::websocket::WebSockets;
use crate::{Error, Result, Storage};

/// The object's identity, storage and connections. The constructor gets it; keep
/// it, or a clone, in the object.
///
/// ```
/// use durable_object::{DurableObject, Request, Response, Result, State, response};
///
/// struct Hello { state: State }
///
/// impl DurableObject for Hello {
///     async fn new(state: State) -> Result<Self> {
///         Ok(Hello { state })
///     }
///
///     async fn fetch(&self, _: Request) -> Result<Response> {
///         Ok(response::text(format!("I am {:?}", self.state.name())))
///     }
/// }
///
/// # durable_object::testing::run(async |state| {
/// let answer = Hello::new(state).await?.fetch(Request::default()).await?;
/// assert_eq!(answer.into_body().text().await?, r#"I am Some("test")"#);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) _made_by_host: (),
}

impl State {
    /// The object's id: 64 lower-case hexadecimal digits, the same for ever.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// assert_eq!(state.id().len(), 64);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn id(&self) -> String {
        host::state::id()
    }

    /// The name by which the object was addressed; none for an object addressed
    /// by id, and for names over 1,024 bytes.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// assert_eq!(state.name().as_deref(), Some("test"));
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn name(&self) -> Option<String> {
        host::state::name()
    }

    /// The class of this object, as the host's configuration names it.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// assert_eq!(state.class_name(), "test");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn class_name(&self) -> String {
        host::state::class_name()
    }

    /// The id of the object that this one was copied from, if whoever runs the host has
    /// made it as a copy (`abide objects fork`).
    ///
    /// The copy may have that one's memory too: then no constructor runs, and what the
    /// object keeps there about its id, its name or its WebSockets is the other's.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// assert_eq!(state.forked_from(), None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn forked_from(&self) -> Option<String> {
        host::state::forked_from()
    }

    /// What the object uses, and what it may use.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let limits = state.limits();
    /// assert!(limits.storage_bytes <= limits.storage_bytes_max);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn limits(&self) -> Limits {
        host::state::limits()
    }

    /// The object's database and alarm.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// state.storage().kv().put("a", "1")?;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn storage(&self) -> Storage {
        Storage { _made_by_state: () }
    }

    /// The object's WebSockets.
    ///
    /// ```no_run
    /// # durable_object::testing::run(async |state| {
    /// for socket in state.websockets().all()? {
    ///     socket.send("hello")?;
    /// }
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn websockets(&self) -> WebSockets {
        WebSockets { _made_by_state: () }
    }

    /// Another class, or this one, to reach its objects. To name a class or an
    /// object does not start anything.
    ///
    /// ```no_run
    /// # durable_object::testing::run(async |state| {
    /// let answer = state.class("room").named("lobby").fetch(Default::default()).await?;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn class(&self, name: impl Into<String>) -> Class {
        Class { name: name.into() }
    }

    /// Resets the object: discards what is uncommitted, drops the instance, breaks its
    /// WebSockets (their clients see 1006, its [`close`](crate::WebSocketHandler::close) does
    /// not run) and answers every event in flight with `reason`, flagged
    /// [`is_reset`](Error::is_reset). Without a reason the message is `Application
    /// called abort() to reset Durable Object.`
    ///
    /// ```should_panic
    /// # durable_object::testing::run::<()>(async |state| {
    /// state.abort(Some("the cache is stale"))
    /// # }).unwrap();
    /// ```
    pub fn abort(&self, reason: Option<&str>) -> ! {
        host::state::abort(reason, true)
    }

    /// [`abort`](State::abort), after which an alarm that is being handled is not tried
    /// again.
    ///
    /// ```should_panic
    /// # durable_object::testing::run::<()>(async |state| {
    /// state.abort_without_retry(None)
    /// # }).unwrap();
    /// ```
    pub fn abort_without_retry(&self, reason: Option<&str>) -> ! {
        host::state::abort(reason, false)
    }

    /// Runs work that no other event may interrupt: until it ends, other events are held
    /// back, and all waits that were begun outside of it: a [`timeout`](crate::timeout)
    /// around it ends only after it, one within it in time. It lets in calls of a
    /// [`Function`](crate::Function) that was given out in it. Sections nest.
    ///
    /// An error of the work resets the object, and is what the events in flight
    /// and those held back get. So does work that takes more than 30 seconds.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let fetched = state.block_concurrency(async || {
    ///     durable_object::sleep(std::time::Duration::from_millis(5)).await;
    ///     Ok("configuration")
    /// }).await?;
    /// assert_eq!(fetched, "configuration");
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn block_concurrency<T>(&self, work: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        let section = Section::begin();
        let result = work().await;
        section.end(result.as_ref().map(|_| ()).map_err(Error::clone));
        result
    }
}

/// An open section of [`State::block_concurrency`].
struct Section {
    number: u64,
}

impl Section {
    fn begin() -> Self {
        Self {
            number: host::state::begin_block_concurrency(),
        }
    }

    fn end(self, outcome: Result<()>) {
        let number = self.number;
        std::mem::forget(self);
        host::state::end_block_concurrency(number, outcome);
    }
}

impl Drop for Section {
    /// A future that the program dropped has no outcome, so nothing is reset.
    fn drop(&mut self) {
        host::state::end_block_concurrency(self.number, Ok(()));
    }
}

/// What the object uses, and what it may use, see [`State::limits`].
///
/// ```
/// # durable_object::testing::run(async |state| {
/// let limits = state.limits();
/// let free = limits.memory_bytes_max - limits.memory_bytes;
/// assert!(free > 0);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory in use, in bytes.
    pub memory_bytes: u64,
    /// Linear memory at most, in bytes.
    pub memory_bytes_max: u64,
    /// Size of the database now, in bytes.
    pub storage_bytes: u64,
    /// Size of the database at most, in bytes.
    pub storage_bytes_max: u64,
    /// CPU time that one burst of work may take, in milliseconds. An object that
    /// computes longer without waiting is reset.
    pub cpu_ms_max: u64,
}
