//! Whether a caller has left before its answer had left whole.
//!
//! ```text
//! waiting ─ the caller drops its end, or the rest of a body ─► Gone
//!    └───── the answer was taken, with the last of its body ─► Answered
//! ```
//!
//! Few handlers ask, so there is none of this for an event before its handler does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;
use slab::Slab;

use super::body::BodySource;
use super::error::ObjectError;

/// What became of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Gone,
    Answered,
}

#[derive(Default)]
pub struct Departure(Mutex<State>);

#[derive(Default)]
struct State {
    fate: Option<Fate>,
    waiting: Slab<Option<Waker>>,
}

/// One of those who wait for it.
pub struct Watch {
    departure: Arc<Departure>,
    place: usize,
}

impl Departure {
    pub fn fate(&self) -> Option<Fate> {
        self.0.lock().fate
    }

    /// The first fate counts.
    pub fn decide(&self, fate: Fate) {
        self.0.lock().fate.get_or_insert(fate);
        self.wake_all();
    }

    pub fn watch(self: &Arc<Self>) -> Watch {
        Watch {
            place: self.0.lock().waiting.insert(None),
            departure: self.clone(),
        }
    }

    /// The body of the answer; it tells when it has left, or was given up.
    pub fn of_body(self: Arc<Self>, source: BodySource) -> BodySource {
        Box::pin(Watched {
            source,
            departure: self,
        })
    }

    fn wake_all(&self) {
        let mut wakers = Vec::new();
        let waiting = &mut self.0.lock().waiting;
        wakers.extend(waiting.iter_mut().filter_map(|(_, waker)| waker.take()));
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The caller of a running event tells all who wait.
impl Wake for Departure {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

impl Watch {
    /// What became of the caller, as far as it is known. Woken when more is.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Fate> {
        let mut state = self.departure.0.lock();
        match state.fate {
            Some(fate) => Poll::Ready(fate),
            None => {
                state.waiting[self.place] = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub fn departure(&self) -> &Arc<Departure> {
        &self.departure
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.departure.0.lock().waiting.remove(self.place);
    }
}

/// The body of an answer.
struct Watched {
    source: BodySource,
    departure: Arc<Departure>,
}

impl Stream for Watched {
    type Item = Result<Bytes, ObjectError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.source.as_mut().poll_next(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.departure.decide(Fate::Answered);
        }
        next
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.departure.decide(Fate::Gone);
    }
}

#[cfg(test)]
mod tests {
    //! Several wait for one caller.

    use futures::StreamExt;

    use super::*;

    fn body() -> BodySource {
        let chunks = ["a", "b"].map(|text| Ok(Bytes::from_static(text.as_bytes())));
        Box::pin(futures::stream::iter(chunks))
    }

    #[test]
    fn whoever_waits_hears_of_it_once_the_body_has_left_whole_or_not() {
        let cx = &mut Context::from_waker(Waker::noop());
        for (chunks, expected) in [(3, Fate::Answered), (2, Fate::Gone), (0, Fate::Gone)] {
            let departure = Arc::<Departure>::default();
            let watches = [departure.watch(), departure.watch()];
            let mut source = departure.of_body(body());
            for _ in 0..chunks {
                assert!(watches[0].poll(cx).is_pending());
                assert!(source.poll_next_unpin(cx).is_ready());
            }
            drop(source);
            assert!(
                watches
                    .iter()
                    .all(|it| it.poll(cx) == Poll::Ready(expected))
            );
        }
    }
}
