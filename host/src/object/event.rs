//! What can happen to an object, and what it answers.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::body::Body;
use super::chain::{self, Chain};
use super::departure::{Departure, Fate};
use super::error::ObjectError;
use super::firing::Firing;
use super::identity::Identity;
use super::input_gate::Stamp;
use super::outgoing::Outstanding;
use super::outlet::Output;
use super::payload::Payload;
use super::references::Lent;
use super::socket::event::{Arrival, Parting};
use super::socket::line::End;

/// Something that happens to an object, and who waits for its outcome.
pub struct Event {
    pub happening: Happening,
    pub caller: Caller,
    /// The objects that wait for it; none for one from outside.
    pub chain: Chain,
}

/// Each kind has its handler in the world.
pub enum Happening {
    Fetch(Request),
    /// A method of the class, or of something that the instance has given out.
    Call(Option<Arc<Lent>>, Call),
    /// Nobody holds this number of the instance's own any more.
    Release(u64),
    Alarm(Arc<Firing>),
    /// A message on a WebSocket.
    Message(Arrival),
    /// A WebSocket has closed or failed.
    Ended(Parting),
}

/// Where the outcome of an event goes. A caller that is gone drops its end.
pub enum Caller {
    Fetch(Waiting<Response>),
    Call(Waiting<Payload>),
    Nobody,
}

/// Somebody who waits for an answer.
pub struct Waiting<T> {
    sender: ReplySender<T>,
    /// For a call of another object.
    outstanding: Option<Outstanding>,
    /// Somebody in the object wants to know when the caller leaves.
    departure: Option<Arc<Departure>>,
}

/// What a handler returned.
pub enum Outcome {
    Response(Response),
    Result(Payload),
    Nothing,
}

pub type Reply = Result<Outcome, ObjectError>;
pub type ReplySender<T> = oneshot::Sender<Result<T, ObjectError>>;

/// Names in lower case and values, in order.
pub type Headers = Vec<(String, Vec<u8>)>;

pub struct Request {
    pub method: String,
    /// Absolute, as the client wrote it; what it did not encode is encoded.
    pub url: String,
    pub headers: Headers,
    pub body: Body,
    /// The object's end of a WebSocket, if one is asked for.
    pub upgrade: Option<End>,
}

pub struct Response {
    pub status: u16,
    pub headers: Headers,
    pub body: Body,
}

/// A call of a method.
pub struct Call {
    pub method: String,
    /// None to read a property.
    pub arguments: Option<Payload>,
}

impl Event {
    pub fn fetch(request: Request, waiting: impl Into<Waiting<Response>>) -> Event {
        Event {
            happening: Happening::Fetch(request),
            caller: Caller::Fetch(waiting.into()),
            chain: Chain::default(),
        }
    }

    pub fn call(lent: Option<Arc<Lent>>, call: Call, waiting: Waiting<Payload>) -> Event {
        Event {
            happening: Happening::Call(lent, call),
            caller: Caller::Call(waiting),
            chain: Chain::default(),
        }
    }

    pub fn release(number: u64) -> Event {
        Event {
            happening: Happening::Release(number),
            caller: Caller::Nobody,
            chain: Chain::default(),
        }
    }

    /// Nobody waits for its outcome: the object tells the index how its alarm stands.
    pub fn alarm(firing: Arc<Firing>) -> Event {
        Event {
            happening: Happening::Alarm(firing),
            caller: Caller::Nobody,
            chain: Chain::default(),
        }
    }

    pub fn within(self, chain: Chain) -> Event {
        Event { chain, ..self }
    }

    /// The event, unless `object` would take it only once the event itself has its
    /// answer: then it is refused.
    pub fn unless_waited_for_by(self, object: &Identity) -> Option<Event> {
        if !self.chain.is_waited_for_by(object) {
            return Some(self);
        }
        self.refuse(chain::waits_for_itself());
        None
    }

    pub fn message(arrival: Arrival) -> Event {
        Event::of_socket(Happening::Message(arrival))
    }

    pub fn ended(parting: Parting) -> Event {
        Event::of_socket(Happening::Ended(parting))
    }

    fn of_socket(happening: Happening) -> Event {
        Event {
            happening,
            caller: Caller::Nobody,
            chain: Chain::default(),
        }
    }

    /// How many sections the object had opened when it made this event possible: those that
    /// are still open let it in. None of them does if it comes from outside.
    pub fn stamp(&self) -> Stamp {
        match &self.happening {
            Happening::Call(Some(lent), _) => lent.stamp(),
            Happening::Message(arrival) => arrival.stamp,
            Happening::Ended(parting) => parting.stamp,
            _ => Stamp::default(),
        }
    }

    /// Has the sender waited for room of its own?
    pub fn has_room(&self) -> bool {
        matches!(self.happening, Happening::Message(_) | Happening::Ended(_))
    }

    /// Bytes that the event keeps in memory while it waits.
    pub fn bytes(&self) -> usize {
        match &self.happening {
            Happening::Fetch(request) => request.bytes(),
            Happening::Call(_, call) => call.bytes(),
            Happening::Release(_) | Happening::Alarm(_) => 0,
            // They have room of their own.
            Happening::Message(_) | Happening::Ended(_) => 0,
        }
    }

    /// The event's answer when it is an error, as output of the object.
    pub fn refusal(self, error: ObjectError) -> Output {
        Output::Reply(self.caller, Err(error))
    }

    /// Answers the event with an error.
    pub fn refuse(self, error: ObjectError) {
        self.caller.tell(Err(error));
    }
}

impl<T> From<ReplySender<T>> for Waiting<T> {
    fn from(sender: ReplySender<T>) -> Waiting<T> {
        Waiting {
            sender,
            outstanding: None,
            departure: None,
        }
    }
}

impl<T> Waiting<T> {
    /// An object that waits, which keeps it awake.
    pub fn of_object(sender: ReplySender<T>, outstanding: Outstanding) -> Waiting<T> {
        Waiting {
            outstanding: Some(outstanding),
            ..sender.into()
        }
    }

    fn tell(self, reply: Result<T, ObjectError>) {
        let told = self.sender.send(reply);
        if let Some(departure) = self.departure {
            departure.decide(match told {
                Ok(()) => Fate::Answered,
                Err(_) => Fate::Gone,
            });
        }
        // Now, when the answer is there, the caller may rest.
        drop(self.outstanding);
    }
}

impl Caller {
    /// Is it another object that waits, or a gateway?
    pub fn is_object(&self) -> bool {
        match self {
            Caller::Fetch(waiting) => waiting.outstanding.is_some(),
            Caller::Call(waiting) => waiting.outstanding.is_some(),
            Caller::Nobody => false,
        }
    }

    /// Is nobody left who waits for the outcome?
    pub fn is_gone(&self) -> bool {
        match self {
            Caller::Fetch(waiting) => waiting.sender.is_closed(),
            Caller::Call(waiting) => waiting.sender.is_closed(),
            Caller::Nobody => false,
        }
    }

    /// Ready when nobody waits any more.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Caller::Fetch(waiting) => waiting.sender.poll_closed(cx),
            Caller::Call(waiting) => waiting.sender.poll_closed(cx),
            Caller::Nobody => Poll::Pending,
        }
    }

    /// From now on somebody wants to know when the caller leaves.
    pub fn watch(&mut self, by: &Arc<Departure>) {
        match self {
            Caller::Fetch(waiting) => waiting.departure = Some(by.clone()),
            Caller::Call(waiting) => waiting.departure = Some(by.clone()),
            Caller::Nobody => {}
        }
    }

    /// A caller that is gone needs no answer.
    pub fn tell(self, reply: Reply) {
        match (self, reply) {
            (Caller::Fetch(mut waiting), Ok(Outcome::Response(mut response))) => {
                if let Body::Stream(source) = response.body {
                    // The stream tells by itself when it has left.
                    response.body = Body::Stream(match waiting.departure.take() {
                        Some(departure) => departure.of_body(source),
                        None => source,
                    });
                }
                waiting.tell(Ok(response));
            }
            (Caller::Call(waiting), Ok(Outcome::Result(result))) => waiting.tell(Ok(result)),
            (Caller::Fetch(waiting), Err(error)) => waiting.tell(Err(error)),
            (Caller::Call(waiting), Err(error)) => waiting.tell(Err(error)),
            // Each kind of event has one kind of answer, and nobody needs none.
            (Caller::Fetch(_) | Caller::Call(_) | Caller::Nobody, _) => {}
        }
    }
}

impl Outcome {
    /// Bytes that the outcome keeps in memory while it waits.
    pub fn bytes(&self) -> usize {
        match self {
            Outcome::Response(response) => headers_bytes(&response.headers) + response.body.bytes(),
            Outcome::Result(payload) => payload.data.len(),
            Outcome::Nothing => 0,
        }
    }

    /// Does a part of it leave after the handler has returned?
    pub fn is_streamed(&self) -> bool {
        match self {
            Outcome::Response(response) => matches!(response.body, Body::Stream(_)),
            Outcome::Result(_) | Outcome::Nothing => false,
        }
    }
}

impl Request {
    pub fn bytes(&self) -> usize {
        self.url.len() + headers_bytes(&self.headers) + self.body.bytes()
    }
}

impl Response {
    /// The response, if a caller may have it.
    pub fn checked(self) -> Result<Response, ObjectError> {
        if (200..600).contains(&self.status) {
            return Ok(self);
        }
        let message = format!(
            "the object answered with status {}; it must be from 200 to 599",
            self.status
        );
        Err(ObjectError::exception("RangeError", message))
    }
}

impl Call {
    pub fn bytes(&self) -> usize {
        let arguments = self.arguments.as_ref();
        self.method.len() + arguments.map_or(0, |arguments| arguments.data.len())
    }
}

fn headers_bytes(headers: &Headers) -> usize {
    let sizes = headers.iter().map(|(name, value)| name.len() + value.len());
    sizes.sum()
}

impl Body {
    /// Bytes that it keeps in memory while it waits.
    fn bytes(&self) -> usize {
        match self {
            Body::Bytes(bytes) => Bytes::len(bytes),
            Body::Stream(_) => 0,
        }
    }
}
