//! How is a host asked, and how does it answer?
//!
//! An event is `POST <url>/<class>/<name>/run`, or `…/id:<id>/run`, with the steps
//! as a JSON list; an answer is status 200 with a JSON list of results. When the
//! event fails the host answers with another status and a text that contains the
//! message; it may say in a header whether it was an exception or a reset. A WebSocket
//! is asked for at the same address, with the steps in the query.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tungstenite::Error;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::WebSocketConfig;

use crate::socket::Socket;

/// Longer than any promise waits.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);

/// Large values come back whole.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A host that serves the probe.
#[derive(Clone)]
pub struct Host {
    agent: ureq::Agent,
    url: String,
    /// The header that tells `exception` from `reset`, if the host has one.
    error_header: Option<String>,
    pause: Duration,
}

pub enum Address {
    Name(String),
    Id(String),
}

/// What came of asking for a WebSocket.
pub enum Opened {
    Socket(Box<Socket>),
    No(Answer),
}

/// What came back.
#[derive(Debug)]
pub enum Answer {
    Results(Vec<Value>),
    Failure {
        status: u16,
        kind: Option<String>,
        text: String,
    },
}

impl Host {
    pub fn new(url: &str, error_header: Option<String>) -> Host {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_DEADLINE))
            .build();
        Host {
            agent: config.new_agent(),
            url: url.trim_end_matches('/').into(),
            error_header,
            pause: Duration::ZERO,
        }
    }

    /// Gives objects so much time to fall asleep before each event.
    pub fn pausing(self, pause: Duration) -> Host {
        Host { pause, ..self }
    }

    pub fn pause(&self) {
        std::thread::sleep(self.pause);
    }

    /// Asks for a WebSocket; the steps run before the object accepts it.
    pub fn open(&self, class: &str, address: &Address, steps: &Value) -> Result<Opened> {
        let steps = serde_json::to_string(steps)?;
        let steps = utf8_percent_encode(&steps, UNRESERVED);
        let url = format!("{}?steps={steps}", self.address(class, address));
        let Some((authority, _)) = url
            .strip_prefix("http://")
            .and_then(|it| it.split_once('/'))
        else {
            bail!("{url} is no address in the clear");
        };
        let stream = TcpStream::connect(authority).with_context(|| format!("GET {url}"))?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let request = url.replacen("http", "ws", 1).into_client_request()?;
        match tungstenite::client::client_with_config(request, stream, Some(config)) {
            Ok((socket, _)) => Ok(Opened::Socket(Box::new(Socket::new(socket)))),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let kind = self.kind(response.headers());
                let body = response.body().as_deref().unwrap_or_default();
                Ok(Opened::No(Answer::Failure {
                    status: response.status().as_u16(),
                    kind,
                    text: String::from_utf8_lossy(body).into_owned(),
                }))
            }
            Err(error) => bail!("GET {url}: {error}"),
        }
    }

    fn address(&self, class: &str, address: &Address) -> String {
        let object = match address {
            Address::Name(name) => utf8_percent_encode(name, UNRESERVED).to_string(),
            Address::Id(id) => format!("id:{id}"),
        };
        format!("{}/{class}/{object}/run", self.url)
    }

    /// Whether it was an exception or a reset, if the host says so.
    fn kind(&self, headers: &ureq::http::HeaderMap) -> Option<String> {
        let kind = headers.get(self.error_header.as_ref()?)?;
        kind.to_str().ok().map(String::from)
    }

    pub fn run(&self, class: &str, address: &Address, steps: &Value) -> Result<Answer> {
        let url = self.address(class, address);
        let request = self.agent.post(&url).content_type("application/json");
        let mut response = request
            .send(serde_json::to_vec(steps)?)
            .with_context(|| format!("POST {url}"))?;
        let status = response.status().as_u16();
        let kind = self.kind(response.headers());
        let text = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .lossy_utf8(true)
            .read_to_string();
        let text = text.with_context(|| format!("POST {url}: reading the answer"))?;
        if status != 200 {
            return Ok(Answer::Failure { status, kind, text });
        }
        match serde_json::from_str(&text) {
            Ok(results) => Ok(Answer::Results(results)),
            Err(error) => {
                bail!("POST {url}: the answer is not a list of results ({error}): {text}")
            }
        }
    }
}
