//! What an object prints, line by line in the host's log, with class and id.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::object::identity::Identity;

/// A longer line is logged in parts.
const LINE_BYTES_MAX: usize = 16 * 1024;

#[derive(Clone, Copy)]
pub enum Channel {
    Stdout,
    Stderr,
}

/// One of an instance's two output channels.
#[derive(Clone)]
pub struct GuestLog {
    object: Arc<Identity>,
    channel: Channel,
    line: Arc<Mutex<Vec<u8>>>,
}

impl GuestLog {
    pub fn new(object: Arc<Identity>, channel: Channel) -> GuestLog {
        GuestLog {
            object,
            channel,
            line: Arc::default(),
        }
    }

    fn print(&self, mut bytes: &[u8]) {
        let mut line = self.line.lock();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(&bytes[..end]);
            self.log(&mut line);
            bytes = &bytes[end + 1..];
        }
        line.extend_from_slice(bytes);
        if line.len() >= LINE_BYTES_MAX {
            self.log(&mut line);
        }
    }

    fn log(&self, line: &mut Vec<u8>) {
        for part in line.chunks(LINE_BYTES_MAX) {
            let text = String::from_utf8_lossy(part);
            let (class, id) = (&*self.object.class, self.object.id);
            let name = self.object.name();
            match self.channel {
                Channel::Stdout => tracing::info!(target: "object", class, %id, name, "{text}"),
                Channel::Stderr => tracing::warn!(target: "object", class, %id, name, "{text}"),
            }
        }
        line.clear();
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        // The last of the clones prints a line that was never ended.
        if Arc::strong_count(&self.line) == 1 {
            let mut line = std::mem::take(&mut *self.line.lock());
            self.log(&mut line);
        }
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.print(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
