//! What clients are told while there is nothing yet to serve, for it is being built.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, REFRESH, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::build_failure::HEADER;
use super::connection::{self, Fault, Http};
use super::listen::{ACCEPT_RETRY, Listener, Role};
use crate::limits::ServerLimits;

/// Who has to wait longer for this answer finds the server itself.
const CONNECTIONS_MAX: usize = 100;

const RUNNING: HeaderValue = HeaderValue::from_static("running");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// In seconds; browsers load the page again by themselves.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

/// Answers everybody that this is being built, for as long as it is polled.
pub async fn tell(listeners: Vec<Listener>, limits: &ServerLimits, what: &str) {
    let http = connection::http(limits);
    let message: Arc<str> = Arc::from(format!("{what} is being built; ask again in a moment.\n"));
    let time = Duration::from_millis(limits.header_timeout_ms);
    let telling = listeners.iter().map(async |Listener { tcp, role }| {
        let mut told = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = tcp.accept(), if told.len() < CONNECTIONS_MAX => {
                    match accepted {
                        Ok((tcp, _)) => {
                            let held = hold(&http, tcp, role, message.clone());
                            told.push(tokio::time::timeout(time, held));
                        }
                        Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
                    }
                }
                Some(_) = told.next() => {}
            }
        }
    });
    futures::future::join_all(telling).await;
}

async fn hold(http: &Http, tcp: TcpStream, role: &Role, message: Arc<str>) -> Result<(), Fault> {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut answer = answer(&message);
        // The server itself is another one.
        if request.version() < Version::HTTP_2 {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    match role.tls() {
        Some(config) => {
            let tls = TlsAcceptor::from(config).accept(tcp).await?;
            http.serve_connection(TokioIo::new(tls), service).await
        }
        None => http.serve_connection(TokioIo::new(tcp), service).await,
    }
}

fn answer(message: &str) -> Response<String> {
    let mut response = Response::new(message.to_owned());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(HEADER, RUNNING);
    headers.insert(RETRY_AFTER, AGAIN);
    headers.insert(REFRESH, AGAIN);
    response
}
