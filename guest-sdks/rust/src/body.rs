//! The content of a request or response: bytes at hand, or a stream of them.

use crate::host::{self, ByteReader, ByteWriter};
use crate::{Error, Result};
use bytes::Bytes;
use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::poll_fn;
use std::pin::pin;

/// How much one read of a stream takes at most.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// The content of a request or response.
///
/// A body is either at hand or a stream. The host passes what is small and has
/// already arrived at hand; [`Body::bytes`], [`Body::text`], [`Body::json`] and
/// [`Body::chunk`] read both alike. To answer with a request's body, hand the
/// body over: it passes through without a copy.
///
/// A stream may end early, and without an error, when the other side goes away.
/// Compare with the header `content-length` where that matters.
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

#[derive(Debug, Default)]
pub(crate) enum Content {
    #[default]
    Empty,
    Bytes(Bytes),
    Stream(ByteReader),
}

impl Body {
    /// What [`Body::bytes`], [`Body::text`] and [`Body::json`] accept at most:
    /// 32 MiB, a quarter of the memory that an object has by default.
    ///
    /// ```
    /// assert_eq!(durable_object::Body::COLLECT_BYTES_MAX, 33_554_432);
    /// ```
    pub const COLLECT_BYTES_MAX: usize = 32 * 1024 * 1024;

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
    /// meanwhile. The body ends when the writer is dropped. Each write waits for
    /// the reader, so memory stays bounded.
    ///
    /// ```
    /// use durable_object::{Body, spawn};
    ///
    /// # durable_object::testing::run(async |_| {
    /// let (mut writer, body) = Body::channel();
    /// spawn(async move {
    ///     for number in 1..=3 {
    ///         if writer.write(format!("{number}\n")).await.is_err() {
    ///             break;
    ///         }
    ///     }
    /// });
    /// assert_eq!(body.text().await?, "1\n2\n3\n");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn channel() -> (BodyWriter, Self) {
        let (writer, reader) = host::pipe();
        (BodyWriter(writer), Self(Content::Stream(reader)))
    }

    /// A body from a stream of chunks, polled as the reader takes them. Runs as
    /// background work of the event, like [`spawn`](crate::spawn).
    ///
    /// ```
    /// # struct Countdown(u8);
    /// # impl futures_core::Stream for Countdown {
    /// #     type Item = String;
    /// #     fn poll_next(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>)
    /// #         -> std::task::Poll<Option<String>> {
    /// #         if self.0 == 0 { return std::task::Poll::Ready(None); }
    /// #         self.0 -= 1;
    /// #         std::task::Poll::Ready(Some(format!("{} ", self.0)))
    /// #     }
    /// # }
    /// # durable_object::testing::run(async |_| {
    /// // `Countdown` implements `Stream<Item = String>`.
    /// let body = durable_object::Body::from_stream(Countdown(3));
    /// assert_eq!(body.text().await?, "2 1 0 ");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn from_stream<S>(stream: S) -> Self
    where
        S: Stream<Item: Into<Bytes>> + 'static,
    {
        let (mut writer, body) = Self::channel();
        host::spawn(async move {
            let mut stream = pin!(stream);
            while let Some(chunk) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                if writer.write(chunk).await.is_err() {
                    return;
                }
            }
        });
        body
    }

    /// The next part of the content, never empty; none at the end. At most 64 KiB
    /// of a stream, everything of what is at hand. Waiting for a stream lets other
    /// events run.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let mut body = durable_object::Body::from("all at once");
    /// assert_eq!(body.chunk().await.unwrap(), "all at once");
    /// assert_eq!(body.chunk().await, None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn chunk(&mut self) -> Option<Bytes> {
        if let Content::Stream(reader) = &mut self.0 {
            let bytes = reader.read(CHUNK_BYTES_MAX).await?;
            return Some(bytes.into());
        }
        match std::mem::take(&mut self.0) {
            Content::Bytes(bytes) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }

    /// The whole content. Fails when it is larger than
    /// [`Body::COLLECT_BYTES_MAX`].
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

    /// The whole content. Fails, and drops the rest, when it is larger than
    /// `bytes_max`.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let error = durable_object::Body::from("too long").bytes_up_to(3).await.unwrap_err();
    /// assert_eq!(error.message(), "The body is larger than 3 bytes.");
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn bytes_up_to(mut self, bytes_max: usize) -> Result<Bytes> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await {
            if chunk.len() > bytes_max - all.len() {
                return Err(Error::new(format!(
                    "The body is larger than {bytes_max} bytes."
                )));
            }
            if matches!(self.0, Content::Empty) {
                return Ok(chunk);
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    /// The whole content as text. Fails when it is not UTF-8, or larger than
    /// [`Body::COLLECT_BYTES_MAX`].
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// assert_eq!(durable_object::Body::from("tea").text().await?, "tea");
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn text(self) -> Result<String> {
        Ok(String::from_utf8(self.bytes().await?.into())?)
    }

    /// The whole content, read as JSON. Fails when it is not the JSON of a `T`,
    /// or larger than [`Body::COLLECT_BYTES_MAX`].
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let pair: (String, u32) = durable_object::Body::from(r#"["tea", 3]"#).json().await?;
    /// assert_eq!(pair, ("tea".to_owned(), 3));
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        Ok(serde_json::from_slice(&self.bytes().await?)?)
    }
}

/// Writes the body that [`Body::channel`] gave. Dropping it ends the body.
///
/// ```
/// # durable_object::testing::run(async |_| {
/// let (writer, body) = durable_object::Body::channel();
/// drop(writer);
/// assert_eq!(body.text().await?, "");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct BodyWriter(ByteWriter);

impl BodyWriter {
    /// Writes a chunk, and waits until the reader took it. Other events run
    /// meanwhile. Fails with `The reader of the body is gone.`
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let (mut writer, body) = durable_object::Body::channel();
    /// drop(body);
    /// assert!(writer.write("nobody reads this").await.is_err());
    /// # Ok(()) }).unwrap();
    /// ```
    pub async fn write(&mut self, chunk: impl Into<Bytes>) -> Result<()> {
        let chunk = chunk.into();
        // An empty write would wait for a reader and tell it nothing.
        if chunk.is_empty() || self.0.write(chunk.into()).await {
            return Ok(());
        }
        Err(Error::new("The reader of the body is gone."))
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
