//! The writing end of a streamed body.

use crate::host::ByteWriter;
use crate::{Error, Result};
use bytes::Bytes;

/// Writes the body that [`Body::channel`](crate::Body::channel) gave. Dropping it breaks the body off,
/// unless it was finished.
///
/// ```
/// # durable_object::testing::run(async |_| {
/// let (writer, body) = durable_object::Body::channel();
/// drop(writer);
/// assert_eq!(body.text().await.unwrap_err().message(), "The body broke off.");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct BodyWriter(pub(super) ByteWriter);

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

    /// Says that this was the whole body.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let (writer, body) = durable_object::Body::channel();
    /// writer.finish();
    /// assert_eq!(body.text().await?, "");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn finish(self) {
        self.0.finish(Ok(()));
    }

    /// Breaks the body off, with a reason. Clients see only that it is not whole.
    ///
    /// ```
    /// # durable_object::testing::run(async |_| {
    /// let (writer, body) = durable_object::Body::channel();
    /// writer.fail("out of paper");
    /// assert_eq!(body.text().await.unwrap_err().message(), "out of paper");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn fail(self, error: impl Into<Error>) {
        self.0.finish(Err(error.into()));
    }
}

/// What the reader of a body learns whose writer was dropped.
pub(crate) fn broken_off() -> Error {
    Error::new("The body broke off.")
}
