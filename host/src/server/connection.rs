//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;

use super::connections::Entry;
use super::listen::{Role, Serving};
use super::proxies::Scheme;
use super::socket::{Socket, Stream, untaken_bytes};
use super::vigil::{Order, Verdict, Vigil, now_ms};
use crate::limits::ServerLimits;
use crate::workers;

/// hyper's own bound on a request's head: beyond `header_bytes_max`, so that most
/// clients with too much get an answer that says so.
const HEAD_BYTES_MARGIN: usize = 64 * 1024;
const HEADERS_MAX: usize = 1_000;

/// What one stream of HTTP/2 may keep in its buffer of what the client did not take.
const STREAM_BUFFER_BYTES: usize = 64 * 1024;

/// The system asks so often whether a silent client's machine is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// The same for the client itself, over HTTP/2, where a half-sent frame would
/// otherwise hold up everything behind it.
const PING_EVERY: Duration = Duration::from_secs(20);

pub type Fault = Box<dyn std::error::Error + Send + Sync>;
pub type Http = auto::Builder<Workers>;

/// Where hyper spawns what it needs.
#[derive(Clone)]
pub struct Workers;

impl<F> Executor<F> for Workers
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, task: F) {
        workers::spawn(task);
    }
}

/// From whom requests come, and how.
#[derive(Clone, Copy)]
pub struct Peer {
    pub scheme: Scheme,
    /// Is it a proxy that the configuration names?
    pub is_trusted: bool,
}

/// How HTTP is spoken.
pub fn http(limits: &ServerLimits) -> Http {
    let head_bytes_max = limits.header_bytes_max + HEAD_BYTES_MARGIN;
    let mut http = Http::new(Workers);
    http.http1()
        .timer(TokioTimer::new())
        // The vigil's affair.
        .header_read_timeout(None)
        // A client that has said all it wants to say may still listen.
        .half_close(true)
        .max_headers(HEADERS_MAX)
        .max_buf_size(head_bytes_max);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(Duration::from_millis(limits.header_timeout_ms))
        .max_send_buf_size(STREAM_BUFFER_BYTES)
        .max_header_list_size(head_bytes_max as u32)
        .max_concurrent_streams(limits.streams_max);
    http
}

/// Speaks with a client until one of both ends it.
pub async fn hold(serving: Arc<Serving>, tcp: TcpStream, entry: Arc<Entry>) -> Result<(), Fault> {
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    SockRef::from(&tcp).set_tcp_keepalive(&keepalive)?;
    let is_trusted = serving.server.proxies.include(tcp.peer_addr()?.ip());
    let (stream, scheme) = match serving.role.tls() {
        Some(config) => {
            let time = Duration::from_millis(serving.server.limits.header_timeout_ms);
            let handshake = TlsAcceptor::from(config).accept(tcp);
            let tls = with_orders(&entry.vigil, tokio::time::timeout(time, handshake)).await;
            match tls {
                Some(tls) => (Stream::Tls(Box::new(tls??)), Scheme::Https),
                None => return Ok(()),
            }
        }
        None => (Stream::Plain(tcp), Scheme::Http),
    };
    let peer = Peer { scheme, is_trusted };
    let vigil = entry.vigil.clone();
    let socket = Socket::new(stream, vigil);
    let descriptor = socket.descriptor();
    let http = serving.http.clone();
    let kept = entry.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (serving, peer, entry) = (serving.clone(), peer, kept.clone());
        async move {
            let answer = match &serving.role {
                Role::Redirect { port } => super::redirect::answer(request, *port, &entry.vigil),
                _ => serving.server.answer(request, &peer, &entry).await,
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http.serve_connection_with_upgrades(TokioIo::new(socket), service);
    let connection = std::pin::pin!(connection);
    let mut watched = Watched {
        connection,
        watch: Watch::new(&entry.vigil, descriptor),
    };
    std::future::poll_fn(|cx| watched.poll(cx)).await
}

/// Waits for something that has no requests yet; none if the connection must leave.
async fn with_orders<T>(vigil: &Vigil, wait: impl Future<Output = T>) -> Option<T> {
    let mut wait = std::pin::pin!(wait);
    std::future::poll_fn(|cx| match wait.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if vigil.ordered(cx) == Order::GoOn => Poll::Pending,
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A connection of hyper, with somebody who looks whether it still makes sense.
struct Watched<'a, C> {
    connection: Pin<&'a mut C>,
    watch: Watch<'a>,
}

struct Watch<'a> {
    vigil: &'a Vigil,
    descriptor: i32,
    untaken_bytes: i32,
    is_finishing: bool,
    next_look: Pin<Box<Sleep>>,
}

impl<C: GracefulConnection<Error = Fault>> Watched<'_, C> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            if let Poll::Ready(ended) = self.connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            match self.watch.vigil.ordered(cx) {
                Order::Finish if !self.watch.is_finishing => {
                    self.watch.is_finishing = true;
                    self.watch.look_soon();
                    self.connection.as_mut().graceful_shutdown();
                    continue;
                }
                Order::Leave => return Poll::Ready(Ok(())),
                Order::GoOn | Order::Finish => {}
            }
            return match self.watch.poll_expiry(cx) {
                Poll::Ready(what) => Poll::Ready(Err(what.into())),
                Poll::Pending => Poll::Pending,
            };
        }
    }
}

impl Watch<'_> {
    fn new(vigil: &Vigil, descriptor: i32) -> Watch<'_> {
        Watch {
            vigil,
            descriptor,
            untaken_bytes: 0,
            is_finishing: false,
            next_look: Box::pin(tokio::time::sleep(vigil.look_every())),
        }
    }

    fn look_soon(&mut self) {
        let soon = Instant::now() + Duration::from_millis(50);
        self.next_look.as_mut().reset(soon);
    }

    /// Ready when the client has owed something for too long.
    fn poll_expiry(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
        while self.next_look.as_mut().poll(cx).is_ready() {
            match self.vigil.look(now_ms()) {
                Verdict::Expired(what) => return Poll::Ready(what),
                Verdict::Blocked => {
                    // It reads slowly if less lies in the system than before.
                    let untaken_bytes = untaken_bytes(self.descriptor);
                    let has_read = untaken_bytes < self.untaken_bytes;
                    self.untaken_bytes = untaken_bytes;
                    if !has_read {
                        return Poll::Ready("the client does not read");
                    }
                    self.vigil.still_reads();
                }
                Verdict::Until(_) => self.note_untaken(),
            }
            match self.is_finishing {
                true => self.look_soon(),
                false => {
                    let next = Instant::now() + self.vigil.look_every();
                    self.next_look.as_mut().reset(next);
                }
            }
        }
        Poll::Pending
    }

    /// What lies in the system at the first look after the socket was blocked is
    /// what later looks compare with.
    fn note_untaken(&mut self) {
        if self.vigil.is_blocked() {
            self.untaken_bytes = self.untaken_bytes.max(untaken_bytes(self.descriptor));
        } else {
            self.untaken_bytes = 0;
        }
    }
}
