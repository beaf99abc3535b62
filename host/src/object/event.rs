//! What can happen to an object, and what it answers.

use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;
use tokio::sync::oneshot;

use super::body::BodyReader;
use super::error::ObjectError;

/// Something that happens to an object. Each kind has its handler in the world.
pub enum Event {
    Fetch(Request, ReplySender),
}

/// Where the answer to an event goes. A caller that is gone drops its end.
pub type ReplySender = oneshot::Sender<Reply>;
pub type Reply = Result<Response, ObjectError>;

/// Names in lower case and values, in order.
pub type Headers = Vec<(String, Vec<u8>)>;

pub struct Request {
    pub method: String,
    /// Absolute, as the client wrote it.
    pub url: String,
    pub headers: Headers,
    pub body: RequestBody,
}

pub enum RequestBody {
    Empty,
    /// All of it: small, and already here.
    Bytes(Bytes),
    Stream(BodySource),
}

/// The chunks of a request's body as they come; ends early when the client is
/// gone or sends too much.
pub type BodySource = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

pub struct Response {
    pub status: u16,
    pub headers: Headers,
    pub body: ResponseBody,
}

pub enum ResponseBody {
    Bytes(Bytes),
    Stream(BodyReader),
}

impl Event {
    /// Bytes that the event keeps in memory while it waits.
    pub fn bytes(&self) -> usize {
        match self {
            Event::Fetch(request, _) => {
                let headers = request.headers.iter();
                let body = match &request.body {
                    RequestBody::Bytes(bytes) => bytes.len(),
                    RequestBody::Empty | RequestBody::Stream(_) => 0,
                };
                request.url.len()
                    + headers
                        .map(|(name, value)| name.len() + value.len())
                        .sum::<usize>()
                    + body
            }
        }
    }

    /// Answers the event with an error.
    pub fn refuse(self, error: ObjectError) {
        match self {
            // A caller that is gone needs no answer.
            Event::Fetch(_, reply) => drop(reply.send(Err(error))),
        }
    }
}
