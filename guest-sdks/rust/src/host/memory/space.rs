//! Whose code runs: everything that belongs to one object in memory.

use super::Memory;
use super::sockets::Sockets;
use crate::error::ErrorFlags;
use crate::testing::world::Class;
use crate::transaction::order::{self, Order};
use crate::{Error, Result};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Space>>> = const { RefCell::new(None) };
}

/// One object's identity, storage and sockets.
pub struct Space {
    pub class: String,
    pub name: Option<String>,
    pub id: String,
    pub memory: RefCell<Memory>,
    pub sections: Cell<u64>,
    pub sockets: RefCell<Sockets>,
    /// How its events are handled; none for an object that the test itself drives.
    pub handlers: Option<Class>,
    /// Its transactions, while its code does not run.
    order: RefCell<Order>,
    /// How often its instance was reset, and why last.
    resets: Cell<u64>,
    reset: RefCell<Option<Error>>,
}

/// What unwinds the code that has called `abort`.
pub struct Aborted(pub String);

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
            memory: RefCell::new(Memory::open().expect("SQLite opens a database in memory")),
            sections: Cell::new(0),
            sockets: RefCell::default(),
            handlers,
            order: RefCell::new(Order::EMPTY),
            resets: Cell::new(0),
            reset: RefCell::default(),
        })
    }

    /// The object whose code runs.
    pub fn current() -> Rc<Self> {
        Self::of_running().expect(
            "this needs a host: call it inside durable_object::testing::run, or build a component",
        )
    }

    pub fn of_running() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Option::clone)
    }

    /// Ends the instance: its events get the error, its sockets break.
    fn reset(&self, reason: String) {
        self.resets.set(self.resets.get() + 1);
        let error = Error::new(reason).with_flags(ErrorFlags::RESET);
        self.reset.replace(Some(error));
        self.sockets.take().drop_all();
        if let Some(class) = &self.handlers {
            class.end();
        }
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
}

/// A future of an object.
pub struct InSpace<F> {
    pub space: Rc<Space>,
    pub future: Pin<Box<F>>,
}

/// An event of an object, which ends with its instance.
pub struct Event<F> {
    space: Rc<Space>,
    /// How often the instance had been reset when the event came.
    resets: u64,
    /// Dropped as code of the object.
    work: Option<Pin<Box<F>>>,
}

impl<F> Event<F> {
    pub fn new(space: &Rc<Space>, work: F) -> Self {
        Self {
            space: space.clone(),
            resets: space.resets.get(),
            work: Some(Box::pin(work)),
        }
    }
}

impl<T, F: Future<Output = Result<T>>> Future for Event<F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        if self.resets == self.space.resets.get()
            && let Some(work) = &mut self.work
        {
            let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
            match polled.map_err(|panic| panic.downcast::<Aborted>()) {
                Ok(polled) => return polled,
                Err(Ok(aborted)) => self.space.reset(aborted.0),
                Err(Err(panic)) => resume_unwind(panic),
            }
        }
        self.work = None;
        let reset = self.space.reset.borrow().clone();
        Poll::Ready(Err(reset.expect("it was reset")))
    }
}

impl<F: Future> Future for InSpace<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.space.enter(|| this.future.as_mut().poll(cx))
    }
}
