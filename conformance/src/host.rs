//! How is a host asked, and how does it answer?
//!
//! An event is `POST <url>/<class>/<name>/run`, or `…/id:<id>/run`, with the steps
//! as a JSON list; an answer is status 200 with a JSON list of results. When the
//! event fails the host answers with another status and a text that contains the
//! message; it may say in a header whether it was an exception or a reset.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

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
}

pub enum Address {
    Name(String),
    Id(String),
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
        }
    }

    pub fn run(&self, class: &str, address: &Address, steps: &Value) -> Result<Answer> {
        let object = match address {
            Address::Name(name) => utf8_percent_encode(name, UNRESERVED).to_string(),
            Address::Id(id) => format!("id:{id}"),
        };
        let url = format!("{}/{class}/{object}/run", self.url);
        let request = self.agent.post(&url).content_type("application/json");
        let mut response = request
            .send(serde_json::to_vec(steps)?)
            .with_context(|| format!("POST {url}"))?;
        let status = response.status().as_u16();
        let kind = self
            .error_header
            .as_ref()
            .and_then(|header| response.headers().get(header));
        let kind = kind.and_then(|kind| kind.to_str().ok()).map(String::from);
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
