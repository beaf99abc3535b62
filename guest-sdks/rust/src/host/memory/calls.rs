//! Other objects and the outside world, as far as the test has set them up.

use crate::rpc::{Call, Payload};
use crate::stub::Target;
use crate::testing::world::World;
use crate::{Caller, Error, Request, Response, Result};
use std::future::ready;

pub mod callers {
    use super::*;

    /// Nobody leaves in a test.
    pub fn left(_: u64) -> impl Future<Output = bool> + use<> {
        ready(false)
    }
}

pub mod stubs {
    use super::*;
    use std::hash::{DefaultHasher, Hash, Hasher};

    /// The object of a name, in 64 hexadecimal digits.
    pub fn id_from_name(class: &str, name: &str) -> Result<String> {
        let digits = (0..4u64).map(|part| {
            let mut hasher = DefaultHasher::new();
            (part, class, name).hash(&mut hasher);
            format!("{:016x}", hasher.finish())
        });
        Ok(digits.collect())
    }

    pub fn new_unique_id(class: &str) -> Result<String> {
        id_from_name(class, &format!("\0{}", crate::testing::executor::number()))
    }

    pub fn id_from_string(_: &str, id: &str) -> Result<String> {
        if id.len() != 64 || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Error::new(
                "Invalid Durable Object ID: must be 64 hex digits",
            ));
        }
        Ok(id.to_lowercase())
    }

    pub fn fetch(
        class: &str,
        target: &Target,
        request: Request,
    ) -> impl Future<Output = Result<Response>> + use<> {
        let answer =
            World::current().and_then(|world| Ok(world.object(class, target)?.fetch(request)));
        async { answer?.await.map_err(remote) }
    }

    pub fn call(
        class: &str,
        target: &Target,
        method: &str,
        arguments: Option<Payload>,
    ) -> impl Future<Output = Result<Payload>> + use<> {
        let call = Call::new(method.to_owned(), arguments, Caller::none());
        let answer = World::current().and_then(|world| Ok(world.object(class, target)?.call(call)));
        async { answer?.await.map_err(remote) }
    }

    /// In memory every reference is the process's own.
    pub fn call_reference(
        _: u64,
        _: &str,
        _: Option<Payload>,
    ) -> impl Future<Output = Result<Payload>> + use<> {
        ready(Err(Error::new("The object has let go of this function.")))
    }

    pub fn release(_: u64) {}

    fn remote(error: Error) -> Error {
        error.with_flags(crate::error::ErrorFlags::REMOTE)
    }
}

pub mod outbound {
    use super::*;

    pub fn fetch(request: Request, _: crate::Redirects) -> impl Future<Output = Result<Response>> {
        let answer = World::current().and_then(|world| world.outside_answer(request));
        async { answer?.await }
    }
}
