//! The object of this instance, whatever its class.

use crate::{AlarmInfo, Close, DurableObject, Error, Message, Request, Response, Result};
use crate::{State, WebSocket};
use std::pin::Pin;
use std::rc::Rc;

type Pending<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

/// The classes of a component, see [`export!`](crate::export).
pub trait Classes: 'static {
    /// Starts an object of the class of that name.
    fn start(class: &str) -> Started;
}

/// An object that is being constructed.
pub struct Started(pub Pending<Rc<dyn Object>>);

impl Started {
    /// The error for a class that the component does not have.
    pub fn unknown(class: &str, classes: &[&str]) -> Self {
        let error = Error::new(format!(
            "this component has no class {class:?}, only {}; list it in durable_object::export! \
             or change the class in the host's configuration",
            classes.join(", ")
        ));
        Self(Box::pin(async { Err(error) }))
    }
}

/// Constructs an object of one class.
pub fn start<T: DurableObject>() -> Started {
    Started(Box::pin(async {
        let object = T::new(State { _made_by_host: () }).await?;
        Ok(Rc::new(object) as Rc<dyn Object>)
    }))
}

/// A [`DurableObject`] of any type.
pub trait Object {
    fn fetch(self: Rc<Self>, request: Request) -> Pending<Response>;
    fn alarm(self: Rc<Self>, info: AlarmInfo) -> Pending<()>;
    fn call(self: Rc<Self>, method: String, arguments: Vec<u8>) -> Pending<Vec<u8>>;
    fn websocket_message(self: Rc<Self>, socket: WebSocket, message: Message) -> Pending<()>;
    fn websocket_close(self: Rc<Self>, socket: WebSocket, close: Close) -> Pending<()>;
    fn websocket_error(self: Rc<Self>, socket: WebSocket, message: String) -> Pending<()>;
}

impl<T: DurableObject> Object for T {
    fn fetch(self: Rc<Self>, request: Request) -> Pending<Response> {
        Box::pin(async move { DurableObject::fetch(&*self, request).await })
    }

    fn alarm(self: Rc<Self>, info: AlarmInfo) -> Pending<()> {
        Box::pin(async move { DurableObject::alarm(&*self, info).await })
    }

    fn call(self: Rc<Self>, method: String, arguments: Vec<u8>) -> Pending<Vec<u8>> {
        Box::pin(async move { DurableObject::call(&*self, &method, arguments).await })
    }

    fn websocket_message(self: Rc<Self>, socket: WebSocket, message: Message) -> Pending<()> {
        Box::pin(async move { DurableObject::websocket_message(&*self, socket, message).await })
    }

    fn websocket_close(self: Rc<Self>, socket: WebSocket, close: Close) -> Pending<()> {
        Box::pin(async move { DurableObject::websocket_close(&*self, socket, close).await })
    }

    fn websocket_error(self: Rc<Self>, socket: WebSocket, message: String) -> Pending<()> {
        Box::pin(async move { DurableObject::websocket_error(&*self, socket, message).await })
    }
}
