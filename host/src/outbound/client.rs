//! Sends one request and waits for the head of its answer.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::Uri;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;
use tokio::sync::OnceCell;

use super::allowed::Allowed;
use super::connect::{Connector, NoConnection};
use super::hop::Hop;
use super::roots;
use super::sent::Sent;
use crate::object::error::ObjectError;
use crate::{clock, workers};

/// From the last byte that the server took of a request to the head of its answer.
/// Cloudflare waits as long.
const HEAD_MS_MAX: u64 = 100_000;
/// A connection is kept so long for another request. Shorter than one waits for a
/// connection when there are as many as there may be.
const KEEP: Duration = Duration::from_secs(5);
/// Kept for one host.
const KEPT_MAX: usize = 8;
/// The head of an answer; several times what servers send.
const HEAD_BYTES_MAX: usize = 256 << 10;
const HEADERS_MAX: usize = 1_000;

/// The connections of a class, which only its own objects use: what one class may reach
/// another may not.
pub struct Clients {
    connector: Connector,
    plain: OnceLock<legacy::Client<Connector, Sent>>,
    secure: OnceCell<legacy::Client<HttpsConnector<Connector>, Sent>>,
    /// For upgrades, which only HTTP/1.1 has.
    upgrading: OnceCell<legacy::Client<HttpsConnector<Connector>, Sent>>,
}

/// Where hyper spawns what it needs.
#[derive(Clone)]
struct Workers;

impl<F> Executor<F> for Workers
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, task: F) {
        workers::spawn(task);
    }
}

impl Clients {
    pub fn new(allowed: Arc<Allowed>) -> Clients {
        Clients {
            connector: Connector::new(allowed),
            plain: OnceLock::new(),
            secure: OnceCell::new(),
            upgrading: OnceCell::new(),
        }
    }

    /// Sends the request; its body is spent then, if it was a stream.
    pub async fn send(&self, hop: &mut Hop) -> Result<hyper::Response<Incoming>, ObjectError> {
        self.send_by(hop, &self.secure).await
    }

    /// The same for a request that asks for an upgrade.
    pub async fn send_upgrade(
        &self,
        hop: &mut Hop,
    ) -> Result<hyper::Response<Incoming>, ObjectError> {
        self.send_by(hop, &self.upgrading).await
    }

    async fn send_by(
        &self,
        hop: &mut Hop,
        secure: &OnceCell<legacy::Client<HttpsConnector<Connector>, Sent>>,
    ) -> Result<hyper::Response<Incoming>, ObjectError> {
        let moved_ms = Arc::new(AtomicU64::new(clock::now_ms()));
        let mut request = hyper::Request::new(Sent::take(&mut hop.content, moved_ms.clone()));
        *request.method_mut() = hop.method.clone();
        *request.uri_mut() = uri(hop)?;
        *request.headers_mut() = hop.headers.clone();
        let response = match hop.url.scheme() {
            "https" => self.secure(secure).await?.request(request),
            _ => self.plain().request(request),
        };
        let response = tokio::select! {
            response = response => response,
            () = silence(&moved_ms) => {
                let seconds = HEAD_MS_MAX / 1_000;
                let message = format!("{} did not answer for {seconds} s", hop.origin());
                return Err(ObjectError::unavailable(message));
            }
        };
        response.map_err(|error| failure(&error, hop))
    }

    fn plain(&self) -> &legacy::Client<Connector, Sent> {
        self.plain
            .get_or_init(|| builder().build(self.connector.clone()))
    }

    async fn secure<'a>(
        &self,
        cell: &'a OnceCell<legacy::Client<HttpsConnector<Connector>, Sent>>,
    ) -> Result<&'a legacy::Client<HttpsConnector<Connector>, Sent>, ObjectError> {
        let client = cell.get_or_try_init(async || {
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(roots::config().await?)
                .https_only();
            let connector = match std::ptr::eq(cell, &self.upgrading) {
                true => connector
                    .enable_http1()
                    .wrap_connector(self.connector.clone()),
                false => connector
                    .enable_all_versions()
                    .wrap_connector(self.connector.clone()),
            };
            Ok(builder().build(connector))
        });
        client.await
    }
}

fn builder() -> legacy::Builder {
    let mut builder = legacy::Client::builder(Workers);
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEEP)
        .pool_max_idle_per_host(KEPT_MAX)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .http1_max_headers(HEADERS_MAX)
        .http2_max_header_list_size(HEAD_BYTES_MAX as u32);
    builder
}

/// Ends when the server has neither taken something nor answered for too long.
async fn silence(moved_ms: &AtomicU64) {
    loop {
        let silent_ms = clock::now_ms().saturating_sub(moved_ms.load(Ordering::Relaxed));
        match HEAD_MS_MAX.checked_sub(silent_ms) {
            Some(left_ms) if left_ms > 0 => {
                tokio::time::sleep(Duration::from_millis(left_ms)).await
            }
            _ => return,
        }
    }
}

fn uri(hop: &Hop) -> Result<Uri, ObjectError> {
    let mut url = hop.url.clone();
    url.set_fragment(None);
    url.as_str().parse().map_err(|error| {
        ObjectError::type_error(format!("the address {url} cannot be sent: {error}"))
    })
}

fn failure(error: &legacy::Error, hop: &Hop) -> ObjectError {
    let origin = hop.origin();
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<ObjectError>() {
            // The request's own body broke off.
            return error.clone();
        }
        if let Some(error) = error.downcast_ref::<NoConnection>() {
            let message = format!("{origin} cannot be reached: {}", in_full(error));
            return match error {
                NoConnection::NotAllowed { .. } => ObjectError::type_error(message),
                _ => ObjectError::unavailable(message),
            };
        }
        cause = error.source();
    }
    ObjectError::unavailable(format!("no answer of {origin}: {}", in_full(error)))
}

/// An error and its causes.
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
