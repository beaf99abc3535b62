//! How do values and errors travel between a case and the object?
//!
//! Text, null and small integers are JSON's own; `{"real": "1.5"}`,
//! `{"integer": "…"}` and `{"blob": "00ff"}` stand for what JSON cannot carry.

use durable_object::{Error, Row, Value};
use serde_json::{Value as Json, json};

/// Integers beyond this are not exact in every language's JSON.
const JSON_INTEGER_MAX: u64 = (1 << 53) - 1;

pub fn error(error: &Error) -> Json {
    match error.sqlite_code() {
        Some(code) => {
            json!({"error": {"kind": "sqlite", "code": code, "message": error.message()}})
        }
        None => json!({"error": {"name": error.name(), "message": error.message()}}),
    }
}

/// A value for kv: a text stands for its UTF-8.
pub fn bytes(value: &Json) -> Result<Vec<u8>, String> {
    match (value, value.get("blob")) {
        (Json::String(text), _) => Ok(text.clone().into_bytes()),
        (_, Some(Json::String(digits))) => hex(digits),
        _ => Err(format!("{value} is neither a text nor a blob")),
    }
}

pub fn text_or_blob(bytes: Vec<u8>) -> Json {
    match String::from_utf8(bytes) {
        Ok(text) => Json::String(text),
        Err(error) => blob(error.as_bytes()),
    }
}

pub fn parameter(value: &Json) -> Result<Value, String> {
    let tagged = |tag| value.get(tag).and_then(Json::as_str);
    let unknown = || format!("{value} is no value of SQL");
    Ok(match value {
        Json::Null => Value::Null,
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) => Value::Integer(number.as_i64().ok_or_else(unknown)?),
        _ => match (tagged("integer"), tagged("real"), tagged("blob")) {
            (Some(integer), _, _) => Value::Integer(integer.parse().map_err(|_| unknown())?),
            (_, Some(real), _) => Value::Real(real.parse().map_err(|_| unknown())?),
            (_, _, Some(digits)) => Value::Blob(hex(digits)?),
            _ => return Err(unknown()),
        },
    })
}

pub fn rows(rows: Vec<Row>) -> Json {
    rows.iter()
        .map(|row| row.values().iter().cloned().map(column).collect::<Json>())
        .collect()
}

fn column(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(integer) if integer.unsigned_abs() <= JSON_INTEGER_MAX => json!(integer),
        Value::Integer(integer) => json!({"integer": integer.to_string()}),
        Value::Real(real) => json!({"real": format!("{real:?}")}),
        Value::Text(text) => Json::String(text),
        Value::Blob(bytes) => blob(&bytes),
    }
}

pub fn blob(bytes: &[u8]) -> Json {
    json!({"blob": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()})
}

fn hex(digits: &str) -> Result<Vec<u8>, String> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        std::str::from_utf8(pair)
            .ok()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    pairs
        .map(byte)
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{digits:?} are no hexadecimal digits"))
}
