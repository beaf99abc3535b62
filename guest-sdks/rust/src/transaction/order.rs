//! Which transactions are open, whose work is running, and who waits to begin one?
//!
//! The host knows which are open, but not whose work calls it: everything runs on
//! one thread. Here it is known, because work is polled, see [`run`].
//!
//! Invariants:
//!
//! * `open` are those that the host has open, innermost last.
//! * `running` names a transaction only while its work is polled, or that of an event that it
//!   made possible.
//! * One begins when the innermost open transaction is the one whose work asks for
//!   it, and everybody who asked for the same before has begun or left.
//! * Who may begin is woken: after each end, and after each that leaves the queue.

use crate::host::transactions as host;
use crate::{Error, Result};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

thread_local! {
    static ORDER: RefCell<Order> = const { RefCell::new(Order::EMPTY) };
}

pub struct Order {
    open: Vec<Rc<Level>>,
    running: Option<Rc<Level>>,
    /// In the order in which they asked.
    waiting: Vec<Waiting>,
    newest_ticket: u64,
}

struct Waiting {
    ticket: u64,
    /// The transaction whose work asks.
    around: Option<Rc<Level>>,
    waker: Waker,
}

/// A transaction or savepoint that the host has opened.
#[derive(Debug)]
pub struct Level {
    number: u64,
    is_transaction: bool,
    /// The transaction whose work has begun it.
    around: Option<Rc<Level>>,
    state: Cell<LevelState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelState {
    Open,
    Committed,
    RolledBack,
    /// Undone because the one around it has ended first.
    Swept,
}

impl Level {
    pub fn state(&self) -> LevelState {
        self.state.get()
    }

    pub fn commit(&self) -> Result<()> {
        host::commit(self.number)?;
        self.ended(LevelState::Committed);
        Ok(())
    }

    /// Fails if it is not the innermost one.
    pub fn rollback(&self) -> Result<()> {
        host::rollback(self.number)?;
        self.ended(LevelState::RolledBack);
        Ok(())
    }

    /// Undoes it with everything that is still open within it.
    pub fn undo(&self) -> Result<()> {
        while self.state() == LevelState::Open {
            let innermost = ORDER.with_borrow(|order| order.open.last().cloned());
            match innermost {
                Some(level) if level.number != self.number => {
                    host::rollback(level.number)?;
                    level.ended(LevelState::Swept);
                }
                _ => self.rollback()?,
            }
        }
        Ok(())
    }

    fn ended(&self, state: LevelState) {
        self.state.set(state);
        ORDER.with_borrow_mut(|order| order.open.retain(|open| open.number != self.number));
        wake_next();
    }
}

impl Order {
    pub const EMPTY: Order = Order {
        open: Vec::new(),
        running: None,
        waiting: Vec::new(),
        newest_ticket: 0,
    };

    fn innermost(&self) -> Option<Rc<Level>> {
        let mut innermost_first = self.open.iter().rev();
        innermost_first.find(|level| level.is_transaction).cloned()
    }

    fn innermost_transaction(&self) -> Option<u64> {
        self.innermost().map(|level| level.number)
    }

    /// Whether somebody who asks in the work of `around` may begin.
    fn may_begin(&self, ticket: Option<u64>, around: &Option<Rc<Level>>) -> bool {
        let within = number_of_open(around);
        let mut earlier = (self.waiting.iter()).take_while(|other| Some(other.ticket) != ticket);
        within == self.innermost_transaction()
            && earlier.all(|other| number_of_open(&other.around) != within)
    }

    fn wait(&mut self, ticket: &mut Option<u64>, around: Option<Rc<Level>>, waker: Waker) {
        let ticket = *ticket.get_or_insert_with(|| {
            self.newest_ticket += 1;
            self.newest_ticket
        });
        match self.waiting.iter_mut().find(|one| one.ticket == ticket) {
            Some(waiting) => (waiting.around, waiting.waker) = (around, waker),
            None => self.waiting.push(Waiting {
                ticket,
                around,
                waker,
            }),
        }
    }
}

/// The innermost transaction that is still open, of one and those around it. Work
/// may have rolled its own back and go on.
fn number_of_open(level: &Option<Rc<Level>>) -> Option<u64> {
    let mut level = level.as_ref();
    while let Some(ended) = level.filter(|level| level.state() != LevelState::Open) {
        level = ended.around.as_ref();
    }
    level.map(|level| level.number)
}

/// Opens a savepoint, in whatever is open.
pub fn savepoint() -> Result<Rc<Level>> {
    let number = host::savepoint()?;
    Ok(opened(number, false, None))
}

/// Begins a transaction in the one whose work is running. While another is open,
/// or others wait for the same, it waits.
pub async fn begin() -> Result<Rc<Level>> {
    let mut place = Place { ticket: None };
    poll_fn(|cx| place.poll(cx)).await
}

/// A place in the queue; it is left when the future that waits is dropped.
struct Place {
    ticket: Option<u64>,
}

impl Place {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Rc<Level>>> {
        let around = ORDER.with_borrow_mut(|order| {
            let around = order.running.clone();
            if order.may_begin(self.ticket, &around) {
                return Some(around);
            }
            order.wait(&mut self.ticket, around, cx.waker().clone());
            None
        });
        let Some(around) = around else {
            return Poll::Pending;
        };
        let begun = host::begin(number_of_open(&around));
        let begun = begun.map(|number| opened(number, true, around));
        self.leave();
        Poll::Ready(begun)
    }

    fn leave(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ORDER.with_borrow_mut(|order| order.waiting.retain(|one| one.ticket != ticket));
            wake_next();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

fn opened(number: u64, is_transaction: bool, around: Option<Rc<Level>>) -> Rc<Level> {
    let level = Rc::new(Level {
        number,
        is_transaction,
        around,
        state: Cell::new(LevelState::Open),
    });
    ORDER.with_borrow_mut(|order| order.open.push(level.clone()));
    level
}

/// Wakes the first that may begin. It does so when it is polled.
fn wake_next() {
    let next = ORDER.with_borrow(|order| {
        let innermost = order.innermost_transaction();
        let mut waiting = order.waiting.iter();
        let first = waiting.find(|one| number_of_open(&one.around) == innermost);
        first.map(|one| one.waker.clone())
    });
    if let Some(waker) = next {
        waker.wake();
    }
}

/// Runs the work of a transaction: what it begins while it is polled lies within.
pub async fn run<T>(level: &Rc<Level>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|cx| {
        let _running = Running::enter(level.clone());
        work.as_mut().poll(cx)
    })
    .await
}

/// Runs the work of an event that begins now. While a transaction is open, only those begin
/// that it made possible: what they begin lies within it.
pub async fn let_in<T>(work: impl Future<Output = T>) -> T {
    let open = ORDER.with_borrow(Order::innermost);
    match open {
        Some(level) => run(&level, work).await,
        None => work.await,
    }
}

/// Puts back what was running before, also when the work panics.
struct Running {
    before: Option<Rc<Level>>,
}

impl Running {
    fn enter(level: Rc<Level>) -> Self {
        let before = ORDER.with_borrow_mut(|order| order.running.replace(level));
        Self { before }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        ORDER.with_borrow_mut(|order| order.running = self.before.take());
    }
}

/// The error of one that was undone because the one around it has ended first.
pub fn swept() -> Error {
    Error::new("The transaction was undone, because the one around it ended before it.")
}

/// Exchanges the order for another object's.
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub fn exchange(other: &mut Order) {
    ORDER.with_borrow_mut(|order| std::mem::swap(order, other));
}

/// Forgets the object's transactions, which its end has undone.
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub fn forget() {
    let open = ORDER.with_borrow_mut(|order| {
        // Those who wait leave by themselves.
        std::mem::take(&mut order.open)
    });
    for level in open {
        level.state.set(LevelState::Swept);
    }
}
