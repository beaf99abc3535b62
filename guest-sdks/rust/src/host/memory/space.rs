//! Whose code runs: everything that belongs to one object in memory.

use super::Memory;
use super::alarms::Alarm;
use super::sockets::Sockets;
use crate::error::ErrorFlags;
use crate::testing::executor;
use crate::testing::world::Class;
use crate::transaction::order::{self, Order};
use crate::{Error, Result};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How long an event may hold back others.
const HELD_BACK_MS_MAX: i64 = 30_000;

const HELD_BACK_TOO_LONG: &str = "A call to blockConcurrencyWhile() in a Durable Object waited for \
     too long. The call was canceled and the Durable Object was reset.";

thread_local! {
    static CURRENT: RefCell<Option<Rc<Space>>> = const { RefCell::new(None) };
}

/// One object's identity, storage and sockets.
pub struct Space {
    pub class: String,
    pub name: Option<String>,
    pub id: String,
    pub memory: RefCell<Memory>,
    /// The open sections, outermost first.
    pub sections: RefCell<Vec<Holder>>,
    pub sockets: RefCell<Sockets>,
    /// How its events are handled; none for an object that the test itself drives.
    pub handlers: Option<Class>,
    /// The alarm whose handler runs.
    pub alarm: Cell<Option<Alarm>>,
    /// A failure of that handler is not to be tried again.
    pub alarm_is_last: Cell<bool>,
    /// Its transactions, while its code does not run.
    order: RefCell<Order>,
    /// What it has said and what is not out yet.
    outlet: RefCell<Vec<Output>>,
    running_event: Cell<u64>,
    /// Events that are held back.
    waiting: RefCell<Vec<Waker>>,
    /// Somebody looks whether they are held back for too long.
    is_watched: Cell<bool>,
    /// How many instances there were before this one.
    life: Cell<u64>,
    /// How the last one ended.
    end: RefCell<Option<Ended>>,
}

/// A section or transaction, which holds back other events.
#[derive(Clone, Copy, PartialEq)]
pub struct Holder {
    /// The event that has begun it.
    event: u64,
    pub number: u64,
    /// What was begun later has a higher number.
    begun: u64,
    since_ms: i64,
}

/// The end of an instance that was reset, or could not start.
#[derive(Clone)]
pub struct Ended {
    pub error: Error,
    /// Do events hear of it that have not entered, too?
    pub reaches_waiting: bool,
    life: u64,
}

/// Something that others get to see when what was written before is kept.
struct Output {
    /// There was something to keep.
    waits: bool,
    let_out: Box<dyn FnOnce()>,
}

/// What unwinds the code in whose midst the instance ends.
struct Unwinding(Ended);

impl Space {
    pub fn new(
        class: String,
        name: Option<String>,
        id: String,
        handlers: Option<Class>,
    ) -> Rc<Self> {
        Rc::new(Self {
            class,
            name,
            id,
            memory: RefCell::new(Memory::open()),
            sections: RefCell::default(),
            sockets: RefCell::default(),
            handlers,
            alarm: Cell::default(),
            alarm_is_last: Cell::default(),
            order: RefCell::new(Order::EMPTY),
            outlet: RefCell::default(),
            running_event: Cell::default(),
            waiting: RefCell::default(),
            is_watched: Cell::default(),
            life: Cell::default(),
            end: RefCell::default(),
        })
    }

    /// The object whose code runs.
    pub fn current() -> Rc<Self> {
        Self::of_running().expect(
            "only an object has this: a gateway has no subpath and no storage, and a test calls \
             it inside of durable_object::testing::run",
        )
    }

    pub fn of_running() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Option::clone)
    }

    pub fn life(&self) -> u64 {
        self.life.get()
    }

    pub fn running_event(&self) -> u64 {
        self.running_event.get()
    }

    /// Whether the object may set an alarm. One that the test drives may.
    pub fn has_alarm_handler(&self) -> bool {
        self.handlers.as_ref().is_none_or(|class| class.has_alarm)
    }

    /// Runs `work` as this object's code.
    pub fn enter<T>(self: &Rc<Self>, work: impl FnOnce() -> T) -> T {
        let before = CURRENT.replace(Some(self.clone()));
        if before
            .as_ref()
            .is_some_and(|before| Rc::ptr_eq(before, self))
        {
            return work();
        }
        struct Leave<'a>(&'a Space, Option<Rc<Space>>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                order::exchange(&mut self.0.order.borrow_mut());
                CURRENT.set(self.1.take());
            }
        }
        order::exchange(&mut self.order.borrow_mut());
        let _leave = Leave(self, before);
        work()
    }

    /// Ends the instance in the midst of its code. The test is the instance of an object
    /// that it drives itself.
    pub fn end_here(&self, ended: Ended) -> ! {
        match self.handlers {
            Some(_) => resume_unwind(Box::new(Unwinding(ended))),
            None => panic!("{}", ended.error),
        }
    }

    /// Ends the instance: what it has not kept is undone, and its events get the error.
    fn end(&self, ended: Ended) {
        let life = self.life.get();
        self.end.replace(Some(Ended { life, ..ended }));
        self.memory.borrow_mut().rollback_turn();
        order::forget();
        for output in self.outlet.take() {
            if !output.waits {
                (output.let_out)();
            }
        }
        self.leave_memory();
    }

    /// Nothing is left of the instance but what it has kept.
    pub fn leave_memory(&self) {
        self.life.set(self.life.get() + 1);
        self.sections.take();
        self.let_others_go_on();
        if let Some(class) = &self.handlers {
            class.end();
        }
    }

    /// Ends the instance by a reset, which its sockets do not survive.
    pub fn reset(&self, ended: Ended) {
        let sockets = self.sockets.take();
        self.end(ended);
        sockets.drop_all();
    }

    /// Lets something out when the turn's end has kept what was written so far. What a
    /// transaction waits for cannot wait for that transaction.
    pub fn say(&self, waits_for_transaction: bool, let_out: impl FnOnce() + 'static) {
        if self.handlers.is_none() {
            return let_out();
        }
        let memory = self.memory.borrow();
        let waits = memory.began() && (waits_for_transaction || !memory.in_transaction());
        let let_out = Box::new(let_out);
        self.outlet.borrow_mut().push(Output { waits, let_out });
    }

    /// Keeps what the turn wrote, and lets out what it said.
    pub fn end_turn(&self) -> Result<(), Ended> {
        let kept = self.memory.borrow_mut().end_turn();
        kept.map_err(Ended::by_reset)?;
        let is_held_back = self.memory.borrow().began();
        let said = self.outlet.take().into_iter();
        let (held_back, out): (Vec<_>, Vec<_>) =
            said.partition(|output| output.waits && is_held_back);
        self.outlet.replace(held_back);
        out.into_iter().for_each(|output| (output.let_out)());
        Ok(())
    }

    /// A section or transaction of the running event.
    pub fn holding(&self, number: u64) -> Holder {
        Holder {
            event: self.running_event.get(),
            number,
            begun: executor::number(),
            since_ms: executor::now_ms(),
        }
    }

    /// What holds back all events but its own, and those that it made possible.
    pub fn holder(&self) -> Option<Holder> {
        let section = self.sections.borrow().first().copied();
        section.or_else(|| self.memory.borrow().holder())
    }

    /// Ends when no section or transaction is open that was begun after the wait of this
    /// number.
    pub async fn wait_may_end(&self, begun: u64) {
        poll_fn(|cx| {
            let sections = self.sections.borrow().last().copied();
            let newest = sections.into_iter().chain(self.memory.borrow().innermost());
            if newest.into_iter().all(|holder| holder.begun < begun) {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Somebody may have ended to hold back others.
    pub fn let_others_go_on(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// The running event has begun to hold back others: it may not do so for ever.
    pub fn watch_holder(self: &Rc<Self>) {
        if self.handlers.is_none() || self.is_watched.replace(true) {
            return;
        }
        let watched = Rc::downgrade(self);
        executor::spawn_in_background(async move {
            let holder = || watched.upgrade()?.holder();
            while let Some(held) = holder() {
                executor::sleep_until(held.since_ms + HELD_BACK_MS_MAX).await;
                if let (true, Some(space)) = (holder() == Some(held), watched.upgrade()) {
                    let ended = Ended::by_reset(HELD_BACK_TOO_LONG.to_owned());
                    space.enter(|| space.reset(ended));
                }
            }
            if let Some(space) = watched.upgrade() {
                space.is_watched.set(false);
            }
        });
    }
}

impl Ended {
    pub fn new(error: Error, reaches_waiting: bool) -> Self {
        Self {
            error,
            reaches_waiting,
            life: 0,
        }
    }

    pub fn by_reset(reason: String) -> Self {
        Self::new(Error::new(reason).with_flags(ErrorFlags::RESET), false)
    }
}

/// A future of an object that the test drives itself.
pub struct InSpace<F> {
    pub space: Rc<Space>,
    pub future: Pin<Box<F>>,
}

impl<F: Future> Future for InSpace<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { space, future } = &mut *self;
        space.enter(|| {
            let polled = future.as_mut().poll(cx);
            if let Err(ended) = space.end_turn() {
                panic!("{}", ended.error);
            }
            polled
        })
    }
}

/// An event of an object, which ends with its instance.
pub struct Event<F> {
    space: Rc<Space>,
    number: u64,
    /// The instance when the event came.
    came: u64,
    /// The instance that it has entered.
    entered: Option<u64>,
    /// The section or transaction that made it possible, and lets it in.
    within: Option<u64>,
    /// Dropped as code of the object.
    work: Option<Pin<Box<F>>>,
}

impl<F> Event<F> {
    pub fn new(space: &Rc<Space>, work: F) -> Self {
        Self {
            space: space.clone(),
            number: executor::number(),
            came: space.life(),
            entered: None,
            within: None,
            work: Some(Box::pin(work)),
        }
    }

    /// One that the section or transaction of this number lets in.
    pub fn within(space: &Rc<Space>, holder: Option<u64>, work: F) -> Self {
        let mut event = Self::new(space, work);
        event.within = holder;
        event
    }

    /// Work that belongs to the running event.
    pub fn beside(space: &Rc<Space>, work: F) -> Self {
        let mut event = Self::new(space, work);
        event.number = space.running_event();
        event.entered = Some(space.life());
        event
    }

    /// How the instance has ended, if that concerns this event.
    fn ended(&self) -> Option<Error> {
        let end = self.space.end.borrow();
        let end = end.as_ref()?;
        let is_meant = match self.entered {
            Some(entered) => entered <= end.life,
            None => self.came <= end.life && end.reaches_waiting,
        };
        is_meant.then(|| end.error.clone())
    }

    fn is_held_back(&self) -> bool {
        let holder = self.space.holder();
        holder
            .is_some_and(|holder| holder.event != self.number && self.within != Some(holder.number))
    }
}

impl<T, F: Future<Output = Result<T>>> Event<F> {
    /// Runs a turn of the event.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let space = self.space.clone();
        if let Some(error) = self.ended() {
            self.work = None;
            return Poll::Ready(Err(error));
        }
        if self.is_held_back() {
            space.waiting.borrow_mut().push(cx.waker().clone());
            return Poll::Pending;
        }
        self.entered.get_or_insert(space.life());
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let before = space.running_event.replace(self.number);
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        space.running_event.set(before);
        let ended = match polled.map_err(|panic| panic.downcast::<Unwinding>()) {
            Ok(polled) if self.ended().is_none() => match space.end_turn() {
                Ok(()) => return polled,
                Err(ended) => Some(ended),
            },
            // The constructor has failed.
            Ok(_) => None,
            Err(Ok(unwinding)) => Some(unwinding.0),
            Err(Err(panic)) => resume_unwind(panic),
        };
        if let Some(ended) = ended {
            space.reset(ended);
        }
        self.turn(cx)
    }
}

impl<T, F: Future<Output = Result<T>>> Future for Event<F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let space = self.space.clone();
        space.enter(|| self.turn(cx))
    }
}

impl<F> Drop for Event<F> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.space.enter(|| drop(work));
        }
    }
}
