//! One value of a row or parameter, and its Rust types.

use crate::{Error, Result};
use bytes::Bytes;

/// A value as SQLite has it.
///
/// Made from Rust values with `From` or [`ToValue`](crate::ToValue), and turned into
/// them with [`FromValue`]. A `bool` is the integer 1 or 0.
///
/// ```
/// use durable_object::Value;
///
/// assert_eq!(Value::from(7), Value::Integer(7));
/// assert_eq!(Value::from(Some("tea")), Value::Text("tea".into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// A signed integer of 64 bits.
    Integer(i64),
    /// A double.
    Real(f64),
    /// Text. Invalid UTF-8 in the database reads as U+FFFD.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

macro_rules! from {
    ($($type:ty => $case:ident;)+) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$case(value.into())
            }
        })+
    };
}

from! {
    i8 => Integer; i16 => Integer; i32 => Integer; i64 => Integer;
    u8 => Integer; u16 => Integer; u32 => Integer; bool => Integer;
    f32 => Real; f64 => Real;
    &str => Text; String => Text;
    &[u8] => Blob; Vec<u8> => Blob; Bytes => Blob;
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        Self::Blob(bytes.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Clone + Into<Value>> From<&T> for Value {
    fn from(value: &T) -> Self {
        value.clone().into()
    }
}

/// What a column can be read as.
///
/// Implemented for integers (fails out of range), floats (reads integers too),
/// `bool` (0 or 1), `String`, `Vec<u8>` and `Bytes` (read text too), `Option` (none
/// for NULL) and [`Value`]. Implement it for your own types.
///
/// ```
/// use durable_object::{Error, FromValue, Result, Value};
///
/// #[derive(Debug, PartialEq)]
/// enum Colour { Red, Blue }
///
/// impl FromValue for Colour {
///     fn from_value(value: Value) -> Result<Self> {
///         match String::from_value(value)?.as_str() {
///             "red" => Ok(Colour::Red),
///             "blue" => Ok(Colour::Blue),
///             other => Err(Error::new(format!("no colour: {other}"))),
///         }
///     }
/// }
///
/// assert_eq!(Colour::from_value("blue".into()).unwrap(), Colour::Blue);
/// assert_eq!(Option::<i64>::from_value(Value::Null).unwrap(), None);
/// let error = u8::from_value(Value::Integer(300)).unwrap_err();
/// assert_eq!(error.message(), "300 does not fit into u8");
/// ```
#[diagnostic::on_unimplemented(
    message = "no column can be read as `{Self}`",
    note = "implement `FromValue` for it, or read JSON with `#[row(json)]`"
)]
pub trait FromValue: Sized {
    /// Converts the value, or says why not.
    fn from_value(value: Value) -> Result<Self>;
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self> {
        Ok(value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

macro_rules! integers {
    ($($type:ty)+) => {
        $(impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self> {
                let Value::Integer(integer) = value else {
                    return Err(mismatch(&value, "an integer"));
                };
                integer.try_into().map_err(|_| {
                    Error::new(format!("{integer} does not fit into {}", stringify!($type)))
                })
            }
        })+
    };
}

integers! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

impl FromValue for f64 {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Real(real) => Ok(real),
            Value::Integer(integer) => Ok(integer as f64),
            value => Err(mismatch(&value, "a number")),
        }
    }
}

impl FromValue for f32 {
    fn from_value(value: Value) -> Result<Self> {
        Ok(f64::from_value(value)? as f32)
    }
}

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Integer(0) => Ok(false),
            Value::Integer(1) => Ok(true),
            value => Err(mismatch(&value, "0 or 1")),
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Text(text) => Ok(text),
            value => Err(mismatch(&value, "text")),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Blob(bytes) => Ok(bytes),
            Value::Text(text) => Ok(text.into_bytes()),
            value => Err(mismatch(&value, "a blob")),
        }
    }
}

impl FromValue for Bytes {
    fn from_value(value: Value) -> Result<Self> {
        Ok(Vec::from_value(value)?.into())
    }
}

fn mismatch(value: &Value, expected: &str) -> Error {
    let found = match value {
        Value::Null => "NULL",
        Value::Integer(_) => "an integer",
        Value::Real(_) => "a real number",
        Value::Text(_) => "text",
        Value::Blob(_) => "a blob",
    };
    Error::new(format!("expected {expected}, found {found}"))
}
