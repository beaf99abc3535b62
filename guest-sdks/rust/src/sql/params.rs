//! What a query is given: its parameters.

use crate::sql::Value;
use crate::{Error, Result};
use bytes::Bytes;

/// The parameters of a query, by position: a tuple, an array or a `Vec`, or `()` for
/// none.
///
/// ```
/// # durable_object::testing::run(async |state| {
/// let sql = state.storage().sql();
/// let (name, seconds) = (String::from("mate"), 300_u64);
/// sql.exec("CREATE TABLE teas (name TEXT, seconds INTEGER)", ())?;
/// sql.exec("INSERT INTO teas VALUES (?, ?)", (&name, seconds))?;
/// assert_eq!(sql.one::<i64>("SELECT count(*) FROM teas WHERE name IN (?, ?)", ["mate", "tea"])?, 1);
/// # Ok(()) }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of SQL parameters",
    note = "pass a tuple of values: `(value,)` for one, `()` for none"
)]
pub trait Params {
    /// The values, in order.
    fn into_values(self) -> Result<Vec<Value>>;
}

/// A value that a query can be given.
///
/// Implemented for numbers, `bool`, text, bytes, `Option`, references to them, [`Value`],
/// and with features of the same names for `uuid::Uuid`, `chrono::DateTime` and
/// `time::OffsetDateTime`. An unsigned integer that SQLite, whose integers are signed,
/// cannot hold is an error. Implement it for your own types.
///
/// ```
/// use durable_object::{Result, ToValue, Value};
///
/// enum Colour { Red, Blue }
///
/// impl ToValue for Colour {
///     fn to_value(&self) -> Result<Value> {
///         match self {
///             Colour::Red => "red".to_value(),
///             Colour::Blue => "blue".to_value(),
///         }
///     }
/// }
///
/// # durable_object::testing::run(async |state| {
/// let sql = state.storage().sql();
/// assert_eq!(sql.one::<String>("SELECT ?", (Colour::Red,))?, "red");
/// assert!(u64::MAX.to_value().is_err());
/// # Ok(()) }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no SQL parameter",
    note = "convert it, or implement ToValue for it"
)]
pub trait ToValue {
    /// The value, or why there is none.
    fn to_value(&self) -> Result<Value>;
}

macro_rules! to_value {
    ($($type:ty)+) => {
        $(impl ToValue for $type {
            fn to_value(&self) -> Result<Value> {
                Ok(self.clone().into())
            }
        })+
    };
}

to_value! { i8 i16 i32 i64 u8 u16 u32 f32 f64 bool String Vec<u8> Bytes Value }

macro_rules! checked {
    ($($type:ty)+) => {
        $(impl ToValue for $type {
            fn to_value(&self) -> Result<Value> {
                let signed = i64::try_from(*self);
                signed.map(Value::Integer).map_err(|_| {
                    Error::named("RangeError", format!("{self} does not fit into an integer of SQLite"))
                })
            }
        })+
    };
}

checked! { u64 usize isize u128 i128 }

impl ToValue for str {
    fn to_value(&self) -> Result<Value> {
        Ok(self.into())
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Result<Value> {
        Ok(self.into())
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Result<Value> {
        self[..].to_value()
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Result<Value> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Result<Value> {
        self.as_ref().map_or(Ok(Value::Null), ToValue::to_value)
    }
}

fn values<T: ToValue>(params: impl IntoIterator<Item = T>) -> Result<Vec<Value>> {
    params.into_iter().map(|param| param.to_value()).collect()
}

impl Params for () {
    fn into_values(self) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }
}

impl<T: ToValue, const N: usize> Params for [T; N] {
    fn into_values(self) -> Result<Vec<Value>> {
        values(self)
    }
}

impl<T: ToValue> Params for Vec<T> {
    fn into_values(self) -> Result<Vec<Value>> {
        values(self)
    }
}

impl<T: ToValue> Params for &[T] {
    fn into_values(self) -> Result<Vec<Value>> {
        values(self)
    }
}

macro_rules! tuples {
    ($(($($type:ident $field:tt)+))+) => {
        $(impl<$($type: ToValue),+> Params for ($($type,)+) {
            fn into_values(self) -> Result<Vec<Value>> {
                Ok(vec![$(self.$field.to_value()?),+])
            }
        })+
    };
}

tuples! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15)
}

/// Parameters of several types that are no tuple, because there are many of them: each
/// becomes a [`Value`].
///
/// ```
/// use durable_object::{Value, params};
///
/// let name = String::from("ada");
/// let params = params![&name, 36, None::<i64>, true];
/// assert_eq!(params[0], Value::Text("ada".into()));
/// assert_eq!(params[1..], [Value::Integer(36), Value::Null, Value::Integer(1)]);
/// assert!(params![].is_empty());
/// ```
#[macro_export]
macro_rules! params {
    () => {
        [] as [$crate::Value; 0]
    };
    ($($value:expr),+ $(,)?) => {
        [$($crate::Value::from($value)),+]
    };
}
