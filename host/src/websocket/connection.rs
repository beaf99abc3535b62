//! One connection that speaks WebSocket, as a small task of its own.
//!
//! ```text
//! open ─┬─ the peer's Close ─► the object is told; its Close, or that it is done ─┐
//!       ├─ the object's Close ─► the peer's Close, or CLOSE_WAIT ─────────────────┤
//!       ├─ wrong frames, slow reader, stop ─► a Close, the object is told ────────┤
//!       └─ broken, silent, dropped by the object ─────────────────────────────────┴► over
//! ```

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::Role;
use super::deflate::Deflate;
use super::held::{self, Held};
use super::incoming::{Heard as OfPeer, Incoming, Violation};
use super::outgoing::Outgoing;
use crate::clock;
use crate::object::socket::line::{End, Heard, Said};
use crate::object::socket::rules::REASON_BYTES_MAX;
use crate::object::socket::{Close, Ending, Message, RESTART, TRY_LATER};

/// How long a peer may take to answer a Close, or to read the last one.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
/// The same for one that does not read at all, or breaks the rules.
const SHORT_WAIT: Duration = Duration::from_secs(2);
/// A piece that is read at a time; it lies on the stack.
const PIECE_BYTES: usize = 16 * 1024;
/// Pieces that are read before others get their turn.
const PIECES_PER_POLL: usize = 16;
/// When connections hold too much, messages that have grown larger than this are given up.
const HELD_BYTES_WHEN_FULL: usize = 64 * 1024;
/// A peer counts as silent after this part of the time for a ping, so that one look
/// for each ping is enough.
const SILENT_FOR: f64 = 0.75;

const SLOW: &str = "too much waits for the peer";
const STOPS: &str = "the server stops";
const NO_MEMORY: &str = "the server has no memory left";

/// What a connection lives by.
#[derive(Clone, Copy)]
pub struct Terms {
    pub role: Role,
    /// How messages are compressed, if they are.
    pub deflate: Option<Deflate>,
    /// A peer that was silent for so long is asked whether it is there, and gone if
    /// it is silent for as long again.
    pub ping: Duration,
    /// How long a peer may take nothing of what is written.
    pub send: Duration,
}

/// A connection until its end. `stops` tells when the process wants it to end.
pub struct Connection<S, F> {
    stream: S,
    end: End,
    stops: F,
    terms: Terms,
    incoming: Incoming,
    outgoing: Outgoing,
    /// What was read and not looked at yet.
    rest: Vec<u8>,
    /// A message for which the object has no room yet.
    arrived: Option<Message>,
    /// Counts both, and what has come of a message.
    held: Held,
    phase: Phase,
    heard: Instant,
    wrote: Instant,
    pinged: bool,
    /// Something was written that the stream may still hold.
    unflushed: bool,
    timer: Pin<Box<Sleep>>,
}

#[derive(Default)]
struct Phase {
    /// A Close is written, or about to be.
    said_close: bool,
    /// The peer has said its Close, or nothing that it says counts any more.
    heard_close: bool,
    /// The peer may not have read the last Close yet, and says more meanwhile.
    lingers: bool,
    /// Nothing is to be heard of the object any more.
    object_is_done: bool,
    /// When to give up.
    until: Option<Instant>,
}

/// The connection is over.
struct Over;

impl<S, F> Connection<S, F>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: FnMut(&mut Context<'_>) -> bool + Unpin,
{
    /// `rest` was read from the stream already.
    pub fn new(stream: S, rest: Vec<u8>, end: End, terms: Terms, stops: F) -> Connection<S, F> {
        let now = Instant::now();
        // Connections that began together are not to be asked together.
        let first = terms.ping.mul_f64(rand::random_range(0.5..1.0));
        Connection {
            stream,
            end,
            stops,
            incoming: Incoming::new(terms.role, terms.deflate.is_some()),
            outgoing: Outgoing::new(terms.role, terms.deflate),
            terms,
            rest,
            arrived: None,
            held: Held::default(),
            phase: Phase::default(),
            heard: now,
            wrote: now,
            pinged: false,
            unflushed: false,
            timer: Box::pin(tokio::time::sleep_until(now + first)),
        }
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Result<(), Over> {
        if !self.phase.said_close && (self.stops)(cx) {
            self.end.end(Ending::unclean(RESTART, STOPS));
            self.close(RESTART, STOPS, CLOSE_WAIT);
        }
        for _ in 0..PIECES_PER_POLL {
            let wrote = self.write(cx)?;
            let read = self.read(cx)?;
            if self.is_over() {
                // Whatever is left of TLS is said if that can be done at once.
                let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
                return Err(Over);
            }
            if !wrote && !read {
                return self.look_at_time(cx);
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Nothing is left to be done.
    fn is_over(&self) -> bool {
        let phase = &self.phase;
        let both_closed = phase.said_close && phase.heard_close && !phase.lingers;
        let is_dropped = phase.object_is_done && !phase.said_close;
        (both_closed || is_dropped) && self.outgoing.is_empty() && !self.unflushed
    }

    /// Writes what there is. Says whether something was done.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        let mut has_done = false;
        loop {
            while self.outgoing.has_room() && !self.phase.object_is_done {
                match self.end.poll_next(cx) {
                    Poll::Pending => break,
                    Poll::Ready(heard) => self.heard_of_object(heard),
                }
                has_done = true;
            }
            if self.outgoing.is_empty() {
                return Ok(has_done | self.flush(cx)?);
            }
            let slices = self.outgoing.slices();
            match Pin::new(&mut self.stream).poll_write_vectored(cx, &slices) {
                Poll::Pending => return Ok(has_done),
                Poll::Ready(Ok(bytes @ 1..)) => self.outgoing.advance(bytes),
                Poll::Ready(_) => return Err(self.broken()),
            }
            self.wrote = Instant::now();
            (self.unflushed, has_done) = (true, true);
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        if !self.unflushed {
            return Ok(false);
        }
        let mut flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if self.phase.lingers && matches!(flushed, Poll::Ready(Ok(()))) {
            flushed = Pin::new(&mut self.stream).poll_shutdown(cx);
        }
        match flushed {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                Ok(true)
            }
            Poll::Ready(Err(_)) => Err(self.broken()),
        }
    }

    fn heard_of_object(&mut self, heard: Heard) {
        match heard {
            // What the host itself has closed is closed.
            Heard::Said(_) if self.phase.said_close => {}
            Heard::Said(Said::Message(message)) => {
                self.begin_to_write();
                self.outgoing.message(message);
            }
            Heard::Said(Said::Close(close)) => {
                self.say_close(&close);
                if !self.phase.heard_close {
                    self.give_up_in(CLOSE_WAIT);
                }
            }
            Heard::TooMuch => {
                self.phase.object_is_done = true;
                self.too_slow();
            }
            Heard::Nothing => {
                self.phase.object_is_done = true;
                self.give_up_in(CLOSE_WAIT);
            }
        }
    }

    /// Reads a piece and takes in what it says. Says whether something was done.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        let has_done = self.read_piece(cx);
        let arrived = self.arrived.as_ref().map_or(0, Message::bytes);
        let held = self.incoming.held_bytes() + arrived + self.rest.len();
        self.held.set(held);
        has_done
    }

    fn read_piece(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        if self.arrived.is_some() {
            let Poll::Ready(_) = self.end.poll_bring(cx, &mut self.arrived) else {
                return Ok(false);
            };
            self.arrived = None;
        }
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.take_in(&rest, cx);
            return Ok(true);
        }
        if self.phase.heard_close && !self.phase.said_close {
            // The object has the word.
            return Ok(false);
        }
        let mut space = [MaybeUninit::uninit(); PIECE_BYTES];
        let mut piece = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.stream).poll_read(cx, &mut piece) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(())) if !piece.filled().is_empty() => {}
            Poll::Ready(_) => return Err(self.broken()),
        }
        self.heard = Instant::now();
        self.pinged = false;
        self.take_in(piece.filled(), cx);
        Ok(true)
    }

    fn take_in(&mut self, mut bytes: &[u8], cx: &mut Context<'_>) {
        while !bytes.is_empty() && !self.phase.heard_close {
            if self.incoming.held_bytes() > HELD_BYTES_WHEN_FULL && held::is_too_much() {
                let (code, message) = (TRY_LATER, NO_MEMORY.into());
                return self.violated(Violation { code, message });
            }
            match self.incoming.feed(&mut bytes) {
                Ok(None) => return,
                Ok(Some(OfPeer::Message(message))) => {
                    if self.phase.said_close {
                        continue;
                    }
                    self.arrived = Some(message);
                    if self.end.poll_bring(cx, &mut self.arrived).is_pending() {
                        self.rest = bytes.to_vec();
                        return;
                    }
                    self.arrived = None;
                }
                // Who sends pings and reads no answers gets none.
                Ok(Some(OfPeer::Ping(payload)))
                    if !self.phase.said_close && self.outgoing.has_room() =>
                {
                    self.begin_to_write();
                    self.outgoing.pong(payload);
                }
                Ok(Some(OfPeer::Ping(_) | OfPeer::Pong)) => {}
                Ok(Some(OfPeer::Close(close))) => {
                    self.phase.heard_close = true;
                    self.end.end(Ending::by_peer(close));
                }
                Err(violation) => self.violated(violation),
            }
        }
    }

    fn violated(&mut self, violation: Violation) {
        let Violation { code, message } = violation;
        self.phase.heard_close = true;
        self.end.end(Ending::Failed {
            message: message.clone(),
        });
        self.phase.lingers = true;
        self.close(code, &message, SHORT_WAIT);
    }

    /// The peer does not take what it is sent.
    fn too_slow(&mut self) {
        self.end.end(Ending::unclean(TRY_LATER, SLOW));
        self.tell("closed a WebSocket whose peer does not read what it is sent");
        self.phase.lingers = true;
        self.close(TRY_LATER, SLOW, SHORT_WAIT);
    }

    /// Says a Close of the host's own, unless there was one.
    fn close(&mut self, code: u16, reason: &str, wait: Duration) {
        if !self.phase.said_close {
            let fits = reason.floor_char_boundary(REASON_BYTES_MAX);
            self.say_close(&Close {
                code: Some(code),
                reason: reason[..fits].into(),
            });
        }
        self.give_up_in(wait);
    }

    fn say_close(&mut self, close: &Close) {
        self.begin_to_write();
        self.outgoing.close(close);
        self.phase.said_close = true;
    }

    fn begin_to_write(&mut self) {
        if self.outgoing.is_empty() {
            self.wrote = Instant::now();
        }
    }

    fn give_up_in(&mut self, wait: Duration) {
        let until = Instant::now() + wait;
        let until = self.phase.until.map_or(until, |before| before.min(until));
        self.phase.until = Some(until);
        self.timer.as_mut().reset(until);
    }

    fn broken(&mut self) -> Over {
        self.end.end(Ending::dropped());
        Over
    }

    /// Has somebody kept the connection waiting for too long?
    fn look_at_time(&mut self, cx: &mut Context<'_>) -> Result<(), Over> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let mut next = now + self.terms.ping;
            if let Some(until) = self.phase.until {
                if until <= now {
                    return Err(self.broken());
                }
                next = next.min(until);
            }
            if !self.outgoing.is_empty() {
                let stuck = self.wrote + self.terms.send;
                if stuck <= now {
                    self.too_slow();
                    return Err(Over);
                }
                next = next.min(stuck);
            } else if self.arrived.is_some() || self.phase.heard_close {
                // The peer is not listened to.
                self.heard = now;
            } else if now < self.heard + self.terms.ping.mul_f64(SILENT_FOR) {
                next = next.min(self.heard + self.terms.ping);
            } else if self.pinged {
                return Err(self.broken());
            } else if !self.phase.said_close {
                self.pinged = true;
                self.begin_to_write();
                self.outgoing.ping();
                self.write(cx)?;
            }
            self.timer.as_mut().reset(next);
        }
        Ok(())
    }

    fn tell(&self, what: &str) {
        if let Some(object) = self.end.peer()
            && object.prints.take(what.len(), clock::now_ms()).is_some()
        {
            let (class, id) = (&*object.class, object.id);
            tracing::warn!(class, %id, "{what}");
        }
    }
}

impl<S, F> Future for Connection<S, F>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: FnMut(&mut Context<'_>) -> bool + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.go_on(cx) {
            Ok(()) => Poll::Pending,
            Err(Over) => Poll::Ready(()),
        }
    }
}
