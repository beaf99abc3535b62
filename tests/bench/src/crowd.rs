//! What do many clients with WebSockets hear, and when?
//!
//! One thread drives all of them, and every message is compared with what was said.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Thousands of clients share this process.
const BUFFER_BYTES: usize = 1024;
const WAIT_MAX: Duration = Duration::from_secs(60);

pub struct Crowd {
    runtime: Runtime,
    sockets: Vec<WebSocketStream<TcpStream>>,
}

impl Crowd {
    /// Opens a WebSocket at each of the paths, one after the other.
    pub fn open(address: SocketAddr, paths: impl Iterator<Item = String>) -> Result<Crowd> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0);
        let sockets = runtime.block_on(async {
            let mut sockets = Vec::new();
            for path in paths {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let url = format!("ws://{address}{path}");
                let opening = client_async_with_config(url, stream, Some(config));
                let (socket, _) = within(opening)
                    .await?
                    .with_context(|| format!("no WebSocket at {path}"))?;
                sockets.push(socket);
            }
            anyhow::Ok(sockets)
        })?;
        Ok(Crowd { runtime, sockets })
    }

    /// Each says something that only it hears; one after the other. How long each waited.
    pub fn echo_each(&mut self) -> Result<Vec<Duration>> {
        let Crowd { runtime, sockets } = self;
        runtime.block_on(async {
            let mut latencies = Vec::new();
            for socket in sockets {
                let begun = Instant::now();
                say(socket, "@hello").await?;
                hear(socket, "@hello").await?;
                latencies.push(begun.elapsed());
            }
            Ok(latencies)
        })
    }

    /// The first says something again and again, each time when all have heard what it
    /// said before. How long that took, each time.
    pub fn say_to_all(&mut self, text: &str, times: usize) -> Result<Vec<Duration>> {
        let Crowd { runtime, sockets } = self;
        runtime.block_on(async {
            let mut latencies = Vec::new();
            for _ in 0..times {
                let begun = Instant::now();
                say(&mut sockets[0], text).await?;
                try_join_all(sockets.iter_mut().map(|socket| hear(socket, text))).await?;
                latencies.push(begun.elapsed());
            }
            Ok(latencies)
        })
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, text: &str) -> Result<()> {
    within(socket.send(Message::text(text))).await??;
    Ok(())
}

async fn hear(socket: &mut WebSocketStream<TcpStream>, text: &str) -> Result<()> {
    loop {
        match within(socket.next())
            .await?
            .context("a socket has ended")??
        {
            Message::Text(heard) => {
                ensure!(
                    heard.as_str() == text,
                    "heard {heard:?} instead of {text:?}"
                );
                return Ok(());
            }
            Message::Ping(_) => {}
            other => bail!("heard {other:?} instead of {text:?}"),
        }
    }
}

async fn within<T>(waiting: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(WAIT_MAX, waiting)
        .await
        .with_context(|| format!("nothing came within {WAIT_MAX:?}"))
}
