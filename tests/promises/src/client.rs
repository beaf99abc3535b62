//! How does a test ask a server something?

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::DEADLINE;

/// A request body: nothing, bytes, or chunks that a [`BodySender`] sends.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Protocol {
    Http1,
    /// HTTP/2 in clear text, without asking first.
    Http2,
}

/// Asks one server, over connections that it keeps. A copy shares them.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    http1: HyperClient<HttpConnector, Body>,
    http2: HyperClient<HttpConnector, Body>,
}

impl Client {
    pub fn of(address: SocketAddr) -> Client {
        let mut builder = HyperClient::builder(TokioExecutor::new());
        // A request that was sent twice would be counted twice.
        builder
            .retry_canceled_requests(false)
            .pool_timer(TokioTimer::new());
        let http1 = builder.build_http();
        let http2 = builder.http2_only(true).build_http();
        Client {
            address,
            http1,
            http2,
        }
    }
}

/// An answer that has arrived as a whole.
#[derive(Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The text of an answer that must be a success.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.text()
    }

    /// The number in an answer that must be a success.
    #[track_caller]
    pub fn number(&self) -> u64 {
        let text = self.ok();
        text.trim()
            .parse()
            .unwrap_or_else(|_| panic!("{text:?} is no number"))
    }

    /// Checks that this is the error of an object, of this kind, with such a text.
    #[track_caller]
    pub fn is_error(&self, kind: &str, text: &str) {
        assert_eq!(self.header("abide-error"), Some(kind), "{self:?}");
        assert!(self.status >= 500, "{self:?}");
        assert!(
            self.text().contains(text),
            "the text should contain {text:?}: {self:?}"
        );
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let start: String = text.chars().take(400).collect();
        write!(formatter, "{} {:?} {start:?}", self.status, self.headers)
    }
}

/// An answer of which only the head has arrived.
pub struct Stream {
    pub status: u16,
    pub headers: HeaderMap,
    body: Incoming,
}

impl Stream {
    /// The next bytes; none at the end. An error when the answer was cut off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            let next = tokio::time::timeout(DEADLINE, self.body.frame()).await;
            match next.expect("the next bytes of the answer") {
                None => return Ok(None),
                Some(Err(error)) => return Err(format!("{error:?}")),
                // HTTP/2 ends a body with an empty frame.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                    _ => {}
                },
            }
        }
    }

    /// Reads until so many bytes have come, or the end.
    pub async fn read(&mut self, count: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            match self.next().await? {
                Some(more) => bytes.extend(more),
                None => break,
            }
        }
        Ok(bytes)
    }
}

/// Sends the chunks of a request body, each when the one before is on its way.
/// The body ends when this is dropped.
pub struct BodySender(mpsc::Sender<Bytes>);

impl BodySender {
    /// Fails when nobody reads the body any more.
    pub async fn send(&mut self, chunk: impl Into<Bytes>) -> Result<(), String> {
        let sent = tokio::time::timeout(DEADLINE, self.0.send(chunk.into())).await;
        sent.expect("the server takes the request body")
            .map_err(|error| error.to_string())
    }

    /// Sends, unless the server does not take anything just now.
    pub fn try_send(&mut self, chunk: impl Into<Bytes>) -> bool {
        self.0.try_send(chunk.into()).is_ok()
    }
}

pub fn chunks() -> (BodySender, Body) {
    let (sender, receiver) = mpsc::channel(0);
    let frames = receiver.map(|chunk| Ok(Frame::data(chunk)));
    (BodySender(sender), StreamBody::new(frames).boxed_unsync())
}

pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

impl Client {
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Protocol::Http1, "GET", path, whole(""))
            .await
            .expect("an answer")
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(Protocol::Http1, "POST", path, whole(body))
            .await
            .expect("an answer")
    }

    /// Makes an object of the fixture run a statement.
    pub async fn ask_sql(&self, object: &str, statement: &str) -> Answer {
        let path = format!("/fixture/{object}/sql");
        self.post(&path, statement.to_string()).await
    }

    /// Like `post`, where the server may be gone.
    pub async fn try_post(&self, path: &str) -> Result<Answer, String> {
        self.ask(Protocol::Http1, "POST", path, whole("")).await
    }

    /// Asks as an attacker does, whom it is all the same when and what the answer is.
    pub async fn harass(&self, path: &str, body: impl Into<Bytes>) {
        let asked = self.whole_answer(Protocol::Http1, "POST", path, whole(body));
        let _ = asked.await;
    }

    pub async fn ask(
        &self,
        protocol: Protocol,
        method: &str,
        path: &str,
        body: Body,
    ) -> Result<Answer, String> {
        let asked = self.whole_answer(protocol, method, path, body);
        let answer = tokio::time::timeout(DEADLINE, asked).await;
        answer.unwrap_or_else(|_| panic!("no answer to {method} {path}"))
    }

    async fn whole_answer(
        &self,
        protocol: Protocol,
        method: &str,
        path: &str,
        body: Body,
    ) -> Result<Answer, String> {
        let response = self.send(protocol, method, path, body).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| format!("{error:?}"))?;
        Ok(Answer {
            status,
            headers,
            body: body.to_bytes(),
        })
    }

    /// Asks and gives back the head of the answer.
    pub async fn open(&self, path: &str) -> Stream {
        self.open_with(Protocol::Http1, "GET", path, whole(""))
            .await
    }

    /// Sends a body in chunks; the answer may begin before it has ended.
    pub async fn open_with_body(&self, protocol: Protocol, path: &str) -> (BodySender, Stream) {
        let (sender, body) = chunks();
        (sender, self.open_with(protocol, "POST", path, body).await)
    }

    pub async fn open_with(
        &self,
        protocol: Protocol,
        method: &str,
        path: &str,
        body: Body,
    ) -> Stream {
        let sent = tokio::time::timeout(DEADLINE, self.send(protocol, method, path, body)).await;
        let response = sent
            .unwrap_or_else(|_| panic!("no answer to {method} {path}"))
            .expect("an answer");
        Stream {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.into_body(),
        }
    }

    async fn send(
        &self,
        protocol: Protocol,
        method: &str,
        path: &str,
        body: Body,
    ) -> Result<Response<Incoming>, String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .body(body);
        let client = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        let sent = client
            .request(request.expect("a test asks for a proper path"))
            .await;
        sent.map_err(|error| format!("{error:?}"))
    }
}
