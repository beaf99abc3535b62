//! Functions that stay in the object that gave them out.

use super::beside::{give, take};
use super::{Arguments, Call, Payload};
use crate::{Error, Result, host};
use ciborium::tag::Required;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;

/// The tag around the index of a reference.
const TAG: u64 = 64000;

type Answer = Pin<Box<dyn Future<Output = Result<Payload>>>>;
type Answers = Rc<dyn Fn(Call) -> Answer>;

thread_local! {
    /// What this instance has given out.
    static MINE: RefCell<HashMap<u64, Answers>> = RefCell::default();
    static NEWEST: Cell<u64> = const { Cell::new(0) };
}

/// Something of this object's, or of another's that this object may call.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Mine(u64),
    Theirs(Rc<Theirs>),
}

/// Another object's; let go of with its last holder.
#[derive(Debug)]
pub(crate) struct Theirs(pub u64);

impl Drop for Theirs {
    fn drop(&mut self) {
        host::stubs::release(self.0);
    }
}

/// Something that another object has given out, a function or an object with methods,
/// to be called where it is. It may be passed on, kept until either side is reset, and
/// let go of by dropping it.
#[derive(Clone, Debug)]
pub struct Reference(Held);

impl Reference {
    /// Calls the function.
    pub async fn call<R: DeserializeOwned>(&self, arguments: impl Arguments) -> Result<R> {
        self.call_method("", arguments).await
    }

    /// Calls a method of what was given out.
    pub async fn call_method<R: DeserializeOwned>(
        &self,
        method: &str,
        arguments: impl Arguments,
    ) -> Result<R> {
        let arguments = arguments.into_payload()?;
        match &self.0 {
            Held::Theirs(theirs) => {
                let answer = host::stubs::call_reference(theirs.0, method, Some(arguments));
                answer.await?.get()
            }
            Held::Mine(mine) => {
                let caller = crate::Caller::none();
                let call = Call::new(method.to_owned(), Some(arguments), caller);
                call_mine(*mine, call).await?.get()
            }
        }
    }
}

/// A function that other objects may call while this instance lives: put it into the
/// arguments or the result of a call, where it arrives as a [`Reference`]. It is
/// forgotten once nobody holds it any more. The class must be a
/// [`CallHandler`](crate::CallHandler).
///
/// ```
/// use durable_object::{Function, Payload, Reference};
///
/// # durable_object::testing::run(async |_| {
/// let double = Function::new(async |(n,): (u64,)| Ok(2 * n));
/// let sent = Payload::of(&("callback", &double))?;
/// let (_, reference): (String, Reference) = sent.get()?;
/// assert_eq!(reference.call::<u64>((21,)).await?, 42);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Function(u64);

impl Function {
    /// A function of these arguments, a tuple.
    pub fn new<A, R>(function: impl AsyncFn(A) -> Result<R> + 'static) -> Self
    where
        A: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        let function = Rc::new(function);
        Self::answering(move |call| {
            let function = function.clone();
            async move { Payload::of(&function(call.arguments()?).await?) }
        })
    }

    /// Something with methods.
    pub fn answering<F>(answers: impl Fn(Call) -> F + 'static) -> Self
    where
        F: Future<Output = Result<Payload>> + 'static,
    {
        let number = NEWEST.get() + 1;
        NEWEST.set(number);
        let answers: Answers = Rc::new(move |call| Box::pin(answers(call)));
        MINE.with_borrow_mut(|mine| mine.insert(number, answers));
        Self(number)
    }
}

impl Serialize for Function {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Reference(Held::Mine(self.0)).serialize(serializer)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = give(|beside| {
            beside.references.push(self.0.clone());
            beside.references.len() as u64 - 1
        });
        match index {
            Some(index) => Required::<u64, TAG>(index).serialize(serializer),
            None => Err(serde::ser::Error::custom(
                "a reference can only be sent to another object, not stored",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Required(index) = Required::<u64, TAG>::deserialize(deserializer)?;
        let found = take(|beside| beside.references.get(index as usize).cloned());
        found
            .map(Reference)
            .ok_or_else(|| D::Error::custom(format!("no reference {index}")))
    }
}

pub fn call_mine(mine: u64, call: Call) -> impl Future<Output = Result<Payload>> {
    let answers = MINE.with_borrow(|known| known.get(&mine).cloned());
    async move {
        match answers {
            Some(answers) => answers(call).await,
            None => Err(Error::new("The object has let go of this function.")),
        }
    }
}

pub fn release_mine(mine: u64) {
    // Dropped afterwards: it may hold another one. At the end of a thread there is none.
    let forgotten = MINE.try_with(|known| known.borrow_mut().remove(&mine));
    drop(forgotten);
}
