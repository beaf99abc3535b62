//! How fast could a server of objects be that does nothing but pass requests on?
//!
//! A bare hyper server. Each object is one task with a mailbox; a request goes
//! through it and back, and the answer is always `ok`. What Abide adds to that
//! (instances, storage, gates, limits) is the difference to this figure.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use dashmap::DashMap;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

const MAILBOX_EVENTS_MAX: usize = 1000;

/// The event is the wish for an answer.
type Event = oneshot::Sender<Bytes>;
type Objects = Arc<DashMap<String, mpsc::Sender<Event>>>;

pub fn serve(listen: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot bind {listen}"))?;
        let objects = Objects::default();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let objects = objects.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| answer(&objects, request));
                // A client that goes away is no event worth a word.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn answer(
    objects: &Objects,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mailbox = mailbox(objects, object_name(request.uri().path()));
    let (reply, answered) = oneshot::channel();
    let body = match mailbox.send(reply).await {
        Ok(()) => answered.await.unwrap_or_default(),
        Err(_) => Bytes::new(),
    };
    Ok(Response::new(Full::new(body)))
}

fn mailbox(objects: &Objects, name: &str) -> mpsc::Sender<Event> {
    if let Some(mailbox) = objects.get(name) {
        return mailbox.clone();
    }
    let start = || {
        let (mailbox, events) = mpsc::channel(MAILBOX_EVENTS_MAX);
        tokio::spawn(object(events));
        mailbox
    };
    objects
        .entry(name.to_string())
        .or_insert_with(start)
        .clone()
}

async fn object(mut events: mpsc::Receiver<Event>) {
    while let Some(reply) = events.recv().await {
        let _ = reply.send(Bytes::from_static(b"ok"));
    }
}

/// The class and the name: the first two segments of the path.
fn object_name(path: &str) -> &str {
    let end = path
        .match_indices('/')
        .nth(2)
        .map_or(path.len(), |(at, _)| at);
    &path[..end]
}

#[cfg(test)]
mod tests {
    //! Two names must not share one task, nor one name have two.
    use super::*;

    #[test]
    fn an_object_is_a_class_and_a_name() {
        assert_eq!(object_name("/counter/a/sql"), "/counter/a");
        assert_eq!(object_name("/echo/b"), "/echo/b");
        assert_eq!(object_name("/"), "/");
    }
}
