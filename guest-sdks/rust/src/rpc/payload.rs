//! The arguments or the result of a call, as bytes and what goes with them.

use super::beside::{Beside, given, taken};
use crate::{Error, Result};
use ciborium::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The arguments or the result of a call: CBOR (RFC 8949), at most 33,554,432 bytes,
/// and the [`Reference`](crate::Reference)s and [`ByteStream`](crate::ByteStream)s in it,
/// at most 1,000.
///
/// ```
/// use durable_object::Payload;
///
/// let payload = Payload::of(&("tea", 3))?;
/// assert_eq!(payload.get::<(String, u8)>()?, ("tea".to_owned(), 3));
/// # Ok::<(), durable_object::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Payload {
    pub(crate) data: Vec<u8>,
    pub(crate) beside: Beside,
}

impl Payload {
    /// The CBOR of a value. Fails when the value has none.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        let mut data = Vec::new();
        let (written, beside) = given(|| ciborium::into_writer(value, &mut data));
        written.map_err(|error| {
            let why = match error {
                ciborium::ser::Error::Value(why) => why,
                other => other.to_string(),
            };
            Error::named("DataCloneError", why)
        })?;
        Ok(Self { data, beside })
    }

    /// The value. Fails when it is no `T`.
    pub fn get<T: DeserializeOwned>(self) -> Result<T> {
        let Self { data, beside } = self;
        taken(beside, || ciborium::from_reader(&*data)).map_err(|error| {
            let why = match error {
                ciborium::de::Error::Semantic(_, why) => why,
                other => other.to_string(),
            };
            Error::named("TypeError", why)
        })
    }

    pub(super) fn is_empty_list(&self) -> bool {
        matches!(*self.data, [0x80] | [0x9f, 0xff])
    }

    /// The CBOR itself.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

/// The arguments of a call: a tuple, `()` for none, or a `Vec` of any number.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of arguments",
    note = "pass a tuple: `(argument,)` for one, `()` for none"
)]
pub trait Arguments {
    #[doc(hidden)]
    fn into_payload(self) -> Result<Payload>;
}

impl Arguments for () {
    fn into_payload(self) -> Result<Payload> {
        Payload::of(&Value::Array(Vec::new()))
    }
}

impl<T: Serialize> Arguments for Vec<T> {
    fn into_payload(self) -> Result<Payload> {
        Payload::of(&self)
    }
}

macro_rules! tuples {
    ($(($($type:ident)+))+) => {
        $(impl<$($type: Serialize),+> Arguments for ($($type,)+) {
            fn into_payload(self) -> Result<Payload> {
                Payload::of(&self)
            }
        })+
    };
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}
