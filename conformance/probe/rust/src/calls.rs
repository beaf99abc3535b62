//! What can be called from other objects, and how the probe calls it there.
//!
//! Values travel as CBOR. A function, or an object with methods, is a tag around its
//! place among the references of the call.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use ciborium::Value;
use serde_json::{Value as Json, json};

use crate::durable::object::stubs::{self, Target};
use crate::durable::object::types::{Error, Payload, Reference};
use crate::script::Script;
use crate::{append, error, wire};

/// Stands in CBOR for a reference.
const REFERENCE: u64 = 64_000;

/// The number of the function that others call back; counters have the next ones.
const CALLBACK: u64 = 0;

thread_local! {
    /// What was given out, by its number.
    static COUNTERS: RefCell<HashMap<u64, i64>> = RefCell::default();
    static LAST_COUNTER: Cell<u64> = const { Cell::new(CALLBACK) };
    /// Another object's function that was kept.
    static KEPT: Cell<Option<u64>> = const { Cell::new(None) };
}

pub async fn call(method: &str, arguments: Option<Payload>) -> Result<Payload, Error> {
    let Some(arguments) = arguments else {
        return match method {
            "version" => payload(Value::from("1")),
            _ => Err(no_method(method)),
        };
    };
    let values = values(&arguments)?;
    let value = |index: usize| values.get(index).cloned().unwrap_or(Value::Null);
    let text = |index: usize| value(index).into_text().unwrap_or_default();
    match method {
        "echo" => payload(Value::Array(values)),
        "throws" => Err(error(&text(0), &text(1))),
        "steps" => {
            let Json::Array(steps) = json_of(value(0)) else {
                return Err(error("TypeError", "these are no steps"));
            };
            let results = Box::pin(Script::default().run_owned(steps)).await?;
            payload(cbor_of(&Json::Array(results))?)
        }
        "applied" => {
            let function = reference(&arguments)?;
            let result = applied(function, value(1)).await;
            stubs::release(function);
            result
        }
        "keep" => {
            KEPT.set(Some(reference(&arguments)?));
            payload(Value::Null)
        }
        "applyKept" => match KEPT.get() {
            Some(function) => applied(function, value(0)).await,
            None => Err(error("TypeError", "nothing was kept")),
        },
        "counter" => {
            let number = LAST_COUNTER.get() + 1;
            LAST_COUNTER.set(number);
            COUNTERS.with_borrow_mut(|counters| counters.insert(number, 0));
            given_out(number, [])
        }
        _ => Err(no_method(method)),
    }
}

pub fn call_reference(
    mine: u64,
    method: &str,
    arguments: Option<Payload>,
) -> Result<Payload, Error> {
    let values = match &arguments {
        Some(arguments) => values(arguments)?,
        None => return Err(no_method(method)),
    };
    let value = values.first().cloned().unwrap_or(Value::Null);
    match (mine, method) {
        (CALLBACK, "") => {
            append("called", value.as_text().unwrap_or_default())?;
            payload(Value::Array(vec![value.clone(), value]))
        }
        (_, "add") => COUNTERS.with_borrow_mut(|counters| {
            let unknown = || error("TypeError", "there is no such counter");
            let counter = counters.get_mut(&mine).ok_or_else(unknown)?;
            let number = value
                .as_integer()
                .and_then(|number| i64::try_from(number).ok());
            *counter += number.unwrap_or(0);
            payload(Value::from(*counter))
        }),
        _ => Err(no_method(method)),
    }
}

pub fn release(mine: u64) {
    COUNTERS.with_borrow_mut(|counters| counters.remove(&mine));
}

/// `stubs.call CLASS TARGET METHOD ARGUMENTS`
pub async fn there(
    class: &str,
    target: Target,
    method: &str,
    arguments: &Json,
) -> Result<Json, Error> {
    let arguments = payload(cbor_of(arguments)?)?;
    let result = stubs::call(class, &target, method, Some(arguments)).await?;
    Ok(json_of(item(&result)?))
}

/// `stubs.get CLASS TARGET NAME`
pub async fn property_there(class: &str, target: Target, name: &str) -> Result<Json, Error> {
    Ok(json_of(item(
        &stubs::call(class, &target, name, None).await?,
    )?))
}

/// Calls a method with the function that others call back, and a value.
pub async fn with_callback(
    class: &str,
    target: Target,
    method: &str,
    value: &Json,
) -> Result<Json, Error> {
    let arguments = given_out(CALLBACK, [cbor_of(value)?])?;
    let result = stubs::call(class, &target, method, Some(arguments)).await?;
    Ok(json_of(item(&result)?))
}

/// Adds the numbers to a counter that another object gives out.
pub async fn count_there(class: &str, target: Target, numbers: &[Json]) -> Result<Json, Error> {
    let none = payload(Value::Array(Vec::new()))?;
    let given = stubs::call(class, &target, "counter", Some(none)).await?;
    let counter = reference(&given)?;
    let mut sums = Vec::new();
    for number in numbers {
        let arguments = payload(Value::Array(vec![cbor_of(number)?]))?;
        let sum = stubs::call_reference(counter, "add", Some(arguments)).await?;
        sums.push(json_of(item(&sum)?));
    }
    stubs::release(counter);
    Ok(json!(sums))
}

async fn applied(function: u64, value: Value) -> Result<Payload, Error> {
    let arguments = payload(Value::Array(vec![value]))?;
    stubs::call_reference(function, "", Some(arguments)).await
}

fn no_method(name: &str) -> Error {
    let message = format!("The RPC receiver does not implement the method \"{name}\".");
    error("TypeError", &message)
}

fn payload(value: Value) -> Result<Payload, Error> {
    let mut data = Vec::new();
    ciborium::into_writer(&value, &mut data).map_err(|why| error("TypeError", &why.to_string()))?;
    Ok(Payload {
        data,
        references: Vec::new(),
        streams: Vec::new(),
    })
}

/// Something of this object's, alone or before other arguments.
fn given_out<const COUNT: usize>(number: u64, more: [Value; COUNT]) -> Result<Payload, Error> {
    let given = Value::Tag(REFERENCE, Box::new(Value::from(0)));
    let value = match COUNT {
        0 => given,
        _ => Value::Array([given].into_iter().chain(more).collect()),
    };
    Ok(Payload {
        references: vec![Reference::Mine(number)],
        ..payload(value)?
    })
}

fn reference(payload: &Payload) -> Result<u64, Error> {
    match payload.references.first() {
        Some(Reference::Theirs(number)) => Ok(*number),
        other => Err(error(
            "TypeError",
            &format!("{other:?} is not another object's"),
        )),
    }
}

fn item(payload: &Payload) -> Result<Value, Error> {
    let read = ciborium::from_reader(payload.data.as_slice());
    read.map_err(|why| error("TypeError", &format!("this is not CBOR: {why}")))
}

fn values(arguments: &Payload) -> Result<Vec<Value>, Error> {
    let not_array = |_| error("TypeError", "arguments are an array");
    item(arguments)?.into_array().map_err(not_array)
}

fn cbor_of(value: &Json) -> Result<Value, Error> {
    Ok(match value {
        Json::Array(items) => Value::Array(items.iter().map(cbor_of).collect::<Result<_, _>>()?),
        Json::Object(fields) if fields.contains_key("blob") => {
            let bytes = wire::bytes(value).map_err(|why| error("TypeError", &why))?;
            Value::Bytes(bytes)
        }
        Json::Object(fields) => {
            let pair = |(key, field): (&String, &Json)| {
                Ok::<_, Error>((Value::from(key.as_str()), cbor_of(field)?))
            };
            Value::Map(fields.iter().map(pair).collect::<Result<_, _>>()?)
        }
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::from(*flag),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::from(integer),
            (None, real) => Value::from(real.unwrap_or_default()),
        },
    })
}

fn json_of(value: Value) -> Json {
    match value {
        Value::Integer(integer) => json!(i64::try_from(integer).unwrap_or_default()),
        Value::Float(real) => json!({"real": format!("{real:?}")}),
        Value::Text(text) => Json::String(text),
        Value::Bool(flag) => json!(flag),
        Value::Bytes(bytes) => wire::blob(&bytes),
        Value::Array(items) => items.into_iter().map(json_of).collect(),
        Value::Map(pairs) => {
            let field = |(key, field): (Value, Value)| {
                (key.into_text().unwrap_or_default(), json_of(field))
            };
            Json::Object(pairs.into_iter().map(field).collect())
        }
        _ => Json::Null,
    }
}
