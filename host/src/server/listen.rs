//! Accepts connections and ends them in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::answer::{self, Asked};
use super::body::Body;
use super::connection::{self, Http, Peer};
use super::connections::{Connections, Entry};
use super::proxies::Proxies;
use super::tls::Tls;
use super::{build_failure, request, static_file, target, upgrade};
use crate::life::registry::Registry;
use crate::limits::ServerLimits;
use crate::object::event::Event;
use crate::object::log_budget::LogBudget;
use crate::outbound::assets::Assets;
use crate::router::Router;
use crate::workers;

/// How long to wait before accepting again when the system refuses, for instance
/// because too many files are open.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How often to look whether all connections have ended.
const ENDING_POLL: Duration = Duration::from_millis(5);

/// What a client is told for whom there is no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    abide-error: overloaded\r\n\
    retry-after: 1\r\n\
    content-length: 36\r\n\
    connection: close\r\n\r\n\
    this server has too many connections";

pub struct Server {
    pub registry: Arc<Registry>,
    pub router: Router,
    pub limits: ServerLimits,
    /// May clients see what objects say in their errors?
    pub shows_errors: bool,
    /// Files that come before the gateway.
    pub assets: Option<Assets>,
    pub(super) proxies: Proxies,
    /// For lines of the log that clients cause.
    pub(super) faults: Arc<LogBudget>,
}

/// A server at one of its addresses.
pub struct Serving {
    pub server: Arc<Server>,
    pub http: Http,
    pub role: Role,
}

/// What is done at an address.
pub enum Role {
    Plain,
    Tls(Arc<Tls>),
    /// Clients are sent on to this port, which speaks TLS.
    Redirect {
        port: u16,
    },
}

/// An address that is bound, and what is done there.
pub struct Listener {
    pub tcp: TcpListener,
    pub role: Role,
}

/// Binds `address`, which is what `setting` says; port 0 takes a free one.
pub async fn bind(address: &str, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another address with {setting}")
    })
}

impl Role {
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        match self {
            Role::Tls(tls) => Some(tls.current()),
            Role::Plain | Role::Redirect { .. } => None,
        }
    }
}

impl Server {
    pub fn new(
        registry: Arc<Registry>,
        router: Router,
        limits: ServerLimits,
        shows_errors: bool,
        assets: Option<Assets>,
    ) -> Server {
        Server {
            registry,
            router,
            proxies: Proxies::new(limits.trusted_proxies.clone()),
            limits,
            shows_errors,
            assets,
            faults: Arc::default(),
        }
    }

    /// Serves until `stop` ends, then lets requests end that have begun.
    pub async fn run(self, listeners: Vec<Listener>, stop: impl Future<Output = ()>) {
        let server = Arc::new(self);
        let connections = Connections::new(&server.limits);
        let accepting = listeners.into_iter().map(|listener| {
            if let Role::Tls(tls) = &listener.role {
                workers::spawn(tls.clone().renew());
            }
            let serving = Arc::new(Serving {
                server: server.clone(),
                http: connection::http(&server.limits),
                role: listener.role,
            });
            accept(listener.tcp, serving, connections.clone())
        });
        // Dropped with the listeners when it is time to stop.
        tokio::select! {
            _ = futures::future::join_all(accepting) => {}
            () = stop => {}
        }
        connections.finish();
        finish(&connections, server.limits.shutdown_grace_ms).await;
    }

    pub(super) async fn answer(
        &self,
        mut request: hyper::Request<Incoming>,
        peer: &Peer,
        entry: &Arc<Entry>,
    ) -> hyper::Response<Body> {
        let vigil = &entry.vigil;
        let exchange = vigil.begin(request.version(), request.method());
        if !vigil.unsent.has_room(1) {
            return answer::overloaded(self.shows_errors, exchange);
        }
        if let Err(refusal) = target::encode(request.uri_mut()) {
            return answer::refusal(refusal, exchange);
        }
        if let Some(assets) = &self.assets {
            let (head, body) = request.into_parts();
            let found = match request::check_message(self, &head, &body, peer) {
                Ok((_, host)) => Ok(static_file::find(assets, host, &head, &body).await),
                Err(refusal) => Err(refusal),
            };
            if !matches!(found, Ok(None)) {
                request::leave(&head.headers, body);
                return match found {
                    Ok(Some(file)) if static_file::has_room(&file, &exchange) => {
                        static_file::send(file, exchange)
                    }
                    Err(refusal) => answer::refusal(refusal, exchange),
                    Ok(_) => answer::overloaded(self.shows_errors, exchange),
                };
            }
            request = hyper::Request::from_parts(head, body);
        }
        let addressed = match request::read(self, request, peer).await {
            Ok(addressed) => addressed,
            Err(refusal) => return answer::refusal(refusal, exchange),
        };
        let exchange = match build_failure::instead_of(&addressed.about.class, exchange) {
            Ok(answer) => return answer,
            Err(exchange) => exchange,
        };
        let (sender, reply) = oneshot::channel();
        let event = Event::fetch(addressed.request, sender);
        let mut about = addressed.about;
        about.object = self.registry.send(&about.class, &about.target, event);
        let upload = addressed.upload;
        let class = about.class.clone();
        let mut answer = tokio::select! {
            biased;
            broken = upload.breaks() => {
                answer::refusal(request::broke_off(&broken, &about, &self.limits), exchange)
            }
            reply = reply => {
                let asked = Asked {
                    about,
                    upload: upload.clone(),
                    exchange,
                    shows_errors: self.shows_errors,
                    header_bytes_max: self.limits.response_header_bytes_max,
                };
                match addressed.upgrade {
                    None => answer::of(reply.ok(), asked),
                    Some(upgrade) => {
                        upgrade::answer(reply.ok(), upgrade, asked, entry, &self.limits)
                    }
                }
            }
        };
        build_failure::mark(&class, &mut answer);
        answer
    }
}

async fn accept(listener: TcpListener, serving: Arc<Serving>, connections: Arc<Connections>) {
    loop {
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                let made_room = connections.make_room();
                if let Some(0) = serving.server.faults.take(0, crate::clock::now_ms()) {
                    tracing::warn!(%error, made_room, "cannot accept a connection");
                }
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let Some(entry) = connections.admit().await else {
            refuse(&tcp, &serving.role);
            continue;
        };
        let serving = serving.clone();
        workers::spawn(async move {
            if let Err(error) = connection::hold(serving, tcp, Arc::new(entry)).await {
                tracing::debug!(%peer, error, "a connection ended with an error");
            }
        });
    }
}

/// Says why, if the client can read it; nobody waits for that.
fn refuse(tcp: &TcpStream, role: &Role) {
    if !matches!(role, Role::Tls(_)) {
        let _ = tcp.try_write(NO_ROOM);
    }
}

async fn finish(connections: &Connections, grace_ms: u64) {
    let work = connections.work();
    if work.requests > 0 {
        let (requests, connections) = (work.requests, work.connections);
        tracing::info!(
            requests,
            connections,
            grace_ms,
            "waiting for {requests} requests to end"
        );
    }
    let ended = async {
        while connections.work().connections > 0 {
            tokio::time::sleep(ENDING_POLL).await;
        }
    };
    if tokio::time::timeout(Duration::from_millis(grace_ms), ended)
        .await
        .is_err()
    {
        let requests = connections.work().requests;
        tracing::warn!(
            requests,
            grace_ms,
            "{requests} requests did not end in time and are cut off"
        );
    }
}
