//! Sends one request and waits for the head of its answer.
//!
//! A connection that was kept may be closed by its server in the moment in which it is
//! used again. What can be sent twice without harm goes once more then, on a connection
//! of its own; and so does anything that a server of HTTP/2 says it has not looked at.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::http::Extensions;
use hyper::rt::Executor;
use hyper::{Method, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;
use tokio::sync::OnceCell;

use super::allowed::Allowed;
use super::connect::{Connector, HasAnswered, NoConnection};
use super::hop::{Content, Hop};
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
    /// On connections that are kept for other requests.
    kept: Client,
    /// Each on a connection of its own.
    fresh: Client,
    /// The same for upgrades, which only HTTP/1.1 has.
    upgrading: Client,
}

struct Client {
    connector: Connector,
    kept_max: usize,
    has_http2: bool,
    plain: OnceLock<legacy::Client<Connector, Sent>>,
    secure: OnceCell<legacy::Client<HttpsConnector<Connector>, Sent>>,
}

/// Why there is no answer.
enum NoAnswer {
    /// A connection that had answered before has ended instead of answering.
    Closed(ObjectError),
    /// The server has done nothing with it.
    Refused(ObjectError),
    Other(ObjectError),
}

impl From<ObjectError> for NoAnswer {
    fn from(error: ObjectError) -> NoAnswer {
        NoAnswer::Other(error)
    }
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
        let connector = Connector::new(allowed);
        Clients {
            kept: Client::new(&connector, KEPT_MAX, true),
            fresh: Client::new(&connector, 0, true),
            upgrading: Client::new(&connector, 0, false),
        }
    }

    /// Sends the request; its body is spent then, if it was a stream.
    pub async fn send(&self, hop: &mut Hop) -> Result<hyper::Response<Incoming>, ObjectError> {
        let answer = match self.kept.send(hop).await {
            Err(NoAnswer::Closed(_)) if hop.method.is_idempotent() && can_be_sent_again(hop) => {
                self.fresh.send(hop).await
            }
            Err(NoAnswer::Refused(_)) if can_be_sent_again(hop) => self.fresh.send(hop).await,
            answer => answer,
        };
        answer.map_err(NoAnswer::into_error)
    }

    /// The same for a request that asks for an upgrade.
    pub async fn send_upgrade(
        &self,
        hop: &mut Hop,
    ) -> Result<hyper::Response<Incoming>, ObjectError> {
        let answer = self.upgrading.send(hop).await;
        answer.map_err(NoAnswer::into_error)
    }
}

impl NoAnswer {
    fn into_error(self) -> ObjectError {
        match self {
            NoAnswer::Closed(error) | NoAnswer::Refused(error) | NoAnswer::Other(error) => error,
        }
    }
}

impl Client {
    fn new(connector: &Connector, kept_max: usize, has_http2: bool) -> Client {
        Client {
            connector: connector.clone(),
            kept_max,
            has_http2,
            plain: OnceLock::new(),
            secure: OnceCell::new(),
        }
    }

    async fn send(&self, hop: &mut Hop) -> Result<hyper::Response<Incoming>, NoAnswer> {
        let moved_ms = Arc::new(AtomicU64::new(clock::now_ms()));
        let mut request = hyper::Request::new(Sent::take(&mut hop.content, moved_ms.clone()));
        *request.method_mut() = hop.method.clone();
        *request.uri_mut() = uri(hop)?;
        *request.headers_mut() = hop.headers.clone();
        if matches!(hop.content, Content::None) && matches!(hop.method, Method::POST | Method::PUT)
        {
            // Some servers ask for it (RFC 9110, 8.6).
            request.headers_mut().insert(CONTENT_LENGTH, 0.into());
        }
        let response = match hop.url.scheme() {
            "https" => self.secure().await?.request(request),
            _ => self.plain().request(request),
        };
        let response = tokio::select! {
            response = response => response,
            () = silence(&moved_ms) => {
                let seconds = HEAD_MS_MAX / 1_000;
                let message = format!("{} did not answer for {seconds} s", hop.origin());
                return Err(ObjectError::unavailable(message).into());
            }
        };
        let response = response.map_err(|error| {
            let said = failure(&error, hop);
            match () {
                () if is_refusal(&error) => NoAnswer::Refused(said),
                () if has_answered(&error) && is_end(&error) => NoAnswer::Closed(said),
                () => NoAnswer::Other(said),
            }
        })?;
        if let Some(connection) = response.extensions().get::<HasAnswered>() {
            connection.set();
        }
        Ok(response)
    }

    fn plain(&self) -> &legacy::Client<Connector, Sent> {
        self.plain
            .get_or_init(|| self.builder().build(self.connector.clone()))
    }

    async fn secure(
        &self,
    ) -> Result<&legacy::Client<HttpsConnector<Connector>, Sent>, ObjectError> {
        let client = self.secure.get_or_try_init(async || {
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(roots::config().await?)
                .https_only();
            let connector = match self.has_http2 {
                true => connector
                    .enable_all_versions()
                    .wrap_connector(self.connector.clone()),
                false => connector
                    .enable_http1()
                    .wrap_connector(self.connector.clone()),
            };
            Ok(self.builder().build(connector))
        });
        client.await
    }

    fn builder(&self) -> legacy::Builder {
        let mut builder = legacy::Client::builder(Workers);
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP)
            .pool_max_idle_per_host(self.kept_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEAD_BYTES_MAX as u32);
        builder
    }
}

/// Is it all there still? Whether the server may get it twice is the method's affair: it may
/// have taken it before it closed (RFC 9110, 9.2.2).
fn can_be_sent_again(hop: &Hop) -> bool {
    matches!(hop.content, Content::None | Content::Whole(_))
}

/// Has a server of HTTP/2 refused the request without a look at it (RFC 9113, 8.7)?
fn is_refusal(error: &legacy::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        }
        cause = error.source();
    }
    false
}

/// Did its connection answer other requests before?
fn has_answered(error: &legacy::Error) -> bool {
    let mut extensions = Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extensions);
    }
    let connection = extensions.get::<HasAnswered>();
    connection.is_some_and(HasAnswered::is_set)
}

/// Has the connection ended, rather than having brought nonsense?
fn is_end(error: &legacy::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_canceled() || error.is_closed())
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_io() || error.is_go_away();
        }
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
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
