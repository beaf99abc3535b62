//! The content of a request or response: bytes at hand, or a stream of them.

mod writer;

pub use writer::BodyWriter;
pub(crate) use writer::broken_off;

use crate::host::{self, ByteReader};
use crate::{Error, Result};
use bytes::Bytes;
use futures_core::Stream;
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// How much one read of a stream takes at most.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// The content of a request or response.
///
/// A body is either at hand or a stream. The host passes what is small and has
/// already arrived at hand; [`Body::bytes`], [`Body::text`], [`Body::json`],
/// [`Body::chunk`] and `Body` as a `Stream` read both alike. To answer with a
/// request's body, hand the body over: it passes through without a copy.
///
/// A stream may break off, because the other side goes away or sends more than the
/// host accepts: then what comes after the last bytes is an error.
///
/// ```
/// use durable_object::{Body, Request, Response};
///
/// async fn echo(request: Request) -> durable_object::Result<Response> {
///     Ok(Response::new(request.into_body()))
/// }
///
/// # durable_object::testing::run(async |_| {
/// let answer = echo(Request::new(Body::from("hello"))).await?;
/// assert_eq!(answer.into_body().text().await?, "hello");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Default)]
pub struct Body(pub(crate) Content);

type Reading = Pin<Box<dyn Future<Output = (Option<Vec<u8>>, ByteReader)>>>;

#[derive(Default)]
pub(crate) enum Content {
    #[default]
    Empty,
    Bytes(Bytes),
    Stream(ByteReader),
    /// A read of the stream is under way.
    Reading(Reading),
    /// All chunks were read; whether they are the whole body is not known yet.
    Ending(Pin<Box<dyn Future<Output = Result<()>>>>),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Empty => f.write_str("Empty"),
            Content::Bytes(bytes) => f.debug_tuple("Bytes").field(bytes).finish(),
            _ => f.write_str("Stream"),
        }
    }
}

impl Body {
    /// What [`Body::bytes`], [`Body::text`] and [`Body::json`] accept at most: 16 MiB,
    /// of which an object with 128 MiB of memory can hold a few at a time.
    ///
    /// ```
    /// assert_eq!(durable_object::Body::COLLECT_BYTES_MAX, 16_777_216);
    /// ```
    pub const COLLECT_BYTES_MAX: usize = 16 * 1024 * 1024;

    /// No content.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// assert!(durable_object::Body::empty().bytes().await?.is_empty());
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn empty() -> Self {
        Self(Content::Empty)
    }

    /// The JSON text of a value. Fails when the value has no JSON form, such as a
    /// map whose keys are not text.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let body = durable_object::Body::from_json(&[1, 2])?;
    /// assert_eq!(body.text().await?, "[1,2]");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn from_json(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        Ok(serde_json::to_vec(value)?.into())
    }

    /// A body that is written while it is read.
    ///
    /// Write from a [`spawn`](crate::spawn)ed future, and return the response
    /// meanwhile. The body is whole when the writer is finished; it breaks off when
    /// the writer is dropped before. Each write waits for the reader, so memory stays
    /// bounded.
    ///
    /// ```
    /// use durable_object::{Body, spawn};
    ///
    /// # durable_object::testing::run(async |_| {
    /// let (mut writer, body) = Body::channel();
    /// spawn(async move {
    ///     for number in 1..=3 {
    ///         if writer.write(format!("{number}\n")).await.is_err() {
    ///             return;
    ///         }
    ///     }
    ///     writer.finish();
    /// });
    /// assert_eq!(body.text().await?, "1\n2\n3\n");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn channel() -> (BodyWriter, Self) {
        let (writer, reader) = host::pipe();
        (BodyWriter(writer), Self(Content::Stream(reader)))
    }

    /// A body that `write` writes, as background work of the event, like
    /// [`spawn`](crate::spawn). It is whole when that succeeds, and breaks off when it
    /// fails.
    ///
    /// ```
    /// use durable_object::Body;
    ///
    /// # durable_object::testing::run(async |_| {
    /// let body = Body::written_by(async |writer| {
    ///     for number in 1..=3 {
    ///         writer.write(format!("{number}\n")).await?;
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(body.text().await?, "1\n2\n3\n");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn written_by(write: impl AsyncFnOnce(&mut BodyWriter) -> Result<()> + 'static) -> Self {
        let (mut writer, body) = Self::channel();
        host::spawn(async move {
            match write(&mut writer).await {
                Ok(()) => writer.finish(),
                Err(error) => writer.fail(error),
            }
        });
        body
    }

    /// A body from a stream of chunks, polled as the reader takes them. Runs as
    /// background work of the event, like [`spawn`](crate::spawn). An error breaks
    /// the body off.
    ///
    /// ```
    /// use durable_object::{Body, Error};
    /// use futures::stream;
    ///
    /// # durable_object::testing::run(async |_| {
    /// let whole = Body::from_stream(stream::iter([Ok::<_, Error>("2 "), Ok("1 ")]));
    /// assert_eq!(whole.text().await?, "2 1 ");
    ///
    /// let broken = Body::from_stream(stream::iter([Ok("2 "), Err("out of paper")]));
    /// assert_eq!(broken.text().await.unwrap_err().message(), "out of paper");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn from_stream<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = std::result::Result<B, E>> + 'static,
        B: Into<Bytes>,
        E: Into<Error>,
    {
        Self::written_by(async move |writer| {
            let mut stream = pin!(stream);
            while let Some(chunk) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                writer.write(chunk.map_err(Into::into)?).await?;
            }
            Ok(())
        })
    }

    /// The next part of the content, never empty; none at the end. At most 64 KiB
    /// of a stream, everything of what is at hand. Waiting for a stream lets other
    /// events run. Fails, once, when the body broke off.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let mut body = durable_object::Body::from("all at once");
    /// assert_eq!(body.chunk().await?.unwrap(), "all at once");
    /// assert_eq!(body.chunk().await?, None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
            .await
            .transpose()
    }

    /// The whole content. Fails when it broke off, and, with status 413, when it is
    /// larger than [`Body::COLLECT_BYTES_MAX`].
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let body = durable_object::Body::from(vec![1, 2, 3]);
    /// assert_eq!(body.bytes().await?, vec![1, 2, 3]);
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn bytes(self) -> Result<Bytes> {
        self.bytes_up_to(Self::COLLECT_BYTES_MAX).await
    }

    /// The whole content. Fails when it broke off, and, with status 413, when it is
    /// larger than `bytes_max`; the rest is dropped then.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let error = durable_object::Body::from("too long").bytes_up_to(3).await.unwrap_err();
    /// assert_eq!(error.message(), "The body is larger than 3 bytes.");
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn bytes_up_to(mut self, bytes_max: usize) -> Result<Bytes> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > bytes_max - all.len() {
                let message = format!("The body is larger than {bytes_max} bytes.");
                return Err(Error::status(StatusCode::PAYLOAD_TOO_LARGE, message));
            }
            if matches!(self.0, Content::Empty) {
                return Ok(chunk);
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    /// The whole content as text. Fails as [`Body::bytes`] does, and, with status 400,
    /// when it is not UTF-8.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// assert_eq!(durable_object::Body::from("tea").text().await?, "tea");
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn text(self) -> Result<String> {
        String::from_utf8(self.bytes().await?.into()).map_err(bad_request)
    }

    /// The whole content, read as JSON. Fails as [`Body::bytes`] does, and, with status
    /// 400, when it is not the JSON of a `T`.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let pair: (String, u32) = durable_object::Body::from(r#"["tea", 3]"#).json().await?;
    /// assert_eq!(pair, ("tea".to_owned(), 3));
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_slice(&self.bytes().await?).map_err(bad_request)
    }
}

fn bad_request(error: impl std::error::Error + 'static) -> Error {
    Error::from(error).with_status(StatusCode::BAD_REQUEST)
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match std::mem::take(&mut self.0) {
                Content::Empty => return Poll::Ready(None),
                Content::Bytes(bytes) if bytes.is_empty() => return Poll::Ready(None),
                Content::Bytes(bytes) => return Poll::Ready(Some(Ok(bytes))),
                Content::Stream(mut reader) => {
                    self.0 = Content::Reading(Box::pin(async move {
                        let chunk = reader.read(CHUNK_BYTES_MAX).await;
                        (chunk, reader)
                    }));
                }
                Content::Reading(mut reading) => match reading.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.0 = Content::Reading(reading);
                        return Poll::Pending;
                    }
                    Poll::Ready((Some(chunk), reader)) => {
                        self.0 = Content::Stream(reader);
                        return Poll::Ready(Some(Ok(chunk.into())));
                    }
                    Poll::Ready((None, reader)) => {
                        self.0 = Content::Ending(Box::pin(reader.end()));
                    }
                },
                Content::Ending(mut ending) => {
                    let Poll::Ready(end) = ending.as_mut().poll(cx) else {
                        self.0 = Content::Ending(ending);
                        return Poll::Pending;
                    };
                    return Poll::Ready(end.err().map(Err));
                }
            }
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Content::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}
