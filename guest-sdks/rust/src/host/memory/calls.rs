//! Other objects and the outside world, as far as the test has set them up.

use super::errors::seen_from_outside;
use super::{Space, passed_on, rules};
use crate::rpc::{Call, Payload};
use crate::stub::Target;
use crate::testing::executor;
use crate::testing::world::{World, promise};
use crate::{Caller, Error, Request, Response, Result};

/// Begins something elsewhere, once what the running object wrote so far is kept. It is given
/// up when the answer is dropped.
pub fn sent<T: 'static, B, F>(begin: B) -> impl Future<Output = Result<T>> + use<T, B, F>
where
    B: FnOnce() -> F + 'static,
    F: Future<Output = Result<T>> + 'static,
{
    let (promise, answer) = promise();
    let send = move || executor::spawn(promise.keep_by(async { begin().await }));
    match Space::of_running() {
        Some(space) => space.say(false, send),
        None => send(),
    }
    answer
}

pub mod stubs {
    use super::*;
    use std::hash::{DefaultHasher, Hash, Hasher};

    /// The object of a name, in 64 hexadecimal digits. The second half tells by the
    /// first whether the id was made for the class.
    pub fn id_from_name(class: &str, name: &str) -> Result<String> {
        Ok(sealed(class, &half(class, name)))
    }

    pub fn new_unique_id(class: &str) -> Result<String> {
        id_from_name(class, &format!("\0{}", executor::number()))
    }

    pub fn id_from_string(class: &str, id: &str) -> Result<String> {
        if id.len() != 64 || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let text = "Invalid Durable Object ID: must be 64 hex digits";
            return Err(Error::named("TypeError", text));
        }
        let id = id.to_lowercase();
        if sealed(class, &id[..32]) != id {
            let text = "Durable Object ID is not valid for this namespace.";
            return Err(Error::named("TypeError", text));
        }
        Ok(id)
    }

    fn sealed(class: &str, first: &str) -> String {
        format!("{first}{}", half(class, first))
    }

    fn half(class: &str, content: &str) -> String {
        let digits = (0..2u64).map(|part| {
            let mut hasher = DefaultHasher::new();
            (part, class, content).hash(&mut hasher);
            format!("{:016x}", hasher.finish())
        });
        digits.collect()
    }

    pub fn fetch(
        class: &str,
        target: &Target,
        request: Request,
    ) -> impl Future<Output = Result<Response>> + use<> {
        let object = World::current().and_then(|world| world.object(class, target));
        let answer = object.map(|object| sent(move || object.fetch(request)));
        async { answer?.await.map_err(seen_from_outside) }
    }

    pub fn call(
        class: &str,
        target: &Target,
        method: &str,
        arguments: Option<Payload>,
    ) -> impl Future<Output = Result<Payload>> + use<> {
        let object = World::current().and_then(|world| world.object(class, target));
        let call = called(method, arguments);
        let answer = object
            .and_then(|object| Ok((object, call?)))
            .map(|(object, call)| sent(move || object.call(call)));
        async { answer?.await.map_err(seen_from_outside) }
    }

    pub use crate::host::memory::references::{call as call_reference, release};
}

/// A call by whoever runs, if a host would let it through.
pub fn called(method: &str, arguments: Option<Payload>) -> Result<Call> {
    rules::method(method)?;
    let giver = Space::of_running();
    let arguments = match arguments {
        Some(arguments) => {
            rules::payload(&arguments)?;
            Some(passed_on(arguments, giver.as_ref()))
        }
        None => None,
    };
    Ok(Call::new(method.to_owned(), arguments, Caller::none()))
}

pub mod outbound {
    use super::*;

    pub fn fetch(request: Request, _: crate::Redirects) -> impl Future<Output = Result<Response>> {
        let world = World::current();
        let answer = world.map(|world| sent(async move || world.outside_answer(request)?.await));
        async { answer?.await }
    }
}
