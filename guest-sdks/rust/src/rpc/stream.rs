//! Bytes that come piece by piece, in the arguments or the result of a call.

use super::beside::{give, take};
use crate::Body;
use ciborium::tag::Required;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;

/// The tag around the index of a stream.
const TAG: u64 = 64001;

/// A [`Body`] in the arguments or the result of a call: it arrives piece by piece, with
/// back-pressure, and whoever reads it learns whether it broke off. It can be sent once.
///
/// ```
/// use durable_object::{
///     Body, ByteStream, DurableObject, Request, Response, Result, State, testing::World,
/// };
///
/// struct Press;
///
/// impl DurableObject for Press {
///     async fn new(_: State) -> Result<Self> {
///         Ok(Press)
///     }
///
///     async fn fetch(&self, _: Request) -> Result<Response> {
///         Ok(Response::default())
///     }
/// }
///
/// #[durable_object::methods]
/// impl Press {
///     /// Gives back what it is given, in capitals and as it comes.
///     pub async fn print(&self, title: String, text: ByteStream) -> (String, ByteStream) {
///         let mut text = text.into_body();
///         let printed = Body::written_by(async move |page| {
///             while let Some(part) = text.chunk().await? {
///                 page.write(part.to_ascii_uppercase()).await?;
///             }
///             Ok(())
///         });
///         (title, printed.into())
///     }
/// }
///
/// durable_object::export!(Press: CallHandler);
///
/// # fn main() {
/// World::new()
///     .class::<Press>("press", |object| object.calls())
///     .run(async |world| {
///         let text = ByteStream::from("once upon a time");
///         let press = world.named("press", "old");
///         let (title, printed): (String, ByteStream) = press.call_method("print", ("A tale", text)).await?;
///         assert_eq!(title, "A tale");
///         assert_eq!(printed.into_body().text().await?, "ONCE UPON A TIME");
///         Ok(())
///     })
///     .unwrap();
/// # }
/// ```
#[derive(Debug)]
pub struct ByteStream(RefCell<Option<Body>>);

impl ByteStream {
    /// The bytes, to be read. Empty when the stream was sent.
    pub fn into_body(self) -> Body {
        self.0.into_inner().unwrap_or_default()
    }
}

impl<B: Into<Body>> From<B> for ByteStream {
    fn from(body: B) -> Self {
        Self(RefCell::new(Some(body.into())))
    }
}

impl Serialize for ByteStream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = give(|beside| {
            beside.streams.push(Some(self.0.take()?));
            Some(beside.streams.len() as u64 - 1)
        });
        match index {
            Some(Some(index)) => Required::<u64, TAG>(index).serialize(serializer),
            Some(None) => Err(S::Error::custom("a stream can be sent only once")),
            None => Err(S::Error::custom(
                "a stream can only be sent to another object, not stored",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for ByteStream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Required(index) = Required::<u64, TAG>::deserialize(deserializer)?;
        let found = take(|beside| beside.streams.get_mut(index as usize)?.take());
        found
            .map(Self::from)
            .ok_or_else(|| D::Error::custom(format!("no stream {index}")))
    }
}
