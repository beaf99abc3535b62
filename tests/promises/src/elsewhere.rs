//! A server that objects may send requests to, and what it heard.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers one request for each connection, as a function of it says.
pub struct Elsewhere {
    address: SocketAddr,
    waiting: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    /// `answer` gets the request, head and body, and gives the bytes of the answer; it
    /// has none for a request that waits until its client leaves.
    pub async fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Elsewhere {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it listens");
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let waiting = Arc::<AtomicUsize>::default();
        let (answer, all, count) = (Arc::new(answer), heard.clone(), waiting.clone());
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let (answer, all, count) = (answer.clone(), all.clone(), count.clone());
                tokio::spawn(async move {
                    let Some(request) = read(&mut tcp).await else {
                        return;
                    };
                    let text = answer(&request);
                    count.fetch_add(1, Ordering::Relaxed);
                    all.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(request);
                    if text.is_empty() {
                        let _ = tcp.read_u8().await;
                    }
                    let _ = tcp.write_all(text.as_bytes()).await;
                    count.fetch_sub(1, Ordering::Relaxed);
                    if text.contains("\r\nx-keep: 1\r\n")
                        && let Some(request) = read(&mut tcp).await
                    {
                        all.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(request);
                    }
                });
            }
        });
        Elsewhere {
            address,
            waiting,
            heard,
        }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Clients that have asked and not got their answer.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// What was asked so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// An answer with a body, after which the connection closes.
pub fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Word\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

/// An answer with a body, after which the connection is kept until another request comes
/// by it, which gets no answer.
pub fn kept_answer(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nx-keep: 1\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// A whole request: its head, and what comes after it, as far as it says how much.
async fn read(tcp: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length = length.and_then(|length| length.parse().ok());
            let is_chunked = head.contains("transfer-encoding: chunked");
            let is_whole = match is_chunked {
                true => body.ends_with("0\r\n\r\n"),
                false => body.len() >= length.unwrap_or(0),
            };
            if is_whole {
                return Some(text);
            }
        }
        if tcp.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
