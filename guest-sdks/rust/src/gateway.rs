//! What stands in front of the objects.

use crate::stub::Class;
use crate::{Request, Response, Result};

/// A gateway: every request goes to it before any object. It validates, picks the object
/// and passes the request on, WebSockets included. It has no storage and no name; the host
/// runs many instances of it side by side, and drops one that fails alone.
///
/// With a gateway nobody reaches an object past its checks: the route `/class/name/…` is
/// off, unless the host's configuration asks for it.
///
/// Requests interleave wherever one awaits something of the host, so what changes is kept
/// in a [`Cell`](std::cell::Cell) or [`RefCell`](std::cell::RefCell), and may be gone at
/// any time. [`sleep`](crate::sleep), [`fetch`](crate::fetch), [`spawn`](crate::spawn),
/// [`caller`](crate::RequestExt::caller), [`segment`](crate::RequestExt::segment) and
/// `std::env::var` are there; a gateway that uses what only an object has, such as
/// [`subpath`](crate::RequestExt::subpath), is refused when it is loaded.
///
/// When a request's client leaves before the answer, the handler is dropped where it waits, and
/// with it the calls whose answers it waits for: an object behind it learns that its caller has
/// left. What must be done all the same is given to [`spawn`](crate::spawn), which goes on.
///
/// ```
/// use durable_object::http::{StatusCode, header::AUTHORIZATION};
/// use durable_object::{
///     DurableObject, Error, Gateway, Objects, Request, Response, Result, State, response,
///     testing::World,
/// };
///
/// struct Front {
///     objects: Objects,
/// }
///
/// impl Gateway for Front {
///     fn new(objects: Objects) -> Result<Self> {
///         Ok(Front { objects })
///     }
///
///     async fn fetch(&self, request: Request) -> Result<Response> {
///         let refused = || Error::status(StatusCode::UNAUTHORIZED, "who are you?");
///         let user = request.headers().get(AUTHORIZATION).ok_or_else(refused)?.to_str()?;
///         let room = self.objects.class("room").named(user);
///         room.fetch(request).await
///     }
/// }
///
/// struct Room {
///     state: State,
/// }
///
/// impl DurableObject for Room {
///     async fn new(state: State) -> Result<Self> {
///         Ok(Room { state })
///     }
///
///     async fn fetch(&self, _: Request) -> Result<Response> {
///         Ok(response::text(self.state.name().unwrap_or_default()))
///     }
/// }
///
/// durable_object::export!(gateway Front);
///
/// # fn main() {
/// World::new()
///     .gateway::<Front>()
///     .class::<Room>("room", |object| object)
///     .run(async |world| {
///         assert_eq!(world.fetch(Request::default()).await?.status(), 401);
///         let mut request = Request::default();
///         request.headers_mut().insert(AUTHORIZATION, "ada".parse()?);
///         let answer = world.fetch(request).await?;
///         assert_eq!(answer.into_body().text().await?, "ada");
///         Ok(())
///     })
///     .unwrap();
/// # }
/// ```
///
/// It is a component of its own, before objects in whatever language they are written. The
/// host's configuration says where it stands:
///
/// ```toml
/// [gateway]
/// source = "front"
///
/// [classes.room]
/// source = "rooms"
/// ```
#[allow(
    async_fn_in_trait,
    reason = "a gateway lives on one thread, so no future has to be Send"
)]
pub trait Gateway: Sized + 'static {
    /// Makes a fresh instance, for its first request. An error is that request's answer,
    /// and the next one tries again.
    fn new(objects: Objects) -> Result<Self>;

    /// Answers one request. Its URI is absolute, as the client wrote it. An error goes to
    /// the client, as an answer if it has a status, and leaves the gateway as it is.
    async fn fetch(&self, request: Request) -> Result<Response>;
}

/// The objects that a [`Gateway`] stands before.
///
/// ```
/// use durable_object::{Body, Objects, Request, Response, Result, http};
///
/// async fn count_of(objects: &Objects, user: &str) -> Result<u64> {
///     let request = http::Request::get("http://counter/").body(Body::empty())?;
///     let answer = objects.class("counter").named(user).fetch(request).await?;
///     Ok(answer.into_body().text().await?.parse()?)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Objects {
    pub(crate) _made_by_host: (),
}

impl Objects {
    /// A class, to reach its objects. To name a class or an object does not start
    /// anything.
    pub fn class(&self, name: impl Into<String>) -> Class {
        Class { name: name.into() }
    }
}
