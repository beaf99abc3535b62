//! What instances have given out for others to call, and who still holds it.
//!
//! ```text
//! give(7) ─► Lent ─ clones travel in payloads, and lie with whoever holds them
//!              └─── the last clone is dropped ─► let_go: the giver is told, once
//! ```
//!
//! A `Lent` is good as long as its giver's instance lives and has not ended it. The
//! giver stays awake meanwhile, but not for ever: a holder may have forgotten it.
//!
//! Invariants:
//!
//! * The giver is told of a number only when nobody holds it, also when it was given
//!   out again meanwhile.
//! * Nothing that was given out by one instance reaches the next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::error::ObjectError;
use super::identity::Identity;
use super::inbox::Inbox;
use super::input_gate::Stamp;
use crate::clock;

/// How long what was given out keeps its giver awake when it is not used. Whoever
/// means to use it for longer calls it now and then.
pub const UNUSED_MS_MAX: u64 = 5 * 60_000;
/// References that an instance may have given out, and that it may hold. Each costs
/// some hundred bytes of the host's memory.
const GIVEN_MAX: usize = 10_000;
const HELD_MAX: usize = 10_000;

/// What one instance has given out.
pub struct Giver {
    pub object: Arc<Identity>,
    pub inbox: Arc<Inbox>,
    /// The lowest stamp of what the innermost open section lets in; 0 when none is open.
    floor: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the number that the instance chose.
    given: HashMap<u64, Given>,
    last_serial: u64,
    /// Numbers that nobody holds any more, with the serial of what was held.
    let_go: Vec<(u64, u64)>,
    used_ms: u64,
}

struct Given {
    serial: u64,
    lent: Weak<Lent>,
}

/// Something that an instance has given out. Its clones are those who hold it.
pub struct Lent {
    giver: Weak<Giver>,
    number: u64,
    serial: u64,
    /// How many sections its giver had opened when it last gave it out.
    stamp: AtomicU64,
}

/// What one instance holds of others.
#[derive(Default)]
pub struct Held {
    lent: HashMap<u64, Arc<Lent>>,
    /// Released in a turn in which they may have been passed on, too.
    leaving: HashMap<u64, Arc<Lent>>,
    last_number: u64,
}

impl Giver {
    pub fn new(object: Arc<Identity>, inbox: Arc<Inbox>) -> Arc<Giver> {
        Arc::new(Giver {
            object,
            inbox,
            floor: AtomicU64::new(0),
            state: Mutex::default(),
        })
    }

    /// A section was opened, or has ended.
    pub fn set_floor(&self, floor: Option<Stamp>) {
        let floor = floor.unwrap_or_default();
        self.floor.store(floor.0, Ordering::Release);
    }

    /// Do the sections that are open let in a call of something that was given out then?
    pub fn lets_in(&self, stamp: Stamp) -> bool {
        self.floor.load(Ordering::Acquire) <= stamp.0
    }

    /// Gives out the instance's number, when it has opened so many sections. Fails when
    /// there are too many.
    pub fn give(self: &Arc<Self>, number: u64, stamp: Stamp) -> Result<Arc<Lent>, ObjectError> {
        let mut state = self.state.lock();
        state.used_ms = clock::now_ms();
        let given = state.given.get(&number);
        if let Some(lent) = given.and_then(|given| given.lent.upgrade()) {
            lent.stamp.fetch_max(stamp.0, Ordering::AcqRel);
            return Ok(lent);
        }
        if state.given.len() >= GIVEN_MAX {
            return Err(ObjectError::exception(
                "RangeError",
                format!("Durable Object has given out {GIVEN_MAX} references, as many as it may."),
            ));
        }
        state.last_serial += 1;
        let lent = Arc::new(Lent {
            giver: Arc::downgrade(self),
            number,
            serial: state.last_serial,
            stamp: AtomicU64::new(stamp.0),
        });
        let given = Given {
            serial: lent.serial,
            lent: Arc::downgrade(&lent),
        };
        state.given.insert(number, given);
        Ok(lent)
    }

    /// Is there a number of which the instance should be told?
    pub fn has_let_go(&self) -> bool {
        !self.state.lock().let_go.is_empty()
    }

    /// The next number that nobody holds.
    pub fn next_let_go(&self) -> Option<u64> {
        let mut state = self.state.lock();
        while let Some((number, serial)) = state.let_go.pop() {
            let given = state.given.get(&number);
            if given.is_some_and(|given| given.serial == serial) {
                state.given.remove(&number);
                return Some(number);
            }
        }
        None
    }

    /// Does something keep the instance awake? What has not been used for too long
    /// ends here.
    pub fn keeps_awake(&self, now_ms: u64) -> bool {
        let mut state = self.state.lock();
        if state.given.is_empty() {
            return false;
        }
        if now_ms.saturating_sub(state.used_ms) > UNUSED_MS_MAX {
            let ended = state.given.iter_mut();
            let ended: Vec<_> = ended
                .map(|(number, given)| {
                    given.lent = Weak::new();
                    (*number, given.serial)
                })
                .collect();
            state.let_go = ended;
        }
        true
    }

    fn let_go(&self, lent: &Lent) {
        self.state.lock().let_go.push((lent.number, lent.serial));
        self.inbox.wake();
    }

    fn has(&self, lent: &Lent) -> bool {
        let mut state = self.state.lock();
        state.used_ms = clock::now_ms();
        let given = state.given.get(&lent.number);
        given.is_some_and(|given| given.serial == lent.serial && given.lent.strong_count() > 0)
    }
}

impl Lent {
    /// The instance that gave it out. Fails when that is gone, or has ended it.
    pub fn giver(&self) -> Result<Arc<Giver>, ObjectError> {
        let Some(giver) = self.giver.upgrade() else {
            return Err(gone());
        };
        match giver.has(self) {
            true => Ok(giver),
            false => Err(ObjectError::exception(
                "Error",
                "The reference has ended: it was not used for a long time, and the Durable \
                 Object that gave it out has gone to sleep.",
            )),
        }
    }

    pub fn stamp(&self) -> Stamp {
        Stamp(self.stamp.load(Ordering::Acquire))
    }

    /// The number that this instance gave it out by, if it was this one.
    pub fn number_of(&self, giver: &Arc<Giver>) -> Option<u64> {
        let is_own = std::ptr::eq(self.giver.as_ptr(), Arc::as_ptr(giver));
        is_own.then_some(self.number)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(giver) = self.giver.upgrade() {
            giver.let_go(self);
        }
    }
}

/// What is told to who calls something whose giver is gone.
pub fn gone() -> ObjectError {
    ObjectError::reset(
        "The reference has ended: the Durable Object that gave it out was reset, or has left \
         memory.",
    )
}

impl Held {
    pub fn is_empty(&self) -> bool {
        self.lent.is_empty() && self.leaving.is_empty()
    }

    /// The newest number.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Gives nothing a number up to this one.
    pub fn go_on_after(&mut self, last: u64) {
        self.last_number = self.last_number.max(last);
    }

    /// Keeps what has come; says by which number.
    pub fn keep(&mut self, lent: Arc<Lent>) -> u64 {
        self.last_number += 1;
        self.lent.insert(self.last_number, lent);
        self.last_number
    }

    /// May so many more come?
    pub fn has_room(&self, references: usize) -> Result<(), ObjectError> {
        if self.lent.len() + references <= HELD_MAX {
            return Ok(());
        }
        Err(ObjectError::exception(
            "RangeError",
            format!(
                "The receiving Durable Object holds {HELD_MAX} references, as many as it may; it \
                 must let go of some."
            ),
        ))
    }

    pub fn get(&self, number: u64) -> Result<&Arc<Lent>, ObjectError> {
        let held = self.lent.get(&number);
        let held = held.or_else(|| self.leaving.get(&number));
        held.ok_or_else(|| {
            ObjectError::type_error(format!("this instance holds no reference {number}"))
        })
    }

    /// Lets go of one once everything has been taken that the instance sends now: what
    /// it returns reaches the host later than this.
    pub fn release(&mut self, number: u64) {
        if let Some(lent) = self.lent.remove(&number) {
            self.leaving.insert(number, lent);
        }
    }

    /// Everything that the instance sent has been taken.
    pub fn forget_released(&mut self) {
        self.leaving.clear();
    }
}

#[cfg(test)]
mod tests {
    //! The life of what was given out.

    use super::*;
    use crate::object::id::IdMaker;
    use crate::object::room::Room;

    const OUTSIDE: Stamp = Stamp(0);

    fn giver() -> Arc<Giver> {
        let id = IdMaker::new("c").of_name("giver");
        let object = Arc::new(Identity::new("c".into(), id));
        Giver::new(object, Arc::new(Inbox::new(1, Arc::new(Room::default()))))
    }

    fn told(giver: &Giver) -> Vec<u64> {
        std::iter::from_fn(|| giver.next_let_go()).collect()
    }

    #[test]
    fn the_giver_is_told_once_when_the_last_holder_lets_go() {
        let (giver, mut held) = (giver(), Held::default());
        let number = held.keep(giver.give(7, OUTSIDE).unwrap());
        let other = held.keep(giver.give(7, OUTSIDE).unwrap());
        assert_ne!(number, other);
        held.release(number);
        held.forget_released();
        assert_eq!(told(&giver), [0; 0]);
        assert!(giver.keeps_awake(0));
        held.release(other);
        assert!(held.get(other).is_ok() && !giver.has_let_go());
        held.forget_released();
        assert!(giver.has_let_go() && held.is_empty());
        assert_eq!(told(&giver), [7]);
        assert!(!giver.keeps_awake(0));
        assert!(held.get(number).is_err());
    }

    #[test]
    fn a_number_that_was_given_out_again_is_still_held() {
        let giver = giver();
        drop(giver.give(7, OUTSIDE).unwrap());
        let again = giver.give(7, OUTSIDE).unwrap();
        assert_eq!(told(&giver), [0; 0]);
        assert!(again.giver().is_ok());
        drop(again);
        assert_eq!(told(&giver), [7]);
    }

    #[test]
    fn nothing_outlives_its_giver_and_all_know_their_own() {
        let (one, other) = (giver(), giver());
        let lent = one.give(3, OUTSIDE).unwrap();
        assert_eq!(
            (lent.number_of(&one), lent.number_of(&other)),
            (Some(3), None)
        );
        drop(one);
        let error = lent.giver().err().expect("the giver is gone");
        assert!(error.flags.object_reset);
    }

    #[test]
    fn what_is_not_used_for_long_ends() {
        let giver = giver();
        let lent = giver.give(1, OUTSIDE).unwrap();
        let later_ms = clock::now_ms() + UNUSED_MS_MAX;
        assert!(giver.keeps_awake(later_ms) && lent.giver().is_ok());
        assert!(giver.keeps_awake(later_ms + 10_000));
        let error = lent.giver().err().expect("it has ended");
        assert!(error.message.contains("not used for a long time"));
        assert_eq!(told(&giver), [1]);
        assert!(!giver.keeps_awake(later_ms));
        drop(lent);
        assert_eq!(told(&giver), [0; 0]);
    }

    #[test]
    fn sections_let_in_calls_of_what_was_last_given_out_in_them() {
        let giver = giver();
        let lent = giver.give(1, Stamp(4)).unwrap();
        assert!(giver.lets_in(lent.stamp()));
        giver.set_floor(Some(Stamp(5)));
        assert!(!giver.lets_in(lent.stamp()));
        giver.give(1, Stamp(5)).unwrap();
        giver.give(1, Stamp(3)).unwrap();
        assert!(giver.lets_in(lent.stamp()));
        giver.set_floor(Some(Stamp(6)));
        assert!(!giver.lets_in(lent.stamp()));
        giver.set_floor(None);
        assert!(giver.lets_in(OUTSIDE));
    }

    #[test]
    fn so_many_may_be_given_out_and_held_and_no_more() {
        let (giver, mut held) = (giver(), Held::default());
        for number in 0..GIVEN_MAX as u64 {
            held.keep(giver.give(number, OUTSIDE).unwrap());
        }
        assert!(giver.give(0, OUTSIDE).is_ok() && giver.give(u64::MAX, OUTSIDE).is_err());
        assert!(held.has_room(0).is_ok() && held.has_room(1).is_err());
    }
}
