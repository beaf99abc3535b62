//! Accepts connections, speaks HTTP on them and ends them in order.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use super::answer::{self, Body};
use super::request;
use crate::limits::ServerLimits;
use crate::object::event::Event;
use crate::registry::Registry;
use crate::router::Router;

/// A client that does not send its headers in this time is disconnected.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// hyper's own bound on a request's head: beyond `header_bytes_max`, so that most
/// clients with too much get an answer that says so.
const HEAD_BYTES_MARGIN: usize = 64 * 1024;
const HEADERS_MAX: usize = 1_000;
const HTTP2_STREAMS_MAX: u32 = 1_000;

/// How long to wait before accepting again when the system refuses, for instance
/// because too many files are open.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

type Http = auto::Builder<TokioExecutor>;

pub struct Server {
    pub registry: Arc<Registry>,
    pub router: Router,
    pub limits: ServerLimits,
    /// May clients see what objects say in their errors?
    pub shows_errors: bool,
}

/// Binds `address`; port 0 takes a free one.
pub async fn bind(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another address with --listen HOST:PORT")
    })
}

impl Server {
    /// Serves until `stop` ends, then lets requests end that have begun.
    pub async fn run(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let server = Arc::new(self);
        let http = Arc::new(server.http());
        let connections = GracefulShutdown::new();
        let (stopping, _) = watch::channel(false);
        let mut stop = std::pin::pin!(stop);
        loop {
            let (stream, peer) = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(connection) => connection,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                        continue;
                    }
                },
                () = &mut stop => break,
            };
            let conversation = Conversation {
                server: server.clone(),
                http: http.clone(),
                watcher: connections.watcher(),
                stopping: stopping.subscribe(),
            };
            tokio::spawn(async move {
                if let Err(error) = conversation.hold(stream).await {
                    tracing::debug!(%peer, error, "a connection ended with an error");
                }
            });
        }
        drop(listener);
        stopping.send_replace(true);
        let grace = Duration::from_millis(server.limits.shutdown_grace_ms);
        let ended = tokio::time::timeout(grace, connections.shutdown()).await;
        if ended.is_err() {
            tracing::warn!(
                grace_ms = server.limits.shutdown_grace_ms,
                "some requests did not end in time and are cut off"
            );
        }
    }

    fn http(&self) -> Http {
        let head_bytes_max = self.limits.header_bytes_max + HEAD_BYTES_MARGIN;
        let mut http = Http::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(head_bytes_max);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(head_bytes_max as u32)
            .max_concurrent_streams(HTTP2_STREAMS_MAX);
        http
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> hyper::Response<Body> {
        let addressed = match request::read(self, request).await {
            Ok(addressed) => addressed,
            Err(refusal) => return answer::refusal(refusal),
        };
        let (sender, reply) = oneshot::channel();
        let event = Event::Fetch(addressed.request, sender);
        self.registry
            .send(&addressed.class, &addressed.target, event);
        tokio::select! {
            biased;
            () = addressed.overrun.wait() => {
                answer::refusal(request::body_too_long(self.limits.body_bytes_max))
            }
            reply = reply => answer::of(reply.ok(), self.shows_errors, addressed.overrun),
        }
    }
}

/// One connection, from its first byte to its end.
struct Conversation {
    server: Arc<Server>,
    http: Arc<Http>,
    watcher: Watcher,
    stopping: watch::Receiver<bool>,
}

impl Conversation {
    async fn hold(mut self, stream: TcpStream) -> Result<(), answer::Fault> {
        stream.set_nodelay(true)?;
        // A connection that never says anything is not worth waiting for, neither
        // now nor when the server stops.
        tokio::select! {
            spoke = tokio::time::timeout(HEADER_READ_TIMEOUT, stream.readable()) => spoke??,
            _ = self.stopping.wait_for(|stopping| *stopping) => return Ok(()),
        }
        let server = self.server;
        let service = service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        self.watcher.watch(connection.into_owned()).await
    }
}
