//! Mathematics in SQL, which the SQLite that rusqlite builds does not have.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result};

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

const OF_ONE: [(&str, OfOne); 20] = [
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("degrees", f64::to_degrees),
    ("exp", f64::exp),
    ("ln", |x| logarithm(x, f64::ln)),
    ("log", |x| logarithm(x, f64::log10)),
    ("log2", |x| logarithm(x, f64::log2)),
    ("radians", f64::to_radians),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
    ("pi", |_| std::f64::consts::PI),
];

const OF_TWO: [(&str, OfTwo); 4] = [
    ("atan2", f64::atan2),
    ("log", |base, x| {
        logarithm(x, f64::ln) / logarithm(base, f64::ln)
    }),
    ("mod", |x, y| x % y),
    ("pow", f64::powf),
];

/// These leave integers as they are.
const ROUNDING: [(&str, OfOne); 3] = [
    ("ceil", f64::ceil),
    ("floor", f64::floor),
    ("trunc", f64::trunc),
];

/// Adds the functions. SQLite makes NULL of what is not a number.
pub fn attach(database: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, function) in OF_ONE {
        let arguments = if name == "pi" { 0 } else { 1 };
        database.create_scalar_function(name, arguments, flags, move |context| {
            let x = if arguments == 0 {
                Some(0.0)
            } else {
                number(context, 0)
            };
            Ok(x.map(function))
        })?;
    }
    for (name, function) in OF_TWO {
        database.create_scalar_function(name, 2, flags, move |context| {
            let (x, y) = (number(context, 0), number(context, 1));
            Ok(x.zip(y).map(|(x, y)| function(x, y)))
        })?;
    }
    for (name, function) in ROUNDING {
        database.create_scalar_function(name, 1, flags, move |context| {
            Ok(match context.get_raw(0) {
                ValueRef::Integer(integer) => Value::Integer(integer),
                _ => number(context, 0).map_or(Value::Null, |x| Value::Real(function(x))),
            })
        })?;
    }
    Ok(())
}

/// Of what is not positive there is none.
fn logarithm(x: f64, logarithm: OfOne) -> f64 {
    if x > 0.0 { logarithm(x) } else { f64::NAN }
}

/// The argument, if it is a number or a text that is one.
fn number(context: &Context<'_>, index: usize) -> Option<f64> {
    match context.get_raw(index) {
        ValueRef::Integer(integer) => Some(integer as f64),
        ValueRef::Real(real) => Some(real),
        ValueRef::Text(text) => {
            let number = std::str::from_utf8(text).ok()?.trim().parse().ok();
            number.filter(|number: &f64| number.is_finite())
        }
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}
