//! What objects have given out for others to call, and how many hold it.
//!
//! All objects are in one process, so a number stands for the same thing in each. It is
//! called where it came from, and ends with the instance that gave it out.

use super::calls::{called, sent};
use super::errors::seen_from_outside;
use super::{Event, Space, rules};
use crate::Result;
use crate::rpc::{Call, Held, Payload, Theirs, call_mine, release_mine};
use crate::testing::world::{begun, watched};
use crate::transaction::order;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

struct Given {
    /// None for what the test itself has given out.
    by: Option<Giver>,
    holders: usize,
}

#[derive(Clone)]
struct Giver {
    space: Weak<Space>,
    /// Which instance it was.
    life: u64,
    /// The section or transaction in which it was last given out.
    within: Option<u64>,
}

thread_local! {
    static GIVEN: RefCell<HashMap<u64, Given>> = RefCell::default();
}

/// The payload as it reaches somebody else, who gets what `giver` gives out to hold.
pub fn passed_on(mut payload: Payload, giver: Option<&Rc<Space>>) -> Payload {
    for held in &mut payload.beside.references {
        if let Held::Mine(number) = *held {
            *held = Held::Theirs(Rc::new(lend(number, giver)));
        }
    }
    payload
}

fn lend(number: u64, giver: Option<&Rc<Space>>) -> Theirs {
    let within = giver.and_then(|space| space.holder());
    let within = within.map(|holder| holder.number);
    GIVEN.with_borrow_mut(|given| {
        let given = given.entry(number).or_insert_with(|| Given {
            by: giver.map(|space| Giver {
                space: Rc::downgrade(space),
                life: space.life(),
                within,
            }),
            holders: 0,
        });
        given.holders += 1;
        if let Some(giver) = &mut given.by {
            giver.within = within.or(giver.within);
        }
    });
    Theirs(number)
}

/// Calls what another object has given out, where it is.
pub fn call(
    number: u64,
    method: &str,
    arguments: Option<Payload>,
) -> impl Future<Output = Result<Payload>> + use<> {
    let call = called(method, arguments);
    let by = GIVEN.with_borrow(|given| given.get(&number).map(|given| given.by.clone()));
    let answer = call
        .and_then(|call| Ok((call, by.ok_or_else(rules::reference_is_gone)?)))
        .map(|(call, by)| sent(move || answered(number, by, call)));
    async { answer?.await.map_err(seen_from_outside) }
}

async fn answered(number: u64, by: Option<Giver>, call: Call) -> Result<Payload> {
    let Some(giver) = by else {
        return Ok(passed_on(call_mine(number, call).await?, None));
    };
    let space = giver.space.upgrade().filter(|it| it.life() == giver.life);
    let space = space.ok_or_else(rules::reference_is_gone)?;
    let answer = begun(|departure| {
        let called = call_mine(number, call.by(departure.caller()));
        Event::within(
            &space,
            giver.within,
            watched(departure, order::let_in(called)),
        )
    });
    let answer = answer.await?;
    rules::payload(&answer)?;
    Ok(passed_on(answer, Some(&space)))
}

/// One holder has let go.
pub fn release(number: u64) {
    // Also called at the end of a thread, when there may be nothing to count any more.
    let last = GIVEN.try_with(|given| {
        let mut given = given.borrow_mut();
        let it = given.get_mut(&number)?;
        it.holders -= 1;
        match it.holders {
            0 => given.remove(&number),
            _ => None,
        }
    });
    let Ok(Some(Given { by, .. })) = last else {
        return;
    };
    match by.and_then(|giver| giver.space.upgrade()) {
        Some(space) => space.enter(|| release_mine(number)),
        None => release_mine(number),
    }
}
