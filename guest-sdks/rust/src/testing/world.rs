//! Several objects in memory, which reach each other.

use super::{Client, alarm, executor};
use crate::export::{Exported, Front, Happened, Object, Started, WebSocketEvent, front, start};
use crate::host::memory::alarms::Alarm;
use crate::host::memory::callers::{self, Departure};
use crate::host::memory::calls::called;
use crate::host::memory::{Ended, Event, Space, alarms, passed_on, rules, sockets, stubs};
use crate::rpc::{Arguments, Call, Payload};
use crate::stub::Target;
use crate::websocket::AsksForWebSocket;
use crate::{Body, DurableObject, Error, Gateway, Request, Response, Result, WebSocket};
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

type MakeGateway = fn() -> Result<Rc<dyn Front>>;
type Outside = Rc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Result<Response>>>>>;

/// Objects of the classes that a test names, in memory: they call each other, their
/// alarms run when the time comes, and their WebSockets have [`Client`]s that the test
/// plays. Time is virtual: a [`sleep`](crate::sleep) of the test moves it at once.
///
/// `std::env::var` reads the environment of the test's process, the same for all classes:
/// `MODE=live cargo test`. To try several values, test a function that takes the value.
///
/// ```
/// use durable_object::{
///     AlarmHandler, AlarmInfo, DurableObject, Request, Response, Result, State, response, sleep,
///     testing::World,
/// };
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
///         let storage = self.state.storage();
///         if storage.kv().get("ready")?.is_none() {
///             storage.set_alarm_after(Duration::from_secs(240))?;
///             return Ok(response::text("cooking"));
///         }
///         Ok(response::text("ready"))
///     }
/// }
///
/// impl AlarmHandler for Egg {
///     async fn alarm(&self, _: AlarmInfo) -> Result<()> {
///         self.state.storage().kv().put("ready", "")
///     }
/// }
///
/// World::new()
///     .class::<Egg>("egg", |object| object.alarm())
///     .run(async |world| {
///         let egg = world.named("egg", "breakfast");
///         assert_eq!(egg.get("/").await?.into_body().text().await?, "cooking");
///         sleep(Duration::from_secs(300)).await;
///         assert_eq!(egg.get("/").await?.into_body().text().await?, "ready");
///         Ok(())
///     })
///     .unwrap();
/// ```
#[derive(Default)]
pub struct World {
    classes: HashMap<String, Class>,
    outside: Option<Outside>,
    make_gateway: Option<MakeGateway>,
    gateway: RefCell<Option<Rc<dyn Front>>>,
    objects: RefCell<HashMap<(String, String), InMemory>>,
}

/// How the objects of a class begin.
#[derive(Clone)]
pub struct Class {
    start: Rc<dyn Fn() -> Started>,
    pub(crate) has_alarm: bool,
    instance: Rc<RefCell<Instance>>,
}

impl Class {
    /// The instance ends.
    pub(crate) fn end(&self) {
        if let Instance::Starting(waiting) = self.instance.replace(Instance::None) {
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

#[derive(Default)]
enum Instance {
    #[default]
    None,
    Starting(Vec<Waker>),
    Live(Rc<dyn Object>),
}

/// An object of a [`World`].
#[derive(Clone)]
pub struct InMemory(Rc<Space>);

impl World {
    /// No classes and nothing outside.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a class under a name, with its optional handlers: `|object| object` for
    /// none, `|object| object.alarm().calls().web_sockets()` for all.
    pub fn class<T: DurableObject>(
        mut self,
        name: &str,
        handlers: fn(Exported<T>) -> Exported<T>,
    ) -> Self {
        let class = Class {
            start: Rc::new(move || start::<T>(handlers)),
            has_alarm: Exported::<T>::has_alarm(handlers),
            instance: Rc::default(),
        };
        self.classes.insert(name.to_owned(), class);
        self
    }

    /// Puts a gateway before the objects, see [`World::fetch`].
    pub fn gateway<G: Gateway>(mut self) -> Self {
        self.make_gateway = Some(front::<G>);
        self
    }

    /// Answers the requests that objects send to the outside world. One may ask for a
    /// WebSocket, but there is nobody to play that server: no answer connects it.
    pub fn outside<F>(mut self, answer: impl Fn(Request) -> F + 'static) -> Self
    where
        F: Future<Output = Result<Response>> + 'static,
    {
        self.outside = Some(Rc::new(move |request| Box::pin(answer(request))));
        self
    }

    /// Runs a test in this world, and everything that was spawned in it, to the end.
    /// Alarms whose time has not come by then do not run.
    ///
    /// Panics when the test waits for what never happens.
    #[track_caller]
    pub fn run<T>(self, test: impl AsyncFnOnce(&World) -> Result<T>) -> Result<T> {
        struct Remove(Option<Rc<World>>);
        impl Drop for Remove {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let world = Rc::new(self);
        let _remove = Remove(CURRENT.replace(Some(world.clone())));
        executor::run(test(&world))
    }

    pub(crate) fn current() -> Result<Rc<Self>> {
        CURRENT.with_borrow(Option::clone).ok_or_else(|| {
            Error::new("an object reaches others only in a durable_object::testing::World")
        })
    }

    /// The object of a name. Panics when there is no such class.
    #[track_caller]
    pub fn named(&self, class: &str, name: &str) -> InMemory {
        let object = self.object(class, &Target::Name(name.to_owned()));
        object.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends a request to the [`Gateway`], as clients do. The call starts it; who drops the
    /// answer, for example by a [`timeout`](crate::timeout), is a client that leaves.
    pub fn fetch(&self, request: Request) -> impl Future<Output = Result<Response>> + use<> {
        let answer = self.front().map(|front| {
            begun(move |departure| asked(departure, request, move |it| front.fetch(it)))
        });
        async { answer?.await }
    }

    /// Opens a WebSocket through the gateway. Fails as [`InMemory::connect`] does.
    pub async fn connect(&self, url: &str) -> Result<Client> {
        let (request, client) = super::web_socket(url);
        connected(self.fetch(request).await?, client).await
    }

    /// The gateway's instance, which begins with its first request.
    fn front(&self) -> Result<Rc<dyn Front>> {
        let mut gateway = self.gateway.borrow_mut();
        if let Some(gateway) = &*gateway {
            return Ok(gateway.clone());
        }
        let Some(make) = self.make_gateway else {
            let message = "no gateway in this world; see World::gateway";
            return Err(Error::new(message));
        };
        Ok(gateway.insert(make()?).clone())
    }

    pub(crate) fn object(&self, class: &str, target: &Target) -> Result<InMemory> {
        let Some(handlers) = self.classes.get(class) else {
            return Err(Error::new(format!("no class {class:?} in this world")));
        };
        let (id, name) = match target {
            Target::Name(name) => {
                let shown = (name.len() <= rules::NAME_BYTES_SHOWN_MAX).then(|| name.clone());
                (stubs::id_from_name(class, name)?, shown)
            }
            Target::Id(id) => (stubs::id_from_string(class, id)?, None),
        };
        let mut objects = self.objects.borrow_mut();
        let object = objects.entry((class.to_owned(), id.clone()));
        let object = object.or_insert_with(|| {
            let handlers = Class {
                instance: Rc::default(),
                ..handlers.clone()
            };
            InMemory(Space::new(class.to_owned(), name, id, Some(handlers)))
        });
        Ok(object.clone())
    }

    /// The object of an id. Fails when that is none, and when there is no such class.
    pub fn with_id(&self, class: &str, id: &str) -> Result<InMemory> {
        self.object(class, &Target::Id(id.to_owned()))
    }

    pub(crate) fn outside_answer(
        &self,
        request: Request,
    ) -> Result<impl Future<Output = Result<Response>> + use<>> {
        match &self.outside {
            Some(answer) => Ok(answer(request)),
            None => Err(Error::new(
                "there is nothing outside of this world; see World::outside",
            )),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("classes", &self.classes.keys())
            .finish()
    }
}

impl InMemory {
    /// Sends a request. The call starts it; who drops the answer is a caller that leaves.
    pub fn fetch(&self, request: Request) -> impl Future<Output = Result<Response>> + use<> {
        event(&self.0, |object, departure| {
            asked(departure, request, |it| object.fetch(it))
        })
    }

    /// Sends a GET for a path below the object's name.
    pub async fn get(&self, path: &str) -> Result<Response> {
        let request = http::Request::get(self.url(path)).body(Body::empty())?;
        self.fetch(request).await
    }

    /// Sends a POST with a body for a path below the object's name.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Result<Response> {
        let request = http::Request::post(self.url(path)).body(body.into())?;
        self.fetch(request).await
    }

    /// Opens a WebSocket. Fails with the object's answer when that is not 101: the body is the
    /// error's message, the status its [`http_status`](crate::Error::http_status).
    pub async fn connect(&self, path: &str) -> Result<Client> {
        let (request, client) = super::web_socket(&self.url(path));
        connected(self.fetch(request).await?, client).await
    }

    /// Calls a method, see [`CallHandler`](crate::CallHandler).
    pub async fn call_method<R: DeserializeOwned>(
        &self,
        method: &str,
        arguments: impl Arguments,
    ) -> Result<R> {
        let call = called(method, Some(arguments.into_payload()?))?;
        self.call(call).await?.get()
    }

    /// Reads a property, see [`Stub::property`](crate::Stub::property).
    pub async fn property<R: DeserializeOwned>(&self, name: &str) -> Result<R> {
        self.call(called(name, None)?).await?.get()
    }

    pub(crate) fn call(&self, call: Call) -> impl Future<Output = Result<Payload>> + use<> {
        let answer = event(&self.0, |object, departure| {
            let called = object.call(call.by(departure.caller()));
            watched(departure, called)
        });
        let space = self.0.clone();
        async move {
            let answer = answer.await?;
            rules::payload(&answer)?;
            Ok(passed_on(answer, Some(&space)))
        }
    }

    /// Ends the instance, as a long sleep does: memory is gone, storage and sockets stay. A
    /// reset, by a panic or [`abort`](crate::State::abort), breaks the sockets on top of that,
    /// and the end of a host's process closes them.
    pub fn restart(&self) {
        self.0.leave_memory();
    }

    /// The object's state, to look at its storage.
    pub fn inspect<T>(&self, look: impl FnOnce(crate::State) -> T) -> T {
        self.0.enter(|| {
            let seen = look(crate::State { _made_by_host: () });
            if let Err(ended) = self.0.end_turn() {
                panic!("{}", ended.error);
            }
            seen
        })
    }

    fn url(&self, path: &str) -> String {
        let space = &self.0;
        let name = match &space.name {
            Some(name) => encoded(name),
            None => format!("id:{}", space.id),
        };
        format!(
            "http://host/{}/{name}/{}",
            space.class,
            path.trim_start_matches('/')
        )
    }
}

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InMemory({} {:?})", self.0.class, self.0.name)
    }
}

/// A name as a segment of a path.
fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

async fn connected(answer: Response, client: Client) -> Result<Client> {
    if answer.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        let status = answer.status();
        return Err(Error::status(status, answer.into_body().text().await?));
    }
    Ok(client)
}

/// Has an event handled by the object, in a task of its own, and gives its result.
fn event<T: 'static, H, F>(
    space: &Rc<Space>,
    handle: H,
) -> impl Future<Output = Result<T>> + use<T, H, F>
where
    H: FnOnce(Rc<dyn Object>, Rc<Departure>) -> F + 'static,
    F: Future<Output = Result<T>> + 'static,
{
    let space = space.clone();
    begun(move |departure| {
        let of = space.clone();
        let handled = async move { handle(instance(&of).await?, departure).await };
        Event::new(&space, handled)
    })
}

/// Has a request answered, whose caller this is.
fn asked<F>(
    departure: Rc<Departure>,
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
) -> impl Future<Output = Result<Response>>
where
    F: Future<Output = Result<Response>>,
{
    request.extensions_mut().insert(departure.caller());
    let asks_for_web_socket = request.token().is_some();
    let answer = watched(departure, answer(request));
    async move {
        let answer = answer.await?;
        rules::status(answer.status().as_u16(), asks_for_web_socket)?;
        Ok(answer)
    }
}

/// What streams in the answer tells the caller's departure.
pub async fn watched<T: Streams>(
    departure: Rc<Departure>,
    answer: impl Future<Output = Result<T>>,
) -> Result<T> {
    let answer = answer.await?;
    answer.each(&mut |body| departure.watch(body));
    Ok(answer)
}

/// An answer with bodies in it.
pub trait Streams {
    fn each(&self, look: &mut dyn FnMut(&Body));
}

impl Streams for Response {
    fn each(&self, look: &mut dyn FnMut(&Body)) {
        look(self.body());
    }
}

impl Streams for Payload {
    fn each(&self, look: &mut dyn FnMut(&Body)) {
        self.beside.streams.iter().flatten().for_each(look);
    }
}

/// Runs a future in a task of its own, and gives its result. It goes on when nobody waits
/// for that any more.
pub fn begun<T: 'static, F, W>(work: W) -> impl Future<Output = Result<T>> + use<T, F, W>
where
    F: Future<Output = Result<T>> + 'static,
    W: FnOnce(Rc<Departure>) -> F,
{
    let (promise, answer) = promise();
    let work = work(promise.0.departure.clone());
    executor::spawn(async move { promise.keep(work.await) });
    answer
}

/// Where an answer will be given.
pub struct Promise<T>(Rc<Promised<T>>);

struct Promised<T> {
    answer: RefCell<(Option<T>, Option<Waker>)>,
    is_taken: Cell<bool>,
    /// Of whoever waits for the answer.
    departure: Rc<Departure>,
}

/// Who waits for the answer; leaves when dropped.
struct Waiting<T>(Rc<Promised<T>>);

/// A promise, and the future that ends when it is kept.
pub fn promise<T>() -> (Promise<T>, impl Future<Output = T> + use<T>) {
    let promised = Rc::new(Promised {
        answer: RefCell::new((None, None)),
        is_taken: Cell::default(),
        departure: Departure::new(),
    });
    let waiting = Waiting(promised.clone());
    let answered = poll_fn(move |cx| waiting.poll(cx));
    (Promise(promised), answered)
}

impl<T> Waiting<T> {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut answer = self.0.answer.borrow_mut();
        answer.1 = Some(cx.waker().clone());
        let Some(taken) = answer.0.take() else {
            return Poll::Pending;
        };
        self.0.is_taken.set(true);
        Poll::Ready(taken)
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        if !self.0.is_taken.get() {
            self.0.departure.decide(true);
        }
    }
}

impl<T> Promise<T> {
    pub fn keep(self, value: T) {
        let mut answer = self.0.answer.borrow_mut();
        answer.0 = Some(value);
        if let Some(waker) = answer.1.take() {
            waker.wake();
        }
        drop(answer);
        self.0.departure.answered();
    }

    /// Keeps it by this work, which is dropped when nobody waits any more.
    pub async fn keep_by(self, work: impl Future<Output = T>) {
        let mut left = pin!(callers::left(self.0.departure.caller().0));
        let mut work = pin!(work);
        let done = poll_fn(|cx| match left.as_mut().poll(cx) {
            Poll::Ready(true) => Poll::Ready(None),
            _ => work.as_mut().poll(cx).map(Some),
        });
        if let Some(value) = done.await {
            self.keep(value);
        }
    }
}

/// The object's instance, which starts if there is none.
async fn instance(space: &Rc<Space>) -> Result<Rc<dyn Object>> {
    let Some(class) = &space.handlers else {
        return Err(Error::new(
            "the test itself drives this object: call its handlers",
        ));
    };
    poll_fn(|cx| match &mut *class.instance.borrow_mut() {
        Instance::Starting(waiting) => {
            waiting.push(cx.waker().clone());
            Poll::Pending
        }
        _ => Poll::Ready(()),
    })
    .await;
    if let Instance::Live(object) = &*class.instance.borrow() {
        return Ok(object.clone());
    }
    class.instance.replace(Instance::Starting(Vec::new()));
    let started = (class.start)().0.await;
    let now = match &started {
        Ok(object) => Instance::Live(object.clone()),
        Err(error) => {
            space.reset(Ended::new(error.clone(), true));
            Instance::None
        }
    };
    if let Instance::Starting(waiting) = class.instance.replace(now) {
        waiting.into_iter().for_each(Waker::wake);
    }
    started
}

/// Runs the handler of the alarm, if that is due, and says in `run` which one it is.
pub fn alarm(
    space: &Rc<Space>,
    run: &Rc<Cell<Option<Alarm>>>,
) -> impl Future<Output = Result<()>> + use<> {
    let (of, run) = (space.clone(), run.clone());
    event(space, async move |object, _| {
        let Some(due) = alarms::begin(&of)? else {
            return Ok(());
        };
        run.set(Some(due));
        let outcome = object.alarm(alarm::info(&due)).await;
        if let Err(error) = &outcome {
            eprintln!("the alarm handler failed: {error:?}");
        }
        alarm::settle(&of, &due, outcome.is_ok())
    })
}

/// Something happened on a socket. An error of the handler is printed.
pub fn web_socket(space: &Rc<Space>, socket: WebSocket, what: Happened) {
    let is_end = !matches!(what, Happened::Message(_));
    let handled = event(space, move |object, _| {
        object.web_socket(WebSocketEvent { socket, what })
    });
    let of = space.clone();
    executor::spawn(async move {
        if let Err(error) = handled.await {
            eprintln!("{error:?}");
        }
        if is_end {
            sockets::forget(&of, socket.0);
        }
    });
}
