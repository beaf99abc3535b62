//! Watches over one connection: how long has its client owed something, and how
//! much waits for it?
//!
//! Everything that happens on the connection is noted here with a few atomic
//! stores; one timer per connection looks at the notes now and then. No request
//! costs a timer.
//!
//! ```text
//! unproven ──begin()──► busy ──end()──► idle ──heard()──► a head has begun
//!     │                  │               │                   │
//!     └─header_timeout   └─send_timeout  └─idle_timeout      └─header_timeout
//! ```
//!
//! A request that an object works on has no time limit, nor has an answer that
//! the client takes.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
use std::task::Context;
use std::time::Duration;

use futures::task::AtomicWaker;
use hyper::{Method, Version};

use super::unsent::Unsent;
use crate::clock;
use crate::limits::ServerLimits;

/// How long a connection without requests may stay once the server stops; clients
/// of HTTP/2 say farewell in this time.
const FAREWELL_MS: u64 = 250;

/// No such moment.
const NEVER: u64 = 0;

pub struct Vigil {
    times: Times,
    began_ms: u64,
    /// Requests whose answers are not yet sent.
    requests: AtomicUsize,
    /// Has any request arrived whole?
    is_proven: AtomicBool,
    is_http2: AtomicBool,
    /// When the last request ended.
    idle_since_ms: AtomicU64,
    /// HTTP/1: since when a head is coming.
    head_since_ms: AtomicU64,
    /// Since when the socket takes nothing.
    blocked_since_ms: AtomicU64,
    /// HTTP/1: has the answer to the request begun?
    answer_began: AtomicBool,
    order: AtomicU8,
    ordered_ms: AtomicU64,
    waker: AtomicWaker,
    pub unsent: Arc<Unsent>,
}

/// How long a client may owe what.
#[derive(Clone, Copy)]
pub struct Times {
    pub header_ms: u64,
    pub idle_ms: u64,
    pub send_ms: u64,
}

/// What the server wants of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    GoOn,
    /// End after the requests that have begun.
    Finish,
    /// End at once, for another connection needs the room.
    Leave,
}

/// What a look at the notes shows.
#[derive(PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All is well at least until then.
    Until(u64),
    /// The socket takes nothing. Only the system knows whether the client still
    /// reads what was given to it before.
    Blocked,
    Expired(&'static str),
}

/// A request on its way, from its head to the end of its answer.
pub struct Exchange {
    vigil: Arc<Vigil>,
    is_head: bool,
}

impl Times {
    pub fn of(limits: &ServerLimits) -> Times {
        Times {
            header_ms: limits.header_timeout_ms,
            idle_ms: limits.idle_timeout_ms,
            send_ms: limits.send_timeout_ms,
        }
    }

    /// How often to look: a client gets at most a quarter more than its time.
    pub fn look_every(&self) -> Duration {
        let shortest = self.header_ms.min(self.idle_ms).min(self.send_ms);
        Duration::from_millis((shortest / 4).clamp(5, 5_000))
    }
}

impl Vigil {
    pub fn new(times: Times, unsent: Arc<Unsent>) -> Vigil {
        Vigil {
            times,
            began_ms: now_ms(),
            requests: AtomicUsize::new(0),
            is_proven: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            idle_since_ms: AtomicU64::new(now_ms()),
            head_since_ms: AtomicU64::new(NEVER),
            blocked_since_ms: AtomicU64::new(NEVER),
            answer_began: AtomicBool::new(false),
            order: AtomicU8::new(Order::GoOn as u8),
            ordered_ms: AtomicU64::new(NEVER),
            waker: AtomicWaker::new(),
            unsent,
        }
    }

    /// A request has arrived, at least its head.
    pub fn begin(self: &Arc<Vigil>, version: Version, method: &Method) -> Exchange {
        if !self.is_proven.load(Relaxed) {
            self.is_http2.store(version == Version::HTTP_2, Relaxed);
            self.is_proven.store(true, Release);
        }
        self.head_since_ms.store(NEVER, Relaxed);
        self.answer_began.store(false, Relaxed);
        self.requests.fetch_add(1, AcqRel);
        Exchange {
            vigil: self.clone(),
            is_head: *method == Method::HEAD,
        }
    }

    /// The connection goes on as something else than HTTP, and is as busy as one with
    /// a request while this lives.
    pub fn hold(self: &Arc<Vigil>) -> Exchange {
        self.requests.fetch_add(1, AcqRel);
        Exchange {
            vigil: self.clone(),
            is_head: false,
        }
    }

    /// Bytes have come.
    pub fn heard(&self) {
        if self.requests.load(Relaxed) == 0 && self.head_since_ms.load(Relaxed) == NEVER {
            self.head_since_ms.store(now_ms(), Relaxed);
        }
    }

    /// The socket has taken bytes.
    pub fn wrote(&self) {
        self.answer_began.store(true, Relaxed);
        if self.blocked_since_ms.load(Relaxed) != NEVER {
            self.blocked_since_ms.store(NEVER, Relaxed);
        }
    }

    /// The socket takes nothing more for the moment.
    pub fn blocked(&self) {
        if self.blocked_since_ms.load(Relaxed) == NEVER {
            self.blocked_since_ms.store(now_ms(), Relaxed);
        }
    }

    pub fn is_blocked(&self) -> bool {
        self.blocked_since_ms.load(Relaxed) != NEVER
    }

    pub fn is_http2(&self) -> bool {
        self.is_http2.load(Relaxed)
    }

    pub fn look_every(&self) -> Duration {
        self.times.look_every()
    }

    /// The client still reads, though the socket takes nothing.
    pub fn still_reads(&self) {
        self.blocked_since_ms.store(now_ms(), Relaxed);
    }

    /// Does a client of HTTP/1 wait for an answer of which nothing was sent?
    pub fn awaits_answer(&self) -> bool {
        self.requests.load(Relaxed) > 0
            && !self.answer_began.load(Relaxed)
            && !self.is_http2.load(Relaxed)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Acquire)
    }

    /// Since when the connection has nothing to do, if so.
    pub fn silent_since_ms(&self) -> Option<u64> {
        let is_silent = self.requests() == 0 && self.unsent.bytes() == 0;
        is_silent.then(|| match self.is_proven.load(Acquire) {
            true => self.idle_since_ms.load(Relaxed),
            false => self.began_ms,
        })
    }

    pub fn order(&self, order: Order) {
        self.ordered_ms.store(now_ms(), Relaxed);
        self.order.store(order as u8, Release);
        self.waker.wake();
    }

    pub fn is_leaving(&self) -> bool {
        self.order.load(Acquire) == Order::Leave as u8
    }

    /// What is ordered; wakes the task when that changes.
    pub fn ordered(&self, cx: &mut Context<'_>) -> Order {
        self.waker.register(cx.waker());
        match self.order.load(Acquire) {
            order if order == Order::Finish as u8 => Order::Finish,
            order if order == Order::Leave as u8 => Order::Leave,
            _ => Order::GoOn,
        }
    }

    pub fn look(&self, now_ms: u64) -> Verdict {
        let times = &self.times;
        let is_http2 = self.is_http2.load(Relaxed);
        let blocked_ms = self.blocked_since_ms.load(Relaxed);
        if blocked_ms != NEVER {
            return match blocked_ms + times.send_ms {
                end if end <= now_ms => Verdict::Blocked,
                end => Verdict::Until(end),
            };
        }
        let (since_ms, time_ms, what) = if is_http2 && self.unsent.bytes() > 0 {
            // The client opens no window.
            let moved_ms = self.unsent.moved_ms();
            (
                moved_ms,
                times.send_ms,
                "the client does not take its answers",
            )
        } else if self.requests() > 0 {
            return Verdict::Until(u64::MAX);
        } else if self.order.load(Acquire) == Order::Finish as u8 {
            (
                self.ordered_ms.load(Relaxed),
                FAREWELL_MS,
                "the server stops",
            )
        } else if !self.is_proven.load(Acquire) {
            (self.began_ms, times.header_ms, "the client sent no request")
        } else if !is_http2 && self.head_since_ms.load(Relaxed) != NEVER {
            let head_ms = self.head_since_ms.load(Relaxed);
            (head_ms, times.header_ms, "a request's head did not end")
        } else {
            let idle_ms = self.idle_since_ms.load(Relaxed);
            (idle_ms, times.idle_ms, "no request came")
        };
        match since_ms + time_ms {
            end if end <= now_ms => Verdict::Expired(what),
            end => Verdict::Until(end),
        }
    }
}

impl Exchange {
    pub fn vigil(&self) -> &Vigil {
        &self.vigil
    }

    /// Does the client want the head only?
    pub fn is_head(&self) -> bool {
        self.is_head
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.vigil.idle_since_ms.store(now_ms(), Relaxed);
        self.vigil.requests.fetch_sub(1, AcqRel);
    }
}

/// Never `NEVER`.
pub fn now_ms() -> u64 {
    clock::now_ms() + 1
}

#[cfg(test)]
mod tests {
    //! Each debt of a client has its time.

    use super::*;

    fn vigil() -> Arc<Vigil> {
        let times = Times {
            header_ms: 100_000,
            idle_ms: 200_000,
            send_ms: 300_000,
        };
        let unsent = Unsent::new(1_000, Arc::default());
        Arc::new(Vigil::new(times, Arc::new(unsent)))
    }

    /// Checks that all is well until about this time from now, and not after it.
    fn check(vigil: &Vigil, ms: u64) {
        let now_ms = now_ms();
        assert!(matches!(vigil.look(now_ms), Verdict::Until(_)));
        assert!(matches!(
            vigil.look(now_ms + ms - 10_000),
            Verdict::Until(_)
        ));
        assert!(!matches!(vigil.look(now_ms + ms + 1), Verdict::Until(_)));
    }

    #[test]
    fn each_debt_has_its_time() {
        let vigil = vigil();
        check(&vigil, 100_000);
        let exchange = vigil.begin(Version::HTTP_11, &Method::GET);
        assert_eq!(vigil.look(now_ms()), Verdict::Until(u64::MAX));
        drop(exchange);
        check(&vigil, 200_000);
        vigil.heard();
        check(&vigil, 100_000);
        drop(vigil.begin(Version::HTTP_11, &Method::GET));
        check(&vigil, 200_000);
        vigil.blocked();
        check(&vigil, 300_000);
        vigil.wrote();
        check(&vigil, 200_000);
        vigil.order(Order::Finish);
        assert_eq!(
            vigil.look(now_ms() + FAREWELL_MS),
            Verdict::Expired("the server stops")
        );
    }

    #[test]
    fn a_client_of_http2_that_takes_nothing_has_a_time_limit_while_it_speaks() {
        let vigil = vigil();
        let exchange = vigil.begin(Version::HTTP_2, &Method::GET);
        assert_eq!(vigil.look(u64::MAX - 1), Verdict::Until(u64::MAX));
        vigil.unsent.add(500);
        vigil.heard();
        check(&vigil, 300_000);
        drop(exchange);
        check(&vigil, 300_000);
        vigil.unsent.remove(500);
        check(&vigil, 200_000);
    }
}
