//! Method calls between objects: what they carry, and what answers them.
//!
//! Values are CBOR by serde. A [`Reference`] or a [`ByteStream`] in them is a tag around
//! an index; they themselves travel beside the CBOR, so they are collected while a value
//! is written and handed out while it is read.

mod beside;
mod payload;
mod reference;
mod stream;

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
pub(crate) use beside::Beside;
pub use payload::{Arguments, Payload};
pub use reference::{Function, Reference};
pub(crate) use reference::{Held, Theirs, call_mine, release_mine};
pub use stream::ByteStream;

use crate::{Caller, Error, Result};
use serde::de::DeserializeOwned;

/// A call of one of the object's methods, see [`CallHandler`](crate::CallHandler).
#[derive(Debug)]
pub struct Call {
    method: String,
    arguments: Option<Payload>,
    caller: Caller,
}

impl Call {
    pub(crate) fn new(method: String, arguments: Option<Payload>, caller: Caller) -> Self {
        Self {
            method,
            arguments,
            caller,
        }
    }

    /// The same call, for whose result somebody waits.
    #[cfg(all(feature = "testing", not(target_family = "wasm")))]
    pub(crate) fn by(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// The name of the method; empty for a function that is called.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Whether a property is read rather than a method called.
    pub fn is_property(&self) -> bool {
        self.arguments.is_none()
    }

    /// Who waits for the result. A method that [`methods`](crate::methods) exports does not get
    /// to see this.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// The arguments, as a tuple, or `()` for none. Fails when they are others.
    pub fn arguments<T: DeserializeOwned>(self) -> Result<T> {
        let Some(arguments) = self.arguments else {
            let method = self.method;
            return Err(Error::named(
                "TypeError",
                format!("{method:?} is a method: call it"),
            ));
        };
        let is_empty = arguments.is_empty_list();
        let got = match arguments.get() {
            // No arguments are an empty list, and what serde calls `()`.
            Err(error) if is_empty => Payload::of(&())?.get().map_err(|_| error),
            got => got,
        };
        got.map_err(|error| {
            let called = match &*self.method {
                "" => "the function".to_owned(),
                method => format!("{method:?}"),
            };
            error.context(format!("the arguments of {called} do not fit"))
        })
    }

    /// The error for a method that the object does not have.
    ///
    /// ```
    /// use durable_object::testing;
    ///
    /// let error = testing::call("dance", ()).no_such_method();
    /// assert_eq!(error.message(), r#"The RPC receiver does not implement the method "dance"."#);
    /// assert_eq!(error.name(), "TypeError");
    /// ```
    pub fn no_such_method(&self) -> Error {
        let method = &self.method;
        let message = format!("The RPC receiver does not implement the method \"{method}\".");
        Error::named("TypeError", message)
    }
}
