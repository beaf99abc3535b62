//! Steps that lie in a transaction, a savepoint or a section.
//!
//! The SDK has these as scopes. So a step that opens one is run with all steps up to the
//! one that ends it.

use crate::script::{Script, Step};
use crate::wire;
use durable_object::{Error, Result};
use serde_json::Value as Json;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Steps in a scope, and the steps around them.
pub struct Scope<'a> {
    begin: Step<'a>,
    within: &'a [Json],
    /// None if the object is reset before.
    end: Option<Step<'a>>,
}

impl<'a> Scope<'a> {
    /// The scope that the first step opens, and the steps after it.
    pub fn split(steps: &'a [Json]) -> Option<(Scope<'a>, &'a [Json])> {
        let (begin, rest) = steps.split_first()?;
        let begin = Step::of(begin);
        let ends: &[&str] = match begin.operation {
            "begin" | "savepoint" => &["commit", "rollback"],
            "block" => &["unblock", "unblock.fail"],
            _ => return None,
        };
        let is_end = |step: &Json| {
            let step = Step::of(step);
            ends.contains(&step.operation) && step.arguments.first() == begin.arguments.first()
        };
        let place = rest.iter().position(is_end).unwrap_or(rest.len());
        let (within, after) = rest.split_at(place);
        let end = after.first().map(Step::of);
        let scope = Scope { begin, within, end };
        Some((scope, after.get(1..).unwrap_or_default()))
    }

    /// Runs the steps; gives the results of all of them.
    pub async fn run(&self, script: &mut Script) -> Result<Vec<Json>> {
        let state = script.state();
        let storage = state.storage();
        let end = self.end.as_ref().map_or("", |end| end.operation);
        let is_kept = end == "commit";
        // An error within ends the scope and the event.
        let mut within = Ok(Vec::new());
        let ended: Result<()> = match self.begin.operation {
            "begin" => {
                let work = storage.transaction(async |txn| {
                    within = Box::pin(script.run(self.within)).await;
                    match (&within, is_kept) {
                        (Err(error), _) => Err(error.clone()),
                        (Ok(_), true) => Ok(()),
                        (Ok(_), false) => txn.rollback(),
                    }
                });
                work.await
            }
            "savepoint" => storage.transaction_sync(|txn| {
                within = at_once(Box::pin(script.run(self.within)));
                match (&within, is_kept) {
                    (Err(error), _) => Err(error.clone()),
                    (Ok(_), true) => Ok(()),
                    (Ok(_), false) => txn.rollback(),
                }
            }),
            _ => {
                let work = state.block_concurrency(async || {
                    within = Box::pin(script.run(self.within)).await;
                    within.as_ref().map_err(Error::clone)?;
                    self.unblocked()
                });
                work.await
            }
        };
        let mut results = vec![Json::Null];
        results.extend(within?);
        if end.is_empty() {
            let message = format!("no step ends {:?}", self.begin.arguments);
            return Err(Error::named("SyntaxError", message));
        }
        results.push(ended.map_or_else(|error| wire::error(&error), |()| Json::Null));
        Ok(results)
    }

    /// How a section ends.
    fn unblocked(&self) -> Result<()> {
        match &self.end {
            Some(end) if end.operation == "unblock.fail" => {
                let text = |index| end.text(index).map_err(Error::new);
                Err(Error::named(text(1)?, text(2)?))
            }
            _ => Ok(()),
        }
    }
}

/// The result of work that does not wait.
fn at_once<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut work = pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::new("a savepoint must not wait")),
    }
}
