//! The object of this instance, whatever its class.

use crate::rpc::{Call, Payload};
use crate::{
    AlarmHandler, AlarmInfo, CallHandler, Caller, Close, DurableObject, Error, Gateway, Message,
    Objects, Request, RequestExt, Response, Result, State, WebSocket, WebSocketHandler,
};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

/// The classes of a component, and what stands in front of them, see
/// [`export!`](crate::export).
pub trait Classes: 'static {
    /// Starts an object of the class of that name.
    fn start(class: &str) -> Started;

    /// Makes the gateway.
    fn gateway() -> Result<Rc<dyn Front>> {
        Err(Error::new("the object has not been started"))
    }
}

/// A gateway of any type.
pub trait Front {
    /// Answers a request.
    fn fetch(self: Rc<Self>, request: Request) -> Pending<Response>;
}

/// Makes a gateway of one type.
pub fn front<G: Gateway>() -> Result<Rc<dyn Front>> {
    struct Made<G>(G);
    impl<G: Gateway> Front for Made<G> {
        fn fetch(self: Rc<Self>, request: Request) -> Pending<Response> {
            Box::pin(async move {
                let caller = request.caller();
                let answered = while_wanted(caller, self.0.fetch(request)).await;
                answered.or_else(crate::response::of_error)
            })
        }
    }
    Ok(Rc::new(Made(G::new(Objects { _made_by_host: () })?)))
}

/// Drops the work once its caller has left. So does what the work waits for hear of it, such
/// as an object that answers in its place.
async fn while_wanted<T>(caller: Caller, work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut work = pin!(work);
    // Asked for only by work that waits: a host that is not asked need not watch.
    let mut left = None;
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        let left = left.get_or_insert_with(|| Some(Box::pin(caller.left())));
        match left.as_mut().map(|left| left.as_mut().poll(cx)) {
            // Nobody gets to see it.
            Some(Poll::Ready(true)) => Poll::Ready(Err(Error::new("The client has left."))),
            Some(Poll::Ready(false)) => {
                *left = None;
                Poll::Pending
            }
            _ => Poll::Pending,
        }
    })
    .await
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

/// Constructs an object of one class, with the handlers that `export!` lists.
pub fn start<T: DurableObject>(list: fn(Exported<T>) -> Exported<T>) -> Started {
    Started(Box::pin(async move {
        let object = Rc::new(T::new(State { _made_by_host: () }).await?);
        let handlers = list(Exported::default());
        Ok(Rc::new(Running { object, handlers }) as Rc<dyn Object>)
    }))
}

type Handler<T, Event, Answer> = fn(Rc<T>, Event) -> Pending<Answer>;

/// What is called for each kind of event that not every class handles.
pub struct Exported<T> {
    alarm: Option<Handler<T, AlarmInfo, ()>>,
    call: Option<Handler<T, Call, Payload>>,
    web_socket: Option<Handler<T, WebSocketEvent, ()>>,
}

impl<T> Default for Exported<T> {
    fn default() -> Self {
        Self {
            alarm: None,
            call: None,
            web_socket: None,
        }
    }
}

/// An object that has been constructed.
struct Running<T> {
    object: Rc<T>,
    handlers: Exported<T>,
}

/// Something happened on a socket.
pub struct WebSocketEvent {
    pub socket: WebSocket,
    pub what: Happened,
}

/// What happened on a socket.
pub enum Happened {
    Message(Message),
    Close(Close),
    Error(String),
}

#[cfg(all(feature = "testing", not(target_family = "wasm")))]
impl<T: DurableObject> Exported<T> {
    /// Whether an object with these handlers has one for its alarm.
    pub(crate) fn has_alarm(list: fn(Exported<T>) -> Exported<T>) -> bool {
        list(Exported::default()).alarm.is_some()
    }
}

impl<T: AlarmHandler> Exported<T> {
    /// Alarms.
    pub fn alarm(mut self) -> Self {
        self.alarm = Some(|object, info| Box::pin(async move { object.alarm(info).await }));
        self
    }
}

impl<T: CallHandler> Exported<T> {
    /// Calls of methods.
    pub fn calls(mut self) -> Self {
        self.call = Some(|object, call| Box::pin(async move { object.call(call).await }));
        self
    }
}

impl<T: WebSocketHandler> Exported<T> {
    /// What happens on WebSockets.
    pub fn web_sockets(mut self) -> Self {
        self.web_socket = Some(|object, event| {
            Box::pin(async move {
                let socket = event.socket;
                match event.what {
                    Happened::Message(message) => object.message(socket, message).await,
                    Happened::Close(close) => object.close(socket, close).await,
                    Happened::Error(message) => object.error(socket, message).await,
                }
            })
        });
        self
    }
}

/// An object of any class.
pub trait Object {
    fn fetch(self: Rc<Self>, request: Request) -> Pending<Response>;
    fn alarm(self: Rc<Self>, info: AlarmInfo) -> Pending<()>;
    fn call(self: Rc<Self>, call: Call) -> Pending<Payload>;
    fn web_socket(self: Rc<Self>, event: WebSocketEvent) -> Pending<()>;
}

impl<T: DurableObject> Object for Running<T> {
    fn fetch(self: Rc<Self>, request: Request) -> Pending<Response> {
        Box::pin(async move {
            let answered = self.object.fetch(request).await;
            answered.or_else(crate::response::of_error)
        })
    }

    fn alarm(self: Rc<Self>, info: AlarmInfo) -> Pending<()> {
        match self.handlers.alarm {
            Some(alarm) => alarm(self.object.clone(), info),
            None => not_listed("AlarmHandler"),
        }
    }

    fn call(self: Rc<Self>, called: Call) -> Pending<Payload> {
        match self.handlers.call {
            Some(call) => call(self.object.clone(), called),
            None => Box::pin(async move { Err(called.no_such_method()) }),
        }
    }

    fn web_socket(self: Rc<Self>, event: WebSocketEvent) -> Pending<()> {
        match self.handlers.web_socket {
            Some(handle) => handle(self.object.clone(), event),
            None => not_listed("WebSocketHandler"),
        }
    }
}

/// Only for a class beside others: alone it would not export the handler.
fn not_listed<T: 'static>(handler: &str) -> Pending<T> {
    let error = Error::new(format!(
        "this class has no {handler} in durable_object::export!"
    ));
    Box::pin(async { Err(error) })
}
