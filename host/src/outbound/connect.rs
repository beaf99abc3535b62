//! From a host to a connection: finds its addresses, looks at each, and connects to one
//! of those.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;
use url::{Host, Url};

use super::allowed::Allowed;
use crate::descriptors;

/// Until there is a connection, all of its host's addresses tried.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// The system asks so often whether a silent server's machine is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Each lookup holds a thread for as long as the system's resolver takes.
const LOOKUPS_MAX: usize = 32;

static LOOKUPS: Semaphore = Semaphore::const_new(LOOKUPS_MAX);
/// Connections of the whole process: each is an open file.
static CONNECTIONS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(descriptors::outbound_max())));

/// Why there is no connection.
#[derive(Debug)]
pub enum NoConnection {
    /// Each address of the host must be named by the configuration, and none is.
    NotAllowed {
        host: String,
        address: IpAddr,
    },
    Unknown(io::Error),
    TooSlow,
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl std::fmt::Display for NoConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoConnection::NotAllowed { host, address } => write!(
                f,
                "{host} leads to {address}, which is not a public address; where objects may \
                 connect to it, its own entry in outbound says so, for example {:?}",
                SocketAddr::new(*address, 8080).to_string()
            ),
            NoConnection::Unknown(error) => write!(f, "its host cannot be found: {error}"),
            NoConnection::TooSlow => {
                write!(
                    f,
                    "there was no connection within {} s",
                    CONNECT_MAX.as_secs()
                )
            }
            NoConnection::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for NoConnection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            NoConnection::Failed(error) => error.source(),
            _ => None,
        }
    }
}

/// Connects the objects of a class.
#[derive(Clone)]
pub struct Connector {
    allowed: Arc<Allowed>,
    /// Those that its class may have: half of all, so that there are some for others.
    connections: Arc<Semaphore>,
}

impl Service<Uri> for Connector {
    type Response = Socket;
    type Error = NoConnection;
    type Future = BoxFuture<'static, Result<Socket, NoConnection>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoConnection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT_MAX, connector.connect(uri)).await;
            connected.unwrap_or(Err(NoConnection::TooSlow))
        })
    }
}

impl Connector {
    pub fn new(allowed: Arc<Allowed>) -> Connector {
        Connector {
            allowed,
            connections: Arc::new(Semaphore::new(descriptors::outbound_max() / 2)),
        }
    }

    async fn connect(&self, uri: Uri) -> Result<Socket, NoConnection> {
        let url = Url::parse(&uri.to_string());
        let url = url.map_err(|error| NoConnection::Failed(error.into()))?;
        let found = addresses(&url).await?;
        let admitted = found.iter().copied();
        let admitted = admitted.filter(|it| self.allowed.admits_address(&url, it.ip()));
        let admitted: Vec<SocketAddr> = admitted.collect();
        if let (Some(first), true) = (found.first(), admitted.is_empty()) {
            return Err(NoConnection::NotAllowed {
                host: url.host_str().unwrap_or_default().into(),
                address: first.ip().to_canonical(),
            });
        }
        let of_class = self.connections.clone().acquire_owned().await;
        let of_all = CONNECTIONS.clone().acquire_owned().await;
        let (Ok(of_class), Ok(of_all)) = (of_class, of_all) else {
            return Err(NoConnection::TooSlow);
        };
        let mut connector = HttpConnector::new_with_resolver(Found(admitted));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEPALIVE));
        let stream = connector.call(uri).await;
        Ok(Socket {
            stream: stream.map_err(|error| NoConnection::Failed(error.into()))?,
            has_answered: HasAnswered::default(),
            _counted: [of_class, of_all],
        })
    }
}

async fn addresses(url: &Url) -> Result<Vec<SocketAddr>, NoConnection> {
    let name = match url.host() {
        Some(Host::Ipv4(address)) => return Ok(vec![SocketAddr::new(address.into(), 0)]),
        Some(Host::Ipv6(address)) => return Ok(vec![SocketAddr::new(address.into(), 0)]),
        Some(Host::Domain(name)) => name,
        None => "",
    };
    let _permit = LOOKUPS.acquire().await;
    let found = tokio::net::lookup_host((name, 0)).await;
    Ok(found.map_err(NoConnection::Unknown)?.collect())
}

/// Addresses that were found already.
#[derive(Clone)]
struct Found(Vec<SocketAddr>);

impl Service<Name> for Found {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(self.0.clone().into_iter()))
    }
}

/// A connection, which counts until it is closed.
pub struct Socket {
    stream: TokioIo<TcpStream>,
    has_answered: HasAnswered,
    _counted: [OwnedSemaphorePermit; 2],
}

/// Goes with a connection: whether an answer has come by it.
#[derive(Clone, Default)]
pub struct HasAnswered(Arc<AtomicBool>);

impl HasAnswered {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.has_answered.clone())
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }
}
