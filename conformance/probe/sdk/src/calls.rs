//! What can be called from other objects, and how the probe calls it there.
//!
//! Values are JSON here, which serde makes CBOR of.

use crate::Probe;
use crate::script::{Script, Step};
use durable_object::{Call, Error, Function, Payload, Reference, Result};
use serde_json::{Value as Json, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

thread_local! {
    /// Another object's function that was kept, by the object that did.
    static KEPT: RefCell<Vec<(String, Reference)>> = const { RefCell::new(Vec::new()) };
}

pub async fn answer(probe: &Probe, call: Call) -> Result<Payload> {
    if call.is_property() {
        return match call.method() {
            "version" => Payload::of("1"),
            _ => Err(call.no_such_method()),
        };
    }
    match call.method() {
        "echo" => Payload::of(&call.arguments::<Vec<Json>>()?),
        "throws" => {
            let (name, message): (String, String) = call.arguments()?;
            Err(Error::named(name, message))
        }
        "steps" => {
            let arguments: Vec<Json> = call.arguments()?;
            let Some(Json::Array(steps)) = arguments.into_iter().next() else {
                return Err(Error::named("TypeError", "these are no steps"));
            };
            Payload::of(&Box::pin(Script::new(probe).run(&steps)).await?)
        }
        "applied" => {
            let (function, value): (Reference, Json) = call.arguments()?;
            Payload::of(&function.call::<Json>((value,)).await?)
        }
        "keep" => {
            let (function, _): (Reference, Json) = call.arguments()?;
            KEPT.with_borrow_mut(|kept| kept.push((probe.state.id(), function)));
            Payload::of(&())
        }
        "applyKept" => {
            let (value,): (Json,) = call.arguments()?;
            let id = probe.state.id();
            let kept = KEPT.with_borrow(|kept| {
                let kept = kept.iter().rev().find(|(by, _)| *by == id);
                kept.map(|(_, function)| function.clone())
            });
            let nothing = || Error::named("TypeError", "nothing was kept");
            Payload::of(&kept.ok_or_else(nothing)?.call::<Json>((value,)).await?)
        }
        "counter" => {
            let sum = Rc::new(Cell::new(0));
            Payload::of(&Function::answering(move |call| {
                let sum = sum.clone();
                async move {
                    if call.method() != "add" {
                        return Err(call.no_such_method());
                    }
                    let (number,): (i64,) = call.arguments()?;
                    sum.set(sum.get() + number);
                    Payload::of(&sum.get())
                }
            }))
        }
        _ => Err(call.no_such_method()),
    }
}

/// Runs one step whose name begins with `stubs.` and that calls a method.
pub async fn step(probe: &Probe, step: &Step<'_>) -> Result<Json> {
    let wrong = |why| Error::named("SyntaxError", why);
    let stub = step.stub(probe).map_err(wrong)?;
    match step.operation {
        "stubs.call" => {
            let method = step.text(2).map_err(wrong)?;
            let arguments = step.list(3).map_err(wrong)?;
            stub.call(method, arguments.to_vec()).await
        }
        "stubs.get" => stub.property(step.text(2).map_err(wrong)?).await,
        "stubs.apply" => {
            let value = step.argument(2).map_err(wrong)?;
            stub.call("applied", (callback(probe), value)).await
        }
        "stubs.keep" => stub.call("keep", (callback(probe), Json::Null)).await,
        "stubs.count" => {
            let counter: Reference = stub.call("counter", ()).await?;
            let mut sums = Vec::new();
            for number in step.list(2).map_err(wrong)? {
                sums.push(counter.call_method::<Json>("add", (number,)).await?);
            }
            Ok(json!(sums))
        }
        unknown => Err(wrong(format!("this probe does not know {unknown:?}"))),
    }
}

/// The function that others call back.
fn callback(probe: &Probe) -> Function {
    let probe = probe.clone();
    Function::new(async move |(value,): (Json,)| {
        probe.append("called", value.as_str().unwrap_or_default())?;
        Ok(json!([value, value]))
    })
}
